"""The compiled scan of any file gives the cells that reading it whole gives, or leaves it to the complete reader."""

import os

from _dicomwire.scan import scan_files
from dicomwire import dcmread
from dicomwire.errors import DecodeError
from dicomwire.scanning.columns import Column, reading_end
from tests.fuzz import seeds
from tests.fuzz.harness import Harness

COLUMNS = [
    Column(name)
    for name in (
        "SpecificCharacterSet",
        "SOPClassUID",
        "StudyDate",
        "Modality",
        "PatientName",
        "PatientID",
        "SliceThickness",
        "InstanceNumber",
        "Rows",
        "SmallestImagePixelValue",
        "WindowCenter",
        "ContentSequence",
    )
]


def run(data: bytes) -> None:
    """Compare the cells of one file, unless it was left."""
    descriptor = os.memfd_create("input")
    try:
        os.write(descriptor, data)
        path = f"/proc/self/fd/{descriptor}"
        cells, left = scan_files([path.encode()], [column.tag for column in COLUMNS])
        if left:
            assert left == [0]
            return
        data_set = dcmread(path, stop_at=reading_end(COLUMNS))
        for column, values in zip(COLUMNS, cells, strict=True):
            expected = column.value(data_set)
            assert repr(values[0]) == repr(expected), column.name
    except DecodeError as error:
        raise AssertionError(f"scanned, but cannot be read: {error}") from error
    finally:
        os.close(descriptor)


HARNESS = Harness("scan", lambda: [*seeds.built(), *seeds.real_heads(1024)], run, seeds.TRICKY, 2048)
