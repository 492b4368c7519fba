"""Whatever can be read is written as JSON and XML that parse, in whatever pieces, and read back say the same."""

import json
from xml.parsers import expat

from _dicomwire.jsonmodel import JSONWriter, json_depth
from dicomwire import DataSet, dcmread
from dicomwire.dataset.model import MAX_DEPTH
from dicomwire.errors import DicomWireError
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, exact
from tests.hostile.reading import POLICIES


def refuse(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


def run(data: bytes) -> None:
    """A byte for the policy, one for the size of pieces, a file."""
    if len(data) < 3:
        return
    try:
        ds = dcmread(exact(data[2:]), policy=POLICIES[data[0] % 3], force=True)
        text = ds.to_json()
        document = ds.to_xml()
    except DicomWireError:
        return
    json.loads(text, parse_constant=refuse) if json_depth(text.encode()) < 300 else None
    expat.ParserCreate().Parse(document.encode(), True)
    writer, pieces = JSONWriter(ds), []
    while piece := writer.take(1 + data[1]):
        pieces.append(piece)
    assert b"".join(pieces).decode() == text, "pieces are another text"
    if json_depth(text.encode()) > 3 * MAX_DEPTH:
        return
    try:
        again = DataSet.from_json(text)
    except DicomWireError:
        return  # a group or a length that a data set cannot have, or a VR that only implicit VR would
    once = again.to_json()
    assert DataSet.from_json(once).to_json() == once, "what was read once is read differently again"


def starts() -> list[bytes]:
    return [b"\1\7" + file for file in seeds.files() if len(file) < 8192]


HARNESS = Harness("models", starts, run, seeds.TRICKY)
