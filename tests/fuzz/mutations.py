"""Damage of the kinds that real files suffer, made on purpose: named mutations of a valid file, by its structure.

Each one knows what it must lead to, so that a test can prove that it does what it is named for.  The numbers group them
by kind: 1 to 11 nesting, lengths and delimiters, 12 to 16 encodings, 17 to 21 the file around the data set, 22 to 24
tags, 25 and 26 compression, 27 to 33 pixel data, 43 to 46 text and values.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from dicomwire import DataSet, dcmread
from dicomwire.errors import DicomWireError
from tests.builders import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    Encoder,
    element,
    explicit,
    implicit,
    item,
    meta,
    nested,
    part10,
    plain,
    sequence_end,
)

SQ = 0x0040A730
ITEM = 0xFFFEE000
UNDEFINED_LENGTH, FRAGMENTS, IMPLICIT_IN_UN = 1, 8, 16  # flags of a tape entry
DEEP = 1500  # sequences; more than any limit, and not more bytes than needed


@dataclass(frozen=True, slots=True)
class Entry:
    """An element or item of a valid file; offsets are absolute."""

    index: int
    tag: int
    vr: str
    header_size: int
    flags: int
    offset: int
    length: int
    next: int
    parent: int

    @property
    def start(self) -> int:
        return self.offset - self.header_size

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def is_item(self) -> bool:
        return self.tag == ITEM

    @property
    def is_undefined(self) -> bool:
        return bool(self.flags & UNDEFINED_LENGTH)


class Seed:
    """A valid file with its tape: places to damage, and edits that keep the lengths around them right."""

    def __init__(self, data: bytes) -> None:
        data_set = dcmread(data)
        # Walks fragments and what stands behind them, and looks up implicit VRs, which stay on the tape.
        assert all(len(one.VR) == 2 for one in data_set.iterall())
        if data[128:132] != b"DICM" or data_set.deviations or data_set.transfer_syntax == DEFLATED:
            raise ValueError("not a valid native file")
        self.data = data
        self.syntax = str(data_set.transfer_syntax)
        self.encoder = Encoder(explicit=not data_set.is_implicit_VR, big=not data_set.is_little_endian)
        self.entries = [Entry(*row) for row in data_set.tape()]
        self.body = self.entries[0].offset
        self.leaves = [
            entry
            for entry in self.entries[1:]
            if entry.next == entry.index + 1 and not entry.is_item and entry.vr != "SQ" and not entry.is_undefined
        ]
        self.top = [entry for entry in self.entries[1:] if entry.parent == 0]
        self.sequences = [
            entry for entry in self.entries[1:] if entry.vr == "SQ" and entry.next > entry.index + 1
        ]
        self.items = [
            entry for entry in self.entries[1:] if entry.is_item and not self.entries[entry.parent].flags & FRAGMENTS
        ]

    def pack(self, code: str, number: int) -> bytes:
        """A number in the byte order of the data set."""
        return struct.pack(self.encoder.end + code, number)

    def raw(self, entry: Entry) -> bytes:
        """Header, value and delimiter of an entry."""
        return self.data[entry.start : entry.end + (8 if entry.is_undefined else 0)]

    def is_implicit(self, entry: Entry) -> bool:
        """Whether an entry is in implicit VR, as the whole or inside a UN (PS3.5 section 6.2.2)."""
        while entry.index and not self.entries[entry.parent].flags & IMPLICIT_IN_UN:
            entry = self.entries[entry.parent]
        return entry.index > 0 or not self.encoder.explicit

    def length_field(self, entry: Entry) -> tuple[int, str]:
        """Where the length of an entry stands, and its code for struct."""
        if entry.header_size == 12:
            return entry.start + 8, "I"
        if entry.is_item or self.is_implicit(entry):
            return entry.start + 4, "I"
        return entry.start + 6, "H"

    def with_length(self, entry: Entry, length: int, data: bytes | None = None) -> bytes:
        """The file with another number in an entry's length field, and nothing else changed."""
        at, code = self.length_field(entry)
        data = self.data if data is None else data
        return data[:at] + self.pack(code, length) + data[at + struct.calcsize(code) :]

    def splice(self, at: int, size: int, new: bytes, inside: int = 0) -> bytes:
        """The file with ``size`` bytes replaced; lengths of the containers from ``inside`` outwards grow along."""
        data = self.data[:at] + new + self.data[at + size :]
        while inside:
            container = self.entries[inside]
            if not container.is_undefined:
                data = self.with_length(container, container.length + len(new) - size, data)
            inside = container.parent
        return data

    def insert(self, tag: int, new: bytes) -> bytes:
        """The file with bytes inserted at the top level, where an element with ``tag`` belongs."""
        for entry in self.top:
            if entry.tag >= tag:
                return self.data[: entry.start] + new + self.data[entry.start :]
        return self.data + new

    def put(self, tag: int, vr: str, value: bytes) -> bytes:
        """The file with a top-level element set to a value."""
        new = self.encoder.element(tag, vr, value)
        for entry in self.top:
            if entry.tag == tag:
                return self.data[: entry.start] + new + self.data[entry.start + len(self.raw(entry)) :]
        return self.insert(tag, new)

    def recoded(self, encoder: Encoder) -> bytes:
        """The text elements of the top level in another encoding."""
        return b"".join(
            encoder.element(entry.tag, entry.vr, self.data[entry.offset : entry.end])
            for entry in self.top
            if entry in self.leaves and entry.vr in ("CS", "UI", "PN", "LO", "DA", "SH")
        )


Make = Callable[[Seed, random.Random], bytes]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One kind of damage.  ``make`` raises LookupError when the seed has no place for it.

    ``leads_to``: kinds of deviation, or names of errors, one of which reading it must report; empty when it is read
    without any.  ``proof`` holds for the data set that was read.
    """

    row: int
    name: str
    make: Make
    leads_to: tuple[str, ...]
    proof: Callable[[DataSet], bool] | None = None


MUTATIONS: dict[str, Mutation] = {}


def mutation(
    row: int, *leads_to: str, proof: Callable[[DataSet], bool] | None = None
) -> Callable[[Make], Make]:
    """Register a function under its own name."""

    def register(make: Make) -> Make:
        MUTATIONS[make.__name__] = Mutation(row, make.__name__, make, leads_to, proof)
        return make

    return register


def one_of(noise: random.Random, places: list[Entry]) -> Entry:
    """Any of the places; LookupError if there is none."""
    if not places:
        raise LookupError("the seed has no place for this mutation")
    return noise.choice(places)


def explicit_only(seed: Seed) -> None:
    if not seed.encoder.explicit:
        raise LookupError("the seed is in implicit VR")


# --- nesting, lengths, delimiters


@mutation(1, "NestingError")
def nested_deep(seed: Seed, noise: random.Random) -> bytes:
    return seed.insert(SQ, nested(DEEP, undefined=noise.random() < 0.8, encoder=seed.encoder))


@mutation(2, "NestingError")
def nested_deep_in_un(seed: Seed, noise: random.Random) -> bytes:
    explicit_only(seed)
    inside = implicit.item(nested(DEEP, undefined=True, encoder=implicit), undefined=True) + implicit.sequence_end()
    return seed.insert(0x00091001, seed.encoder.element(0x00091001, "UN", inside, length=UNDEFINED))


@mutation(3, "truncated_value", "overrun", "length_wrapped")
def length_beyond_the_end(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.leaves if seed.length_field(e)[1] == "I"] or seed.leaves[-1:])
    return seed.with_length(entry, 0xFFFFFFF0 if seed.length_field(entry)[1] == "I" else 0xFFFE)


@mutation(4, "truncated_header", "truncated_value", "missing_delimiter")
def cut_short(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.leaves if e.length])
    return seed.data[: noise.randrange(entry.start + 1, entry.end)]


@mutation(5, "odd_length")
def odd_length(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.leaves if e.length and e.length % 2 == 0])
    at, code = seed.length_field(entry)
    new = seed.data[entry.start : entry.end - 1]
    new = new[: at - entry.start] + seed.pack(code, entry.length - 1) + new[at - entry.start + struct.calcsize(code) :]
    return seed.splice(entry.start, entry.end - entry.start, new, entry.parent)


@mutation(6, "undefined_length")
def undefined_length_of_text(seed: Seed, noise: random.Random) -> bytes:
    explicit_only(seed)
    inside = seed.encoder.item(seed.encoder.element(0x00080060, "CS", b"CT"))
    new = seed.encoder.element(0x00104000, "UT", inside + seed.encoder.sequence_end(), length=UNDEFINED)
    return seed.insert(0x00104000, new)


@mutation(7, "missing_delimiter")
def missing_item_delimiter(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.items if e.is_undefined and seed.entries[e.parent].is_undefined])
    return seed.splice(entry.end, 8, b"", seed.entries[entry.parent].parent)


@mutation(7, "missing_delimiter")
def sequence_delimiter_in_place_of_the_items(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.items if e.is_undefined])
    return seed.splice(entry.end, 8, seed.encoder.sequence_end())


@mutation(7, "not_an_item", "missing_delimiter", "stray_delimiter")
def missing_sequence_delimiter(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.sequences if e.is_undefined])
    return seed.splice(entry.end, 8, b"", entry.parent)


@mutation(8, "stray_delimiter")
def delimiter_behind_a_known_length(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.sequences if not e.is_undefined])
    return seed.splice(entry.end, 0, seed.encoder.sequence_end(), entry.parent)


@mutation(9, "delimiter_length")
def delimiter_with_a_length(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.sequences + seed.items if e.is_undefined])
    return seed.splice(entry.end + 4, 4, seed.pack("I", noise.choice((2, 0xFFFFFFFF))))


@mutation(10, "overrun", "truncated_value")
def item_longer_than_its_sequence(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.items if not e.is_undefined])
    return seed.with_length(entry, noise.choice((0xFFFFFFF0, 0x00100000)))


@mutation(11, "not_an_item")
def element_among_items(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, seed.sequences)
    return seed.splice(entry.offset, 0, seed.encoder.element(0x00080060, "CS", b"CT"), entry.index)


# --- encodings


@mutation(12, "implicit_element")
def implicit_element(seed: Seed, noise: random.Random) -> bytes:
    explicit_only(seed)
    encoder = Encoder(explicit=False, big=seed.encoder.end == ">")
    return seed.insert(0x00104000, encoder.element(0x00104000, "", b"abcd"))


@mutation(13, "encoding")
def other_vr_encoding(seed: Seed, noise: random.Random) -> bytes:
    return part10(seed.recoded(implicit if seed.encoder.explicit else explicit), seed.syntax)


@mutation(14, "encoding")
def other_byte_order(seed: Seed, noise: random.Random) -> bytes:
    is_big = seed.encoder.end == ">"
    return part10(seed.recoded(Encoder(big=not is_big)), BIG_ENDIAN if is_big else EXPLICIT)


@mutation(15, "unknown_vr", "implicit_element")
def unknown_vr(seed: Seed, noise: random.Random) -> bytes:
    explicit_only(seed)
    vr = noise.choice((b"??", b"ZZ", b"aa", b"  "))
    return seed.insert(0x00104000, seed.encoder.element(0x00104000, vr, b"abcd"))


@mutation(16, "length_wrapped")
def length_that_wrapped(seed: Seed, noise: random.Random) -> bytes:
    explicit_only(seed)
    value = b"x" * 66000
    rest = follower(seed, 0x00104000)
    return seed.data[:rest] + seed.encoder.element(0x00104000, "LT", value, length=66000 - 65536) + seed.data[rest:]


def follower(seed: Seed, tag: int) -> int:
    """Offset of the first top-level element behind ``tag``; LookupError if there is none."""
    for entry in seed.top:
        if entry.tag > tag:
            return entry.start
    raise LookupError("nothing follows")


# --- the file around it


@mutation(17, "preamble")
def no_preamble(seed: Seed, noise: random.Random) -> bytes:
    return seed.data[128:] if noise.random() < 0.5 else seed.data[132:]


@mutation(18, "preamble")
def preamble_of_an_executable(seed: Seed, noise: random.Random) -> bytes:
    start = noise.choice((b"MZ\x90\0", b"\x7fELF", b"#!/bin/sh\n", b"\xcf\xfa\xed\xfe"))
    return start.ljust(128, b"\0") + seed.data[128:]


@mutation(19, "meta_group_length")
def wrong_meta_group_length(seed: Seed, noise: random.Random) -> bytes:
    return part10(seed.data[seed.body :], seed.syntax, length=noise.choice((0, 10, 0xFFFFFFF0)))


@mutation(19, "meta_group_length")
def no_meta_group_length(seed: Seed, noise: random.Random) -> bytes:
    return bytes(128) + b"DICM" + meta(seed.syntax)[12:] + seed.data[seed.body :]


@mutation(20, "transfer_syntax")
def no_transfer_syntax(seed: Seed, noise: random.Random) -> bytes:
    return part10(seed.data[seed.body :], None)


@mutation(20, "transfer_syntax")
def unknown_transfer_syntax(seed: Seed, noise: random.Random) -> bytes:
    return part10(seed.data[seed.body :], noise.choice(("1.2.3.4", seed.syntax + "   ", "not a UID")))


@mutation(21, "tag_order", "foreign_group", "unreadable_header", "truncated_value", "encoding")
def two_meta_groups(seed: Seed, noise: random.Random) -> bytes:
    return part10(meta(IMPLICIT) + seed.data[seed.body :], seed.syntax)


@mutation(21, "foreign_group")
def command_group_in_a_file(seed: Seed, noise: random.Random) -> bytes:
    return part10(seed.encoder.element(0, "UL", seed.pack("I", 4)) + seed.data[seed.body :], seed.syntax)


# --- tags


@mutation(22, "tag_order")
def tags_out_of_order(seed: Seed, noise: random.Random) -> bytes:
    leaves = [e for e in seed.top if e in seed.leaves]
    if len(leaves) < 2:
        raise LookupError("the seed has no two elements to exchange")
    first, second = sorted(noise.sample(leaves, 2), key=lambda e: e.start)
    a, b = seed.raw(first), seed.raw(second)
    between = seed.data[first.start + len(a) : second.start]
    return seed.data[: first.start] + b + between + a + seed.data[second.start + len(b) :]


@mutation(22, "duplicate_tag")
def duplicate_tag(seed: Seed, noise: random.Random) -> bytes:
    entry = one_of(noise, [e for e in seed.top if e in seed.leaves])
    return seed.splice(entry.end, 0, seed.raw(entry))


def _private_value(data_set: DataSet) -> bool:
    return 0x00091002 in data_set and data_set[0x00091002].private_creator is None


@mutation(23, proof=_private_value)
def private_element_without_creator(seed: Seed, noise: random.Random) -> bytes:
    if any(entry.tag >> 16 == 9 for entry in seed.top):
        raise LookupError("the seed has the group")
    return seed.insert(0x00091002, seed.encoder.element(0x00091002, "UN", b"1234"))


@mutation(24, proof=lambda data_set: data_set[0x00080000].value == 0x7FFFFFFF)
def wrong_group_length(seed: Seed, noise: random.Random) -> bytes:
    return seed.insert(0x00080000, seed.encoder.element(0x00080000, "UL", seed.pack("I", 0x7FFFFFFF)))


# --- compression


def _packed(data: bytes, wbits: int = -15, level: int = 9) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, wbits)
    return packer.compress(data) + packer.flush()


def _explicit_body(seed: Seed) -> bytes:
    """The data set, in explicit VR little endian."""
    if not seed.encoder.explicit or seed.encoder.end == ">":
        raise LookupError("the seed is in another encoding")
    return seed.data[seed.body :]


@mutation(25, "DecodeError")
def deflate_bomb(seed: Seed, noise: random.Random) -> bytes:
    items = implicit.tag(ITEM) + b"\xff" * 4 + bytes(12 << 20)
    bomb = plain() + element(0x00210010, "UN", items, length=UNDEFINED)
    return part10(b"", DEFLATED) + _packed(bomb)


@mutation(25, "deflate", "DecodeError", "truncated_header", "truncated_value")
def deflate_cut_short(seed: Seed, noise: random.Random) -> bytes:
    packed = _packed(_explicit_body(seed), level=noise.choice((0, 9)))
    return part10(b"", DEFLATED) + packed[: -noise.randrange(1, max(2, len(packed) // 2))]


@mutation(25, "deflate")
def bytes_behind_deflate(seed: Seed, noise: random.Random) -> bytes:
    return part10(b"", DEFLATED) + _packed(_explicit_body(seed)) + b"garbage"


@mutation(25, "deflate")
def zlib_header_before_deflate(seed: Seed, noise: random.Random) -> bytes:
    return part10(b"", DEFLATED) + _packed(_explicit_body(seed), 15)


@mutation(25, "encoding")
def deflated_in_name_only(seed: Seed, noise: random.Random) -> bytes:
    return part10(_explicit_body(seed), DEFLATED)


@mutation(26, "DecodeError")
def gzip_file(seed: Seed, noise: random.Random) -> bytes:
    return gzip.compress(seed.data, mtime=0)


@mutation(26, "DecodeError")
def zip_that_lies_about_sizes(seed: Seed, noise: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("image.dcm"), seed.data)
    data = bytearray(file.getvalue())
    struct.pack_into("<I", data, 22, 0xFFFFFFF0)
    return bytes(data)


# --- pixel data


def _claimed(data_set: DataSet) -> int:
    """Bytes of pixels that the attributes claim."""
    frames = data_set.get("NumberOfFrames") or 1
    samples = data_set.get("SamplesPerPixel") or 1
    return int(data_set.Rows) * int(data_set.Columns) * int(frames) * int(samples) * int(data_set.BitsAllocated) // 8


def _image(seed: Seed, rows: int = 2, columns: int = 2, bits: int = 8, frames: bytes = b"", more: bytes = b"") -> bytes:
    """A file of a few elements of the seed and the attributes of an image."""
    encoder = seed.encoder
    start = b"".join(seed.raw(entry) for entry in seed.top if entry in seed.leaves and entry.tag < 0x00280000)
    number = lambda tag, value: encoder.element(tag, "US", seed.pack("H", value))  # noqa: E731
    return part10(
        start
        + number(0x00280002, 1)
        + (encoder.element(0x00280008, "IS", frames) if frames else b"")
        + number(0x00280010, rows)
        + number(0x00280011, columns)
        + number(0x00280100, bits)
        + number(0x00280101, min(bits, 16))
        + number(0x00280102, min(bits, 16) - 1)
        + number(0x00280103, 0)
        + more,
        seed.syntax,
    )


def _encapsulated(*fragments: bytes, table: bytes = b"", end: bytes | None = None) -> bytes:
    """Pixel Data of fragments behind a basic offset table (PS3.5 section A.4)."""
    body = item(table) + b"".join(fragments) + (sequence_end() if end is None else end)
    return element(PIXEL_DATA, "OB", body, length=UNDEFINED)


def _compressed_image(seed: Seed, pixels: bytes, frames: bytes = b"2 ") -> bytes:
    _explicit_body(seed)
    native = _image(seed, frames=frames)
    body = native[len(part10(b"", seed.syntax)) :]
    return part10(body + pixels, JPEG)


@mutation(27, proof=lambda data_set: _claimed(data_set) > 1 << 32)
def dimensions_that_overflow(seed: Seed, noise: random.Random) -> bytes:
    pixels = seed.encoder.element(PIXEL_DATA, "OW", bytes(8))
    return _image(seed, 65535, 65535, 64, b"2147483647", pixels)


@mutation(27, proof=lambda data_set: _claimed(data_set) == 0)
def dimensions_of_zero(seed: Seed, noise: random.Random) -> bytes:
    return _image(seed, 0, 2, more=seed.encoder.element(PIXEL_DATA, "OW", bytes(8)))


@mutation(27, proof=lambda data_set: data_set["Rows"].length == 4)
def dimensions_in_four_bytes(seed: Seed, noise: random.Random) -> bytes:
    return seed.put(0x00280010, "UL", seed.pack("I", 512))


@mutation(28, proof=lambda data_set: data_set["PixelData"].length < _claimed(data_set))
def pixel_data_too_short(seed: Seed, noise: random.Random) -> bytes:
    return _image(seed, 64, 64, more=seed.encoder.element(PIXEL_DATA, "OW", bytes(64)))


@mutation(28, proof=lambda data_set: data_set["PixelData"].length > _claimed(data_set))
def pixel_data_too_long(seed: Seed, noise: random.Random) -> bytes:
    return _image(seed, 2, 2, more=seed.encoder.element(PIXEL_DATA, "OW", bytes(640)))


@mutation(29, proof=lambda data_set: data_set.BitsAllocated in (1, 12, 24, 64))
def odd_bits_allocated(seed: Seed, noise: random.Random) -> bytes:
    return _image(seed, bits=noise.choice((1, 12, 24, 64)), more=seed.encoder.element(PIXEL_DATA, "OW", bytes(64)))


@mutation(29, proof=lambda data_set: data_set.PixelRepresentation == 7 and data_set.HighBit > data_set.BitsAllocated)
def contradicting_bits(seed: Seed, noise: random.Random) -> bytes:
    wrong = seed.encoder.element(0x00280102, "US", seed.pack("H", 40)) + seed.encoder.element(
        0x00280103, "US", seed.pack("H", 7)
    )
    header_and_value = 10
    return _image(seed)[: -2 * header_and_value] + wrong


@mutation(30, "value")
def number_of_frames_in_exponents(seed: Seed, noise: random.Random) -> bytes:
    return _image(seed, frames=b"1e9 ")


@mutation(30, proof=lambda data_set: int(data_set.NumberOfFrames) < 0)
def negative_number_of_frames(seed: Seed, noise: random.Random) -> bytes:
    return _image(seed, frames=b"-1")


@mutation(30, proof=lambda data_set: int(data_set.NumberOfFrames) > len(data_set.PixelData))
def more_frames_than_fragments(seed: Seed, noise: random.Random) -> bytes:
    return _compressed_image(seed, _encapsulated(item(b"\xff\xd8\xff\xd9")), frames=b"900 ")


def _table_is_wrong(data_set: DataSet) -> bool:
    table = bytes(data_set["PixelData"].raw)[8:]
    return struct.unpack("<I", table[:4])[0] != 0 or len(table) > 0


@mutation(31, "odd_length", proof=_table_is_wrong)
def offset_table_of_odd_size(seed: Seed, noise: random.Random) -> bytes:
    return _compressed_image(seed, _encapsulated(item(b"\xff\xd8\xff\xd9") * 2, table=b"\0\0\0\0\x0c"))


@mutation(31, proof=_table_is_wrong)
def offset_table_past_the_end(seed: Seed, noise: random.Random) -> bytes:
    offsets = noise.choice(((0, 0xFFFFFFF0), (12, 0), (4, 4), (0, 12, 24, 36)))
    table = struct.pack(f"<{len(offsets)}I", *offsets)
    return _compressed_image(seed, _encapsulated(item(b"\xff\xd8\xff\xd9") * 2, table=table))


@mutation(31, proof=lambda data_set: 0x7FE00001 in data_set)
def extended_offset_table_that_overflows(seed: Seed, noise: random.Random) -> bytes:
    table = element(0x7FE00001, "OV", struct.pack("<2Q", 0, (1 << 64) - 2)) + element(
        0x7FE00002, "OV", struct.pack("<2Q", 4, (1 << 63))
    )
    return _compressed_image(seed, table + _encapsulated(item(b"\xff\xd8\xff\xd9") * 2))


@mutation(32, "undefined_length")
def fragment_of_undefined_length(seed: Seed, noise: random.Random) -> bytes:
    fragment = explicit.tag(ITEM) + b"\xff" * 4 + b"1234"
    return _compressed_image(seed, _encapsulated(fragment))


@mutation(32, "odd_length")
def fragment_of_odd_length(seed: Seed, noise: random.Random) -> bytes:
    return _compressed_image(seed, _encapsulated(item(b"123")))


@mutation(32, proof=lambda data_set: len(data_set.PixelData) == 0)
def no_fragments(seed: Seed, noise: random.Random) -> bytes:
    return _compressed_image(seed, _encapsulated())


@mutation(32, "missing_delimiter")
def no_delimiter_behind_fragments(seed: Seed, noise: random.Random) -> bytes:
    return _compressed_image(seed, _encapsulated(item(b"\xff\xd8\xff\xd9"), end=b""))


@mutation(33, proof=lambda data_set: len(data_set.PixelData) > int(data_set.NumberOfFrames))
def several_fragments_a_frame(seed: Seed, noise: random.Random) -> bytes:
    return _compressed_image(seed, _encapsulated(item(b"\xff\xd8"), item(b"\0\0"), item(b"\xff\xd9")), frames=b"1 ")


@mutation(33, proof=lambda data_set: len(data_set.PixelData) < int(data_set.NumberOfFrames))
def several_frames_in_a_fragment(seed: Seed, noise: random.Random) -> bytes:
    return _compressed_image(seed, _encapsulated(item(b"\xff\xd8\xff\xd9" * 2)))


# --- text and values


@mutation(43, "character_set")
def unknown_character_set(seed: Seed, noise: random.Random) -> bytes:
    terms = noise.choice((b"ISO_IR 999", b"ISO-IR 100", b"none of those "))
    return Seed(seed.put(0x00080005, "CS", terms)).put(0x00100010, "PN", b"D\xf6e^Jo")


@mutation(43, "character_set")
def text_cut_in_a_character(seed: Seed, noise: random.Random) -> bytes:
    terms, name = noise.choice(
        (
            (b"ISO_IR 192", b"Doe^J\xc3"),
            (b"\\ISO 2022 IR 87 ", b"\x1b$B;3ED;3E"),
            (b"ISO_IR 100", b"\x1b$)Cabc^de"),
        )
    )
    return Seed(seed.put(0x00080005, "CS", terms)).put(0x00100010, "PN", name)


@mutation(44, proof=lambda data_set: "\0" in data_set.PatientComments)
def control_characters_and_markup(seed: Seed, noise: random.Random) -> bytes:
    return seed.put(0x00104000, "LT", b"a\0b\r\n<script>\\../../xy")


@mutation(44, proof=lambda data_set: len(data_set["PatientName"].value) == 2)
def backslash_inside_a_character(seed: Seed, noise: random.Random) -> bytes:
    return Seed(seed.put(0x00080005, "CS", b"GB18030 ")).put(0x00100010, "PN", b"A\\\x81\\B ")


@mutation(44, proof=lambda data_set: len(data_set.PatientID) == 60_000)
def text_beyond_its_length(seed: Seed, noise: random.Random) -> bytes:
    return seed.put(0x00100020, "LO", b"x" * 60_000)


@mutation(45, "value")
def number_text_that_is_none(seed: Seed, noise: random.Random) -> bytes:
    tag, vr, text = noise.choice(
        (
            (0x00180050, "DS", b"1,5 "),
            (0x00180050, "DS", b"nan "),
            (0x00180050, "DS", b"x" * 70),
            (0x00200013, "IS", b"1e400 "),
            (0x00200013, "IS", b"9" * 5000),
        )
    )
    return seed.put(tag, vr, text)


def _date_is_wrong(data_set: DataSet) -> bool:
    try:
        data_set["StudyDate"].as_datetime()
    except DicomWireError:
        return True
    return False


@mutation(45, proof=_date_is_wrong)
def date_that_is_none(seed: Seed, noise: random.Random) -> bytes:
    return seed.put(0x00080020, "DA", noise.choice((b"20239999", b"2023.1.1", b"yester", b"20230229")))


@mutation(46, proof=lambda data_set: data_set["Rows"].VM == 2)
def more_values_than_allowed(seed: Seed, noise: random.Random) -> bytes:
    return seed.put(0x00280010, "US", seed.pack("H", 1) + seed.pack("H", 2))


@mutation(46, "odd_length")
def numbers_of_odd_bytes(seed: Seed, noise: random.Random) -> bytes:
    return seed.put(0x00280010, "US", b"\1\2\3")


@mutation(46, proof=lambda data_set: data_set["PatientID"].VR == "SQ")
def sequence_under_a_text_tag(seed: Seed, noise: random.Random) -> bytes:
    explicit_only(seed)
    new = seed.encoder.sequence(0x00100020, seed.encoder.item(seed.encoder.element(0x00080060, "CS", b"CT")))
    for entry in seed.top:
        if entry.tag == 0x00100020:
            return seed.data[: entry.start] + new + seed.data[entry.start + len(seed.raw(entry)) :]
    return seed.insert(0x00100020, new)


# --- all of them


def apply(name: str, data: bytes, noise: random.Random) -> bytes:
    """A valid file with one named mutation; LookupError if it has no place for it, ValueError if it is not valid."""
    return MUTATIONS[name].make(Seed(data), noise)


def mutated(data: bytes, noise: random.Random) -> bytes:
    """A file with any mutation that it has a place for; itself if it is not valid."""
    try:
        seed = Seed(data)
    except (DicomWireError, ValueError):
        return data
    names = list(MUTATIONS)
    noise.shuffle(names)
    for name in names:
        try:
            return MUTATIONS[name].make(seed, noise)
        except LookupError:
            continue
    return data


@cache
def examples() -> dict[str, bytes]:
    """One mutated file for each name, of the first built file that has a place for it."""
    from tests.fuzz import seeds

    valid = []
    for data in seeds.built():
        try:
            valid.append(Seed(data))
        except ValueError:
            continue
    found = {}
    for name, one in MUTATIONS.items():
        for seed in valid:
            try:
                found[name] = one.make(seed, random.Random(name))
                break
            except LookupError:
                continue
    return found
