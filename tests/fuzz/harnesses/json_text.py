"""Any text is a data set that is written the same twice, or one of our errors; nothing is nested too deep for it."""

from dicomwire import DataSet, dcmread
from dicomwire.errors import DecodeError, EncodeError
from tests.fuzz import seeds
from tests.fuzz.harness import Harness


def handler(tag: str, vr: str, uri: str) -> bytes | None:
    return None if uri == "none" else uri.encode("utf-8", "replace")[:64]


def run(data: bytes) -> None:
    """A byte of options, the text."""
    if not data:
        return
    options = {"bulk_data_uri_handler": handler if data[0] & 1 else None, "max_depth": 3 if data[0] & 2 else 128}
    try:
        ds = DataSet.from_json(data[1:], max_bytes=1 << 16, **options)  # type: ignore[arg-type]
    except (DecodeError, EncodeError):
        return
    text = ds.to_json()
    assert DataSet.from_json(text).to_json() == text, "what was read once is read differently again"


def starts() -> list[bytes]:
    found = [
        b'\1{"00080060":{"vr":"CS","Value":["CT",null]},"7FE00010":{"vr":"OB","BulkDataURI":"x"}}',
        b'\2{"0040A730":{"vr":"SQ","Value":[{"0040A730":{"vr":"SQ","Value":[{}]}}]}}',
        b'\0{"00181150":{"vr":"DS","Value":[1.5,"2",3e300]},"00091001":{"vr":"FD","Value":[NaN]}}',
        b'\0{"00280009":{"vr":"AT","Value":["00181063"]},"00091001":{"vr":"UN","InlineBinary":"AQI="}}',
    ]
    for file in seeds.files():
        if len(file) < 4096:
            try:
                found.append(b"\1" + dcmread(file, force=True).to_json().encode()[:4000])
            except DecodeError:
                continue
    return found


WORDS = (
    b'"vr":"',
    b'"Value":[',
    b'"InlineBinary":"',
    b'"BulkDataURI":"',
    b'"Alphabetic":"',
    b"null",
    b"[[[[",
    b"{",
    b"1e999",
)

HARNESS = Harness("json_text", starts, run, WORDS)
