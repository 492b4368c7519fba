"""The Native DICOM Model as XML (PS3.19 Annex A.1): both ways, bulk data, what is refused."""

import base64
import io
import struct
import xml.etree.ElementTree as ElementTree

import pytest

import dicomwire
from _dicomwire.xmlmodel import XMLWriter
from dicomwire import DataSet
from dicomwire.dataset.xml import write_xml
from dicomwire.errors import DecodeError, NestingError
from tests.builders import PIXEL_DATA, element, item, nested, part10, plain, sequence

SPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
HEAD = "<NativeDicomModel>"


def read(content: bytes, **options):
    return dicomwire.dcmread(part10(content), **options)


def document(body: str) -> str:
    return f"<NativeDicomModel>{body}</NativeDicomModel>"


def attribute(tag: str, vr: str, body: str = "", more: str = "") -> str:
    return f'<DicomAttribute tag="{tag}" vr="{vr}"{more}>{body}</DicomAttribute>'


def values(vr: str, encoded: bytes) -> list[str | None]:
    root = ElementTree.fromstring(read(element(0x00081030, vr, encoded)).to_xml())
    return [found.text for found in root.iter(SPACE + "Value")]


# ------------------------------------------------------------------------------------------------------------- writing


def test_text_of_a_document():
    ds = read(
        plain()
        + sequence(0x00101002, item(element(0x00100020, "LO", b"A\\\\B ")), item())
        + element(0x00110012, "LO", b"MAKER ")
        + element(0x00111201, "DS", b"+1.50\\2 ")
        + element(PIXEL_DATA, "OB", b"\1\2\3\4")
    )
    assert ds.to_xml() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">\n'
        '<DicomAttribute tag="00080005" vr="CS" keyword="SpecificCharacterSet"><Value number="1">ISO_IR 192</Value>'
        "</DicomAttribute>\n"
        '<DicomAttribute tag="00080016" vr="UI" keyword="SOPClassUID"><Value number="1">1.2.840.10008.5.1.4.1.1.2'
        "</Value></DicomAttribute>\n"
        '<DicomAttribute tag="00080060" vr="CS" keyword="Modality"><Value number="1">CT</Value></DicomAttribute>\n'
        '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1"><Alphabetic>'
        "<FamilyName>Doe</FamilyName><GivenName>John</GivenName></Alphabetic></PersonName></DicomAttribute>\n"
        '<DicomAttribute tag="00100020" vr="LO" keyword="PatientID"><Value number="1">12345</Value></DicomAttribute>\n'
        '<DicomAttribute tag="00101002" vr="SQ" keyword="OtherPatientIDsSequence">\n'
        '<Item number="1">\n'
        '<DicomAttribute tag="00100020" vr="LO" keyword="PatientID"><Value number="1">A</Value><Value number="2">'
        '</Value><Value number="3">B</Value></DicomAttribute>\n'
        "</Item>\n"
        '<Item number="2">\n'
        "</Item>\n"
        "</DicomAttribute>\n"
        '<DicomAttribute tag="00110012" vr="LO"><Value number="1">MAKER</Value></DicomAttribute>\n'
        '<DicomAttribute tag="00110001" vr="DS" privateCreator="MAKER"><Value number="1">+1.50</Value>'
        '<Value number="2">2</Value></DicomAttribute>\n'
        '<DicomAttribute tag="7FE00010" vr="OB" keyword="PixelData"><InlineBinary>AQIDBA==</InlineBinary>'
        "</DicomAttribute>\n"
        "</NativeDicomModel>\n"
    )


def test_text_is_escaped_and_what_xml_has_not_is_replaced():
    text = "a<b>&\"'\t\r\n\x01\x1b" + "\ufffe\uffff\ufffd"
    ds = read(element(0x00080005, "CS", b"ISO_IR 192") + element(0x00204000, "LT", text.encode() + b" "))
    found = ElementTree.fromstring(ds.to_xml())[1][0].text
    assert found.replace("\ufffd", "?") == "a<b>&\"'\t\r\n?" + "??" + "??"[:2]


def test_numbers_of_every_kind():
    assert values("US", struct.pack("<2H", 0, 65535)) == ["0", "65535"]
    assert values("FD", struct.pack("<3d", 0.1, float("nan"), float("-inf"))) == ["0.1", "NaN", "-Infinity"]
    assert values("AT", bytes.fromhex("18006310")) == ["00181063"]
    assert values("DS", b"1,5 ") == ["1,5"]


@pytest.mark.parametrize(
    ("name", "back"),
    [
        (b"Doe^John^M^Dr^PhD ", "Doe^John^M^Dr^PhD"),
        (b"A^^^^E=B=C", "A^^^^E=B=C"),
        (b"=B", "=B"),
        (b"A^B^C^D^E^F ", "A^B^C^D^E^F"),
        (b"^^^^", ""),
        (b"A\\\\B ", ["A", "", "B"]),
    ],
)
def test_names_come_back(name, back):
    ds = read(element(0x00100010, "PN", name))
    assert DataSet.from_xml(ds.to_xml()).PatientName == back


def test_pieces_and_files():
    ds, file = read(plain(pixels=bytes(3000))), io.BytesIO()
    assert write_xml(ds, file) == len(file.getvalue())
    writer, pieces = XMLWriter(ds, number_texts=True), []
    while piece := writer.take(10):
        pieces.append(piece)
    assert b"".join(pieces) == file.getvalue() == ds.to_xml().encode()


def test_bulk_data():
    ds = read(element(0x00091001, "OB", bytes(10)) + element(PIXEL_DATA, "OW", bytes(1000)))
    assert "7FE00010" not in ds.to_xml(bulk_data="omit")
    text = ds.to_xml(bulk_data_element_handler=lambda found: f"http://x/?a={found.length}&b")
    assert '<BulkData uri="http://x/?a=1000&amp;b"/>' in text
    assert PIXEL_DATA not in DataSet.from_xml(text)
    asked = []

    def handler(*arguments):
        asked.append(arguments)
        return b"\1\2"

    assert bytes(DataSet.from_xml(text, bulk_data_uri_handler=handler).PixelData) == b"\1\2"
    assert asked == [("7FE00010", "OW", "http://x/?a=1000&b")]
    DataSet.from_xml(document(attribute("7FE00010", "OB", '<BulkData uuid="1-2"/>')), bulk_data_uri_handler=handler)
    assert asked[-1] == ("7FE00010", "OB", "1-2")
    with pytest.raises(ValueError, match="either"):
        ds.to_xml(bulk_data="omit", bulk_data_element_handler=handler)
    with pytest.raises(ValueError, match="bulk_data='x'"):
        ds.to_xml(bulk_data="x")


# ------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("kind", [str, bytes, bytearray, io.BytesIO])
def test_sources(kind):
    text = read(plain()).to_xml()
    ds = DataSet.from_xml(text if kind is str else kind(text.encode()))
    assert [found.raw.tobytes() for found in ds][1:] == [found.raw.tobytes() for found in read(plain())][1:]


def test_other_encodings_and_prefixes():
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>' + document(attribute("00081030", "LO", "<Value>Köln</Value>"))
    assert DataSet.from_xml(text.encode("latin-1")).StudyDescription == "Köln"
    prefixed = (
        f'<d:NativeDicomModel xmlns:d="{SPACE[1:-1]}"><d:DicomAttribute tag="00080060" '
        'vr="CS"><d:Value number="1">CT</d:Value></d:DicomAttribute></d:NativeDicomModel>'
    )
    assert DataSet.from_xml(prefixed).Modality == "CT"


def test_numbers_leave_gaps():
    body = attribute("00080008", "CS", '<Value number="3">C</Value>')
    body += attribute("00101002", "SQ", '<Item number="2"></Item>')
    ds = DataSet.from_xml(document(body))
    assert ds.ImageType == ["", "", "C"]
    assert len(ds.OtherPatientIDsSequence) == 2


def test_private_blocks_are_found_or_reserved():
    creator = ' privateCreator="MAKER"'
    body = (
        attribute("00110010", "LO", "<Value>OTHER</Value>")
        + attribute("00110001", "SH", "<Value>one</Value>", creator)
        + attribute("00110002", "SH", "<Value>two</Value>", creator)
        + attribute("00131003", "SH", "<Value>x</Value>", creator)
    )
    ds = DataSet.from_xml(document(body))
    assert [f"{found.tag:08X}" for found in ds] == ["00110010", "00110011", "00111101", "00111102", "00131003"]
    assert ds[0x00110011].value == "MAKER"
    full = "".join(attribute(f"001100{n:02X}", "LO", "<Value>OTHER</Value>") for n in range(0x10, 0x100))
    with pytest.raises(DecodeError, match="no private block"):
        DataSet.from_xml(document(full + attribute("00110001", "SH", "", creator)))


def test_bytes_round_trip():
    data = bytes(range(256))
    ds = read(element(PIXEL_DATA, "OW", data))
    assert bytes(DataSet.from_xml(ds.to_xml()).PixelData) == data
    spaced = base64.b64encode(data).decode().replace("A", "A\n ")
    assert (
        bytes(
            DataSet.from_xml(document(attribute("7FE00010", "OB", f"<InlineBinary>{spaced}</InlineBinary>"))).PixelData
        )
        == data
    )


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]>' + document("&x;"),
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        + document(attribute("00080060", "CS", "<Value>&x;</Value>")),
        '<!DOCTYPE NativeDicomModel SYSTEM "http://example.org/a.dtd">' + document(""),
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://example.org/a">%x;]>' + document(""),
    ],
)
def test_document_types_are_refused(text):
    with pytest.raises(DecodeError, match="document type"):
        DataSet.from_xml(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no XML"),
        ("<a", "no XML"),
        (b"\xff\xfe\x00", "no XML"),
        ("<other/>", "expected a NativeDicomModel"),
        ('<NativeDicomModel xmlns="urn:x"/>', "another namespace"),
        (document("&x;"), "no XML"),
        (document("text"), "text stands where"),
        (document("<Value>1</Value>"), "an element stands where"),
        (document(attribute("0008006", "CS")), "tag is missing"),
        (document(attribute("-0080060", "CS")), "tag is missing"),
        (document(attribute("00080060", "XX")), "vr is missing"),
        (document("<DicomAttribute/>"), "tag is missing"),
        (document(attribute("00080060", "CS", "CT")), "Modality: text stands where"),
        (document(attribute("00080060", "CS", "<Other/>")), "Modality: an element stands where"),
        (document(attribute("00080060", "CS", "<Item/>")), "CS has items"),
        (document(attribute("00080060", "CS", '<Value number="0">a</Value>')), "number is none"),
        (document(attribute("00080060", "CS", '<Value number="99999999999">a</Value>')), "number is none"),
        (document(attribute("00080060", "CS", '<Value number="9000000">a</Value>')), "number is none"),
        (document(attribute("00080060", "CS", "<Value>a<b/></Value>")), "an element stands where"),
        (document(attribute("00280010", "US", "<Value>x</Value>")), "no number that US can hold"),
        (document(attribute("00280009", "AT", "<Value>x</Value>")), "eight hexadecimal"),
        (document(attribute("7FE00010", "OB", "<Value>1</Value>")), "Value in place of InlineBinary"),
        (document(attribute("7FE00010", "OB", "<InlineBinary>1</InlineBinary>")), "not base64"),
        (document(attribute("00080060", "CS") * 2), "stands twice"),
        (document(attribute("00204000", "LT", "<Value>a</Value><Value>b</Value>")), "LT has 2 values"),
        (
            document(attribute("00101002", "SQ", f"<Item>{attribute('00100020', '??')}</Item>")),
            "OtherPatientIDsSequence.0: vr",
        ),
        ('<?xml version="1.0" encoding="no-such"?>' + document(""), "no XML"),
    ],
)
def test_what_is_no_model_is_refused_with_its_place(text, words):
    with pytest.raises(DecodeError) as caught:
        DataSet.from_xml(text)
    assert words in str(caught.value)


def deep(levels):
    opening, closing = '<DicomAttribute tag="0040A730" vr="SQ"><Item number="1">', "</Item></DicomAttribute>"
    return document(opening * levels + closing * levels)


def test_depth_and_size_are_bounded():
    assert DataSet.from_xml(deep(100)).to_xml().count("0040A730") == 100
    for levels in (129, 1000, 100_000):
        with pytest.raises(NestingError):
            DataSet.from_xml(deep(levels))
    with pytest.raises(NestingError):
        DataSet.from_xml(deep(3), max_depth=2)
    text = deep(2)
    assert len(DataSet.from_xml(text, max_bytes=len(text))) == 1
    with pytest.raises(DecodeError, match="max_bytes"):
        DataSet.from_xml(text, max_bytes=len(text) - 1)


@pytest.mark.parametrize("undefined", [False, True])
def test_any_depth_is_written(undefined):
    assert read(nested(500, undefined=undefined)).to_xml().count('tag="0040A730"') == 500
