"""Any file gives arrays of the described shape or one of our errors, the same ones frame by frame and into memory."""

import numpy as np

from dicomwire import dcmread
from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.errors import DicomWireError
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, exact
from tests.hostile.reading import POLICIES
from tests.pixel.images import RLE, encapsulated, native, optional

MOST = 1 << 20  # bytes of the array; a longer one only costs time
OURS = ("rle", "deflate", "uncompressed")
RLE_FRAME = b"\1\0\0\0\x40\0\0\0" + bytes(56)


def run(data: bytes) -> None:
    """First byte: policy and raw; then a file."""
    if not data:
        return
    raw = bool(data[0] & 4)
    try:
        frames = dcmread(exact(data[1:])).frames  # type: ignore[arg-type]
        policy = POLICIES[data[0] % 3]
        known = find_transfer_syntax(frames.encoded.transfer_syntax or "")
        if frames.encoded.is_encapsulated and (known is None or known.family not in OURS):
            return  # other people's decoders have other people's fuzzers
        count = len(frames)
        if count * frames.description.frame_bytes > MOST or count > 64:
            return
        whole = dcmread(data[1:]).decode(slice(None), raw=raw, policy=policy)
        assert whole.shape == (count, *frames.shape)
        assert whole.dtype == frames.dtype
        out = np.full(whole.shape, 1, dtype=whole.dtype)
        assert frames.decode(range(count), out=out, raw=raw) is out
        assert out.tobytes() == whole.tobytes()
        for number in {0, count - 1} if count else ():
            assert frames.decode(number, raw=raw).tobytes() == whole[number].tobytes()
        filled = frames.decode(raw=raw, fill=1)
        assert filled.shape[-len(frames.shape) :] == frames.shape
    except DicomWireError:
        pass


def starts() -> list[bytes]:
    """Native files of every layout, and RLE."""
    files = [
        native(bytes(range(200)), frames="2", rows=3, columns=4, allocated=bits, stored=bits - used, signed=signed)
        for bits in (1, 8, 12, 16, 32, 64)
        for used in ((0, 3) if bits > 3 else (0,))
        for signed in (0, 1)
    ]
    files += [
        native(bytes(range(144)), rows=4, columns=4, samples=3, photometric=photometric, planar=planar, allocated=bits)
        for photometric in ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422")
        for planar in (0, 1)
        for bits in (8, 16)
    ]
    describe = b"".join(optional(tag, value) for tag, value in (
        (0x00280010, 4), (0x00280011, 4), (0x00280100, 8), (0x00280101, 8), (0x00280102, 7),
        (0x00280103, 0)))  # fmt: skip
    rle = encapsulated([RLE_FRAME + b"\xf1\7", RLE_FRAME + b"\x0f" + bytes(range(16)) + b"\0"], syntax=RLE, frames="2")
    mark = rle.index(b"\xe0\x7f\x10\0OB")
    files.append(rle[:mark] + describe + rle[mark:])
    return [bytes([setup]) + file for file in files for setup in (0, 4)] + [b"\0" + file for file in seeds.files()]


WORDS = (*seeds.TRICKY, b"\x28\0\0\1US\2\0", b"\x28\0\1\1US\2\0", b"\x28\0\2\0US\2\0", b"YBR_FULL_422")
HARNESS = Harness("pixels", starts, run, WORDS, 1024)
