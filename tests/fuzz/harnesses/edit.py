"""Any bytes that can be read are changed, written and read again: what was set is there, the rest is equal."""

import copy
import pickle

import dicomwire
from dicomwire import DataSet, Fragments, Sequence
from dicomwire.dictionary import dictionary_vr
from dicomwire.errors import DecodeError, EncodeError, UnsupportedError
from dicomwire.file import data_set_bytes, file_bytes, iter_file
from tests.builders import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, JPEG, element, item, part10, plain, sequence
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, exact

SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED, JPEG, None)
STEPS = 6  # bytes that choose what is changed
SET = 0x00200010  # Study ID, SH
OFFSETS = (0x00041200, 0x00041202, 0x00041400, 0x00041420, 0x00041504)
Model = list[tuple[int, str, object]]


def model(ds: DataSet, depth: int = 0) -> Model:
    """All elements as plain values, nested ones as lists.

    Without group lengths, which are left out when written, and offsets of a DICOMDIR, which are set right.
    """
    found: Model = []
    for one in ds:
        value: object = one.value
        if isinstance(value, Sequence):
            # What lies deeper is reached through its text: the interpreter's stack has an end.
            value = [model(part, depth + 1) for part in value] if depth < 40 else repr(value)
        elif isinstance(value, Fragments):
            value = [bytes(fragment) for fragment in value]
        elif isinstance(value, memoryview):
            value = bytes(value)
        if one.tag & 0xFFFF and one.tag != 0x00080001 and one.tag not in OFFSETS:
            found.append((int(one.tag), one.VR, value))
    return found


def told(rows: Model) -> Model:
    """Without elements whose VR, in implicit VR, another element tells, which may have gone."""
    kept: Model = []
    for tag, vr, value in rows:
        if (tag >> 16) & 1 or " or " in (dictionary_vr(tag) or ""):
            continue
        is_items = isinstance(value, list) and value and isinstance(value[0], list)
        kept.append((tag, vr, [told(part) for part in value] if is_items else value))  # type: ignore[attr-defined]
    return kept


def items(ds: DataSet) -> list[DataSet]:
    """The data set and its items, some levels down."""
    found = [ds]
    for at in found:
        if len(found) > 50:
            break
        found.extend(part for one in at if isinstance(one.value, Sequence) for part in one.value)
    return found


def change(ds: DataSet, step: int) -> None:
    """One change, chosen by a byte."""
    places = items(ds)
    at = places[(step >> 3) % len(places)]
    kind = step & 7
    if kind < 3:
        at[SET] = "EDITED"[: 1 + step % 6]
    elif kind == 3:
        tags = at.keys()
        if tags:
            del at[tags[step % len(tags)]]
    elif kind == 4:
        if 0x00081140 not in at or at[0x00081140].VR == "SQ":  # another VR would stay, and take no items
            at[0x00081140] = [DataSet({"PatientID": "new"}), DataSet()]
    else:
        for one in at:
            if isinstance(one.value, Sequence):
                if kind == 5:
                    one.value.append(DataSet({"PatientID": "end"}))
                elif kind == 6 and len(one.value):
                    del one.value[0]
                elif len(one.value):
                    one.value.insert(0, one.value[-1])
                break


def run(data: bytes) -> None:
    """A byte for the syntax, one of options, six that choose changes, the data set or, without a syntax, the file."""
    if len(data) < 2 + STEPS:
        return
    syntax = SYNTAXES[data[0] % len(SYNTAXES)]
    body = data[2 + STEPS :]
    whole = body if syntax is None else part10(body, syntax)
    try:
        ds = dicomwire.dcmread(exact(whole), force=True)
        before = model(ds)
    except DecodeError:
        return
    assert file_bytes(ds) == whole, "a data set that was not changed is written in another way"
    try:
        for step in data[2 : 2 + STEPS][: 1 + data[1] % STEPS]:
            change(ds, step)
        ds[SET] = "LAST"
        after = model(ds)
    except DecodeError:
        return
    assert (SET, "SH", "LAST") in after or ds[SET].VR != "SH", "what was set is not there"
    lengths = ("keep", "known", "undefined")[data[1] >> 4 & 3 if data[1] >> 4 & 3 < 3 else 0]
    try:
        written = file_bytes(ds, lengths=lengths)
    except (EncodeError, DecodeError, UnsupportedError):
        return
    if data[1] & 8:
        assert b"".join(iter_file(ds, lengths=lengths, piece_bytes=97)) == written, "pieces are another file"
        assert file_bytes(copy.copy(ds), lengths=lengths) == written, "a copy is written in another way"
    damaged = bool(ds.deviations)
    try:
        again = dicomwire.dcmread(written, force=True)
        found = model(again)
    except DecodeError:
        assert damaged, "what was written cannot be read"
        return
    if damaged or again.deviations:
        assert damaged or all(one.kind in ("value", "character_set", "encoding") for one in again.deviations), (
            "what was written departs from the standard")
        return
    if again.is_implicit_VR:
        found, after = told(found), told(after)
    assert found == after, "what was written is another data set"
    if data[1] & 8 and not any(isinstance(value, list) for _, _, value in before):
        assert pickle.loads(pickle.dumps(ds)) == ds, "a pickle is another data set"
    assert data_set_bytes(again) == data_set_bytes(dicomwire.dcmread(written, force=True)), "reading is not stable"


def starts() -> list[bytes]:
    """Data sets of every encoding, and files; each with a few kinds of changes."""
    numbers = {"implicit": 1, "big endian": 2, "encapsulated": 4}
    result = []
    for name, body in seeds.bodies().items():
        for option, steps in ((0, b"\0" * 6), (0x0B, b"\x08\x0b\x14\x1d\x26\x2f"), (0x1D, b"\x05\x06\x07\x0d\x0e\x0f")):
            result.append(bytes([numbers.get(name, 0), option]) + steps + body)
            result.append(bytes([3, option]) + steps + seeds.deflated(body))
    inside = element(0x00080005, "CS", b"ISO_IR 192") + element(0x00100010, "PN", "Müller ".encode())
    tree = plain() + sequence(0x00081140, item(inside, undefined=True), item(b""), undefined=True)
    for option in (0x05, 0x15, 0x25, 0x0D):
        for first in range(0, 64, 5):
            result.append(bytes([0, option, first, first + 1, first + 9, 7, 30, 13]) + tree)
    result.extend(b"\5\3\x01\x0a\x13\x1c\x25\x2e" + file for file in seeds.files() if len(file) < 4096)
    return result


HARNESS = Harness("edit", starts, run, seeds.TRICKY, 2048)
