"""Compressed frames: what codecs give becomes what the data set describes, or one of our errors."""

import io
import struct
import sys
import zlib

import numpy as np
import pydicom
import pytest

import dicomwire
from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.pixel import codecs
from dicomwire.pixel.compressed import inflate
from dicomwire.pixel.headers import read_header
from dicomwire.pixel.rle import decode_frames, encode_frame
from tests.builders import PIXEL_DATA, UNDEFINED, element, item, part10, sequence, sequence_end
from tests.pixel.images import JPEG, MPEG2, RLE, frames_text, number
from tests.support import missing

EXTENDED, LOSSLESS, JPEG_LS, NEAR = (f"1.2.840.10008.1.2.4.{n}" for n in (51, 70, 80, 81))
J2K_LOSSLESS, J2K, HTJ2K, JPEG_XL = (f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 110))
UNCOMPRESSED, DEFLATED_FRAMES = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"
RANDOM = np.random.default_rng(9)


def compressed(
    frames, shape, syntax, *, allocated=8, stored=None, signed=0, photometric=None, declared=None, planar=0,
):  # fmt: skip
    """A file with a fragment for each frame; ``shape``: what Rows, Columns and Samples per Pixel say."""
    samples = shape[2] if len(shape) == 3 else 1
    photometric = photometric or ("RGB" if samples == 3 else "MONOCHROME2")
    stored = stored or allocated
    data = (
        number(0x00280002, samples)
        + element(0x00280004, "CS", photometric.encode() + b" " * (len(photometric) % 2))
        + (number(0x00280006, planar) if samples > 1 else b"")
        + frames_text(str(declared or len(frames)))
        + number(0x00280010, shape[0])
        + number(0x00280011, shape[1])
        + number(0x00280100, allocated)
        + number(0x00280101, stored)
        + number(0x00280102, stored - 1)
        + number(0x00280103, signed)
    )
    padded = [frame + b"\0" * (len(frame) % 2) for frame in frames]
    data += element(PIXEL_DATA, "OB", length=UNDEFINED) + item(b"") + b"".join(map(item, padded)) + sequence_end()
    return part10(data, syntax)


def read(data):
    return dicomwire.dcmread(data)


@pytest.fixture
def imagecodecs():
    try:
        import imagecodecs
    except ImportError:
        missing("imagecodecs is not installed: pip install dicomwire[codecs]")
    return imagecodecs


def smooth(shape, bits=8):
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    image = ((np.sin(x / 5) + np.cos(y / 7) + 2) / 4 * ((1 << bits) - 1)).astype(np.uint16 if bits > 8 else np.uint8)
    return image if len(shape) == 2 else np.stack([image, image[::-1], image[:, ::-1]], axis=-1)


# ------------------------------------------------------------------------------------------------------------ RLE


@pytest.mark.peers
@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("samples", [1, 3])
def test_rle_is_decoded_as_by_pydicom(allocated, samples):
    shape = (11, 13) if samples == 1 else (11, 13, 3)
    values = RANDOM.integers(0, 1 << allocated, (3, *shape), dtype=np.uint32).astype(f"u{allocated // 8}")
    values[:, 3:6] = 5
    data = compressed([encode_frame(frame) for frame in values], shape, RLE, allocated=allocated)
    ds = read(data)
    assert np.array_equal(ds.pixel_array, values)
    assert np.array_equal(pydicom.dcmread(io.BytesIO(data)).pixel_array, values)
    assert np.array_equal(ds.decode([2, 0], threads=2), values[[2, 0]])


@pytest.mark.peers
def test_rle_of_pydicom_is_decoded():
    from pydicom.pixels.encoders import RLELosslessEncoder

    for shape in ((7, 300), (5, 9, 3)):
        values = smooth(shape)
        ds = pydicom.dcmread(io.BytesIO(compressed([b"\0\0"], shape, RLE)))
        ds.PlanarConfiguration = 0
        encoded = RLELosslessEncoder.encode(values, rows=shape[0], columns=shape[1],
                                            samples_per_pixel=len(shape) * 2 - 3,
                                            bits_allocated=8, bits_stored=8, pixel_representation=0, number_of_frames=1,
                                            photometric_interpretation="RGB" if len(shape) == 3 else "MONOCHROME2",
                                            planar_configuration=0, encoding_plugin="pydicom")  # fmt: skip
        assert np.array_equal(read(compressed([encoded], shape, RLE)).pixel_array, values)


def rle_header(count, *offsets):
    return struct.pack("<16I", count, *offsets, *[0] * (15 - len(offsets)))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        rle_header(1, 64)[:63],
        rle_header(0) + b"\xf1\0",
        rle_header(16, 64) + b"\xf1\0",
        rle_header(0xFFFFFFFF, 64) + b"\xf1\0",
        rle_header(2, 64, 66) + b"\xf1\0\xf1\0",
        rle_header(1, 63) + b"\xf1\0",
        rle_header(1, 67) + b"\xf1\0",
        rle_header(1, 0xFFFFFFFF) + b"\xf1\0",
        rle_header(1, 64) + b"\xf2\0",
        rle_header(1, 64) + b"\x0f" + bytes(15),
        rle_header(1, 64) + b"\x80" * 100,
        rle_header(1, 64) + b"\x80\xf1",
    ],
)
def test_damaged_rle_is_refused(frame):
    """Row 34 of the kinds of malformed input."""
    with pytest.raises(PixelError):
        _ = read(compressed([frame], (4, 4), RLE)).pixel_array


def test_rle_runs_over_the_end_of_row_and_frame_are_cut_off():
    frame = rle_header(1, 64) + b"\x80\xf8\7\xe0\1\x80"
    assert read(compressed([frame], (4, 4), RLE)).pixel_array.ravel().tolist() == [7] * 9 + [1] * 7


def test_rle_without_room_for_segments():
    with pytest.raises(PixelError, match="24 RLE segments"):
        _ = read(compressed([rle_header(15, 64)], (4, 4, 3), RLE, allocated=64)).pixel_array
    with pytest.raises(PixelError, match="no RLE frame"):
        encode_frame(np.zeros((2, 2, 16), np.uint8))
    with pytest.raises(PixelError, match="Bits Allocated"):
        _ = read(compressed([rle_header(1, 64) + b"\xf1\0"], (4, 4), RLE, allocated=1)).pixel_array


def test_decode_frames_leaves_unused_bits_and_arrays_do_not():
    values = np.full((4, 4), 0xF123, np.uint16)
    data = compressed([encode_frame(values)], (4, 4), RLE, allocated=16, stored=12)
    assert read(data).pixel_array.tolist() == [[0x123] * 4] * 4
    assert read(data).decode(raw=True).tolist() == values.tolist()
    target = np.empty((2, 4, 4), np.uint16)
    decode_frames([encode_frame(values)] * 2, target, read(data).frames.description)
    assert target.tolist() == [values.tolist()] * 2


# ------------------------------------------------------------------------------------------- deflated, uncompressed


def test_frames_that_are_deflated_or_as_they_are():
    values = RANDOM.integers(0, 4096, (3, 5, 6)).astype("<u2")
    raw = [frame.tobytes() for frame in values]
    deflated = [zlib.compress(frame, wbits=-15) for frame in raw]
    for syntax, frames in ((UNCOMPRESSED, raw), (DEFLATED_FRAMES, deflated)):
        data = compressed(frames, (5, 6), syntax, allocated=16, stored=12)
        assert np.array_equal(read(data).pixel_array, values)
        assert np.array_equal(read(data).frames[1], values[1])
    bits = RANDOM.integers(0, 2, (2, 5, 5)).astype(np.uint8)
    frames = [zlib.compress(np.packbits(frame, bitorder="little").tobytes(), wbits=-15) for frame in bits]
    assert np.array_equal(read(compressed(frames, (5, 5), DEFLATED_FRAMES, allocated=1)).pixel_array, bits)


def test_deflated_frames_are_bounded_and_damage_is_told():
    """Row 25: what a frame inflates to beyond its size is not inflated."""
    bomb = zlib.compress(bytes(50_000_000), wbits=-15)
    assert len(inflate(bomb, 1000, 0)) == 1000
    assert read(compressed([bomb], (5, 6), DEFLATED_FRAMES)).pixel_array.sum() == 0
    with pytest.raises(PixelError, match="damaged"):
        _ = read(compressed([b"\xff" * 40], (5, 6), DEFLATED_FRAMES)).pixel_array
    with pytest.raises(PixelError, match="needs 30 bytes, 4"):
        _ = read(compressed([zlib.compress(b"abcd", wbits=-15)], (5, 6), DEFLATED_FRAMES)).pixel_array
    with pytest.raises(PixelError, match="needs 30 bytes"):
        _ = read(compressed([bytes(28)], (5, 6), UNCOMPRESSED)).pixel_array


# ------------------------------------------------------------------------------------------------------ codestreams


def encoders(imagecodecs):
    """Syntax, bits, and an encoder that loses nothing."""
    return [
        (LOSSLESS, 8, lambda a: imagecodecs.jpeg8_encode(a, lossless=True, predictor=1)),
        (LOSSLESS, 12, lambda a: imagecodecs.jpeg8_encode(a, lossless=True, predictor=1, bitspersample=12)),
        (LOSSLESS, 16, lambda a: imagecodecs.jpeg8_encode(a, lossless=True, predictor=1)),
        (JPEG_LS, 8, imagecodecs.jpegls_encode),
        (JPEG_LS, 16, imagecodecs.jpegls_encode),
        (J2K_LOSSLESS, 8, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", reversible=True)),
        (J2K_LOSSLESS, 16, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="jp2", reversible=True)),
        (HTJ2K, 8, lambda a: imagecodecs.htj2k_encode(a, reversible=True)),
        (HTJ2K, 16, lambda a: imagecodecs.htj2k_encode(a, reversible=True)),
        (JPEG_XL, 8, lambda a: imagecodecs.jpegxl_encode(a, lossless=True)),
        (JPEG_XL, 16, lambda a: imagecodecs.jpegxl_encode(a, lossless=True, usecontainer=True)),
    ]


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("which", range(11))
def test_what_loses_nothing_comes_back(imagecodecs, which, samples):
    syntax, bits, encode = encoders(imagecodecs)[which]
    shape = (33, 47) if samples == 1 else (33, 47, 3)
    values = [smooth(shape, bits), smooth(shape, bits)[::-1].copy()]
    data = compressed([encode(v) for v in values], shape, syntax, allocated=16 if bits > 8 else 8, stored=bits)
    ds = read(data)
    assert np.array_equal(ds.pixel_array, values)
    assert np.array_equal(ds.decode(slice(None, None, -1), threads=2), values[::-1])
    out = np.empty((2, *shape), values[0].dtype)
    assert ds.decode(out=out) is out
    assert np.array_equal(out, values)
    assert ds.frames.deviations == []


def test_colours_of_jpeg_are_converted_once_or_not_at_all(imagecodecs):
    values = smooth((32, 48, 3))
    coded = imagecodecs.jpeg8_encode(values, 98, subsampling="444", outcolorspace="ycbcr")
    for photometric in ("YBR_FULL_422", "YBR_FULL", "RGB"):  # JFIF says what it is
        ds = read(compressed([coded], values.shape, JPEG, photometric=photometric))
        assert np.abs(ds.pixel_array.astype(int) - values).max() < 12
        raw = ds.decode(raw=True)
        assert np.abs(raw[..., 0] - values @ [0.299, 0.587, 0.114]).max() < 6
    plain = imagecodecs.jpeg8_encode(values, 98, subsampling="444", colorspace="rgb", outcolorspace="rgb")
    ds = read(compressed([plain], values.shape, JPEG, photometric="RGB"))
    assert np.abs(ds.pixel_array.astype(int) - values).max() < 12
    assert np.array_equal(ds.decode(raw=True), ds.pixel_array)


def test_colours_of_jpeg_ls_and_jpeg_2000_follow_the_data_set(imagecodecs):
    values = smooth((32, 48, 3))
    planes = compressed([imagecodecs.jpegls_encode(values)], values.shape, JPEG_LS, photometric="YBR_FULL")
    ds = read(planes)
    assert np.array_equal(ds.decode(raw=True), values)
    native = read(compressed([values.tobytes()], values.shape, UNCOMPRESSED, photometric="YBR_FULL"))
    assert np.array_equal(ds.pixel_array, native.pixel_array)
    coded = imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, mct=True)
    assert read_header(coded).has_colour_transform
    for photometric in ("YBR_RCT", "RGB"):
        assert np.array_equal(
            read(compressed([coded], values.shape, J2K_LOSSLESS, photometric=photometric)).pixel_array, values
        )


@pytest.mark.parametrize("syntax", [JPEG_LS, LOSSLESS, J2K_LOSSLESS])
@pytest.mark.parametrize("bits", [12, 16])
def test_the_sign_is_that_of_pixel_representation(imagecodecs, syntax, bits):
    """JPEG and JPEG-LS have none; a JPEG 2000 codestream with another one is believed in its bits."""
    values = smooth((16, 20), bits).astype(np.int32) - (1 << (bits - 1))
    pattern = (values & ((1 << bits) - 1)).astype(np.uint16)
    encode = {
        JPEG_LS: imagecodecs.jpegls_encode,
        LOSSLESS: lambda a: imagecodecs.jpeg8_encode(a, lossless=True, predictor=1, bitspersample=bits),
        J2K_LOSSLESS: lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", reversible=True, bitspersample=bits),
    }[syntax]
    ds = read(compressed([encode(pattern)], pattern.shape, syntax, allocated=16, stored=bits, signed=1))
    frames = ds.frames
    assert np.array_equal(frames[0], values)
    assert frames[0].dtype == np.int16
    # The encoder of JPEG-LS says 16 bits of everything above 8.
    differs = syntax == J2K_LOSSLESS or (syntax == JPEG_LS and bits == 12)
    assert [d.kind for d in frames.deviations] == (["codestream"] if differs else [])


def test_signed_codestreams(imagecodecs):
    values = smooth((16, 20), 12).astype(np.int16) - 2048
    coded = imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, bitspersample=12)
    assert read_header(coded).signed
    ds = read(compressed([coded], values.shape, J2K_LOSSLESS, allocated=16, stored=12, signed=1))
    assert np.array_equal(ds.pixel_array, values)
    ds = read(compressed([coded], values.shape, J2K_LOSSLESS, allocated=16, stored=12, signed=0))
    assert np.array_equal(ds.pixel_array, values.astype(np.uint16) & 0xFFF)


def test_fewer_bits_than_allocated_are_widened(imagecodecs):
    values = smooth((16, 20))
    coded = imagecodecs.jpegls_encode(values)
    frames = read(compressed([coded], values.shape, JPEG_LS, allocated=16, stored=12)).frames
    assert np.array_equal(frames[0], values)
    assert frames[0].dtype == np.uint16
    assert ["8 bits" in d.message for d in frames.deviations] == [True]
    with pytest.raises(PixelError, match="8 bits, Bits Stored is 12"):
        read(compressed([coded], values.shape, JPEG_LS, allocated=16, stored=12)).decode(policy="strict")


def lie(coded, at, what):
    return coded[:at] + what + coded[at + len(what) :]


def test_codestreams_that_are_no_frame_of_the_data_set(imagecodecs):
    """Rows 35 to 37: sizes, components and bits are compared before anything is decoded."""
    values = smooth((16, 20))
    jpeg, j2k = imagecodecs.jpeg8_encode(values), imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True)
    jls = imagecodecs.jpegls_encode(values)
    sof = jpeg.index(b"\xff\xc0")
    cases = [
        (lie(jpeg, sof + 5, b"\xff\xff\xff\xff"), JPEG, "65535 x 65535"),
        (lie(jpeg, sof + 5, b"\0\0"), JPEG, "0 x 20"),
        (lie(jpeg, sof + 9, b"\0"), JPEG, "frame header"),
        (lie(jpeg, sof + 9, b"\3"), JPEG, "frame header"),
        (lie(jpeg, sof + 4, b"\x0c"), JPEG, "12 bits"),
        (lie(jpeg, sof, b"\xff\xda"), JPEG, "without a frame header"),
        (jpeg[: sof + 4], JPEG, "cut short"),
        (jpeg, JPEG_LS, "transfer syntax says jpeg-ls"),
        (jls, JPEG, "is jpeg-ls"),
        (lie(j2k, 8, b"\xff" * 4), J2K, "tiles"),
        (lie(j2k, 24, b"\0\0\0\0"), J2K, "sizes"),
        (lie(j2k, 40, b"\x40\0"), J2K, "cut short|components|differ"),
        (j2k[:30], J2K, "cut short"),
        (imagecodecs.jpegxl_encode(smooth((8, 8)), lossless=True), JPEG_XL, "8 x 8"),
        (b"nothing that is known", J2K, "begins like no"),
        (bytes(100), HTJ2K, "begins like no"),
        (b"", JPEG, "begins like no"),
    ]
    for coded, syntax, message in cases:
        with pytest.raises(PixelError, match=message):
            _ = read(compressed([coded], values.shape, syntax)).pixel_array


@pytest.mark.parametrize("syntax", [J2K, JPEG])
def test_a_codestream_that_ends_early_is_told(imagecodecs, syntax):
    """Decoders make up what is missing."""
    encode = {
        J2K: lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", reversible=True),
        JPEG: imagecodecs.jpeg8_encode,
    }
    coded = encode[syntax](smooth((64, 64)))
    frames = read(compressed([coded[: len(coded) // 2]], (64, 64), syntax)).frames
    try:
        assert frames[0].shape == (64, 64)
    except PixelError:
        return
    assert ["has no end" in deviation.message for deviation in frames.deviations] == [True]
    with pytest.raises(PixelError, match="has no end"):
        read(compressed([coded[: len(coded) // 2]], (64, 64), syntax)).decode(policy="strict")
    assert read(compressed([coded], (64, 64), syntax)).frames.deviations == []


def test_too_many_tiles(imagecodecs):
    values = smooth((300, 300))
    j2k = imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True)
    with pytest.raises(PixelError, match="90000 tiles"):
        _ = read(compressed([lie(j2k, 24, b"\0\0\0\1\0\0\0\1")], values.shape, J2K)).pixel_array


def test_endless_scans(imagecodecs):
    values = smooth((16, 16, 3))
    jpeg = imagecodecs.jpeg8_encode(values)
    scan = jpeg[jpeg.index(b"\xff\xda") : -2]
    with pytest.raises(PixelError, match="more than 1000 scans"):
        _ = read(compressed([jpeg[:-2] + scan * 1001 + b"\xff\xd9"], values.shape, JPEG)).pixel_array


def test_arrays_out_of_nothing_are_not_allocated(imagecodecs):
    """A blank image of 65535 x 65535 would be four gigabytes out of a few bytes."""
    jpeg = imagecodecs.jpeg8_encode(smooth((16, 16)))
    sof = jpeg.index(b"\xff\xc0")
    with pytest.raises(PixelError, match="refused"):
        _ = read(compressed([lie(jpeg, sof + 5, b"\xff" * 4)], (65535, 65535), JPEG)).pixel_array


def test_fewer_frames_than_declared(imagecodecs):
    values = smooth((16, 20))
    data = compressed([imagecodecs.jpegls_encode(values)], values.shape, JPEG_LS, declared=3)
    with pytest.raises(PixelError, match="Number of Frames is 3"):
        _ = read(data).pixel_array
    filled = read(data).decode(fill=9)
    assert np.array_equal(filled[0], values)
    assert (filled[1:] == 9).all()
    assert filled.shape == (3, 16, 20)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("asked", [None, 0, [1]])
def test_a_table_that_promises_more_frames_than_there_are(asked, threads):
    """Row 31: it is found out when the frames are looked for."""
    data = compressed([encode_frame(smooth((4, 4)))], (4, 4), RLE, declared=2)
    table = item(b"")
    at = data.index(table)
    # Two offsets, neither of which leads to a fragment.
    lying = data[:at] + item(struct.pack("<2I", 4, 12)) + sequence_end()
    with pytest.raises((PixelError, IndexError), match=r"there are 0 frames|hold 0"):
        read(lying).decode(asked, threads=threads)


def test_iteration_ends_where_a_lying_table_is_found_out():
    frame = encode_frame(smooth((4, 4)))
    frame += b"\0" * (len(frame) % 2)
    data = compressed([frame] * 2, (4, 4), RLE, declared=3)
    at = data.index(item(b""))
    table = item(struct.pack("<3I", 0, 8 + len(frame), 16 + 2 * len(frame)))
    frames = read(data[:at] + table + data[at + 8 :]).frames
    assert len(frames) == 3
    assert [found.tolist() for found in frames] == [smooth((4, 4)).tolist()] * 2
    assert len(frames) == 2


# --------------------------------------------------------------------------------------------------------- registry


def test_a_missing_codec_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(UnsupportedError, match=r"dicomwire\[codecs\]") as caught:
        _ = read(compressed([b"\xff\xd8\xff\xd9"], (4, 4), JPEG)).pixel_array
    assert caught.value.extra == "codecs"
    assert not codecs.is_available(JPEG)
    assert codecs.is_available(RLE)
    assert codecs.is_available(DEFLATED_FRAMES)
    assert not codecs.is_available("1.2.3")
    assert np.array_equal(read(compressed([encode_frame(smooth((4, 4)))], (4, 4), RLE)).pixel_array, smooth((4, 4)))


@pytest.mark.parametrize("syntax", ["1.3.46.670589.33.1.4.1", "1.2.840.10008.1.2.4.999", "1.2.840.10008.1.2.1"])
def test_private_and_unknown_compression_is_not_supported(syntax):
    """Row 41: fragments of a private scheme are still readable."""
    ds = read(compressed([b"\x37\x42" * 20], (4, 4), syntax))
    with pytest.raises(UnsupportedError, match="unknown transfer syntax"):
        _ = ds.pixel_array
    assert bytes(dicomwire.FrameReader(ds)[0]) == b"\x37\x42" * 20


def test_an_item_without_a_transfer_syntax_is_known_by_its_first_bytes(imagecodecs):
    values = smooth((4, 4))
    icon = compressed([imagecodecs.jpeg8_encode(values, 100)], (4, 4), JPEG)
    body = icon[icon.index(struct.pack("<HH", 0x28, 2)) :]
    ds = read(part10(sequence(0x00880200, item(body)), JPEG))
    assert np.abs(ds.IconImageSequence[0].pixel_array.astype(int) - values).max() < 8


def test_video_is_no_array():
    with pytest.raises(UnsupportedError, match="FrameReader"):
        _ = read(compressed([b"\0\0\1\xb3" + bytes(60)], (4, 4), MPEG2)).pixel_array


def test_a_users_codec_comes_first(imagecodecs):
    coded = imagecodecs.jpegls_encode(smooth((4, 4)))
    asked = []

    def decode(data, header):
        asked.append((bytes(data), header.rows, header.precision))
        return np.full((4, 4), 200, np.uint8)

    ds = read(compressed([coded], (4, 4), JPEG_LS))
    mine = codecs.Codec("mine", decode)
    for name in ("jpeg-ls", JPEG_LS):
        codecs.register(name, mine)
        try:
            assert (ds.pixel_array == 200).all()
        finally:
            codecs.unregister(name, mine)
    assert asked == [(coded + b"\0" * (len(coded) % 2), 4, 8)] * 2
    assert np.array_equal(ds.pixel_array, smooth((4, 4)))
    with pytest.raises(ValueError, match="not in list"):
        codecs.unregister("jpeg-ls", mine)


@pytest.mark.parametrize(
    "answer",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 3), np.uint8),
    ],
)
def test_what_codecs_give_is_checked(imagecodecs, answer):
    bad = codecs.Codec("bad", lambda data, header: answer)
    codecs.register("jpeg-ls", bad)
    try:
        with pytest.raises(PixelError, match="a codec gave"):
            _ = read(compressed([imagecodecs.jpegls_encode(smooth((4, 4)))], (4, 4), JPEG_LS)).pixel_array
    finally:
        codecs.unregister("jpeg-ls", bad)


def test_what_codecs_raise_is_a_pixel_error(imagecodecs):
    def decode(data, header):
        raise RuntimeError("no")

    bad = codecs.Codec("bad", decode)
    codecs.register("jpeg-ls", bad)
    try:
        with pytest.raises(PixelError, match="bad cannot decode frame 1") as caught:
            read(compressed([imagecodecs.jpegls_encode(smooth((4, 4)))] * 2, (4, 4), JPEG_LS)).decode([1])
        assert caught.value.frame == 1
    finally:
        codecs.unregister("jpeg-ls", bad)
