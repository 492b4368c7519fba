"""Every real file that is not encapsulated in every other encoding: as pydicom reads it, and as dcmconv writes it."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import RawDataElement

from _dicomwire.swap import swap_words, word_size_of
from _dicomwire.vr import vr_is_text, vr_names
from dicomwire import dcmread
from dicomwire.errors import DecodeError, UnsupportedError
from dicomwire.file import reencode, reencode_buffer
from tests.builders import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, part10
from tests.conftest import RealFiles
from tests.streaming.events import random_cuts, single_bytes
from tests.support import missing

SYNTAXES = (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED)
TEXT = frozenset(name for name in vr_names() if vr_is_text(name))
OPTIONS = {IMPLICIT: "+ti", EXPLICIT: "+te", BIG_ENDIAN: "+tb", DEFLATED: "+td"}

# What is not re-encoded, and why: file name -> what the message says.
REFUSED = {
    "MR_truncated.dcm": "value needs",
    "rtplan_truncated.dcm": "value needs",
    "SC_rgb_jpeg.dcm": "encapsulated pixel data",  # under a transfer syntax that has none
    "DICOMDIR-nooffset": "not all of it can be read",  # a length that passes the end of its sequence
}

# What is not written as it was where nothing changes, and why.
UNTIDY = {
    "brain_001.dcm": "zeros behind the last element",
    "meta_missing_tsyntax.dcm": "an odd length",
    "nested_priv_SQ.dcm": "an odd length",
}

Row = tuple[str, bytes]
Rows = dict[str, Row]


def bodies(real_files: RealFiles) -> Iterator[tuple[Path, str, bytes]]:
    """Data sets of the files in native transfer syntaxes, with their syntax."""
    seen = set()
    for _, path in sorted(real_files):
        data = path.read_bytes()
        try:
            data_set = dcmread(path)
            first = next(iter(data_set))
        except (DecodeError, StopIteration):
            continue
        syntax = str(data_set.transfer_syntax)
        if syntax not in SYNTAXES or data in seen:
            continue
        seen.add(data)
        if syntax == DEFLATED:
            meta = pydicom.filereader.read_file_meta_info(path)
            yield path, syntax, data[144 + meta.FileMetaInformationGroupLength :]
        else:
            yield path, syntax, data[first.offset - first.header_size :]


def rows_of(data: bytes, syntax: str) -> Rows:
    """VR and value bytes in little endian of each element by path, as pydicom finds them."""
    if syntax == DEFLATED:
        data, syntax = zlib.decompress(data, -15), EXPLICIT
    ds = pydicom.filereader.read_dataset(io.BytesIO(data), syntax == IMPLICIT, syntax != BIG_ENDIAN)
    rows: Rows = {}
    add_rows(ds, "", syntax == BIG_ENDIAN, rows)
    return rows


def add_rows(ds: pydicom.Dataset, path: str, big: bool, rows: Rows) -> None:
    raws = {tag: ds.get_item(tag) for tag in tuple(ds.keys())}  # before VRs are asked for
    for tag, raw in raws.items():
        element = ds[tag]
        here = f"{path}{int(tag):08X}"
        if element.VR == "SQ":
            rows[here] = ("SQ", b"%d" % len(element.value))
            for number, item in enumerate(element.value):
                add_rows(item, f"{here}.{number}.", big and raw.VR != "UN", rows)
            continue
        value = b""
        if isinstance(raw, RawDataElement):
            value = raw.value or b""
        elif not element.is_empty:
            assert tag == 0x00280103, here  # pydicom asks for this one itself; what is empty it does not keep raw
            value = struct.pack(">H" if big else "<H", element.value)
        if big and raw.VR and raw.VR != "UN":
            value = swap_words(value, pixel_size(ds) if tag == 0x7FE00010 else word_size_of(raw.VR))
        rows[here] = (str(raw.VR or element.VR), value + b"\0" * (len(value) % 2))


def pixel_size(ds: pydicom.Dataset) -> int:
    """Bytes of a word of native pixel data: pixels of 32 and 64 bits are turned around whole."""
    bits = ds.get("BitsAllocated", 16)
    return bits // 8 if ds[0x7FE00010].VR == "OW" and bits in (32, 64) else word_size_of(ds[0x7FE00010].VR)


def differences(want: Rows, got: Rows, source: str, target: str, *, by_dcmconv: bool = False) -> list[str]:
    """What differs and is not as it should be.

    by_dcmconv: ``want`` was written by dcmconv, which has a private dictionary of its own, drops all padding of text
    and calculates group lengths anew.
    """
    found = []
    changes = IMPLICIT in (source, target) and source != target
    # Group lengths go when sizes change; the zeros at the end of a file are no element.
    gone = {path for path in want if path == "00000000" or (changes and path[-4:] == "0000")}
    expected = {path: row for path, row in want.items() if path not in gone}
    if by_dcmconv and target == IMPLICIT:
        # It gives sequences of undefined length a known one, which hides those that no dictionary has.
        hidden = tuple(f"{path}." for path, row in expected.items() if row[0] == "UN" and got.get(path, row)[0] == "SQ")
        got = {path: row for path, row in got.items() if not path.startswith(hidden) and f"{path}." not in hidden}
        expected = {path: row for path, row in expected.items() if f"{path}." not in hidden}
    if list(expected) != list(got):
        found.append(f"elements: {sorted(set(expected) ^ set(got))[:3]}")
    for path, (vr, value) in expected.items():
        if path not in got:
            continue
        new_vr, new_value = got[path]
        if by_dcmconv and path[-4:] == "0000":
            continue
        bits = int.from_bytes(expected.get("00280100", ("US", b""))[1], "little")
        is_turned = path == "7FE00010" and vr == "OW" and (source == BIG_ENDIAN) != (target == BIG_ENDIAN)
        if by_dcmconv and is_turned and bits in (32, 64):
            value = swap_words(swap_words(value, bits // 8), 2)  # it turns the halves around
        if not same_value(value, new_value, by_dcmconv and vr in TEXT):
            found.append(f"{path}: {len(value)} bytes of {vr}, {len(new_value)} of {new_vr}")
        knows_more = by_dcmconv and source == IMPLICIT and "UN" in (vr, new_vr)
        if not (knows_more or same_vr(vr, new_vr, len(value), source, target)):
            found.append(f"{path}: {vr}, then {new_vr}")
    return found


def same_value(value: bytes, new_value: bytes, is_loose: bool) -> bool:
    if is_loose:
        return value.rstrip(b" \0") == new_value.rstrip(b" \0")
    return new_value in (value, value[:-1] + b" ") and (value == new_value or value.endswith(b"\0"))


def same_vr(vr: str, new_vr: str, length: int, source: str, target: str) -> bool:
    if vr == new_vr or target == IMPLICIT:
        return True  # an implicit data set has no VR but the dictionary's
    if new_vr == "UN":
        return length > 0xFFFE  # both have the same private dictionary
    return source == IMPLICIT and {vr, new_vr} == {"OB", "OW"}


@pytest.fixture
def pydicom_as_it_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """pydicom without checks of values, and without its own ideas of UN."""
    monkeypatch.setattr(pydicom.config, "replace_un_with_known_vr", False)
    monkeypatch.setattr(pydicom.config, "convert_wrong_length_to_UN", True)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("pydicom_as_it_reads")
@pytest.mark.parametrize("target", SYNTAXES)
def test_real_files_as_pydicom_reads_them(real_files: RealFiles, target: str) -> None:
    files = elements = 0
    refused = set()
    for path, source, body in bodies(real_files):
        try:
            out = reencode_buffer(body, source, target)
        except (DecodeError, UnsupportedError) as error:
            refused.add((path.name, str(error)))
            continue
        want = rows_of(body, source)
        assert differences(want, rows_of(out, target), source, target) == [], path
        files += 1
        elements += len(want)
    assert {name for name, _ in refused} == set(REFUSED)
    assert all(REFUSED[name] in message for name, message in refused)
    assert files > 200
    assert elements > 30_000


@pytest.mark.peers
@pytest.mark.usefixtures("pydicom_as_it_reads")
@pytest.mark.parametrize("target", SYNTAXES)
def test_real_files_as_dcmconv_writes_them(real_files: RealFiles, target: str, tmp_path: Path) -> None:
    if shutil.which("dcmconv") is None:
        missing("dcmconv is not on the path (Debian: apt-get install dcmtk)")
    files = 0
    for path, source, body in bodies(real_files):
        if path.name in REFUSED:
            continue
        (tmp_path / "in.dcm").write_bytes(part10(body, source))
        command = ["dcmconv", OPTIONS[target], tmp_path / "in.dcm", tmp_path / "out.dcm"]
        subprocess.run(command, capture_output=True, check=True)
        data = (tmp_path / "out.dcm").read_bytes()
        want = rows_of(data[144 + int.from_bytes(data[140:144], "little") :], target)
        got = rows_of(reencode_buffer(body, source, target), target)
        assert differences(want, got, source, target, by_dcmconv=True) == [], path
        files += 1
    assert files > 200


@pytest.mark.parametrize("target", SYNTAXES[:3])
def test_real_files_in_any_cuts_and_back(real_files: RealFiles, target: str) -> None:
    """Cuts change nothing; what is in the target's encoding already, or goes there and back, stays as it is."""
    for path, source, body in bodies(real_files):
        if path.name in REFUSED or len(body) > 2_000_000:
            continue
        whole = reencode_buffer(body, source, target)
        cuttings = [random_cuts(body, path.name, 1000 if len(body) < 100_000 else 30_000)]
        if len(body) < 10_000:
            cuttings.append(single_bytes(body))
        for chunks in cuttings:
            assert b"".join(reencode(chunks, source, target)) == whole, path
        if source != DEFLATED and IMPLICIT not in (source, target):
            assert reencode_buffer(whole, target, source) == reencode_buffer(body, source, source), path
        if source == target and path.name not in UNTIDY:
            assert whole == body, path
