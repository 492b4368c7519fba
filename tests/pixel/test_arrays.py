"""Pixel data as arrays: stored values of every native encoding, views where nothing has to change, bad descriptions."""

import io
import struct
import subprocess
import sys

import numpy as np
import pydicom
import pytest

import dicomwire
from dicomwire.errors import DicomWireError, PixelError, UnsupportedError
from dicomwire.pixel import Frames, ImagePixel
from tests.builders import BIG_ENDIAN, DEFLATED, IMPLICIT, element, item, part10, sequence
from tests.hostile.reading import SANITIZED
from tests.oracles import pixels as oracle
from tests.pixel.images import native, number

FLOAT, DOUBLE = 0x7FE00008, 0x7FE00009
GE = "1.2.840.113619.5.2"
RANDOM = np.random.default_rng(7)


def random_bytes(size):
    return RANDOM.integers(0, 256, size).astype(np.uint8).tobytes()


def read(data):
    return dicomwire.dcmread(data)


def image(pixels, **options):
    """A data set whose Bits Stored, High Bit and Pixel Representation are those of all bits unless given."""
    allocated = options.get("allocated", 8)
    stored = options.setdefault("stored", allocated)
    options.setdefault("high_bit", max(stored, 1) - 1)
    options.setdefault("signed", 0)
    if options.get("samples", 1) > 1:
        options.setdefault("planar", 0)
    return native(pixels, **options)


def theirs(data):
    return pydicom.dcmread(io.BytesIO(data)).pixel_array


# ------------------------------------------------------------------------------------------------ values and shapes


@pytest.mark.peers
@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("unused", [0, 1, 3])
@pytest.mark.parametrize("frames", [1, 3])
def test_integers_are_those_of_pydicom(allocated, signed, unused, frames):
    data = image(
        random_bytes(frames * 5 * 6 * allocated // 8), frames=str(frames), rows=5, columns=6, allocated=allocated,
        stored=allocated - unused, signed=signed,
    )  # fmt: skip
    ours, expected = read(data).pixel_array, theirs(data)
    assert ours.dtype == expected.dtype
    assert ours.shape == expected.shape == ((3, 5, 6) if frames == 3 else (5, 6))
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize(
    ("allocated", "stored", "high"), [(8, 5, 6), (16, 12, 15), (16, 10, 12), (32, 20, 31), (64, 7, 40)]
)
@pytest.mark.parametrize("signed", [0, 1])
def test_values_that_end_at_any_bit(allocated, stored, high, signed):
    pixels = random_bytes(16 * allocated // 8)
    data = image(pixels, allocated=allocated, stored=stored, high_bit=high, signed=signed)
    words = [int.from_bytes(pixels[i : i + allocated // 8], "little") for i in range(0, len(pixels), allocated // 8)]
    up, down = allocated - 1 - high, allocated - stored
    expected = [oracle.stored_value(word, allocated, up, down, signed=bool(signed)) for word in words]
    assert read(data).pixel_array.ravel().tolist() == expected
    raw = read(data).decode(raw=True)
    assert raw.tobytes() == pixels


@pytest.mark.parametrize(("tag", "vr", "kind"), [(FLOAT, "OF", np.float32), (DOUBLE, "OD", np.float64)])
def test_floating_point_pixels(tag, vr, kind):
    values = RANDOM.normal(size=(2, 4, 4)).astype(kind)
    found = read(native(values.tobytes(), frames="2", tag=tag, vr=vr, allocated=8 * values.itemsize)).pixel_array
    assert found.dtype == kind
    assert np.array_equal(found, values)


def test_64_bits():
    values = RANDOM.integers(0, 1 << 64, (4, 4), dtype=np.uint64)
    assert np.array_equal(read(image(values.tobytes(), allocated=64, vr="OV")).pixel_array, values)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("frames", [1, 2])
def test_twelve_bits_packed(frames, signed):
    """5 x 5: the second frame begins in the middle of a byte."""
    pixels = random_bytes((frames * 25 * 12 + 7) // 8)
    data = image(pixels, frames=str(frames), rows=5, columns=5, allocated=12, stored=11, signed=signed)
    words = oracle.twelve(pixels, frames * 25, odd=False)
    expected = np.array([oracle.stored_value(word, 12, 1, 1, signed=bool(signed)) for word in words])
    ds = read(data)
    assert ds.pixel_array.dtype == (np.int16 if signed else np.uint16)
    assert ds.pixel_array.ravel().tolist() == expected.tolist()
    assert np.array_equal(ds.frames[-1].ravel(), expected[-25:])


@pytest.mark.peers
@pytest.mark.parametrize("frames", [1, 2, 9])
def test_single_bits_in_frames_that_begin_inside_a_byte(frames):
    data = image(random_bytes((frames * 35 + 7) // 8), frames=str(frames), rows=5, columns=7, allocated=1)
    ds, expected = read(data), theirs(data)
    assert ds.pixel_array.dtype == np.uint8
    assert np.array_equal(ds.pixel_array, expected)
    for n, frame in enumerate(ds.frames):
        assert np.array_equal(frame, expected[n] if frames > 1 else expected)
    if frames == 9:
        assert np.array_equal(ds.decode([7, 2, 3, 3, -1], threads=2), expected[[7, 2, 3, 3, -1]])


@pytest.mark.peers
@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("planar", [0, 1])
def test_colour_in_planes_and_side_by_side(allocated, frames, planar):
    data = image(
        random_bytes(frames * 4 * 6 * 3 * allocated // 8), frames=str(frames), rows=4, columns=6, allocated=allocated,
        samples=3, photometric="RGB", planar=planar,
    )  # fmt: skip
    ours, expected = read(data).pixel_array, theirs(data)
    assert ours.shape[-3:] == (4, 6, 3)
    assert ours.flags.c_contiguous
    assert np.array_equal(ours, expected)


@pytest.mark.peers
@pytest.mark.parametrize(("allocated", "vr"), [(8, "OB"), (8, "OW"), (16, "OW"), (32, "OW"), (1, "OB")])
@pytest.mark.parametrize("frames", [1, 3])
def test_big_endian(allocated, vr, frames):
    """5 x 5: bytes of frames that begin in the middle of a word change places with those of the frame before."""
    size = (frames * 25 * allocated + 7) // 8
    pixels = random_bytes(size + size % 2)
    data = native(pixels, frames=str(frames), rows=5, columns=5, allocated=allocated, vr=vr, syntax=BIG_ENDIAN)
    ds, expected = read(data), theirs(data)
    assert np.array_equal(ds.pixel_array, expected)
    assert ds.pixel_array.dtype.isnative
    for n, frame in enumerate(ds.frames):
        assert np.array_equal(frame, expected[n] if frames > 1 else expected)


def test_single_bits_in_big_endian_words():
    bits = RANDOM.integers(0, 2, 4 * 8).astype(np.uint8)
    packed = np.packbits(bits, bitorder="little").view("<u2").byteswap().tobytes()
    ds = read(native(packed, rows=4, columns=8, allocated=1, vr="OW", syntax=BIG_ENDIAN))
    assert np.array_equal(ds.pixel_array.ravel(), bits)


def test_pixels_of_ge_are_big_endian_in_a_little_endian_data_set():
    values = RANDOM.integers(0, 1 << 16, (4, 4)).astype(np.uint16)
    data = image(values.astype(">u2").tobytes(), allocated=16)
    plain = read(data)
    assert np.array_equal(plain.decode(transfer_syntax=GE), values)
    assert not np.array_equal(plain.pixel_array, values)


@pytest.mark.peers
def test_colour_differences_become_colours():
    full = image(random_bytes(2 * 48), frames="2", samples=3, photometric="YBR_FULL")
    half = image(random_bytes(2 * 32), frames="2", samples=3, photometric="YBR_FULL_422")
    planes = image(random_bytes(48), samples=3, photometric="YBR_FULL", planar=1)
    for data in (full, half, planes):
        assert np.abs(read(data).pixel_array.astype(int) - theirs(data)).max() <= 1
        decoder = pydicom.pixels.get_decoder(pydicom.uid.ExplicitVRLittleEndian)
        expected, _ = decoder.as_array(pydicom.dcmread(io.BytesIO(data)), raw=True)
        assert np.array_equal(read(data).decode(raw=True), expected)


def test_partial_range_and_16_bits():
    black_and_white = bytes([16, 235, 128, 128])
    data = image(black_and_white, rows=1, columns=2, samples=3, photometric="YBR_PARTIAL_422")
    assert read(data).pixel_array.tolist() == [[[0, 0, 0], [255, 255, 255]]]
    wide = np.array([[[0, 2048, 2048], [4095, 2048, 2048], [1000, 2048, 2148]]], dtype="<u2")
    data = image(wide.tobytes(), rows=1, columns=3, samples=3, photometric="YBR_FULL", allocated=16, stored=12)
    assert read(data).pixel_array.tolist() == [[[0, 0, 0], [4095] * 3, [1140, 929, 1000]]]


def test_an_item_has_pixels_of_its_own():
    body = native(bytes(range(16)))
    icon = body[body.index(struct.pack("<HH", 0x28, 2)) :]
    ds = read(part10(sequence(0x00880200, item(icon)) + body[body.index(struct.pack("<HH", 0x28, 2)) :]))
    assert ds.IconImageSequence[0].pixel_array.tolist() == np.arange(16).reshape(4, 4).tolist()


def test_deflated_and_implicit_data_sets(pydicom_files):
    deflated = dicomwire.dcmread(pydicom_files["image_dfl.dcm"])
    assert deflated.transfer_syntax == DEFLATED
    assert np.array_equal(deflated.pixel_array, pydicom.dcmread(pydicom_files["image_dfl.dcm"]).pixel_array)
    implicit = dicomwire.dcmread(pydicom_files["rtdose.dcm"])
    assert implicit.transfer_syntax == IMPLICIT
    assert np.array_equal(implicit.pixel_array, pydicom.dcmread(pydicom_files["rtdose.dcm"]).pixel_array)


# ---------------------------------------------------------------------------------------------- views and memory


def address(array):
    return array.__array_interface__["data"][0]


def test_what_is_encoded_as_the_array_is_a_view(tmp_path):
    pixels = random_bytes(2 * 64 * 64 * 2)
    data = image(pixels, frames="2", rows=64, columns=64, allocated=16)
    whole = np.frombuffer(data, dtype=np.uint8)
    found = read(data).pixel_array
    assert address(found) == address(whole) + data.index(pixels)
    assert not found.flags.writeable
    path = tmp_path / "image.dcm"
    path.write_bytes(image(pixels * 8, frames="16", rows=64, columns=64, allocated=16))
    ds = dicomwire.dcmread(path)
    mapped, last = ds.pixel_array, ds.frames[15]
    del ds
    assert np.array_equal(mapped[15], last)
    assert mapped.tobytes() == pixels * 8
    assert type(mapped.base.obj if isinstance(mapped.base, memoryview) else mapped.base) is not bytes


@pytest.mark.parametrize("signed", [0, 1])
def test_unused_bits_decide_whether_there_is_a_view(signed):
    values = np.arange(-8 if signed else 0, 8 if signed else 16, dtype="<i2" if signed else "<u2")
    clean = image(values.tobytes(), allocated=16, stored=12, signed=signed)
    assert not read(clean).pixel_array.flags.owndata
    dirty = image((values ^ np.array(0x4000, values.dtype)).tobytes(), allocated=16, stored=12, signed=signed)
    found = read(dirty).pixel_array
    assert found.flags.writeable
    assert found.ravel().tolist() == values.tolist()
    assert not read(dirty).decode(raw=True).flags.writeable


def test_words_that_are_not_aligned_are_copied():
    values = RANDOM.normal(size=(4, 4)).astype(np.float32)
    for shift in range(0, 4, 2):
        more = element(0x00280120, "OB", bytes(shift))
        found = read(native(values.tobytes(), tag=FLOAT, vr="OF", allocated=32, more=more)).pixel_array
        assert found.flags.aligned
        assert np.array_equal(found, values)


def test_dlpack_takes_arrays_without_a_copy():
    values = RANDOM.integers(0, 1 << 16, (4, 4)).astype("<u2")
    view = read(image(values.tobytes(), allocated=16)).pixel_array
    packed = read(image(bytes(2), allocated=1)).pixel_array
    for array in (view, packed):
        if not array.flags.writeable and np.lib.NumpyVersion(np.__version__) < "2.1.0":
            continue  # the version of the protocol that knows read-only memory came with 2.1
        taken = np.from_dlpack(array)
        assert address(taken) == address(array)
        assert np.array_equal(taken, array)


def test_out_is_filled_and_returned():
    values = RANDOM.integers(0, 1 << 16, (3, 4, 4)).astype("<u2")
    ds = read(image(values.tobytes(), frames="3", allocated=16))
    out = np.zeros((3, 4, 4), dtype=np.uint16)
    assert ds.decode(out=out) is out
    assert np.array_equal(out, values)
    one = np.zeros((4, 4), dtype=np.uint16)
    assert ds.decode(1, out=one) is one
    assert np.array_equal(one, values[1])
    memory = bytearray(2 * 32)
    found = ds.decode(slice(None, None, -2), out=memory)
    assert found.shape == (2, 4, 4)
    assert memory == values[::-2].tobytes()


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((4, 4), np.uint16), np.zeros((3, 4, 4), np.int16), np.zeros((3, 4, 8), np.uint16)[:, :, ::2],
        bytearray(95), bytes(96), np.broadcast_to(np.zeros((4, 4), np.uint16), (3, 4, 4)),
    ],
)  # fmt: skip
def test_out_that_does_not_fit_is_refused(out):
    ds = read(image(bytes(96), frames="3", allocated=16))
    with pytest.raises(ValueError, match="out: expected"):
        ds.decode(out=out)


# ------------------------------------------------------------------------------------------------------- frames


def test_frames_by_number_slice_and_iteration():
    values = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4)
    frames = read(image(values.tobytes(), frames="5")).frames
    assert isinstance(frames, Frames)
    assert (len(frames), frames.shape, frames.dtype) == (5, (4, 4), np.uint8)
    assert np.array_equal(frames[-1], values[4])
    assert np.array_equal(frames[1:3], values[1:3])
    assert np.array_equal(frames[::-2], values[::-2])
    assert frames[5:].shape == (0, 4, 4)
    assert np.array_equal(list(frames), values)
    assert np.array_equal(frames.decode([3, 3, 0]), values[[3, 3, 0]])
    assert np.array_equal(frames.decode(np.int64(2)), values[2])
    assert frames.decode([2]).shape == (1, 4, 4)
    encoded = frames.encoded[3]
    assert encoded.length == 16
    for outside in (5, -6):
        with pytest.raises(IndexError, match="there are 5 frames"):
            frames[outside]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_make_no_difference(threads):
    values = RANDOM.integers(0, 256, (37, 6, 4, 3)).astype(np.uint8)
    data = image(values.tobytes(), frames="37", rows=6, samples=3, photometric="YBR_FULL")
    once = read(data).decode()
    assert np.array_equal(read(data).decode(threads=threads), once)
    order = RANDOM.permutation(37)
    assert np.array_equal(read(data).decode(order, threads=threads), once[order])


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="threads=0"):
        read(image(bytes(32), frames="2", allocated=8, samples=1, signed=1, stored=7)).decode([1, 0], threads=0)


# -------------------------------------------------------------------------------------------- bad descriptions


def with_rows(vr, value):
    data = native(bytes(16))
    return data.replace(number(0x00280010, 4), element(0x00280010, vr, value))


@pytest.mark.parametrize(
    "data",
    [
        with_rows("US", struct.pack("<H", 0)),
        with_rows("UL", struct.pack("<I", 1 << 31)),
        with_rows("UL", struct.pack("<I", 0xFFFFFFFF)),
        with_rows("US", b""),
        with_rows("US", struct.pack("<2H", 4, 4)),
        with_rows("DS", b"4.0 "),
        native(bytes(16), rows=65535, columns=65535, frames="2147483647", allocated=64, samples=65535),
        native(bytes(16), columns=0),
        native(bytes(16), samples=0),
        image(bytes(16), signed=7),
        image(bytes(48), samples=3, photometric="RGB", planar=2),
        image(bytes(16), stored=0),
        native(bytes(16), allocated=0),
        native(bytes(15), rows=4, columns=4),
        native(b""),
    ],
)
def test_a_description_of_no_image_is_refused(data):
    """Rows 27 to 29 of the kinds of malformed input: no such array is allocated."""
    with pytest.raises(PixelError):
        _ = read(data).pixel_array


@pytest.mark.parametrize("allocated", [2, 9, 24, 40, 128, 65535])
def test_other_numbers_of_bits_are_not_supported(allocated):
    with pytest.raises(UnsupportedError, match=f"Bits Allocated is {allocated}"):
        _ = read(native(bytes(16 * (allocated // 8 + 1)), allocated=allocated)).pixel_array


def test_contradicting_bits_are_reported_and_refused_strictly():
    for stored, high in ((17, 16), (12, 3), (12, 16)):
        data = image(bytes(range(32)), allocated=16, stored=stored, high_bit=high)
        frames = read(data).frames
        assert {deviation.kind for deviation in frames.deviations} == {"image_pixel"}
        assert frames[0].dtype == np.uint16
        with pytest.raises(PixelError, match="taken"):
            ImagePixel(read(data), policy="strict")
        with pytest.raises(PixelError):
            read(data).decode(policy="strict")
        assert Frames(read(data), policy="ignore").deviations == []


def test_missing_bits_follow_from_the_others():
    frames = read(native(bytes(range(16)))).frames
    assert frames.description.stored == 8
    assert [deviation.kind for deviation in frames.deviations] == ["image_pixel"]


@pytest.mark.parametrize("fill", [0, 200])
@pytest.mark.parametrize("length", [0, 1, 15, 16, 20, 25, 31])
def test_missing_pixels_are_refused_or_filled(length, fill):
    values = bytes(range(1, length + 1))
    data = image(values, frames="2", stored=7)
    with pytest.raises(PixelError, match=r"need|hold"):
        _ = read(data).pixel_array
    if not length:
        return
    found = read(data).decode(fill=fill)
    whole = length // 4 * 4
    assert found.ravel().tolist() == list(values[:whole]) + [fill] * (32 - whole)
    assert found.shape == (2, 4, 4)


@pytest.mark.parametrize("text", ["-3", "", "2147483648", "0", "x", "1\\2"])
def test_numbers_of_frames_that_say_nothing(text):
    """Row 30: the data tell."""
    frames = read(image(bytes(range(48)), frames=text)).frames
    assert len(frames) == 3
    assert "frame_count" in [deviation.kind for deviation in frames.deviations] or not text
    assert frames.decode().shape == (3, 4, 4)


@pytest.mark.parametrize("text", ["1e9", "1000000000"])
def test_numbers_of_frames_that_nothing_bears_out(text):
    frames = read(image(bytes(range(48)), frames=text)).frames
    assert len(frames) == 3
    for fill in (None, 0):
        with pytest.raises(PixelError, match="is 1000000000, the pixel data hold 3"):
            frames.decode(fill=fill)


def test_more_pixels_than_declared_are_reported():
    frames = read(image(bytes(range(20)))).frames
    assert [deviation.kind for deviation in frames.deviations] == ["frame_count"]
    assert frames[0].ravel().tolist() == list(range(16))


def test_odd_columns_cannot_share_colour_differences():
    with pytest.raises(PixelError, match="5 columns"):
        _ = read(image(bytes(20), rows=2, columns=5, samples=3, photometric="YBR_FULL_422")).pixel_array


def test_without_pixel_data():
    with pytest.raises(PixelError, match="no pixel data"):
        _ = read(part10(number(0x00280010, 4))).pixel_array
    with pytest.raises(DicomWireError):
        _ = read(part10(number(0x00280010, 4))).frames


# ------------------------------------------------------------------------------------------------ import and memory


def test_numpy_is_imported_with_the_first_array_and_not_for_encoded_frames():
    program = """
import sys, dicomwire
from tests.pixel.images import native
data = native(bytes(16))
bytes(dicomwire.FrameReader(data)[0])
assert "numpy" not in sys.modules
dicomwire.dcmread(data).pixel_array
assert "numpy" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes its share of memory")
def test_one_frame_of_many_is_read_alone(tmp_path):
    """The file is a hole of 2 GB; a frame of it costs its own bytes."""
    if sys.platform != "linux":
        pytest.skip("memory is read from /proc/self/status")
    head = image(b"", frames="4000", rows=512, columns=512, allocated=16)
    head = head[:-4] + struct.pack("<I", 4000 * 524288)
    path = tmp_path / "long.dcm"
    with open(path, "wb") as file:
        file.write(head)
        file.seek(2000 * 524288, io.SEEK_CUR)
        file.write(b"\x07\0" * 262144)
        file.truncate(len(head) + 4000 * 524288)
    program = f"""
import dicomwire, numpy
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
frame = dicomwire.dcmread({str(path)!r}).frames[2000]
assert int(frame.sum()) == 7 * 262144, frame
assert peak() - before < 8 << 10, peak() - before
"""
    subprocess.run([sys.executable, "-c", program], check=True)
