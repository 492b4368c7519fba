"""Pixel data in another transfer syntax, in place: ``ds.compress(...)``, ``ds.decompress()`` (PS3.5 section 8.2, A.4).

Nothing of the data set is changed before all frames are encoded, or decoded.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from _dicomwire.dataset import DataElement
from _dicomwire.fragments import Fragments
from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.dictionary.uids import ExplicitVRLittleEndian
from dicomwire.errors import DicomWireError, PixelError, UnsupportedError
from dicomwire.pixel.arrays import Frames
from dicomwire.pixel.coded import jpeg_is_ybr
from dicomwire.pixel.colour import FULL, is_ybr
from dicomwire.pixel.derivation import mark_lossy, set_new_instance
from dicomwire.pixel.description import PIXEL_DATA, ImagePixel
from dicomwire.pixel.encapsulating import set_encapsulated
from dicomwire.pixel.encoders import encoder_for, native_bytes
from dicomwire.pixel.headers import read_header
from dicomwire.pixel.threads import in_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet
    from dicomwire.pixel.encoders import Encoder

    Array = NDArray[Any]

_LONGEST = 0xFFFFFFFE  # bytes of a native value (PS3.5 section 7.1.1)
_FRAMES_A_THREAD = 16  # that are decoded at a time, to be encoded ...
_MOST_DECODED = 64 << 20  # ... unless they are more bytes than that
_EXTENDED_TABLES = (0x7FE00001, 0x7FE00002)


def compress(
    data_set: DataSet,
    transfer_syntax: str,
    *,
    quality: int | None = None,
    near: int | None = None,
    psnr: float | None = None,
    step: float | None = None,
    distance: float | None = None,
    offset_table: str = "basic",
    threads: int = 1,
    generate_instance_uid: bool | None = None,
) -> None:
    """Encode a data set's pixel data in an encapsulated transfer syntax, given by its UID; native or encoded before.

    quality     of JPEG, 1 to 100, by default 90
    near        of JPEG-LS near-lossless: by how much a sample may change, by default 2; 0 is lossless
    psnr        of JPEG 2000: signal to noise in dB, by default 60
    step        of HTJ2K: quantization step as a part of the range, by default 1/512
    distance    of JPEG XL: 0 is lossless, 1, the default, is hardly seen
    offset_table    "basic", "extended" or "none", see dicomwire.pixel.encapsulating
    threads     how many encode frames side by side, without the GIL
    generate_instance_uid   a new SOP Instance UID; None where samples may have changed

    The data set is changed: Pixel Data, its description (Photometric Interpretation, Planar Configuration, Bits
    Allocated, Bits Stored and High Bit as the codec leaves them), Transfer Syntax UID; where samples may have changed
    Lossy Image Compression, its Ratio and Method, Derivation Description and Code behind earlier ones, with a new SOP
    Instance UID also Source Image Sequence, and Image Type begins with DERIVED (PS3.3 section C.7.6.1.1).
    Encoded frames are held, decoded ones a few for each thread.

    UnsupportedError for a transfer syntax, or an image in it, that nothing encodes; ValueError for another one's
    option; PixelError where there are no pixels to be had, or a codec refuses.  The data set is then as it was.
    """
    syntax = find_transfer_syntax(str(transfer_syntax))
    if syntax is None:
        raise UnsupportedError("an unknown transfer syntax", what="transfer syntax")
    if not syntax.encapsulated:
        raise UnsupportedError(f"{syntax.name} has native pixel data: decompress() makes them", what="transfer syntax")
    if offset_table not in ("basic", "extended", "none"):
        raise ValueError(f"offset_table={offset_table!r}: expected 'basic', 'extended' or 'none'")
    frames = Frames(data_set)
    image = frames.description
    if frames.encoded.element.tag != PIXEL_DATA:
        raise UnsupportedError("Float Pixel Data are native only; PS3.5 8.2", what="FloatPixelData")
    _check_overlays(data_set)
    options = {"quality": quality, "near": near, "psnr": psnr, "step": step, "distance": distance}
    is_raw, photometric = _colour_space(frames)
    if is_raw and image.down:
        raise UnsupportedError(f"{photometric} of {image.stored} bits in {image.allocated}: expected all in use; "
                               "PS3.3 C.7.6.3.1.2", what="BitsStored")  # fmt: skip
    if is_raw and syntax.family == "jpeg-xl" and syntax.lossy and distance != 0:
        is_raw, photometric = False, "RGB"
    encoder = encoder_for(syntax, image, photometric, options)
    encoded = _encoded(frames, encoder, is_raw=is_raw, threads=threads)
    ratio = len(encoded) * image.pixels * image.allocated / 8 / max(1, sum(map(len, encoded)))
    _make_icons_native(data_set, frames.encoded.transfer_syntax)
    is_multi_frame = "NumberOfFrames" in data_set or len(encoded) > 1
    set_encapsulated(data_set, encoded, str(syntax.uid), offset_table=offset_table)
    if not is_multi_frame:
        del data_set["NumberOfFrames"]
    _describe(data_set, image, encoder.allocated, encoder.stored, encoder.photometric)
    if encoder.method is not None:
        mark_lossy(data_set, ratio, encoder.method, new_instance=generate_instance_uid is not False)
    elif generate_instance_uid:
        set_new_instance(data_set)


def decompress(
    data_set: DataSet, *, as_rgb: bool = True, threads: int = 1, generate_instance_uid: bool = False
) -> None:
    """Make a data set's pixel data native, in explicit VR little endian; native ones stay as they are.

    as_rgb      Y, CB, CR become R, G, B; else Photometric Interpretation is YBR_FULL where the frames have them
    threads     how many decode frames side by side, without the GIL
    generate_instance_uid   a new SOP Instance UID

    The data set is changed: Pixel Data, its description, Transfer Syntax UID; offset tables go.  What was lost stays
    lost, and the attributes that say so stay.  All of the pixels are in memory.

    UnsupportedError where nothing decodes the frames, or more than 4 GiB come of them; else as
    `dicomwire.pixel.decode`.  The data set is then as it was.
    """
    frames = Frames(data_set)
    image = frames.description
    if not frames.encoded.is_encapsulated:
        return
    if len(frames) * image.frame_bytes > _LONGEST:
        raise UnsupportedError(
            f"native pixel data of {len(frames) * image.frame_bytes} bytes: there is no such length; PS3.5 7.1.1",
            what="PixelData",
        )
    is_raw, photometric = False, "RGB" if image.samples == 3 else image.photometric
    if not as_rgb:
        is_raw, photometric = _colour_space(frames, keep=True)
    found = frames.decode(None, raw=is_raw, threads=threads)
    count = len(frames)
    data = native_bytes(found, image)
    _make_icons_native(data_set, frames.encoded.transfer_syntax)
    for tag in _EXTENDED_TABLES:
        data_set.pop(tag, None)
    data_set[PIXEL_DATA] = DataElement(PIXEL_DATA, "OB" if image.allocated <= 8 else "OW", data)
    if count > 1 or "NumberOfFrames" in data_set:
        data_set["NumberOfFrames"] = count
    _describe(data_set, image, image.allocated, image.stored, photometric)
    data_set.file_meta["TransferSyntaxUID"] = str(ExplicitVRLittleEndian)
    if generate_instance_uid:
        set_new_instance(data_set)


def _encoded(frames: Frames, encoder: Encoder, *, is_raw: bool, threads: int) -> list[bytes]:
    """All frames, encoded; a few for each thread are decoded at a time."""
    declared, held = frames.encoded.number_of_frames, len(frames)
    if declared is not None and declared > held:
        raise PixelError(f"Number of Frames is {declared}, the pixel data hold {held}; PS3.3 C.7.6.6.1.1")
    if held == 0:
        raise PixelError("the pixel data hold no frame; PS3.5 A.4")
    encoded = [b""] * held

    def work(number: int, frame: Array) -> None:
        try:
            encoded[number] = encoder.encode(frame)
        except DicomWireError:
            raise
        except Exception as error:
            # Codecs raise what they like; their text is about the codestream.
            raise PixelError(f"frame {number} cannot be encoded: {type(error).__name__}: {error}",
                             frame=number) from error  # fmt: skip

    most = _MOST_DECODED // frames.description.frame_bytes
    step = max(1, threads, min(_FRAMES_A_THREAD * threads, most))
    for first in range(0, held, step):
        numbers = range(first, min(first + step, held))
        block = frames.decode(numbers, raw=is_raw, threads=threads)
        in_threads(list(zip(numbers, block, strict=True)), work, threads)
    return encoded


def _colour_space(frames: Frames, *, keep: bool = False) -> tuple[bool, str]:
    """Whether samples are to be taken without a conversion, and the Photometric Interpretation of what is taken then.

    Y, CB, CR stay what they are where nothing was lost in them; ``keep``: in any case.
    """
    image = frames.description
    if image.samples != 3:
        return False, image.photometric
    known = find_transfer_syntax(frames.encoded.transfer_syntax or "")
    if known is not None and known.family == "jpeg":
        coded_ybr = jpeg_is_ybr(read_header(bytes(frames.encoded[0])), image)
        return (True, "YBR_FULL") if coded_ybr and (keep or known.lossless) else (False, "RGB")
    if image.photometric in FULL:
        return True, "YBR_FULL"
    if keep and is_ybr(image):
        return True, image.photometric
    return False, "RGB"


def _describe(data_set: DataSet, image: ImagePixel, allocated: int, stored: int, photometric: str) -> None:
    """Set what the Image Pixel module says of samples, where that has changed."""
    values: dict[str, object] = {"BitsAllocated": allocated, "BitsStored": stored, "HighBit": stored - 1}
    if photometric:
        values["PhotometricInterpretation"] = photometric
    if image.samples > 1:
        values["PlanarConfiguration"] = 0
    for keyword, value in values.items():
        if data_set.get(keyword) != value:
            data_set[keyword] = value


def _check_overlays(data_set: DataSet) -> None:
    """UnsupportedError for overlays in unused bits of the pixels, which no codestream keeps (PS3.3 section C.9.2)."""
    for group in range(0x6000, 0x6020, 2):
        bit = data_set.get(group << 16 | 0x0102)
        if bit is not None and bit.value and group << 16 | 0x3000 not in data_set:
            raise UnsupportedError(f"an overlay in bit {bit.value} of the pixels would be lost; PS3.3 C.9.2",
                                   what="OverlayBitPosition")  # fmt: skip


def _make_icons_native(data_set: DataSet, syntax: str | None) -> None:
    """Decode icons that are encoded in the transfer syntax that the data set leaves (PS3.3 section F.7)."""
    for icon in cast("list[DataSet]", data_set.get("IconImageSequence") or []):
        element = icon.get(PIXEL_DATA)
        if element is None or not isinstance(element.value, Fragments):
            continue
        frames = Frames(icon, transfer_syntax=syntax)
        image = frames.description
        found = frames.decode([0])
        icon[PIXEL_DATA] = DataElement(
            PIXEL_DATA, "OB" if image.allocated <= 8 else "OW", native_bytes(np.ascontiguousarray(found), image)
        )
        _describe(icon, image, image.allocated, image.stored, "RGB" if image.samples == 3 else image.photometric)
