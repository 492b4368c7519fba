"""Any bytes in any cuts are the same events and the same error, and the elements that the structural index has."""

from itertools import pairwise

from dicomwire import DataSet, Sequence, dcmread
from dicomwire.errors import DecodeError
from dicomwire.streaming import Event, EventKind, StreamParser
from tests.builders import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, exact
from tests.hostile.reading import POLICIES
from tests.streaming.events import Outcome, outcome

SYNTAXES = (None, None, None, None, EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)
PIECE_LIMITS = (65536, 65536, 1024, 1025)
CUTS = 4  # bytes at the front that say where to cut, behind the two that choose options

# Where the index knows more, having seen what comes behind, and guesses by more of it: docs/streaming.md.  Of a value
# of undefined length that the dictionary knows to be none of items the stream says SQ, the index what the file says.
DIFFERENT = {
    "length_wrapped",
    "duplicate_tag",
    "tag_order",
    "unreadable_header",
    "implicit_element",
    "unknown_vr",
    "undefined_length",
    "encoding",
}
HEADS = (EventKind.ELEMENT, EventKind.SEQUENCE, EventKind.FRAGMENTS)
Row = tuple[object, ...]


def pieces(data: bytes, where: bytes) -> list[bytes]:
    """The data in pieces: small numbers are lengths of all pieces, others are places in proportion."""
    if where[0] < 32:
        size = where[0] + 1
        return [data[at : at + size] for at in range(0, len(data), size)]
    places = sorted(byte * len(data) // 256 for byte in where)
    return [data[start:stop] for start, stop in pairwise([0, *places, len(data)])]


def row_of(element: Event) -> Row:
    """What an element is, without the place where it is."""
    return element.tag, element.VR, element.length, element.header_size


def inside(data_set: DataSet, rows: dict[int, Row]) -> None:
    """Elements of a value that came as one and is a sequence all the same."""
    for element in data_set.iterall():
        length = None if element.is_undefined_length else element.length
        rows[element.offset] = (element.tag, element.VR, length, element.header_size)


def streamed(data: bytes) -> tuple[dict[int, Row], set[str], DecodeError | None]:
    """Elements by offset, kinds of deviation, and the error."""
    rows: dict[int, Row] = {}
    parser = StreamParser()
    error = None
    try:
        for batch in (parser.feed(data), parser.close()):
            for event in batch:
                if event.kind in HEADS:
                    rows[event.offset] = row_of(event)
                    if event.kind is EventKind.ELEMENT and event.VR == "SQ" and not event.comes_in_pieces:
                        value = event.decoded()
                        assert isinstance(value, Sequence)
                        for item in value:
                            inside(item, rows)
    except DecodeError as found:
        error = found
    return rows, {deviation.kind for deviation in parser.deviations}, error


def compare_with_index(data: bytes) -> None:
    """The elements of both, unless one of them refuses or has met what a stream cannot know."""
    rows, kinds, error = streamed(data)
    want: dict[int, Row] = {}
    try:
        data_set = dcmread(data)
        inside(data_set, want)
        index_kinds = {deviation.kind for deviation in data_set.deviations}
    except DecodeError:
        return
    if DIFFERENT & (kinds | index_kinds):
        return
    if error is None:
        assert rows == want, "a stream shows other elements than the index"
    else:
        assert index_kinds, f"a stream ends with an error where the index has none: {error}"


def run(data: bytes) -> None:
    """Two bytes of options, four that say where to cut, the stream."""
    if len(data) < 2 + CUTS:
        return
    flags, more, body = data[0], data[1], data[2 + CUTS :]
    options: dict[str, object] = {
        "policy": POLICIES[flags % 3],
        "frames": bool(flags & 4),
        "force": bool(flags & 8),
        "piece_limit": PIECE_LIMITS[flags >> 4 & 3],
    }
    if more & 8:
        options["charset"] = "ISO_IR 100"
    if more & 16:
        options["inflate_limit"] = 1000
    syntax = SYNTAXES[more & 7]
    whole = outcome([exact(body)], syntax, **options)  # type: ignore[list-item]
    check(whole)
    assert outcome(pieces(body, data[2 : 2 + CUTS]), syntax, **options) == whole, "cuts change what a stream gives"
    if syntax is None and not flags & 0x1F:
        compare_with_index(body)


def check(found: Outcome) -> None:
    """What holds for the events of one stream: what opens is closed, and END is the end."""
    open_ends = []
    for kind, *_ in found.rows:
        if kind in ("SEQUENCE", "ITEM", "FRAGMENTS"):
            open_ends.append(f"{kind}_END")
        elif kind.endswith("_END"):
            assert open_ends.pop() == kind
    names = [row[0] for row in found.rows]
    assert "END" not in names[:-1]
    assert (found.error is None) == (names[-1:] == ["END"])
    assert found.error is not None or not open_ends


def starts() -> list[bytes]:
    """Files whole and in single bytes, and bodies under their transfer syntaxes."""
    numbers = {"implicit": 5, "big endian": 6}
    result = [b"\0\0\x7f\x80\x90\xa0" + file for file in seeds.files()]
    for file in seeds.built():
        result += [bytes([flags, 0, 0, 0, 0, 0]) + file for flags in (1, 2, 4, 0x24, 0x30)]
    for name, body in seeds.bodies().items():
        result.append(bytes([4, numbers.get(name, 4), 7, 0, 0, 0]) + body)
        result.append(bytes([0x20, 7, 7, 0, 0, 0]) + seeds.deflated(body))
    return result


HARNESS = Harness("stream", starts, run, seeds.TRICKY, 2048)
