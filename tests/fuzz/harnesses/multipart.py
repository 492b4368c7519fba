"""Any bytes in any cuts are the same parts of a multipart body or the same DecodeError, within the limits."""

from collections.abc import Iterable
from itertools import pairwise

from dicomwire.errors import DecodeError, TruncatedError
from dicomwire.streaming.multipart import (
    MultipartEnd,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    boundary_of,
    iter_multipart,
)
from tests.fuzz.harness import Harness

BOUNDARY = "b0"
LIMITS = {"max_header_size": 100, "max_preamble_size": 60, "max_parts": 5}
TYPES = (
    b'multipart/related; type="application/dicom"; boundary=b0',
    b'Multipart/Mixed;boundary="b 0"',
    b'multipart/related; boundary="a\\"b\\\\"; x=y',
    b"text/plain; boundary=b0",
    b"multipart/related; start=x;boundary=",
)


def outcome(chunks: Iterable[bytes]) -> list[object]:
    """Events, with the pieces of each part joined, and the error that ended them."""
    reader = MultipartReader(boundary=BOUNDARY, **LIMITS)
    found: list[object] = []
    try:
        for chunk in chunks:
            for event in reader.feed(chunk):
                if isinstance(event, PartData):
                    assert len(event.data)
                    if isinstance(found[-1], bytearray):
                        found[-1] += event.data
                    else:
                        found.append(bytearray(event.data))
                else:
                    found.append(event)
        reader.close()
    except DecodeError as error:
        found.append((type(error).__name__, error.message))  # its offset is that of the bytes in hand
        assert not reader.ended
    return found


def check_order(found: list[object]) -> list[bytes]:
    """Parts begin, have bytes, and end, one after the other; returns the contents of those that ended."""
    contents: list[bytes] = []
    open_part: bytearray | None = None
    for number, event in enumerate(found):
        if isinstance(event, PartBegin):
            assert open_part is None
            open_part = bytearray()
            assert sum(len(name) + len(value) for name, value in event.headers.items()) <= LIMITS["max_header_size"]
        elif isinstance(event, bytearray):
            assert open_part == b""
            open_part = event
        elif isinstance(event, PartEnd):
            assert open_part is not None
            contents.append(bytes(open_part))
            open_part = None
        else:
            assert number == len(found) - 1
            assert open_part is None or not isinstance(event, MultipartEnd)
    assert len(contents) <= LIMITS["max_parts"]
    return contents


def check_type(text: str) -> None:
    """A Content-Type names a boundary or is refused, and so is what cannot be one."""
    try:
        boundary = boundary_of(text)
        MultipartReader(boundary=boundary)
    except DecodeError as error:
        if not error.section:
            raise AssertionError("an error without its section") from error


def run(data: bytes) -> None:
    """First byte: 0 for a Content-Type; else how many bytes are places of cuts, or the length of all pieces."""
    if not data:
        return
    if data[0] == 0:
        check_type(data[1:].decode("latin-1"))
        return
    count = data[0] & 7
    places, body = data[1 : 1 + count], data[1 + count :]
    cuts = sorted(place * len(body) // 256 for place in places)
    if data[0] & 8:
        cuts = list(range(0, len(body), 1 + (data[0] >> 4)))
    chunks = [body[start:stop] for start, stop in pairwise([0, *cuts, len(body)])]
    whole = outcome([body])
    assert outcome(chunks) == whole, "cuts change what a body is made of"
    contents = check_order(whole)
    found = []
    try:
        for number, part in enumerate(iter_multipart(chunks, boundary=BOUNDARY, **LIMITS)):
            if number & 1:
                found.append(part.stream.read())
            else:
                found.append(part.read())
    except (DecodeError, TruncatedError):
        assert not isinstance(whole[-1], MultipartEnd)
        assert found == contents[: len(found)]
    else:
        assert isinstance(whole[-1], MultipartEnd)
        assert found == contents


def starts() -> list[bytes]:
    """Bodies with contents that look like boundaries, damaged ones, and Content-Types."""
    head = b"Content-Type: application/dicom\r\nX: 1\r\n"
    bodies = [
        b"--b0\r\n" + head + b"\r\none\r\n--b0\r\n\r\n\r\n--b0\r\nA:b\r\n\r\n\r\n--b\r\n--b0x\r\n--b0--\r\nepilogue",
        b"preamble\r\n--b0 \t\r\n\r\n\r\r\n\r\n--b0-\r\n--b0--",
        b"--b0--",
        b"--b0\r\nno colon\r\n\r\nx\r\n--b0--",
        b"--b0\r\nA: b\r\n folded\r\nA: again\r\n\r\nx",
        b"--b0\r\n" + b"A: b\r\n" * 20 + b"\r\nx\r\n--b0--",
        b"\r\n--b0\r\n\r\n" * 7 + b"\r\n--b0--",
        b"p" * 70 + b"\r\n--b0--",
    ]
    return [b"\0" + text for text in TYPES] + [
        setup + body for body in bodies for setup in (b"\x03\x20\x80\xa0", b"\x08", b"\x28", b"\x01\x10")
    ]


WORDS = (b"\r\n--b0", b"\r\n--b0--", b"\r\n\r\n", b"\r\n", b"--", b": ", b"boundary=", b'"', b"\\", b"; ")
HARNESS = Harness("multipart", starts, run, WORDS, 512)
