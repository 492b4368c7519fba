"""What the pinned packages do not know yet and dicomwire needs, each with its source.

Checked against pydicom 3.0.2 (DICOM 2024c): HTJ2K (.4.201 to .4.205) and Encapsulated Uncompressed Explicit
VR Little Endian (.1.98) are in its table, so are elements with the VRs SV, UV and OV; what follows is not.
A row that a later pydicom brings makes the generator stop, so that it is removed here.
"""

from __future__ import annotations

_TRANSFER_SYNTAX = "Transfer Syntax"
_SOP_CLASS = "SOP Class"

# uid: (name, type, info, retired, keyword), the columns of PS3.6 Annex A.
UIDS: dict[str, tuple[str, str, str, bool, str]] = {
    # JPEG XL (ISO/IEC 18181-1): Supplement 232, PS3.5 section 8.2.15, PS3.6 Table A-1 since 2024d.
    "1.2.840.10008.1.2.4.110": ("JPEG XL Lossless", _TRANSFER_SYNTAX, "", False, "JPEGXLLossless"),
    "1.2.840.10008.1.2.4.111": (
        "JPEG XL JPEG Recompression",
        _TRANSFER_SYNTAX,
        "",
        False,
        "JPEGXLJPEGRecompression",
    ),
    "1.2.840.10008.1.2.4.112": ("JPEG XL", _TRANSFER_SYNTAX, "", False, "JPEGXL"),
    # Each frame deflated by itself (RFC 1951): Supplement 244, PS3.5 section 8.2.16 and A.4.13, PS3.6 since
    # 2025a.
    "1.2.840.10008.1.2.8.1": (
        "Deflated Image Frame Compression",
        _TRANSFER_SYNTAX,
        "",
        False,
        "DeflatedImageFrameCompression",
    ),
    # GE's own syntax: implicit VR little endian, but Pixel Data in big endian words.  Not in the standard;
    # named in GE's conformance statements and known to GDCM, VTK and fo-dicom.
    "1.2.840.113619.5.2": (
        "Implicit VR Little Endian with Big Endian Pixel Data",
        _TRANSFER_SYNTAX,
        "GE private",
        False,
        "GEImplicitVRLittleEndianBigEndianPixelData",
    ),
    # Storage SOP classes that highdicom 0.28.2 maps to an IOD: PS3.4 Table B.5-1 and PS3.6 Table A-1, 2024d
    # and later.
    "1.2.840.10008.5.1.4.1.1.9.100.1": (
        "Waveform Presentation State Storage",
        _SOP_CLASS,
        "",
        False,
        "WaveformPresentationStateStorage",
    ),
    "1.2.840.10008.5.1.4.1.1.9.100.2": (
        "Waveform Acquisition Presentation State Storage",
        _SOP_CLASS,
        "",
        False,
        "WaveformAcquisitionPresentationStateStorage",
    ),
    "1.2.840.10008.5.1.4.1.1.66.7": (
        "Label Map Segmentation Storage",
        _SOP_CLASS,
        "",
        False,
        "LabelMapSegmentationStorage",
    ),
    "1.2.840.10008.5.1.4.1.1.66.8": (
        "Height Map Segmentation Storage",
        _SOP_CLASS,
        "",
        False,
        "HeightMapSegmentationStorage",
    ),
}
