"""Any bytes are members of an archive within the limits or one of our errors, and a tar is the same from a pipe."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

from dicomwire import iter_archive
from dicomwire.errors import DicomWireError
from dicomwire.streaming.forward import packed_with
from tests.fuzz.harness import Harness

LIMITS = {"max_member_size": 5000, "max_total_size": 20_000, "max_members": 12}
FILES = {"a.dcm": b"abc" * 50, "folder/empty": b"", "ümlaut" * 20: bytes(700), "../x": b"y" * 513}
PACKERS = (bytes, bytes, gzip.compress, bz2.compress, lzma.compress)
LONG = b"many more bytes than may come out of a member" * 200
Member = tuple[str, int | None, bytes]


def contents(source: object) -> tuple[list[Member], str]:
    """The members and what the error was that ended it."""
    found: list[Member] = []
    try:
        for number, member in enumerate(iter_archive(source, **LIMITS)):  # type: ignore[arg-type]
            begin = member.stream.read(7) if number % 3 == 2 else b""
            found.append((member.name, member.size, begin + member.read()))
    except DicomWireError as error:
        ended = f"{type(error).__name__}"
    else:
        ended = ""
    assert len(found) <= LIMITS["max_members"]
    assert all(len(data) <= LIMITS["max_member_size"] for _, _, data in found)
    assert sum(len(data) for _, _, data in found) <= LIMITS["max_total_size"]
    return found, ended


def in_chunks(data: bytes, size: int) -> list[bytes]:
    """The data in pieces, as a pipe gives them."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def run(data: bytes) -> None:
    """First byte: how to pack the rest, and the size of the chunks that come through the pipe."""
    if not data:
        return
    body = PACKERS[(data[0] & 7) % len(PACKERS)](data[1:])
    from_memory = contents(body)
    whole = contents([body])
    parts = contents(in_chunks(body, 1 + (data[0] >> 3) * 9))
    if packed_with(body[:6]) is not None and whole[1] and parts[1]:
        # Damage is met when a chunk is unpacked, before what came out of the same chunk is looked at.
        assert all(one == other for one, other in zip(whole[0], parts[0], strict=False))
    else:
        assert parts == whole, "chunks change what is in an archive"
    if b"PK" not in body:  # a zip archive that can be sought in is read by its directory
        assert from_memory == whole, "seeking changes what is in an archive"


def tar_of(form: int) -> bytes:
    """A tar file with a folder, a link and the files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, kind in (("folder", tarfile.DIRTYPE), ("link", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "target"
            tar.addfile(info)
        for name, data in FILES.items():
            info = tarfile.TarInfo(name if form != tarfile.USTAR_FORMAT else name[:80])
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()[:-8192]


class Unseekable(io.RawIOBase):
    """What zipfile writes to with data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += memoryview(data)  # type: ignore[arg-type]
        return len(memoryview(data))  # type: ignore[arg-type]


def zip_of(method: int, *, is_streamed: bool = False, is_wide: bool = False, files: dict[str, bytes] = FILES) -> bytes:
    """A zip file, with sizes behind the members, or 64-bit ones."""
    out = Unseekable() if is_streamed else io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("folder/", b"")
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=is_wide) as member:
                member.write(data)
    return bytes(out.data) if isinstance(out, Unseekable) else out.getvalue()


def starts() -> list[bytes]:
    """Archives of all kinds, packed tars too, one with too much in it, and nothing."""
    tars = [tar_of(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    zips = [
        zip_of(method, is_streamed=is_streamed, is_wide=is_wide)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        for is_streamed in (False, True)
        for is_wide in (False, True)
    ]
    zips.append(zip_of(zipfile.ZIP_DEFLATED, files={"long": LONG}))
    return [
        b"",
        *(bytes([setup]) + data for data in tars for setup in (0, 2, 3, 4, 0xF8)),
        *(b"\0" + pack(data) for data in tars for pack in PACKERS[2:]),
        *(bytes([setup]) + data for data in zips for setup in (0, 0x48)),
        *(b"\0" + b"before" + data for data in zips[:2]),
    ]


WORDS = (
    b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08", b"ustar\x0000", b"ustar  \0",
    b"\xff\xff\xff\xff", b"\x08\0", b"\1\0\x10\0", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"12 path=x\n",
    b"17 size=0000100\n", b"\x80\0\0\0",
)  # fmt: skip
HARNESS = Harness("archives", starts, run, WORDS, 8192)
