"""The compiled scan of any file gives the cells that reading it whole gives, or leaves it to the complete reader."""

from _dicomwire.scan import scan_files
from dicomwire import dcmread
from dicomwire.errors import DecodeError
from dicomwire.scanning.columns import Column, reading_end
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, as_file

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
    with as_file(data) as path:
        cells, left = scan_files([path.encode()], [column.tag for column in COLUMNS])
        if left:
            assert left == [0]
            return
        try:
            data_set = dcmread(path, stop_at=reading_end(COLUMNS))
            expected = [column.value(data_set) for column in COLUMNS]
        except DecodeError as error:
            raise AssertionError(f"scanned, but cannot be read: {error}") from error
        for column, values, value in zip(COLUMNS, cells, expected, strict=True):
            assert repr(values[0]) == repr(value), column.name


HARNESS = Harness("scan", lambda: [*seeds.built(), *seeds.real_heads(1024)], run, seeds.TRICKY, 2048)
