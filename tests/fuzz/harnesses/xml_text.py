"""Any document is a data set that is written the same twice, or one of our errors; no entity is ever expanded."""

from dicomwire import DataSet, dcmread
from dicomwire.errors import DecodeError, EncodeError
from tests.fuzz import seeds
from tests.fuzz.harness import Harness


def run(data: bytes) -> None:
    """A byte of options, the document."""
    if not data:
        return
    try:
        ds = DataSet.from_xml(data[1:], max_bytes=1 << 16, max_depth=3 if data[0] & 2 else 128)
    except (DecodeError, EncodeError):
        return
    assert b"<!ENTITY" not in data, "a document type was read"
    text = ds.to_xml()
    once = DataSet.from_xml(text).to_xml()
    assert DataSet.from_xml(once).to_xml() == once, "what was read once is read differently again"


def starts() -> list[bytes]:
    found = [
        b'\0<!DOCTYPE a [<!ENTITY x "y">]><NativeDicomModel>&x;</NativeDicomModel>',
        b'\0<NativeDicomModel><DicomAttribute tag="00110001" vr="SH" privateCreator="M"><Value number="2">a</Value>'
        b"</DicomAttribute></NativeDicomModel>",
        b'\2<NativeDicomModel><DicomAttribute tag="0040A730" vr="SQ"><Item number="1"><DicomAttribute tag="00100010" '
        b'vr="PN"><PersonName number="1"><Alphabetic><FamilyName>A</FamilyName></Alphabetic></PersonName>'
        b"</DicomAttribute></Item></DicomAttribute></NativeDicomModel>",
    ]
    for file in seeds.files():
        if len(file) < 4096:
            try:
                found.append(b"\1" + dcmread(file, force=True).to_xml().encode())
            except DecodeError:
                continue
    return [one for one in found if len(one) < 16384]


WORDS = (
    b"<DicomAttribute ",
    b'tag="',
    b'vr="',
    b"<Value>",
    b"<Item>",
    b'number="',
    b"&#10;",
    b"<!DOCTYPE",
    b"<!ENTITY",
    b"]]>",
)

HARNESS = Harness("xml_text", starts, run, WORDS)
