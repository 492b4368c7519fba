"""Stored values of all real files with pixel data, against pydicom with its plugins; codec vectors of wsidicom-data."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest

import dicomwire
from dicomwire.errors import DicomWireError, PixelError
from tests.pixel.test_compressed import compressed
from tests.support import missing

pytestmark = pytest.mark.peers

# What neither of us gives an array for: the file says too little, or is cut short.
REFUSED_BY_BOTH = {
    "MR_truncated.dcm": PixelError,  # 62 bytes are missing
    "meta_missing_tsyntax.dcm": PixelError,  # no Rows
    "nested_priv_SQ.dcm": PixelError,  # no Rows
    "JPEG2000-embedded-sequence-delimiter.dcm": PixelError,  # a made-up codestream
}
# What pydicom, with the plugins that the tests install, does not read.
OURS_ALONE = {
    "badVR.dcm": (15, 10, 10),  # Number of Frames is "1A": as many as there are
    "JPEG-lossy.dcm": (1024, 256),  # 12 bits
    "JPGExtended.dcm": (1024, 256),  # 12 bits
    "OT-PAL-8-face.dcm": (480, 640),  # no transfer syntax
}
LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")


def pixels_of_pydicom(path):
    """Its array and transfer syntax; None where there are no pixel data, an error where it gives one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(path, force=True)
            if not any(keyword in ds for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
                return None, ""
            syntax = ds.file_meta.get("TransferSyntaxUID", "")
        except Exception as error:  # noqa: BLE001 - whatever it raises is what it says of the file
            return error, ""
        try:
            return ds.pixel_array, syntax
        except Exception as error:  # noqa: BLE001
            return error, syntax


def test_stored_values_of_real_files_are_those_of_pydicom(real_files):
    if importlib.util.find_spec("imagecodecs") is None:
        missing("imagecodecs is not installed")
    counts = {"native": 0, "lossless": 0, "lossy": 0}
    refused, alone, different = {}, {}, []
    for _, path in real_files:
        theirs, syntax = pixels_of_pydicom(path)
        if theirs is None:
            continue
        try:
            ours = dicomwire.dcmread(path, force=True).pixel_array
        except DicomWireError as error:
            if isinstance(theirs, Exception):
                refused[path.name] = type(error)
            else:
                different.append(f"{path.name}: {error}")
            continue
        if isinstance(theirs, Exception):
            alone[path.name] = ours.shape
        elif ours.shape != theirs.shape or ours.dtype != theirs.dtype.newbyteorder("="):
            different.append(f"{path.name}: {ours.shape} {ours.dtype}, pydicom {theirs.shape} {theirs.dtype}")
        elif syntax in LOSSY:
            # Decoders of the DCT may round another way (ISO/IEC 10918-2), and so may their colours.
            counts["lossy"] += 1
            most = 2 if ours.ndim >= 3 and ours.shape[-1] == 3 else 1
            if np.abs(ours.astype(int) - theirs).max() > most:
                different.append(f"{path.name}: lossy values differ by more than {most}")
        else:
            counts["lossless" if pydicom.uid.UID(syntax).is_compressed else "native"] += 1
            if not np.array_equal(ours, theirs):
                different.append(f"{path.name}: {(ours != theirs).sum()} values")
    assert different == []
    assert {name: kind for name, kind in refused.items() if REFUSED_BY_BOTH.get(name) is not kind} == {}
    assert {name: shape for name, shape in alone.items() if OURS_ALONE.get(name) != shape} == {}
    assert counts["native"] > 120
    assert counts["lossless"] > 30
    assert counts["lossy"] > 15


def vectors():
    """Codestreams of wsidicom-data: folder, or None where the package is missing."""
    spec = importlib.util.find_spec("wsidicom_data")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "data" / "encoded"


SYNTAX_OF_NAME = {
    "JPEG-LS_Lossless_Image_Compression": ("1.2.840.10008.1.2.4.80", 0),
    "JPEG-LS_Lossy_(Near-Lossless)_Image_Compression": ("1.2.840.10008.1.2.4.81", 2),
    "JPEG_2000_Image_Compression": ("1.2.840.10008.1.2.4.91", 60),
    "JPEG_2000_Image_Compression_(Lossless_Only)": ("1.2.840.10008.1.2.4.90", 0),
    "JPEG_Baseline_(Process_1)": ("1.2.840.10008.1.2.4.50", 60),
    "JPEG_Extended_(Process_2_and_4)": ("1.2.840.10008.1.2.4.51", None),
    "JPEG_Lossless,_Non-Hierarchical_(Process_14)": ("1.2.840.10008.1.2.4.57", 0),
    "RLE_Lossless": ("1.2.840.10008.1.2.5", 0),
}


def test_codec_vectors_decode_to_their_source():
    """Every way of coding one picture; the uncompressed file says what it is, lossy ones come near it."""
    folder = vectors()
    if folder is None:
        missing("wsidicom-data is not installed")
    decoded = 0
    for path in sorted(folder.iterdir()):
        name, channels, bits = path.stem.rsplit("-", 2)
        if path.suffix == ".raw":
            continue
        syntax, tolerance = SYNTAX_OF_NAME[name]
        stored = int(bits)
        samples = 1 if channels == "GRAYSCALE" else 3
        side = 256
        source = (
            folder
            / f"Explicit_VR_Little_Endian-{'GRAYSCALE' if samples == 1 else 'RGB'}-{16 if stored == 12 else bits}.raw"
        )
        expected = np.frombuffer(source.read_bytes(), "<u2" if stored > 8 else "u1").astype(np.int64)
        side = int((len(expected) // samples) ** 0.5)
        expected = expected.reshape((side, side, samples) if samples > 1 else (side, side))
        if stored == 12:
            expected = expected >> 4
        photometric = "MONOCHROME2" if samples == 1 else "RGB"
        if channels == "YBR":
            # The transformation of JPEG 2000 is the codec's.
            photometric = "YBR_RCT" if "2000" in name else "YBR_FULL"
        data = compressed(
            [path.read_bytes()], expected.shape, syntax, allocated=16 if stored > 8 else 8, stored=stored,
            photometric=photometric,
        )  # fmt: skip
        found = dicomwire.dcmread(data).pixel_array.astype(np.int64)
        difference = np.abs(found - expected)
        if tolerance is None:
            assert difference.mean() < 40, path.name
        elif channels == "YBR" and "Lossless,_Non" in name:
            assert difference.max() <= 3, path.name
        else:
            assert difference.max() <= tolerance * (257 if stored == 16 and "2000" in name else 1), path.name
        decoded += 1
    assert decoded == 25
