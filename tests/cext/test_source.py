"""Sources: files that change under the reader, descriptors, file objects, windows, deflated streams."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import random
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from dicomwire import DataSet, dcmread
from dicomwire.errors import DecodeError, TruncatedError
from tests.builders import DEFLATED, PIXEL_DATA, element, item, part10, plain, sequence

PIXELS = bytes(range(256)) * 4096  # 1 MiB
NOISE = random.Random(2)
FDS = Path("/proc/self/fd")
needs_proc = pytest.mark.skipif(not FDS.exists(), reason="needs /proc")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.dcm"
    path.write_bytes(part10(plain(pixels=PIXELS)))
    return path


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return part10(b"", DEFLATED) + packer.compress(data) + packer.flush()


# --- files that change


def test_file_cut_by_another_process(image: Path) -> None:
    ds = dcmread(image)
    program = f"import os; os.truncate({str(image)!r}, 20000)"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert ds.PatientID == "12345"
    with pytest.raises(TruncatedError) as caught:
        bytes(ds.PixelData)
    assert caught.value.path == "PixelData"
    assert caught.value.offset == ds["PixelData"].offset
    assert caught.value.section
    assert len(ds) == 6


def test_file_cut_to_nothing(image: Path) -> None:
    ds = dcmread(image)
    os.truncate(image, 0)
    assert [e.keyword for e in ds][-1] == "PixelData"
    with pytest.raises(TruncatedError):
        _ = ds.PixelData


def test_unlinked_file_stays_readable(image: Path) -> None:
    ds = dcmread(image)
    image.unlink()
    assert bytes(ds.PixelData) == PIXELS


def test_file_replaced_at_its_path_keeps_its_own_bytes(image: Path) -> None:
    ds = dcmread(image)
    other = image.with_name("other.dcm")
    other.write_bytes(part10(plain(pixels=PIXELS[::-1])))
    other.replace(image)
    assert bytes(ds.PixelData) == PIXELS
    assert bytes(dcmread(image).PixelData) == PIXELS[::-1]


# --- descriptors


@needs_proc
def test_small_files_keep_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "small.dcm"
    path.write_bytes(part10(plain()))
    before = len(os.listdir(FDS))
    data_sets = [dcmread(path) for _ in range(10)]
    assert len(os.listdir(FDS)) == before
    assert all(ds.PatientID == "12345" for ds in data_sets)


@needs_proc
def test_descriptors_are_given_back(image: Path) -> None:
    gc.collect()  # what earlier tests have left
    before = len(os.listdir(FDS))
    ds = dcmread(image)
    element = ds["PixelData"]
    del ds
    assert len(os.listdir(FDS)) == before + 1
    del element
    assert len(os.listdir(FDS)) == before
    for broken in (part10(b""), b"MZ" * 5000, part10(plain(pixels=PIXELS))[:-5]):
        image.write_bytes(broken)
        for policy in ("strict", "report"):
            with contextlib.suppress(DecodeError):
                dcmread(image, policy=policy)
    assert len(os.listdir(FDS)) == before


@needs_proc
def test_more_data_sets_than_descriptors(image: Path) -> None:
    gc.collect()
    before = len(os.listdir(FDS))
    data_sets = [dcmread(image) for _ in range(300)]
    assert len(os.listdir(FDS)) <= max(before, 128) + 2
    for ds in data_sets:
        assert bytes(ds.PixelData[:8]) == PIXELS[:8]
        assert len(ds) == 6
    assert len(os.listdir(FDS)) <= max(before, 128) + 2
    late = data_sets[-1]
    del data_sets, ds
    assert len(os.listdir(FDS)) == before
    assert bytes(late.PixelData) == PIXELS
    image.write_bytes(part10(plain(pixels=PIXELS[::-1])))
    late = [dcmread(image) for _ in range(200)][-1]
    assert late.PatientID == "12345"


@needs_proc
def test_another_file_at_the_path_is_not_taken_for_the_one_that_was_opened(image: Path) -> None:
    gc.collect()  # else what earlier tests left open may be closed in between, and low descriptors be free again
    kept = [os.open(image, os.O_RDONLY) for _ in range(140)]
    try:
        ds = dcmread(image)
        os.utime(image, ns=(1, 1))
        with pytest.raises(DecodeError, match="not the one"):
            _ = ds.PixelData
        ds = dcmread(image)
        image.unlink()
        with pytest.raises(FileNotFoundError):
            _ = ds.PixelData
    finally:
        for descriptor in kept:
            os.close(descriptor)


# --- what can be read from


def test_buffers() -> None:
    data = part10(plain(pixels=PIXELS))
    for source in (data, bytearray(data), memoryview(data), memoryview(b"junk" + data)[4:], io.BytesIO(data)):
        ds = dcmread(source)
        assert ds.PatientID == "12345"
        assert bytes(ds.PixelData) == PIXELS
        assert ds.filename is None
    buffer = bytearray(data)
    ds = dcmread(buffer)
    view = ds.PixelData
    del ds
    with pytest.raises(BufferError):
        buffer.clear()
    assert len(view) == len(PIXELS)
    del view
    buffer.clear()


def test_file_objects_are_read_from_their_position(image: Path, tmp_path: Path) -> None:
    shifted = tmp_path / "shifted.dcm"
    shifted.write_bytes(b"0123456789" + image.read_bytes())
    with shifted.open("rb") as file:
        file.seek(10)
        ds = dcmread(file)
        assert file.tell() == 10
    assert bytes(ds.PixelData) == PIXELS
    with open(shifted, "rb", buffering=0) as raw:
        raw.seek(10)
        ds = dcmread(raw)
    assert bytes(ds.PixelData) == PIXELS
    assert len(ds) == 6
    stream = io.BytesIO(shifted.read_bytes())
    stream.seek(10)
    assert bytes(dcmread(stream).PixelData) == PIXELS
    with shifted.open("rb") as file:
        file.seek(0, os.SEEK_END)
        with pytest.raises(DecodeError, match="empty"):
            dcmread(file)
    with pytest.raises(TypeError), shifted.open(encoding="latin-1") as text:
        dcmread(text)


def test_pipes(image: Path, tmp_path: Path) -> None:
    out, into = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(into, part10(plain())), os.close(into)))
    writer.start()
    with os.fdopen(out, "rb") as file:
        assert dcmread(file).PatientID == "12345"
    writer.join()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = f"open({str(fifo)!r}, 'wb').write(open({str(image)!r}, 'rb').read())"
    with subprocess.Popen([sys.executable, "-c", program]):
        assert bytes(dcmread(fifo).PixelData) == PIXELS


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        dcmread(tmp_path)
    with pytest.raises(FileNotFoundError):
        dcmread(tmp_path / "none")
    with pytest.raises(ValueError, match="null byte"):
        dcmread("a\0b")
    if Path("/dev/zero").exists():
        with pytest.raises(DecodeError, match="character device"):
            dcmread("/dev/zero")
    with pytest.raises(TypeError):
        dcmread(17)


# --- windows


@pytest.mark.parametrize("size", [10, 8_000, 60_000, 70_000, 1_000_000])
def test_headers_behind_big_values(tmp_path: Path, size: int) -> None:
    values = {0x00110001 + (i << 17): bytes([i]) * size for i in range(20)}
    data = b"".join(
        element(tag, "UN", value) + element(tag + 1, "LO", b"%04d" % (tag >> 17)) for tag, value in values.items()
    )
    path = tmp_path / "windows.dcm"
    path.write_bytes(part10(data))
    for ds in (dcmread(path), dcmread(path.read_bytes())):
        assert len(ds) == 40
        assert ds.deviations == []
        for tag in reversed(values):
            assert bytes(ds[tag].raw) == values[tag]
            assert ds[tag + 1].value == f"{tag >> 17:04d}"
    first, second = dcmread(path), dcmread(path.read_bytes())
    assert first.tape() == second.tape()


def test_sequences_of_known_length_outside_the_windows(tmp_path: Path) -> None:
    inner = sequence(0x0040A730, *[item(element(0x0040A160, "UT", b"%05d " % i * 300)) for i in range(200)])
    data = (
        plain()
        + sequence(0x0040A730, item(element(0x0040A040, "CS", b"A ") + inner))
        + element(0x00500010, "CS", b"B ")
    )
    path = tmp_path / "nested.dcm"
    path.write_bytes(part10(data))
    ds = dcmread(path)
    deep = ds["ContentSequence.0.ContentSequence.150.TextValue"]
    del ds
    assert deep.value.startswith("00150")
    assert deep.path == "ContentSequence.0.ContentSequence.150.TextValue"
    assert bytes(deep.raw) == path.read_bytes()[deep.offset : deep.offset + deep.length]


# --- deflated


@pytest.fixture(params=["isal", "zlib"])
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setitem(sys.modules, "isal", None)
    return str(request.param)


def test_deflated(inflater: str, tmp_path: Path) -> None:
    big = element(0x00110010, "LO", b"CREATOR ") + element(0x00111001, "UN", NOISE.randbytes(300_000))
    inside = plain() + big + element(PIXEL_DATA, "OW", PIXELS) + element(0xFFFCFFFC, "OB", b"1234")
    path = tmp_path / "deflated.dcm"
    path.write_bytes(deflated(inside))
    for source in (path, path.read_bytes()):
        ds = dcmread(source)
        assert ds.PatientID == "12345"
        assert bytes(ds.PixelData) == PIXELS
        assert bytes(ds[0x00111001].raw) == big[-300_000:]
        assert bytes(ds.DataSetTrailingPadding) == b"1234"
        assert ds.deviations == []
        assert ds.transfer_syntax == DEFLATED
        ds = dcmread(source)
        assert len(ds) == 9
        assert bytes(ds.PixelData) == PIXELS
        view = ds.PixelData
        assert bytes(ds["PixelData"].raw[:4]) == bytes(view[:4])
        ds = dcmread(source, stop_before_pixels=True)
        assert len(ds) == 7
        assert dcmread(source, policy="strict").PatientID == "12345"


def problems(ds: DataSet) -> list[str]:
    return [d.message.split(";")[0] for d in ds.deviations if d.kind == "deflate"]


def test_deflated_stream_that_is_cut(inflater: str) -> None:
    data = deflated(plain(pixels=NOISE.randbytes(100_000)))
    ds = dcmread(data[:-50_000])
    pixels = ds["PixelData"]
    assert 40_000 < len(pixels.value) < 60_000
    assert pixels.is_truncated
    assert problems(ds) == ["the deflated stream ends before its final block does"]
    assert [(d.kind, d.path) for d in ds.deviations][-1] == ("truncated_value", "PixelData")
    strict = dcmread(data[:-50_000], policy="strict")
    assert strict.PatientID == "12345"
    with pytest.raises(DecodeError) as caught:
        _ = strict.PixelData
    assert caught.value.section


def test_deflated_stream_with_something_behind_it(inflater: str) -> None:
    ds = dcmread(deflated(plain()) + b"\0")
    assert problems(ds) == []
    ds = dcmread(deflated(plain()) + b"garbage" * 100_000)
    assert problems(ds) == ["700000 bytes behind the deflated stream"]


def test_deflated_stream_with_a_zlib_header(inflater: str) -> None:
    ds = dcmread(part10(b"", DEFLATED) + zlib.compress(plain()))
    assert ds.PatientID == "12345"
    assert problems(ds) == ["the deflated stream has a zlib header"]


def test_deflated_stream_that_is_damaged(inflater: str) -> None:
    data = bytearray(deflated(plain(pixels=NOISE.randbytes(400_000))))
    data[300_000:300_400] = NOISE.randbytes(400)
    packer = zlib.compressobj(0, zlib.DEFLATED, -15)
    stored = part10(b"", DEFLATED) + packer.compress(plain(pixels=bytes(200_000))) + packer.flush()
    broken = bytearray(stored)
    broken[len(part10(b"", DEFLATED)) + 65_535 + 6 : len(part10(b"", DEFLATED)) + 65_535 + 10] = b"\xff\xff\xff\xff"
    for damaged in (data, broken):
        ds = dcmread(bytes(damaged))
        assert ds.PatientID == "12345"
        assert len(ds.PixelData) <= 400_000
    with pytest.raises(DecodeError):
        dcmread(part10(b"", DEFLATED) + b"\xff" * 100)


def test_deflated_bombs(inflater: str) -> None:
    pixels = deflated(plain() + element(PIXEL_DATA, "OW", bytes(80 << 20)))
    ds = dcmread(pixels)
    assert ds.PatientID == "12345"
    assert len(ds) == 6  # pixel data of this size are not inflated for a count
    left = len(plain(pixels=b"12")) - 2 + (80 << 20) - 65536
    assert problems(ds) == [f"what comes after {left} deflated bytes of pixel data was not looked at"]
    assert len(ds.PixelData) == 80 << 20  # ... but when asked for
    with pytest.raises(DecodeError, match="grew"):
        dcmread(deflated(plain() + element(0x00211001, "UN", bytes(80 << 20)) + element(0x00280010, "US", b"\2\0")))


NATIVE = (
    element(0x00280010, "US", b"\2\0")
    + element(PIXEL_DATA, "OW", PIXELS[:307_200])
    + element(0xFFFCFFFC, "OB", b"\7\10")
)


@pytest.mark.parametrize("tags", [(PIXEL_DATA, 0xFFFCFFFC), (0xFFFCFFFC, PIXEL_DATA)])
def test_deflated_values_are_whole_in_any_order_of_asking(inflater: str, tags: tuple[int, int]) -> None:
    ds = dcmread(deflated(NATIVE))
    values = {tag: bytes(ds[tag].value) for tag in tags}
    assert values == {PIXEL_DATA: PIXELS[:307_200], 0xFFFCFFFC: b"\7\10"}
    assert ds.Rows == 2


def test_deflated_value_that_was_walked_over_before(inflater: str) -> None:
    ds = dcmread(deflated(NATIVE))
    assert [e.VR for e in ds.iterall()] == ["US", "OW", "OB"]
    assert bytes(ds.PixelData) == PIXELS[:307_200]
    assert bytes(ds["PixelData"].raw[-4:]) == PIXELS[307_196:307_200]
