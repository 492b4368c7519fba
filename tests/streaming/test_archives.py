"""Archives against zipfile and tarfile, from files and from pipes; bombs, lies and damage."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import struct
import sys
import tarfile
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dicomwire
from dicomwire import dcmread, iter_archive, open_remote
from dicomwire.errors import DecodeError, DicomWireError, TruncatedError, UnsupportedError
from tests.builders import part10, plain
from tests.streaming.servers import web_server
from tests.support import module

NOISE = random.Random(3).randbytes(300_000)
FILES = {
    "a.dcm": part10(plain(pixels=bytes(5000))),
    "folder/b.dcm": part10(plain(pixels=NOISE)),
    "folder/empty": b"",
    "../../outside": b"never a path",
    "ümlaut " + "long" * 60: b"x" * 512,
    "/absolute": b"y" * 513,
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def tar_of(files: dict[str, bytes] = FILES, *, form: int = tarfile.PAX_FORMAT, more: bool = True) -> bytes:
    """A tar file with a folder, a link and the files, as tarfile writes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        if more:
            folder = tarfile.TarInfo("folder")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "t" * (150 if form != tarfile.USTAR_FORMAT else 50)
            tar.addfile(link)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Unseekable(io.RawIOBase):
    """What zipfile writes to with data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += memoryview(data)  # type: ignore[arg-type]
        return len(memoryview(data))  # type: ignore[arg-type]


def zip_of(
    files: dict[str, bytes] = FILES, *, method: int = zipfile.ZIP_DEFLATED, streamed: bool = False, wide: bool = False
) -> bytes:
    """A zip file as zipfile writes it; ``streamed`` with sizes behind the members, ``wide`` with 64-bit ones."""
    out = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("folder/", b"")
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=wide) as member:
                member.write(data)
    return bytes(out.data) if isinstance(out, Unseekable) else out.getvalue()


def in_chunks(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def contents(source: object, **limits: int) -> dict[str, bytes]:
    return {member.name: member.read() for member in iter_archive(source, **limits)}  # type: ignore[arg-type]


def through_pipe(data: bytes) -> dict[str, bytes]:
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with open(reading, "rb") as file:
            found = contents(file)
            file.read()  # what stands behind the last member
    finally:
        thread.join()
    return found


# ---------------------------------------------------------------------------------------------------------------- tar


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_by_all_ways(tmp_path: Path, packing: str, form: int) -> None:
    files = {name: data for name, data in FILES.items() if form != tarfile.USTAR_FORMAT or len(name) < 100}
    data = PACKERS[packing](tar_of(files, form=form))
    path = tmp_path / "archive"
    path.write_bytes(data)
    assert contents(path) == contents(str(path)) == contents(data) == contents(memoryview(data)) == files
    assert contents(in_chunks(data, 1000)) == contents([data]) == through_pipe(data) == files
    with path.open("rb") as file:
        assert contents(file) == files
    members = list(iter_archive(data))
    assert [member.size for member in members] == [len(content) for content in files.values()]
    assert [member.name for member in members] == list(files)


def test_members_that_nobody_reads_are_stepped_over(tmp_path: Path) -> None:
    for data in (tar_of(), gzip.compress(tar_of()), zip_of(), zip_of(streamed=True)):
        for source in (data, in_chunks(data, 777)):
            names = []
            for number, member in enumerate(iter_archive(source)):
                names.append(member.name)
                if number % 2:
                    assert member.stream.read(10) == FILES[member.name][:10]
            assert names == list(FILES)


def test_data_sets_of_members() -> None:
    for data in (tar_of(), zip_of()):
        first = next(iter(iter_archive(data)))
        assert dcmread(first.read()).PatientID == "12345"


def test_streams_of_members() -> None:
    member = next(iter(iter_archive(tar_of())))
    buffer = bytearray(100)
    assert member.stream.readable()
    assert member.stream.readinto(buffer) == 100
    assert buffer == FILES["a.dcm"][:100]
    assert io.BufferedReader(member.stream).read() == FILES["a.dcm"][100:]
    members = iter_archive(tar_of())
    old = next(members)
    next(members)
    with pytest.raises(ValueError, match="next member"):
        old.read()


def test_several_packed_streams_one_after_the_other() -> None:
    data = tar_of()
    cut = len(data) // 3
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        assert contents(pack(data[:cut]) + pack(data[cut:])) == FILES
    assert contents(lzma.compress(data[:cut]) + bytes(8) + lzma.compress(data[cut:])) == FILES


def test_without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    assert contents(gzip.compress(tar_of())) == contents(zip_of()) == contents(zip_of(streamed=True)) == FILES


def test_old_and_odd_tars() -> None:
    data = bytearray(tar_of({"name": b"data"}, form=tarfile.USTAR_FORMAT, more=False))
    data[257:265] = bytes(8)  # no magic, as before POSIX
    data[156] = 0
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    assert contents(bytes(data)) == {"name": b"data"}
    assert contents(bytes(data[:1024])) == {"name": b"data"}  # without the blocks of zeros
    assert contents(bytes(1024)) == {}
    wide = tarfile.TarInfo("wide")
    wide.size = 5
    header = bytearray(wide.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\x80" + (5).to_bytes(11, "big")
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 256 + sum(header[156:512]))
    assert contents(bytes(header) + b"hello" + bytes(507 + 1024)) == {"wide": b"hello"}


def test_sparse_members_are_refused_and_stepped_over(tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse")
    info.size = 512
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1000000"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(bytes(512)))
        info = tarfile.TarInfo("after")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    first, second = iter_archive(out.getvalue())
    assert (first.name, second.name) == ("sparse", "after")
    with pytest.raises(UnsupportedError, match="sparse"):
        next(iter_archive(out.getvalue())).read()


# ---------------------------------------------------------------------------------------------------------------- zip


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED])
def test_zip_by_all_ways(tmp_path: Path, method: int, streamed: bool, wide: bool) -> None:
    data = zip_of(method=method, streamed=streamed, wide=wide)
    path = tmp_path / "archive.zip"
    path.write_bytes(data)
    assert contents(path) == contents(data) == FILES
    for size in (1, 7, 1000, len(data)):
        if method == zipfile.ZIP_STORED and streamed:
            with pytest.raises(UnsupportedError, match="its size stands behind it"):
                contents(in_chunks(data, size))
        else:
            assert contents(in_chunks(data, size)) == FILES
    if not (method == zipfile.ZIP_STORED and streamed):
        assert through_pipe(data) == FILES


def test_zip_with_something_before_and_behind(tmp_path: Path) -> None:
    data = zip_of()
    assert contents(b"#!/bin/sh\n" * 20 + data) == FILES
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"PK\5\6 is a signature " * 20
    assert contents(out.getvalue()) == FILES
    with open(tmp_path / "shifted", "w+b") as file:
        file.write(b"x" * 100 + data)
        file.seek(100)
        assert contents(file) == FILES


def test_zip_of_more_entries_than_16_bits_count() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(65_600):
            archive.writestr(f"{number}", b"")
    assert sum(1 for _ in iter_archive(out.getvalue())) == 65_600
    with pytest.raises(DecodeError, match="max_members"):
        for _ in iter_archive(out.getvalue(), max_members=1000):
            pass


def test_descriptors_without_signature() -> None:
    for packed, content in ((zip_of({"a": b"hello" * 10}, streamed=True), b"hello" * 10),
                            (zip_of({"a": b""}, streamed=True, wide=True), b"")):  # fmt: skip
        at = packed.index(b"PK\7\x08")
        assert contents(in_chunks(packed[:at] + packed[at + 4 :], 50)) == {"a": content}


def test_descriptor_with_sizes_in_the_header_too() -> None:
    data = bytearray(zip_of({"a": b"hello"}, method=zipfile.ZIP_STORED))
    at = data.index(b"PK\3\4", 10)
    crc, size, _ = struct.unpack_from("<III", data, at + 14)
    data[at + 6] |= 8
    struct.pack_into("<I", data, at + 14, 0)
    end = data.index(b"PK\1\2")
    data[end:end] = b"PK\7\x08" + struct.pack("<III", crc, size, size)
    assert contents(in_chunks(bytes(data), 9)) == {"a": b"hello"}
    assert [member.name for member in iter_archive(in_chunks(bytes(data), 9))] == ["a"]


def test_encrypted_and_unknown_methods() -> None:
    for change, what in ((lambda d, at: d.__setitem__(at, d[at] | 1), "encrypted"),
                         (lambda d, at: d.__setitem__(at + 2, 99), "method 99")):  # fmt: skip
        data = bytearray(zip_of({"a": b"hello" * 5, "b": b"after"}))
        change(data, data.index(b"PK\3\4", 10) + 6)
        change(data, data.index(b"PK\1\2", data.index(b"PK\1\2") + 4) + 8)
        for source in (bytes(data), [bytes(data)]):
            with pytest.raises(UnsupportedError, match=what):
                contents(source)
        for source in (bytes(data), [bytes(data)]):
            assert [member.name for member in iter_archive(source)] == ["a", "b"]


def test_remote_archive() -> None:
    data = zip_of()
    with web_server() as web:
        web.objects["/a.zip"] = data
        web.objects["/a.tar"] = tar_of()
        store = module("obstore.store").HTTPStore(web.url, client_options={"allow_http": True})
        assert contents(open_remote(store, "a.zip")) == FILES
        assert contents(open_remote(store, "a.tar")) == FILES
        web.objects["/large.tar"] = tar_of({"a": bytes(5 << 20), "b": b"x"})
        web.log.clear()
        assert contents(open_remote(store, "large.tar")) == {"a": bytes(5 << 20), "b": b"x"}
        assert web.requests <= 10  # by the megabyte


# ----------------------------------------------------------------------------------------------------- bombs and lies


class Zeros(io.RawIOBase):
    """A tar file with one member of zeros, made while it is read."""

    def __init__(self, size: int) -> None:
        info = tarfile.TarInfo("zeros")
        info.size = size
        self.start = info.tobuf()
        self.left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.start:
            data, self.start = self.start, b""
            return data
        data = bytes(min(size, self.left))
        self.left -= len(data)
        return data


def gzip_of(file: Zeros) -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    while data := file.read(1 << 20):
        yield packer.compress(data)
    yield packer.flush()


def test_bombs_are_stopped() -> None:
    size = 300 << 20
    source = Zeros(size)
    with pytest.raises(DecodeError, match="max_ratio"):
        contents(gzip_of(source))
    assert source.left > 0  # not even made
    with pytest.raises(DecodeError, match="max_ratio"):  # stepping over it too
        list(iter_archive(gzip_of(Zeros(size))))
    with pytest.raises(DecodeError, match="max_total_size"):
        list(iter_archive(gzip_of(Zeros(size)), max_total_size=1 << 20))
    with pytest.raises(DecodeError, match="max_member_size"):
        contents(gzip_of(Zeros(50 << 20)), max_member_size=1 << 20)
    for data in (zip_of({"a": bytes(100 << 20)}), zip_of({"a": bytes(100 << 20)}, streamed=True)):
        for source in (data, [data]):
            with pytest.raises(DecodeError, match="max_ratio"):
                contents(source)
            with pytest.raises(DecodeError, match="max_member_size"):
                contents(source, max_member_size=1000)


def test_overlapping_members_count_their_bytes_once() -> None:
    """Many entries of the directory that lead to the same bytes."""
    data = zip_of({"a": bytes(1 << 20)}, method=zipfile.ZIP_DEFLATED)
    begin = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    end = data.index(b"PK\5\6")
    entry = data[begin:end]
    at = data.index(b"PK\1\2")
    bomb = data[:at] + entry * 500
    bomb += struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 500, 500, len(entry) * 500, at, 0)
    assert len(zipfile.ZipFile(io.BytesIO(bomb)).infolist()) == 500
    with pytest.raises(DecodeError, match="max_ratio"):
        contents(bomb)


def test_sizes_that_lie() -> None:
    good = zip_of({"a": b"hello" * 100})
    entry = good.index(b"PK\1\2", good.index(b"PK\1\2") + 4)
    for size, match in ((10, "more bytes than its header says"), (1000, "its header says 1000")):
        data = bytearray(good)
        struct.pack_into("<I", data, entry + 24, size)
        with pytest.raises(DecodeError, match=match):
            contents(bytes(data))
    data = bytearray(good)
    struct.pack_into("<I", data, entry + 20, 1 << 30)
    with pytest.raises(TruncatedError):
        contents(bytes(data))
    data = bytearray(good)
    struct.pack_into("<I", data, entry + 16, 7)
    with pytest.raises(DecodeError, match="checksum"):
        contents(bytes(data))
    data = bytearray(tar_of({"a": b"hello"}, form=tarfile.USTAR_FORMAT, more=False))
    data[124:136] = b"77777777777\0"
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    for source in (bytes(data), [bytes(data)], gzip.compress(data)):
        with pytest.raises(TruncatedError):
            contents(source)
        with pytest.raises(TruncatedError):
            list(iter_archive(source))


def test_long_headers_are_refused() -> None:
    for kind, size in ((b"L", 1 << 17), (b"x", 1 << 21)):
        info = tarfile.TarInfo("long")
        info.type, info.size = kind, size
        with pytest.raises(DecodeError, match="at most"):
            contents(info.tobuf() + bytes(size))


def test_memory_stays_small(scaled: Callable[[int], int]) -> None:
    """A member of 2 GB (a twentieth in the quick run) through gzip, a chunk at a time."""
    size = scaled(2 << 30) // 512 * 512
    tracemalloc.start()
    try:
        for member in iter_archive(gzip_of(Zeros(size)), max_ratio=2000):
            got = 0
            while piece := member.stream.read(1 << 16):
                got += len(piece)
            assert got == size
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


# --------------------------------------------------------------------------------------------------------- damage


ALL = [zip_of(), zip_of(streamed=True), tar_of(), *(pack(tar_of()) for pack in PACKERS.values())]


@pytest.mark.parametrize("data", ALL, ids=range(len(ALL)))
def test_cut_anywhere(data: bytes) -> None:
    """Whatever is left gives members that are whole, or an error of ours; never a shorter member."""
    for cut in random.Random(5).sample(range(len(data)), 150):
        for source in (data[:cut], [data[:cut]]):
            try:
                for member in iter_archive(source):
                    assert FILES[member.name] == member.read()
            except DicomWireError:
                continue


@given(st.sampled_from(ALL), st.randoms(use_true_random=False))
def test_damaged_anywhere(data: bytes, chance: random.Random) -> None:
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        places = (chance.randrange(len(data)), chance.randrange(min(600, len(data))), -chance.randint(1, 200))
        damaged[chance.choice(places)] = chance.randrange(256)
    for source in (bytes(damaged), in_chunks(bytes(damaged), 5000)):
        try:
            for member in iter_archive(source):
                assert len(member.read()) <= 1 << 20
        except DicomWireError:
            pass


@given(st.binary(max_size=600), st.sampled_from([b"", b"PK\3\4", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"PK\5\6"]))
def test_any_bytes(data: bytes, start: bytes) -> None:
    for source in (start + data, [start + data]):
        with contextlib.suppress(DicomWireError):
            contents(source)


def test_what_is_no_archive() -> None:
    for data in (part10(plain()), b"", b"PK\3\4", gzip.compress(b"text")):
        for source in (data, [data]):
            with pytest.raises(DecodeError):
                contents(source)
    with pytest.raises(TypeError):
        contents(["text"])
    with pytest.raises(TypeError):
        contents(7)
    with pytest.raises(ValueError, match="negative"):
        iter_archive(b"", max_members=-1)
    with pytest.raises(FileNotFoundError):
        contents("/does/not/exist.zip")
    assert dicomwire.iter_archive is iter_archive


def test_names_and_contents_stay_out_of_messages() -> None:
    data = bytearray(zip_of({"DOE^JOHN": b"hello" * 100}))
    data[data.index(b"DOE^JOHN") + 10] ^= 0xFF
    with pytest.raises(DecodeError) as caught:
        contents(bytes(data))
    assert "DOE" not in str(caught.value)
    assert "DOE" not in repr(next(iter(iter_archive(bytes(data)))))
