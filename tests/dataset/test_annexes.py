"""The encoded examples of PS3.5, byte by byte, as data sets: Annexes H to K, tables 7.5-1 to 7.5-3, A.4-1, A.4-2."""

import pytest

import dicomwire
from tests.dataset import test_charset
from tests.encoding import IMPLICIT, delimiter, explicit, implicit, item, part10

JPEG = "1.2.840.10008.1.2.4.50"

# --- Annexes H (Japanese), I (Korean), J (UTF-8, GB18030, GBK), K (GB 2312)


def even(data: bytes, padding: bytes = b" ") -> bytes:
    return data + padding * (len(data) % 2)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("terms", "octets", "text"), test_charset.PERSON_NAMES)
def test_person_names(terms, octets, text, nested):
    name = explicit(0x00100010, "PN", even(bytes.fromhex(octets)))
    body = explicit(0x00101002, "SQ", item(name)) if nested else name
    data_set = dicomwire.dcmread(part10(explicit(0x00080005, "CS", even(terms.encode())) + body))
    holder = data_set.OtherPatientIDsSequence[0] if nested else data_set
    assert holder.PatientName == text.rstrip(" ")
    groups = text.rstrip(" ").split("=")
    assert holder.PatientName.alphabetic == groups[0]
    assert holder.PatientName.ideographic == groups[1]
    assert holder.PatientName.phonetic == (groups[2] if len(groups) > 2 else "")
    family, _, given = groups[0].partition("^")
    assert (holder.PatientName.family_name, holder.PatientName.given_name) == (family, given)
    assert bytes(holder["PatientName"].raw) == even(bytes.fromhex(octets))
    assert data_set.deviations == []


def test_the_annexes_have_seven_names_and_four_texts():
    assert [param.id for param in test_charset.PERSON_NAMES] == [
        *("H.3-1", "H.3-2", "I.2-1", "J.1-1", "J.3-1", "J.3-1 as GBK", "K.2-1")
    ]
    assert [param.id for param in test_charset.LONG_TEXTS] == ["J.2-1", "J.4-1", "K.3-1"]


@pytest.mark.parametrize(("terms", "octets", "text"), test_charset.LONG_TEXTS)
def test_long_texts(terms, octets, text):
    comments = explicit(0x00104000, "LT", even(bytes.fromhex(octets)))
    data_set = dicomwire.dcmread(part10(explicit(0x00080005, "CS", even(terms.encode())) + comments))
    assert data_set.PatientComments == text
    assert data_set["PatientComments"].VM == 1
    assert data_set.deviations == []


def test_korean_long_text():
    # Example I.3-1: each line designates KS X 1001 again, because a new line takes it away.
    lines = (
        b"\x1b$)CThe first line includes \xc7\xd1\xb1\xdb .\r\n"
        b"\x1b$)CThe second line includes \xc7\xd1\xb1\xdb , too.\r\n"
        b"The third line"
    )
    data_set = dicomwire.dcmread(
        part10(explicit(0x00080005, "CS", b"\\ISO 2022 IR 149") + explicit(0x00104000, "LT", even(lines)))
    )
    text = "The first line includes 한글 .\r\nThe second line includes 한글 , too.\r\nThe third line"
    assert data_set.PatientComments == text
    assert data_set.deviations == []


# --- tables 7.5-1 to 7.5-3: sequences.  The items' own content is not in the tables; here it is one long element.

SEQUENCE = 0x00081140
PADDING = 0xFFFCFFFC


def content(length: int, number: int) -> bytes:
    """A data set of ``length`` bytes in implicit VR that begins with its number."""
    first = implicit(0x00200013, b"%d " % number)
    return first + implicit(PADDING, bytes(length - len(first) - 8))


def numbers(data_set):
    return [inner.InstanceNumber for inner in data_set.ReferencedImageSequence]


def test_table_7_5_1_three_items_of_explicit_length_in_implicit_vr():
    data = bytes.fromhex("08004011 000F0000")
    for number in (1, 2, 3):
        data += bytes.fromhex("FEFF00E0 F8040000") + content(0x4F8, number)
    assert len(data) == 8 + 0xF00
    data_set = dicomwire.dcmread(part10(data + implicit(0x00100020, b"ID"), IMPLICIT))
    element = data_set["ReferencedImageSequence"]
    assert (element.VR, element.length, element.is_undefined_length) == ("SQ", 0xF00, False)
    assert numbers(data_set) == [1, 2, 3]
    assert data_set.PatientID == "ID"
    assert data_set.deviations == []


def test_table_7_5_2_undefined_length_with_items_of_explicit_length(tmp_path):
    # The table's items are 2.6 and 3.0 GB long: a file with holes, of which only headers are read.
    lengths = (0x98A52C68, 0xB321762C)
    path = tmp_path / "sparse.dcm"
    with path.open("wb") as file:
        file.write(part10(bytes.fromhex("08004011 5351 0000 FFFFFFFF")))
        starts = []
        for number, length in enumerate(lengths, 1):
            starts.append(file.tell() + 8)
            file.write(bytes.fromhex("FEFF00E0") + length.to_bytes(4, "little"))
            first = explicit(0x00200013, "IS", b"%d " % number)
            second = explicit(PADDING, "OB", length=length - len(first) - 12)
            file.write(first + second)
            file.seek(starts[-1] + length)
        end = file.tell()
        file.write(bytes.fromhex("FEFFDDE0 00000000") + explicit(0x00100020, "LO", b"ID"))
    data_set = dicomwire.dcmread(path)
    element = data_set["ReferencedImageSequence"]
    assert (element.VR, element.is_undefined_length) == ("SQ", True)
    assert element.length == end - element.offset == 16 + sum(lengths)
    assert len(element.value) == 2
    assert [entry[5:7] for entry in data_set.tape() if entry[1] == 0xFFFEE000] == list(
        zip(starts, lengths, strict=True)
    )
    assert data_set.PatientID == "ID"
    assert data_set.deviations == []


def test_table_7_5_3_undefined_length_with_items_of_explicit_and_undefined_length():
    data = bytes.fromhex("08004011 FFFFFFFF")
    data += bytes.fromhex("FEFF00E0 B6170000") + content(0x17B6, 1)
    data += bytes.fromhex("FEFF00E0 FFFFFFFF") + content(0x100, 2) + bytes.fromhex("FEFF0DE0 00000000")
    data += bytes.fromhex("FEFFDDE0 00000000")
    data_set = dicomwire.dcmread(part10(data + implicit(0x00100020, b"ID"), IMPLICIT))
    element = data_set["ReferencedImageSequence"]
    assert (element.VR, element.is_undefined_length) == ("SQ", True)
    assert element.length == 8 + 0x17B6 + 8 + 0x100 + 8
    assert numbers(data_set) == [1, 2]
    assert data_set.PatientID == "ID"
    assert data_set.deviations == []


# --- tables A.4-1 and A.4-2: encapsulated pixel data

ENCAPSULATED = bytes.fromhex("E07F1000 4F42 0000 FFFFFFFF")


def fragment(header: str, length: int, value: int) -> bytes:
    data = bytes.fromhex("FEFF00E0" + header)
    assert int.from_bytes(data[4:], "little") == length
    return data + bytes([value]) * length


def test_table_a_4_1_one_frame_in_three_fragments_without_offset_table():
    data = ENCAPSULATED + bytes.fromhex("FEFF00E0 00000000")
    data += fragment("C6040000", 0x4C6, 1) + fragment("4A020000", 0x24A, 2) + fragment("28060000", 0x628, 3)
    data += bytes.fromhex("FEFFDDE0 00000000")
    data_set = dicomwire.dcmread(part10(data, JPEG))
    pixels = data_set.PixelData
    assert data_set["PixelData"].VR == "OB"
    assert pixels.basic_offset_table == []
    assert [bytes(piece) for piece in pixels] == [b"\1" * 0x4C6, b"\2" * 0x24A, b"\3" * 0x628]
    assert data_set["PixelData"].length == 8 + 3 * 8 + 0x4C6 + 0x24A + 0x628
    assert data_set.deviations == []


def test_table_a_4_2_two_frames_in_three_fragments_with_offset_table():
    data = ENCAPSULATED + bytes.fromhex("FEFF00E0 08000000 00000000 46060000")
    data += fragment("C8020000", 0x2C8, 1) + fragment("6E030000", 0x36E, 2) + fragment("C80B0000", 0xBC8, 3)
    data += bytes.fromhex("FEFFDDE0 00000000")
    data_set = dicomwire.dcmread(part10(data, JPEG))
    pixels = data_set.PixelData
    assert pixels.basic_offset_table == [0, 0x646]
    assert [len(piece) for piece in pixels] == [0x2C8, 0x36E, 0xBC8]
    # Offsets count from the first fragment's item tag; the second frame begins with the third fragment.
    first = pixels.extent(0)[0] - 8
    assert pixels.extent(2)[0] - 8 - first == 0x646
    assert data_set.deviations == []


def test_fragments_end_where_the_table_says():
    data = ENCAPSULATED + item() + item(b"\1\2") + delimiter() + explicit(PADDING, "OB", b"\0\0")
    data_set = dicomwire.dcmread(part10(data, JPEG))
    assert data_set[PADDING].offset == data_set["PixelData"].offset + 8 + 10 + 8 + 12
