"""Any bytes in any cuts give one data set in another encoding, with the same elements, or the same DecodeError."""

import zlib

from _dicomwire.reencode import Reencoder
from dicomwire.errors import DecodeError, UnsupportedError
from dicomwire.file import can_reencode, reencode
from dicomwire.streaming import EventKind, StreamParser
from tests.builders import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, JPEG, element, plain
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, exact
from tests.fuzz.harnesses.stream import CUTS, pieces
from tests.fuzz.outcomes import check_place
from tests.hostile.reading import POLICIES

SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED, JPEG)
OPENS = (EventKind.SEQUENCE, EventKind.ITEM, EventKind.ELEMENT, EventKind.FRAGMENT, EventKind.FRAGMENTS)
Row = tuple[object, ...]


def written(chunks: list[bytes], source: str, target: str, policy: str) -> bytes | str:
    """What comes out, or the error."""
    try:
        return b"".join(reencode(chunks, source, target, policy=policy, inflate_limit=1 << 20))
    except DecodeError as error:
        check_place(error)
        return str(error)
    except UnsupportedError as error:
        return str(error)


def written_in_pieces(data: bytes, source: str, target: str, policy: str) -> bytes | str:
    """The same with values that come in pieces from 1,024 bytes on."""
    options = {"implicit_vr": target == IMPLICIT, "big_endian": target == BIG_ENDIAN, "policy": policy}
    encoder = Reencoder(source, **options, piece_limit=1024, inflate_limit=1 << 20)  # type: ignore[arg-type]
    try:
        given = [bytes(piece) for at in range(0, len(data), 700) for piece in encoder.feed(exact(data[at : at + 700]))]
        return b"".join([*given, *encoder.close()])
    except (DecodeError, UnsupportedError) as error:
        return str(error)


def inflated(data: bytes) -> bytes:
    """A deflate stream that is whole, but for one byte of padding."""
    unpacker = zlib.decompressobj(-15)
    plain = unpacker.decompress(data)
    assert unpacker.eof, "the deflate stream does not end"
    assert unpacker.unused_data in (b"", b"\0")
    assert len(data) % 2 == 0
    return plain


def elements(data: bytes, syntax: str) -> tuple[list[Row], set[str]]:
    """Tags and depths in their order, with values; and the kinds of what departs from the standard."""
    rows: list[Row] = []
    parser = StreamParser(syntax, inflate_limit=1 << 20)
    for batch in (parser.feed(data), parser.close()):
        for event in batch:
            if event.kind not in OPENS or (event.tag & 0xFFFF == 0 and event.kind is EventKind.ELEMENT):
                continue
            value = None
            if event.kind is EventKind.ELEMENT and event.length and not event.comes_in_pieces and event.VR != "SQ":
                value = event.decoded()
            is_open = event.kind in (EventKind.SEQUENCE, EventKind.ITEM) and event.length != 0
            rows.append((event.tag, event.depth, is_open, event.VR, value))
    return rows, {deviation.kind for deviation in parser.deviations}


def compare(source: list[Row], target: list[Row]) -> None:
    """The same elements at the same depths; the same values where the VR is the same."""
    assert [row[:3] for row in source] == [row[:3] for row in target], "other elements come out"
    if any(row[0] == 0x00080005 and row[3] != "CS" for row in source):
        return  # a character set that is made of numbers, and swapped
    for before, after in zip(source, target, strict=True):
        if before[3] == after[3] and before[3] not in ("UN", "OB", "OW", "OL", "OV", "OF", "OD"):
            assert repr(before[4]) == repr(after[4]), f"another value at {before[0]:08X}"


def run(data: bytes) -> None:
    """A byte for the syntaxes, a byte of options, four that say where to cut, the data set."""
    if len(data) < 2 + CUTS:
        return
    source, target = SYNTAXES[(data[0] & 15) % 5], SYNTAXES[(data[0] >> 4) % 4]
    if data[1] & 4:
        target = source
    policy = POLICIES[data[1] % 3]
    body = data[2 + CUTS :]
    whole = written([exact(body)], source, target, policy)  # type: ignore[list-item]
    assert written(pieces(body, data[2 : 2 + CUTS]), source, target, policy) == whole, "cuts change what comes out"
    if target != DEFLATED and JPEG not in (source, target):
        other = written_in_pieces(body, source, target, policy)
        # Of two errors another one may come first: a value that is not whole is waited for, or not.
        assert other == whole or (isinstance(other, str) and isinstance(whole, str)), "pieces change what comes out"
    if isinstance(whole, str) or not can_reencode(source, target):
        return
    if target == DEFLATED:
        target, whole = EXPLICIT, inflated(whole)
    try:
        rows, deviates = elements(body, source)
        again, kinds = elements(whole, target)
    except DecodeError:
        if target == IMPLICIT:
            return  # a tag alone says there what is a sequence, which a VR may have denied
        raise
    if deviates or "encoding" in kinds:
        return  # a few bytes may look like another encoding than the one they are in
    assert not kinds or target == IMPLICIT, f"what was written departs from the standard: {kinds}"
    if not (IMPLICIT in (source, target) and source != target):
        compare(rows, again)
    else:
        assert [row[:2] for row in rows] == [row[:2] for row in again], "other elements come out"
    if target != JPEG:
        same = written([whole], target, target, policy)
        if not (target == IMPLICIT and isinstance(same, str)):
            assert same == whole, "what was written is written in another way"
    if source == EXPLICIT and target == BIG_ENDIAN:
        canonical = written([body], source, source, policy)
        assert written([whole], target, source, policy) == canonical, "what comes back is something else"


def starts() -> list[bytes]:
    """Data sets of every encoding to every other one."""
    numbers = {"implicit": 1, "big endian": 2, "encapsulated": 4}
    result = []
    for name, body in seeds.bodies().items():
        for target in range(4):
            result.append(bytes([numbers.get(name, 0) | target << 4, 1, 7, 0, 0, 0]) + body)
        result.append(bytes([numbers.get(name, 0), 5, 0, 0, 0, 0]) + body)
        result.append(bytes([3, 1, 90, 120, 150, 180]) + seeds.deflated(body))
    for vr in ("OW", "OL", "OV", "UT", "DS"):
        result.append(b"\x20\1\x1f\0\0\0" + plain() + element(0x7FE00010, vr, bytes(range(250)) * 5 + b"odd"))
    for file in seeds.files():
        at = file.find(b"\x08\0\x05\0")
        if at >= 0 and len(file) - at < 4096:
            # Whatever it is: explicit little endian more often than not.
            result.append(b"\x20\1\x7f\x80\x90\xa0" + file[at:])
    return result


HARNESS = Harness("reencode", starts, run, (*seeds.TRICKY, b"\x18\0\x10\x98", b"\x28\0\x06\x01", b"\x28\0\0\x01"), 2048)
