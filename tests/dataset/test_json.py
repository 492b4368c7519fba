"""The DICOM JSON Model (PS3.18 Annex F): every VR both ways, bulk data, pieces, what is refused."""

import base64
import io
import json
import struct
import tracemalloc

import numpy as np
import pytest

import dicomwire
import dicomwire.dataset.json
from _dicomwire.jsonmodel import JSONWriter, json_depth
from dicomwire import DataSet
from dicomwire.dataset.json import iter_json, write_json
from dicomwire.errors import DecodeError, EncodeError, NestingError, TruncatedError, ValueDecodeError
from tests.builders import (
    BIG_ENDIAN,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    Encoder,
    big_endian,
    element,
    implicit,
    item,
    nested,
    part10,
    plain,
    sequence,
)


def read(content: bytes, **options):
    return dicomwire.dcmread(part10(content), **options)


def model(content: bytes, **options):
    return read(content).to_json_dict(**options)


def value(vr: str, encoded: bytes, *, tag: int = 0x00091001, **options):
    """What the JSON of an element with this value holds, besides its VR."""
    member = json.loads(read(element(tag, vr, encoded)).to_json(**options), parse_float=str, parse_int=str)[
        f"{tag:08X}"
    ]
    assert member.pop("vr") == vr
    return member


# ------------------------------------------------------------------------------------------------------------- writing


def test_text_of_an_object():
    ds = read(plain() + sequence(0x00101002, item(element(0x00100020, "LO", b"A\\\\B ")), item()))
    assert ds.to_json() == (
        '{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},'
        '"00080016":{"vr":"UI","Value":["1.2.840.10008.5.1.4.1.1.2"]},'
        '"00080060":{"vr":"CS","Value":["CT"]},'
        '"00100010":{"vr":"PN","Value":[{"Alphabetic":"Doe^John"}]},'
        '"00100020":{"vr":"LO","Value":["12345"]},'
        '"00101002":{"vr":"SQ","Value":[{"00100020":{"vr":"LO","Value":["A",null,"B"]}},{}]}}'
    )


def test_an_item_is_an_object_of_its_own():
    ds = read(sequence(0x00101002, item(element(0x00100020, "LO", b"A ")), item()))
    assert ds.OtherPatientIDsSequence[0].to_json() == '{"00100020":{"vr":"LO","Value":["A"]}}'
    assert ds.OtherPatientIDsSequence[1].to_json() == "{}"


def test_empty_data_set():
    assert read(b"").to_json() == "{}"


@pytest.mark.parametrize(
    "vr", ["AE", "AS", "AT", "CS", "DS", "FD", "IS", "LT", "OB", "OW", "PN", "SQ", "UI", "UL", "UN", "UV"]
)
def test_an_empty_element_has_a_vr_only(vr):
    assert value(vr, b"") == {}


@pytest.mark.parametrize("padding", [b"  ", b"\0\0", b" \0"])
def test_a_value_of_padding_is_empty(padding):
    assert value("LO", padding) == {}


@pytest.mark.parametrize(
    ("vr", "encoded", "wanted"),
    [
        ("DS", b"+1.50", ["1.50"]),
        ("DS", b" -.5", ["-0.5"]),
        ("DS", b"5.", ["5.0"]),
        ("DS", b"007.25", ["7.25"]),
        ("DS", b"0", ["0"]),
        ("DS", b"-00", ["-0"]),
        ("DS", b"1E+05", ["1E+05"]),
        ("DS", b"1e-3\\\\0.1", ["1e-3", None, "0.1"]),
        ("DS", b"1\\2\\3 ", ["1", "2", "3"]),
        ("IS", b"+0012", ["12"]),
        ("IS", b"123456789012345678901234567890123456789", ["123456789012345678901234567890123456789"]),
    ],
)
def test_number_strings_keep_their_digits(vr, encoded, wanted):
    encoded += b" " * (len(encoded) % 2)
    ds = read(element(0x00181150, vr, encoded))
    found = json.loads(ds.to_json(), parse_float=lambda t: ("n", t), parse_int=lambda t: ("n", t))["00181150"]["Value"]
    assert found == [None if text is None else ("n", text) for text in wanted]


@pytest.mark.parametrize(
    "encoded", [b"1,5 ", b".", b"-", b"1e", b"nan ", b"0x10", b"1 2 ", b"1.2.3 ", b"--1 ", b"inf "]
)
def test_a_number_string_that_is_none_is_a_string_and_a_deviation_elsewhere(encoded):
    assert value("DS", encoded) == {"Value": [encoded.strip().decode()]}


def test_number_strings_as_strings():
    assert value("DS", b"+1.50\\2", number_strings=True) == {"Value": ["+1.50", "2"]}
    assert value("SV", struct.pack("<q", -5), number_strings=True) == {"Value": ["-5"]}
    assert value("UV", struct.pack("<Q", 2**64 - 1), number_strings=True) == {"Value": [str(2**64 - 1)]}
    assert value("US", struct.pack("<H", 5), number_strings=True) == {"Value": ["5"]}


@pytest.mark.parametrize(
    ("vr", "code", "numbers"),
    [
        ("US", "H", [0, 65535, 7]),
        ("SS", "h", [-32768, 32767, 0, -1]),
        ("UL", "I", [0, 2**32 - 1]),
        ("SL", "i", [-(2**31), 2**31 - 1]),
        ("SV", "q", [-(2**63), 2**63 - 1, 0]),
        ("UV", "Q", [0, 2**64 - 1]),
        ("FL", "f", [0.5, -0.0, 1e30, 3.0]),
        ("FD", "d", [0.1, -0.0, 1e300, 5e-324, 123456789.0, 1e15, 1e22, 2.5]),
    ],
)
@pytest.mark.parametrize("big", [False, True])
def test_binary_numbers(vr, code, numbers, big):
    encoder = Encoder(big=big)
    encoded = struct.pack(encoder.end + code * len(numbers), *numbers)
    ds = dicomwire.dcmread(
        part10(encoder.element(0x00091001, vr, encoded), BIG_ENDIAN if big else "1.2.840.10008.1.2.1")
    )
    found = ds.to_json_dict()["00091001"]["Value"]
    wanted = list(struct.unpack("<" + code * len(numbers), struct.pack("<" + code * len(numbers), *numbers)))
    assert list(map(repr, found)) == list(map(repr, wanted))


def test_what_json_has_no_number_for_is_a_string():
    encoded = struct.pack("<3d", float("nan"), float("inf"), float("-inf"))
    assert value("FD", encoded) == {"Value": ["NaN", "Infinity", "-Infinity"]}


def test_bytes_left_over_make_a_number_un():
    ds = read(element(0x00280010, "US", b"\1\2\3\4\5\6"[:3]) + b"")
    assert ds.to_json_dict()["00280010"] == {"vr": "UN", "InlineBinary": "AQID"}
    assert "value" in {found.kind for found in ds.deviations}
    with pytest.raises(DecodeError):
        read(element(0x00280010, "US", b"\1\2\3"), policy="strict").to_json()


def test_tags_are_eight_digits():
    assert value("AT", bytes.fromhex("1800631001002000")) == {"Value": ["00181063", "00010020"]}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (b"Doe^John", [{"Alphabetic": "Doe^John"}]),
        (b"A=B=C ", [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}]),
        (b"=B", [{"Ideographic": "B"}]),
        (b"A==C", [{"Alphabetic": "A", "Phonetic": "C"}]),
        (b"A=B=C=D ", [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C=D"}]),
        (b"A\\B ", [{"Alphabetic": "A"}, {"Alphabetic": "B"}]),
        (b"A\\\\== ", [{"Alphabetic": "A"}, None, None]),
        (b"^^^^", [{"Alphabetic": "^^^^"}]),
    ],
)
def test_names_by_their_component_groups(name, wanted):
    assert value("PN", name) == {"Value": wanted}


def test_text_is_escaped():
    text = bytes(range(1, 0x1B)) + b'\x1c"\\/\x7f<>&'
    found = read(element(0x00204000, "LT", text + b" ")).to_json()
    assert json.loads(found)["00204000"]["Value"] == [text.decode()]
    assert not any(ord(character) < 0x20 or ord(character) == 0x7F for character in found)


def test_a_backslash_in_long_text_is_no_delimiter():
    assert value("UT", b"a\\b ") == {"Value": ["a\\b"]}
    assert value("UC", b"a\\b ") == {"Value": ["a", "b"]}


@pytest.mark.parametrize(
    ("term", "encoded", "text"),
    [
        (b"ISO_IR 100", "Müller".encode("latin-1"), "Müller"),
        (b"ISO_IR 192", "Müller 山田".encode(), "Müller 山田"),
        (b"ISO_IR 144", "Жук ".encode("iso8859_5"), "Жук"),
        (b"GB18030 ", "王小东".encode("gb18030"), "王小东"),
        (b"\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B", "山田"),
    ],
)
def test_text_of_every_character_set_becomes_utf8(term, encoded, text):
    encoded += b" " * (len(encoded) % 2)
    term += b" " * (len(term) % 2)
    found = model(element(0x00080005, "CS", term) + element(0x00081030, "LO", encoded))
    assert found == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00081030": {"vr": "LO", "Value": [text]},
    }


def test_characters_that_do_not_decode_are_replaced_and_told():
    ds = read(element(0x00080005, "CS", b"ISO_IR 192") + element(0x00081030, "LO", b"a\xff"))
    assert ds.to_json_dict()["00081030"]["Value"] == ["a\ufffd"]
    assert [found.kind for found in ds.deviations] == ["character_set"]


def test_group_lengths_are_left_out():
    assert list(model(element(0x00080000, "UL", b"\4\0\0\0") + element(0x00080060, "CS", b"CT"))) == ["00080060"]


def test_elements_out_of_order_are_sorted_and_the_first_of_two_counts():
    found = read(
        element(0x00100020, "LO", b"1 ")
        + element(0x00080060, "CS", b"CT")
        + element(0x00100020, "LO", b"2 ")
        + sequence(0x00101002, item(element(0x00100020, "LO", b"B ") + element(0x00100010, "PN", b"A ")))
    ).to_json()
    assert found == (
        '{"00080060":{"vr":"CS","Value":["CT"]},"00100020":{"vr":"LO","Value":["1"]},"00101002":{"vr":"SQ","Value":'
        '[{"00100010":{"vr":"PN","Value":[{"Alphabetic":"A"}]},"00100020":{"vr":"LO","Value":["B"]}}]}}'
    )


def test_implicit_vr_private_elements_and_un():
    data = (
        implicit.element(0x00090010, "LO", b"GEMS_IDEN_01")
        + implicit.element(0x00091027, "SL", struct.pack("<i", 5))
        + implicit.element(0x00091101, "UN", b"\1\2")
        + implicit.element(0x00280106, "US", b"\xff\xff")
    )
    assert dicomwire.dcmread(part10(data, IMPLICIT)).to_json_dict() == {
        "00090010": {"vr": "LO", "Value": ["GEMS_IDEN_01"]},
        "00091027": {"vr": "SL", "Value": [5]},
        "00091101": {"vr": "UN", "InlineBinary": "AQI="},
        "00280106": {"vr": "US", "Value": [65535]},
    }


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("count", [3, 2000])
def test_long_sequences(undefined, count):
    items = [item(element(0x00100020, "LO", f"{n:06}".encode()), undefined=undefined) for n in range(count)]
    ds = read(sequence(0x00101002, *items, undefined=undefined) + element(0x00104000, "LT", b"end "))
    found = ds.to_json_dict()
    assert [one["00100020"]["Value"] for one in found["00101002"]["Value"]] == [[f"{n:06}"] for n in range(count)]
    assert list(found) == ["00101002", "00104000"]


@pytest.mark.parametrize("undefined", [False, True])
def test_any_depth_is_written(undefined):
    text = read(nested(500, undefined=undefined)).to_json()
    assert text.count('"0040A730"') == 500
    assert json_depth(text.encode()) == 1 + 3 * 500


# ----------------------------------------------------------------------------------------------------------- bulk data


def test_inline_binary_of_every_length():
    for length in range(0, 40, 2):
        data = bytes(range(length))
        wanted = {"InlineBinary": base64.b64encode(data).decode()} if length else {}
        assert value("OB", data) == wanted


def test_words_of_big_endian_come_in_little_endian():
    for vr, size in (("OB", 1), ("OW", 2), ("OL", 4), ("OF", 4), ("OD", 8), ("OV", 8)):
        data = bytes(range(16))
        ds = dicomwire.dcmread(part10(big_endian.element(PIXEL_DATA, vr, data), BIG_ENDIAN))
        found = base64.b64decode(ds.to_json_dict()["7FE00010"]["InlineBinary"])
        assert found == np.frombuffer(data, f"u{size}").byteswap().tobytes()


def test_encapsulated_pixel_data_are_inline_as_they_are_encoded():
    fragments = item() + item(b"\xff\xd8ab")
    data = element(PIXEL_DATA, "OB", length=UNDEFINED) + fragments + Encoder().sequence_end()
    ds = dicomwire.dcmread(part10(plain() + data, JPEG))
    assert base64.b64decode(ds.to_json_dict()["7FE00010"]["InlineBinary"]) == fragments
    back = DataSet.from_json(ds.to_json(), transfer_syntax=ds.transfer_syntax)
    assert back.transfer_syntax == JPEG
    assert [bytes(fragment) for fragment in back.PixelData] == [b"\xff\xd8ab"]
    assert back["PixelData"].is_undefined_length
    assert not DataSet.from_json(ds.to_json())["PixelData"].is_undefined_length


def test_bulk_data_handler_is_told_where_a_value_stands():
    ds = read(
        element(0x00091001, "OB", bytes(768))
        + sequence(0x00101002, item(element(0x00091001, "UN", bytes(770))))
        + element(PIXEL_DATA, "OW", bytes(1000))
    )
    asked = []

    def handler(found):
        asked.append((found.path, found.VR, found.offset, found.length))
        return None if found.tag == PIXEL_DATA else f'https://example.org/{found.path}?a="b"'

    found = ds.to_json_dict(bulk_data_element_handler=handler)
    nested = ds["OtherPatientIDsSequence.0.00091001"]
    assert asked == [
        ("OtherPatientIDsSequence.0.00091001", "UN", nested.offset, 770),
        ("PixelData", "OW", ds["PixelData"].offset, 1000),
    ]
    assert found["00091001"] == {"vr": "OB", "InlineBinary": base64.b64encode(bytes(768)).decode()}
    assert found["00101002"]["Value"][0]["00091001"] == {
        "vr": "UN",
        "BulkDataURI": 'https://example.org/OtherPatientIDsSequence.0.00091001?a="b"',
    }
    assert found["7FE00010"] == {"vr": "OW", "InlineBinary": base64.b64encode(bytes(1000)).decode()}


def test_bulk_data_left_out():
    ds = read(element(0x00091001, "OB", bytes(10)) + element(PIXEL_DATA, "OW", bytes(1000)))
    assert list(ds.to_json_dict(bulk_data="omit")) == ["00091001"]
    assert list(ds.to_json_dict(bulk_data="omit", bulk_data_threshold=0)) == []
    assert len(ds.to_json_dict(bulk_data="omit", bulk_data_threshold=1 << 40)) == 2


def test_options_that_make_no_sense():
    ds = read(plain(pixels=bytes(1000)))
    with pytest.raises(ValueError, match="bulk_data='no'"):
        ds.to_json(bulk_data="no")
    with pytest.raises(ValueError, match="either omitted or given"):
        ds.to_json(bulk_data="omit", bulk_data_element_handler=lambda found: None)
    with pytest.raises(TypeError, match="str or None, not int"):
        ds.to_json(bulk_data_element_handler=lambda found: 5)
    with pytest.raises(TypeError, match="not bytes"):
        dicomwire.dataset.json.to_json(b"")


# -------------------------------------------------------------------------------------------------------------- pieces


def test_pieces_of_any_size_are_the_same_text():
    ds = read(plain(pixels=bytes(range(250)) * 40))
    whole = ds.to_json().encode()
    for limit in (1, 2, 7, 100, 5000):
        writer, pieces = JSONWriter(ds), []
        while piece := writer.take(limit):
            pieces.append(piece)
        assert b"".join(pieces) == whole
        assert writer.take(limit) == b""


def test_a_long_file_is_written_in_bounded_memory(tmp_path, scaled):
    size = scaled(500_000_000) & ~1
    path = tmp_path / "long.dcm"
    head = part10(plain() + element(PIXEL_DATA, "OW", length=size))
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    ds = dicomwire.dcmread(path)
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in iter_json(ds))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > size * 4 // 3
    assert peak < 4_000_000


def test_the_writer_goes_to_files():
    ds, file = read(plain()), io.BytesIO()
    assert write_json(ds, file) == len(file.getvalue())
    assert file.getvalue().decode() == ds.to_json()


def test_a_file_that_became_shorter_is_an_error(tmp_path):
    path = tmp_path / "short.dcm"
    path.write_bytes(part10(plain(pixels=bytes(300_000))))
    ds = dicomwire.dcmread(path)
    path.write_bytes(part10(plain()))
    with pytest.raises(TruncatedError):
        ds.to_json()


# ------------------------------------------------------------------------------------------------------------- reading


def parsed(**members):
    return DataSet.from_json({name.removeprefix("t"): member for name, member in members.items()})


def test_every_vr_round_trips():
    data = (
        element(0x00091001, "AE", b"AET ") + element(0x00091002, "AS", b"012Y") + element(0x00091003, "AT", bytes(8))
        + element(0x00091004, "CS", b"A\\B ") + element(0x00091005, "DA", b"20200101")
        + element(0x00091006, "DS", b"1.5\\2e5 ")
        + element(0x00091007, "DT", b"2020") + element(0x00091008, "FD", struct.pack("<2d", 0.1, float("nan")))
        + element(0x00091009, "FL", struct.pack("<f", 0.1)) + element(0x0009100A, "IS", b"12\\-3 ")
        + element(0x0009100B, "LO", b"text") + element(0x0009100C, "LT", b"a\\b\r\n ")
        + element(0x0009100D, "OB", b"\1\2")
        + element(0x0009100E, "OD", bytes(16)) + element(0x0009100F, "OF", bytes(8))
        + element(0x00091010, "OL", bytes(8))
        + element(0x00091011, "OV", bytes(8)) + element(0x00091012, "OW", b"\1\2")
        + element(0x00091013, "PN", b"A^B=C=D ")
        + element(0x00091014, "SH", b"\\\\") + element(0x00091015, "SL", struct.pack("<i", -5))
        + sequence(0x00091016, item(element(0x00100020, "LO", b"1 ")), item()) + element(0x00091017, "SS", b"\xff\xff")
        + element(0x00091018, "ST", b"st") + element(0x00091019, "SV", struct.pack("<q", -(2**63)))
        + element(0x0009101A, "TM", b"1200") + element(0x0009101B, "UC", b"a\\b ")
        + element(0x0009101C, "UI", b"1.2\0")
        + element(0x0009101D, "UL", b"\xff\xff\xff\xff") + element(0x0009101E, "UN", b"\1\2\3\4")
        + element(0x0009101F, "UR", b"http://x") + element(0x00091020, "US", b"\1\0\2\0")
        + element(0x00091021, "UT", b"ut")
        + element(0x00091022, "UV", struct.pack("<Q", 2**64 - 1))
    )  # fmt: skip
    ds = read(data)
    back = DataSet.from_json(ds.to_json())
    assert len(ds) == 34
    assert [found.tag for found in back] == [found.tag for found in ds]
    for left, right in zip(ds, back, strict=True):
        assert left.VR == right.VR
        if left.VR != "SQ":
            assert bytes(left.raw) == bytes(right.raw), left.VR
    assert back["00091016"].value == ds["00091016"].value
    assert back.to_json() == ds.to_json()
    assert back.deviations == []


@pytest.mark.parametrize("kind", [str, bytes, bytearray, memoryview, dict, io.BytesIO])
def test_sources(kind):
    text = read(plain()).to_json()
    source = text if kind is str else json.loads(text) if kind is dict else kind(text.encode())
    assert DataSet.from_json(source).PatientID == "12345"


def test_text_beyond_ascii_declares_utf8():
    ds = DataSet.from_json('{"00080005":{"vr":"CS","Value":["ISO_IR 100"]},"00101040":{"vr":"LO","Value":["Köln 山"]}}')
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert ds.PatientAddress == "Köln 山"
    nested = DataSet.from_json(
        '{"00101002":{"vr":"SQ","Value":[{"00080005":{"vr":"CS","Value":["ISO_IR 13"]},'
        '"00100020":{"vr":"LO","Value":["山"]}}]}}'
    )
    assert nested.SpecificCharacterSet == "ISO_IR 192"
    assert nested.OtherPatientIDsSequence[0].PatientID == "山"
    assert DataSet.from_json('{"00080005":{"vr":"CS","Value":["ISO_IR 100"]}}').SpecificCharacterSet == "ISO_IR 100"


def test_vrs_without_character_sets_keep_bytes_beyond_ascii():
    ds = read(element(0x00080060, "CS", b"C\xff") + element(0x00080018, "UI", b"1.2\xb7"))
    once = ds.to_json()
    assert DataSet.from_json(once).to_json() == once
    with pytest.raises(ValueDecodeError, match="Modality: CS has characters"):
        DataSet.from_json('{"00080060":{"vr":"CS","Value":["山"]}}')


def test_file_meta_information_is_made():
    ds = DataSet.from_json(read(plain()).to_json())
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert ds.file_meta.MediaStorageSOPClassUID == ds.SOPClassUID


def test_members_in_any_order_and_case():
    ds = DataSet.from_json('{"7fe00010":{"InlineBinary":"AQI=","vr":"OB"},"00080060":{"vr":"CS","Value":["CT"]}}')
    assert [found.keyword for found in ds] == ["Modality", "PixelData"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1.50", "1.50"),
        ("12345678901234.5", "12345678901234.5"),
        ("0.3333333333333333", "0.33333333333333"),
        ("-0.000012345678901234567", "-1.2345678901e-5"),
        ("1e22", "1e22"),
    ],
)
def test_a_ds_has_sixteen_characters_at_most(number, text):
    ds = DataSet.from_json(f'{{"00181150":{{"vr":"DS","Value":[{number}]}}}}')
    found = bytes(ds["00181150"].raw).decode().strip()
    assert found == text
    assert float(found) == pytest.approx(float(number), rel=1e-9)


def test_numbers_in_other_spellings():
    ds = DataSet.from_json(
        '{"00280010":{"vr":"US","Value":[5.0]},"00280011":{"vr":"US","Value":["7"]},"00200013":{"vr":"IS","Value":[3.0]},'
        '"00091001":{"vr":"FD","Value":["NaN",NaN,"Infinity",1]},"00091002":{"vr":"UV","Value":["18446744073709551615"]}}'
    )
    assert (ds.Rows, ds.Columns, ds.InstanceNumber) == (5, 7, 3)
    assert str(ds["00091001"].value) == "[nan, nan, inf, 1.0]"
    assert ds["00091002"].value == 2**64 - 1


def test_bulk_data_come_from_the_callers_function_only():
    text = '{"00091001":{"vr":"OB","BulkDataURI":"file:///etc/passwd"},"00080060":{"vr":"CS","Value":["CT"]}}'
    assert [found.keyword for found in DataSet.from_json(text)] == ["Modality"]
    asked = []

    def handler(tag, vr, uri):
        asked.append((tag, vr, uri))
        return b"\1\2"

    assert bytes(DataSet.from_json(text, bulk_data_uri_handler=handler)["00091001"].value) == b"\1\2"
    assert asked == [("00091001", "OB", "file:///etc/passwd")]
    assert "00091001" not in DataSet.from_json(text, bulk_data_uri_handler=lambda *_: None)


def test_a_value_of_64_kib_in_a_short_vr_makes_it_implicit():
    ds = dicomwire.dcmread(part10(implicit.element(0x30060050, "DS", b"1.25\\" * 20000 + b"1 "), IMPLICIT))
    back = DataSet.from_json(ds.to_json())
    assert back.is_implicit_VR
    assert bytes(back["ContourData"].raw) == bytes(ds["ContourData"].raw)
    with pytest.raises(EncodeError, match="VR LO"):
        DataSet.from_json({"00280010": {"vr": "LO", "Value": ["x" * 70000]}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "expected one object, found an array"),
        ("5", "expected one object, found a number"),
        ('{"0008006":{"vr":"CS"}}', "no tag"),
        ('{"+0080060":{"vr":"CS"}}', "no tag"),
        ('{"Modality":{"vr":"CS"}}', "no tag"),
        ('{"FFFEE000":{"vr":"CS"}}', "no tag"),
        ('{"00080060":[]}', "expected an object with vr, found an array"),
        ('{"00080060":{"Value":["CT"]}}', "Modality: vr is missing"),
        ('{"00080060":{"vr":"XX","Value":["CT"]}}', "Modality: vr is missing or no"),
        ('{"00080060":{"vr":["CS"],"Value":["CT"]}}', "vr is missing or no"),
        ('{"00080060":{"vr":"CS","Value":"CT"}}', "Value: expected an array, found a string"),
        ('{"00080060":{"vr":"CS","Value":[{}]}}', "expected a string, found an object"),
        ('{"00080060":{"vr":"CS","Value":[true]}}', "expected a string, found a truth value"),
        ('{"00280010":{"vr":"US","Value":[65536]}}', "no number that US can hold"),
        ('{"00280010":{"vr":"US","Value":[-1]}}', "no number that US can hold"),
        ('{"00280010":{"vr":"US","Value":[1.5]}}', "no number that US can hold"),
        ('{"00280010":{"vr":"US","Value":["x"]}}', "no number that US can hold"),
        ('{"00280010":{"vr":"US","Value":[null]}}', "expected a number, found null"),
        ('{"00280010":{"vr":"US","Value":[1e99999]}}', "no number that US can hold"),
        (f'{{"00280010":{{"vr":"US","Value":[{"9" * 5000}]}}}}', "no number that US can hold"),
        ('{"00091001":{"vr":"FL","Value":[1e300]}}', "no number that FL can hold"),
        ('{"00280009":{"vr":"AT","Value":["0018"]}}', "eight hexadecimal digits"),
        ('{"00280009":{"vr":"AT","Value":["0018zzzz"]}}', "eight hexadecimal digits"),
        ('{"7FE00010":{"vr":"OB","InlineBinary":"A"}}', "not base64"),
        ('{"7FE00010":{"vr":"OB","InlineBinary":"ä==="}}', "not base64"),
        ('{"7FE00010":{"vr":"OB","InlineBinary":5}}', "expected a string, found a number"),
        ('{"7FE00010":{"vr":"OB","Value":[1]}}', "Value in place of InlineBinary"),
        ('{"7FE00010":{"vr":"OB","InlineBinary":"AA==","BulkDataURI":"x"}}', "more than one of"),
        ('{"7FE00010":{"vr":"OB","BulkDataURI":5}}', "BulkDataURI: expected a string"),
        ('{"00100010":{"vr":"PN","Value":[5]}}', "component groups, found a number"),
        ('{"00100010":{"vr":"PN","Value":[{"Alphabetic":5}]}}', "component groups"),
        ('{"00204000":{"vr":"LT","Value":["a","b"]}}', "LT has 2 values"),
        ('{"00101002":{"vr":"SQ","Value":[5]}}', "expected an object, found a number"),
        ('{"00101002":{"vr":"SQ","Value":[{"00100020":{"vr":"??"}}]}}', "OtherPatientIDsSequence.0.PatientID: vr"),
        ('{"00080060":{"vr":"CS"},"00080060":{"vr":"CS"}}', "a name twice"),
    ],
)
def test_what_is_no_model_is_refused_with_its_place(text, words):
    with pytest.raises(DecodeError) as caught:
        DataSet.from_json(text, bulk_data_uri_handler=lambda *_: b"")
    assert words in str(caught.value)


def test_errors_do_not_hold_values():
    with pytest.raises(ValueDecodeError) as caught:
        DataSet.from_json('{"00280010":{"vr":"US","Value":["Doe^John"]}}')
    assert "Doe" not in str(caught.value)


def deep(levels):
    return '{"0040A730":{"vr":"SQ","Value":[' * levels + "{}" + "]}}" * levels


def test_depth_is_bounded():
    assert json_depth(deep(100).encode()) == 301
    ds = DataSet.from_json(deep(100))
    assert ds.to_json().count("0040A730") == 100
    for levels in (129, 1000, 100_000):
        with pytest.raises(NestingError):
            DataSet.from_json(deep(levels))
    for text in ("[" * 100_000, '{"a":' * 100_000):
        with pytest.raises(NestingError):
            DataSet.from_json(text)
    with pytest.raises(NestingError):
        DataSet.from_json(json.loads(deep(3)), max_depth=2)


def test_brackets_in_strings_are_no_depth():
    assert json_depth(b'{"a":"[[[[\\"[[["}') == 1
    assert json_depth(b'{"a":"\\') == 1
    assert json_depth(b"") == 0


def test_size_is_bounded():
    text = read(plain()).to_json()
    assert DataSet.from_json(text, max_bytes=len(text)).PatientID == "12345"
    for source in (text, text.encode(), io.BytesIO(text.encode())):
        with pytest.raises(DecodeError, match="max_bytes"):
            DataSet.from_json(source, max_bytes=len(text) - 1)


# -------------------------------------------------------------------------------------------------- what was edited


def test_data_sets_that_were_made():
    ds = DataSet()
    ds.PatientName = "Müller^Jörg"
    ds.PatientID = ["A", "", "B"]
    ds.Rows = 5
    ds.add_new(0x00091001, "FD", [0.5, 1.0])
    ds.PixelData = bytes(range(256)) * 20
    inner = DataSet()
    inner.PatientID = "1"
    ds.OtherPatientIDsSequence = [inner, DataSet()]
    ds.ReferencedImageSequence = []
    assert ds.to_json_dict(bulk_data="omit") == {
        "00081140": {"vr": "SQ"},
        "00091001": {"vr": "FD", "Value": [0.5, 1.0]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]},
        "00100020": {"vr": "LO", "Value": ["A", None, "B"]},
        "00101002": {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["1"]}}, {}]},
        "00280010": {"vr": "US", "Value": [5]},
    }
    assert base64.b64decode(ds.to_json_dict()["7FE00010"]["InlineBinary"]) == bytes(range(256)) * 20
    pieces = []
    writer = JSONWriter(ds)
    while piece := writer.take(50):
        pieces.append(piece)
    assert b"".join(pieces).decode() == ds.to_json()
    assert DataSet.from_xml(ds.to_xml()).to_json_dict(bulk_data="omit") == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        **ds.to_json_dict(bulk_data="omit"),
    }


@pytest.mark.parametrize("undefined", [False, True])
def test_data_sets_that_were_changed(undefined):
    items = [item(element(0x00100020, "LO", f"{n:02}".encode()), undefined=undefined) for n in range(3)]
    ds = read(plain() + sequence(0x00101002, *items, undefined=undefined) + element(PIXEL_DATA, "OW", b"\1\2"))
    before = ds.to_json_dict()
    ds.PatientID = "new"
    del ds.Modality
    ds.OtherPatientIDsSequence[1].PatientID = "deep"
    ds.OtherPatientIDsSequence.append(DataSet())
    del ds.OtherPatientIDsSequence[0]
    after = ds.to_json_dict()
    before["00100020"]["Value"] = ["new"]
    del before["00080060"]
    before["00101002"]["Value"] = [
        {"00100020": {"vr": "LO", "Value": ["deep"]}},
        {"00100020": {"vr": "LO", "Value": ["02"]}},
        {},
    ]
    assert after == before
    ds.OtherPatientIDsSequence.clear()
    assert ds.to_json_dict()["00101002"] == {"vr": "SQ"}


def test_what_was_read_from_json_can_be_edited():
    ds = DataSet.from_json('{"00080060":{"vr":"CS","Value":["CT"]}}')
    ds.Modality = "MR"
    ds.Rows = 3
    assert ds.to_json() == '{"00080060":{"vr":"CS","Value":["MR"]},"00280010":{"vr":"US","Value":[3]}}'
