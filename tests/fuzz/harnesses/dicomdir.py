"""Any DICOMDIR is a tree with every record in one place, or a DecodeError; no File ID leads out of its folder."""

import os
import struct

from dicomwire.errors import DecodeError
from dicomwire.file.dicomdir import read_dicomdir, resolve_file_id
from tests.builders import element, item, part10, sequence
from tests.fuzz import seeds
from tests.fuzz.harness import Harness
from tests.hostile.reading import POLICIES

ROOT = os.path.dirname(os.path.abspath(__file__))


def run(data: bytes) -> None:
    """A byte for the policy, a file."""
    if not data:
        return
    try:
        found = read_dicomdir(bytes(data[1:]), policy=POLICIES[data[0] % 3])
        offsets = [record.offset for record in found.walk()]
        assert len(offsets) == len(set(offsets)), "a record has two places"
        assert len(offsets) == len(found.data_set.DirectoryRecordSequence), "a record has no place"
        for record in found.walk():
            file_id = record.file_id
            if file_id:
                try:
                    path = resolve_file_id(ROOT, file_id)
                except (DecodeError, FileNotFoundError, OSError):
                    continue
                assert os.path.realpath(path).startswith(ROOT + os.sep), "a File ID leads out"
    except DecodeError:
        return


def record(kind: bytes, following: int, lower: int, file_id: bytes = b"") -> bytes:
    data = element(0x00041400, "UL", struct.pack("<I", following)) + element(0x00041420, "UL", struct.pack("<I", lower))
    data += element(0x00041430, "CS", kind)
    return item(data + (element(0x00041500, "CS", file_id) if file_id else b""))


def starts() -> list[bytes]:
    found = []
    for first in (0, 188, 190, 250):
        records = (
            record(b"PATIENT ", 188, 240), record(b"STUDY ", 188, 0), record(b"SERIES", 240, 300),
            record(b"IMAGE ", 0, 0, b"..\\..\\PASSWD"), record(b"IMAGE ", 0, 0, b"DIR\\A "),
        )  # fmt: skip
        head = element(0x00041200, "UL", struct.pack("<I", first))
        found += [bytes([policy]) + part10(head + sequence(0x00041220, *records)) for policy in range(3)]
    return found


HARNESS = Harness(
    "dicomdir", starts, run, (*seeds.TRICKY, b"\x04\0\x20\x12", b"\x04\0\0\x14", b"\x04\0\x20\x14", b"\x04\0\0\x15")
)
