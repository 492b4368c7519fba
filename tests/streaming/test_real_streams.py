"""Every real file as a stream: the same events wherever it is cut, and the elements of the structural index."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from dicomwire import DataSet, Sequence, dcmread
from dicomwire.errors import DecodeError
from dicomwire.streaming import EventKind, StreamParser
from tests.conftest import RealFiles
from tests.streaming.events import outcome, random_cuts, single_bytes

LONGEST = 2_000_000  # bytes of a file that are streamed; what comes after is more of the same pixel data
SINGLE = 3000  # bytes that come one by one where a file has more than 8000

# Why a stream shows something else than the structural index: file name -> reason.
DIFFERENCES = {
    "winter.dcm": "a tag occurs twice: the index shows the first, the stream has given it before the second comes",
    "MR_truncated.dcm": "ends within its pixel data: the index clips the value, the stream ends with TruncatedError",
    "rtplan_truncated.dcm": "ends within a value: the index clips it, the stream ends with TruncatedError",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "ends within the fragments: the stream ends with TruncatedError",
}
REFUSED = {"no_meta.dcm"}  # neither reads it without force=True


def cuttings(data: bytes, name: str) -> Iterable[Iterable[bytes]]:
    if len(data) <= 8000:
        yield single_bytes(data)
    else:
        yield chain(single_bytes(data[:SINGLE]), [data[SINGLE:]])
    yield random_cuts(data, name, 1000 if len(data) < 100_000 else 30_000)
    yield random_cuts(data, name + "again", 65_536)


def test_events_do_not_depend_on_the_cuts(real_files: RealFiles) -> None:
    events = 0
    for _, path in real_files:
        data = path.read_bytes()[:LONGEST]
        whole = outcome([data])
        events += len(whole.rows)
        for chunks in cuttings(data, path.name):
            found = outcome(chunks)
            assert found.error == whole.error, path
            assert found.deviations == whole.deviations, path
            assert found.rows == whole.rows, path
    assert events > 40_000


def streamed(path: Path) -> tuple[dict[int, tuple[object, ...]], DecodeError | None]:
    """Elements by offset; with those inside of values that only a private dictionary knows to be sequences."""
    rows: dict[int, tuple[object, ...]] = {}
    parser = StreamParser()

    def add(ds: DataSet, base: int) -> None:
        for element in ds.iterall():
            length = None if element.is_undefined_length else element.length
            rows[base + element.offset] = (element.tag, element.VR, length, element.header_size)

    with path.open("rb") as file:
        try:
            while True:
                chunk = file.read(65_536)
                for event in parser.feed(chunk) if chunk else parser.close():
                    if event.kind in (EventKind.ELEMENT, EventKind.SEQUENCE, EventKind.FRAGMENTS):
                        rows[event.offset] = (event.tag, event.VR, event.length, event.header_size)
                        if event.kind is EventKind.ELEMENT and event.VR == "SQ" and not event.comes_in_pieces:
                            inside = event.decoded()
                            assert isinstance(inside, Sequence)
                            for item in inside:
                                add(item, 0)
                if not chunk:
                    return rows, None
        except DecodeError as error:
            return rows, error


def test_elements_are_those_of_the_structural_index(real_files: RealFiles) -> None:
    elements = 0
    seen = set()
    for _, path in real_files:
        rows, error = streamed(path)
        if path.name in REFUSED:
            assert error is not None
            with pytest.raises(DecodeError):
                dcmread(path)
            continue
        ds = dcmread(path)
        want = {
            e.offset: (e.tag, e.VR, None if e.is_undefined_length else e.length, e.header_size) for e in ds.iterall()
        }
        elements += len(want)
        if rows != want or error is not None:
            assert path.name in DIFFERENCES, (path, error)
            seen.add(path.name)
            odd = [offset for offset in rows.keys() | want.keys() if rows.get(offset) != want.get(offset)]
            assert len(odd) <= 3, path
            assert (error is not None) == ("TruncatedError" in DIFFERENCES[path.name])
    assert elements > 40_000
    present = {path.name for _, path in real_files}
    assert seen == DIFFERENCES.keys() & present, "a difference that is gone is taken off the list"
