"""Value bytes to Python objects, all 34 VRs in the three native encodings (PS3.5 sections 6.2 and 7.3)."""

import math
import pickle
import re
import struct
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import dicomwire
from tests import builders
from tests.builders import BIG_ENDIAN, EXPLICIT, IMPLICIT, element, part10

ENCODINGS = {
    "explicit": (EXPLICIT, builders.explicit, "<"),
    "implicit": (IMPLICIT, builders.implicit, "<"),
    "big endian": (BIG_ENDIAN, builders.big_endian, ">"),
}
# The Selector ... Value attributes: one for every VR, so that implicit VR has them too (PS3.3 C.23.1).
TAGS = {
    "AE": 0x0072005E, "AS": 0x0072005F, "AT": 0x00720060, "DA": 0x00720061, "CS": 0x00720062, "DT": 0x00720063,
    "IS": 0x00720064, "OB": 0x00720065, "LO": 0x00720066, "OF": 0x00720067, "LT": 0x00720068, "OW": 0x00720069,
    "PN": 0x0072006A, "TM": 0x0072006B, "SH": 0x0072006C, "UN": 0x0072006D, "ST": 0x0072006E, "UC": 0x0072006F,
    "UT": 0x00720070, "UR": 0x00720071, "DS": 0x00720072, "OD": 0x00720073, "FD": 0x00720074, "OL": 0x00720075,
    "FL": 0x00720076, "UL": 0x00720078, "US": 0x0072007A, "SL": 0x0072007C, "SS": 0x0072007E, "UI": 0x0072007F,
    "SQ": 0x00720080, "OV": 0x00720081, "SV": 0x00720082, "UV": 0x00720083,
}  # fmt: skip
NUMBERS = {  # VR: struct code, values at the ends of its range
    "US": ("H", [0, 1, 65535]),
    "SS": ("h", [-32768, -1, 32767]),
    "UL": ("L", [0, 1, 2**32 - 1]),
    "SL": ("l", [-(2**31), -1, 2**31 - 1]),
    "UV": ("Q", [0, 1, 2**64 - 1]),
    "SV": ("q", [-(2**63), -1, 2**63 - 1]),
    "FL": ("f", [0.0, -1.5, 3.4028234663852886e38, math.inf, 1e-45]),
    "FD": ("d", [0.1, -2.5e-308, 1.7976931348623157e308, -math.inf, 5e-324]),
}
BYTES = ("OB", "OW", "OD", "OF", "OL", "OV", "UN")
MULTIPLE = ("AE", "AS", "CS", "DA", "DT", "LO", "PN", "SH", "TM", "UC", "UI")
SINGLE = ("LT", "ST", "UT", "UR")


def read(vr, value, encoding="explicit", **options):
    """The element with this encoded value, from a data set with one element before it."""
    syntax, encoder, _ = ENCODINGS[encoding]
    data = encoder.element(0x00080060, "CS", b"CT") + encoder.element(TAGS[vr], vr, value)
    return dicomwire.dcmread(part10(data, syntax), **options)[TAGS[vr]]


def value_of(vr, value, **options):
    return read(vr, value, **options).value


def test_every_vr_has_its_tag():
    from _dicomwire.vr import vr_names

    assert sorted(TAGS) == vr_names()


# ------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("vr", NUMBERS)
def test_numbers(vr, encoding):
    code, numbers = NUMBERS[vr]
    order = ENCODINGS[encoding][2]
    for number in numbers:
        found = read(vr, struct.pack(order + code, number), encoding)
        assert found.value == struct.unpack(code, struct.pack(code, number))[0]
        assert type(found.value) is (float if vr in ("FL", "FD") else int)
        assert (vr, 1) == (found.VR, found.VM)
    found = read(vr, struct.pack(f"{order}{len(numbers)}{code}", *numbers), encoding)
    assert found.value == [struct.unpack(code, struct.pack(code, number))[0] for number in numbers]
    assert len(numbers) == found.VM


@pytest.mark.parametrize("vr", ["FL", "FD"])
def test_nan_and_negative_zero(vr):
    code = NUMBERS[vr][0]
    nan, zero = value_of(vr, struct.pack("<2" + code, math.nan, -0.0))
    assert math.isnan(nan)
    assert math.copysign(1, zero) == -1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_attribute_tags(encoding):
    order = ENCODINGS[encoding][2]
    found = read("AT", struct.pack(order + "2H", 0x0018, 0x1063), encoding)
    assert found.value == 0x00181063
    assert isinstance(found.value, dicomwire.Tag)
    assert (found.value.group, found.value.element, found.value.keyword) == (0x18, 0x1063, "FrameTime")
    found = read("AT", struct.pack(order + "4H", 0x0018, 0x1063, 0x7FE0, 0x0010), encoding)
    assert found.value == [0x00181063, 0x7FE00010]
    assert [str(tag) for tag in found.value] == ["(0018,1063)", "(7FE0,0010)"]


@pytest.mark.parametrize("vr", [*NUMBERS, "AT"])
def test_a_length_that_is_no_multiple_gives_the_bytes_and_a_deviation(vr):
    size = 4 if vr == "AT" else struct.calcsize("<" + NUMBERS[vr][0])
    value = bytes(range(size + 1)) if size == 2 else bytes(range(size + 2))
    ds = dicomwire.dcmread(part10(element(TAGS[vr], vr, value)))
    found = ds[TAGS[vr]]
    assert bytes(found.value) == value
    assert bytes(found.raw) == value
    told = [deviation for deviation in ds.deviations if deviation.kind == "value"]
    assert [(deviation.path, deviation.offset) for deviation in told] == [(found.path, found.offset)]
    assert vr in told[0].message
    assert "PS3.5 6.2" in told[0].message
    assert bytes(found.value) == value
    assert len([deviation for deviation in ds.deviations if deviation.kind == "value"]) == 1


@pytest.mark.parametrize("vr", ["UL", "FD"])
def test_a_length_that_is_no_multiple_is_an_error_when_strict(vr):
    found = read(vr, bytes(6), policy="strict")
    with pytest.raises(dicomwire.errors.ValueDecodeError) as caught:
        _ = found.value
    assert (caught.value.offset, caught.value.path) == (found.offset, found.path)


# ------------------------------------------------------------------------------------------------------- empty values


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("vr", sorted(set(TAGS) - set(BYTES)))
def test_empty(vr, encoding):
    """As pydicom has them: empty text, no number, no items."""
    found = read(vr, b"", encoding)
    assert (found.VR, found.length) == (vr, 0)
    if vr == "SQ":
        assert isinstance(found.value, dicomwire.Sequence)
        assert list(found.value) == []
        return
    assert found.VM == 0
    assert found.is_empty
    if vr in MULTIPLE or vr in SINGLE:
        assert found.value == ""
        assert type(found.value) is {"UI": dicomwire.UID, "PN": dicomwire.PersonName}.get(vr, str)
    else:
        assert found.value is None


@pytest.mark.parametrize("vr", BYTES)
def test_no_bytes(vr):
    """None, as pydicom has it, and as the types of the attributes say."""
    found = read(vr, b"")
    assert (found.VR, found.VM, found.length, bytes(found.raw)) == (vr, 0, 0, b"")
    assert found.value is None


@pytest.mark.parametrize("vr", ["AE", "CS", "LO", "PN", "SH", "UC", "UI", "IS", "DS", "LT", "UT", "DA"])
def test_padding_alone_is_empty(vr):
    padding = b"\0\0" if vr == "UI" else b"    "
    found = read(vr, padding)
    assert found.value == (None if vr in ("IS", "DS") else "")
    assert found.VM == 0


# ---------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("vr", MULTIPLE)
def test_text_of_several_values(vr, encoding):
    assert value_of(vr, b"20\\3\\ab", encoding=encoding) == ["20", "3", "ab"]
    assert value_of(vr, b"a\\ ", encoding=encoding) == ["a", ""]
    assert value_of(vr, b"\\b", encoding=encoding) == ["", "b"]
    assert value_of(vr, b"\\", encoding=encoding) == ["", ""]
    assert value_of(vr, b"b", encoding=encoding) == "b"
    assert value_of(vr, b"a \\b ", encoding=encoding) == ["a", "b"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("vr", SINGLE)
def test_a_backslash_in_text_of_one_value(vr, encoding):
    assert value_of(vr, b"a\\b\\c ", encoding=encoding) == "a\\b\\c"
    assert read(vr, b"a\\b\\c ", encoding).VM == 1


@pytest.mark.parametrize("vr", MULTIPLE + SINGLE)
@pytest.mark.parametrize("padding", [b" ", b"\0", b"  ", b" \0"])
def test_trailing_padding_goes(vr, padding):
    found = read(vr, b"AB" + padding)
    assert found.value == "AB"
    assert bytes(found.raw) == b"AB" + padding


def test_leading_spaces_count_only_where_the_standard_says_so():
    """PS3.5 table 6.2-1: AE and CS have insignificant leading spaces; LT, ST and UT have significant ones."""
    for vr in ("AE", "CS"):
        assert value_of(vr, b"  AB\\ C ") == ["AB", "C"]
    for vr in ("LT", "ST", "UT"):
        assert value_of(vr, b"  AB") == "  AB"


def test_the_same_words_in_many_items_are_one_object():
    """A large data set keeps short texts; each value is what it is in a data set of its own."""
    texts = [
        b"",
        b" ",
        b"a",
        b"ab",
        b"abc",
        b"  ab",
        b"ab \0",
        b"a\\b",
        b"\\",
        b"1.2",
        b"1.2\\3",
        b"A^B",
        "müller".encode(),
    ]
    texts += [b"0123456789" * 3 + bytes(end) for end in ((48, 49), (48, 49, 50), (50, 48), (49, 48))]
    texts += [b"\x1b$B", b"a" * 31 + b"\\", b"x" * 33, b"abcdefgh", b"abcdefgi", b"zbcdefgh"]
    vrs = MULTIPLE + SINGLE + ("DS", "IS")
    cases = [(vr, text + b" " * (len(text) % 2)) for text in texts for vr in vrs]
    items = b"".join(builders.item(element(TAGS[vr], vr, text)) for vr, text in cases * 3)
    head = element(0x00080005, "CS", b"ISO_IR 192") + builders.sequence(0x0040A730, items)
    found = list(dicomwire.dcmread(part10(head)).ContentSequence)
    assert len(found) * 2 > 1024
    for (vr, text), item, again in zip(cases, found, found[len(cases) :], strict=False):
        data = element(0x00080005, "CS", b"ISO_IR 192") + element(TAGS[vr], vr, text)
        alone = dicomwire.dcmread(part10(data))[TAGS[vr]].value
        value = item[TAGS[vr]].value
        assert (value, type(value)) == (alone, type(alone)), (vr, text)
        if vr not in ("DS", "IS") and type(value) is str and re.fullmatch(r"[ -\[\]-~]{2,32}", value):
            assert again[TAGS[vr]].value is value, (vr, text)


def test_text_types():
    name = value_of("PN", "Müller^Anna^^Dr=山田=やまだ".encode(), charset="ISO_IR 192")
    assert isinstance(name, dicomwire.PersonName)
    assert (name.family_name, name.given_name, name.name_prefix) == ("Müller", "Anna", "Dr")
    assert (name.ideographic, name.phonetic) == ("山田", "やまだ")
    uid = value_of("UI", b"1.2.840.10008.1.2.1\0")
    assert isinstance(uid, dicomwire.UID)
    assert (uid.name, uid.is_transfer_syntax) == ("Explicit VR Little Endian", True)
    names = value_of("PN", b"A^B\\C^D ")
    assert [type(name) for name in names] == [dicomwire.PersonName] * 2
    uids = value_of("UI", b"1.2\\1.3\0")
    assert [type(uid) for uid in uids] == [dicomwire.UID] * 2
    assert type(value_of("LO", b"ab")) is str


@pytest.mark.parametrize(("vr", "kind"), [("UI", dicomwire.UID), ("PN", dicomwire.PersonName)])
def test_uids_and_names_are_what_their_classes_make(vr, kind):
    """They are made from the bytes, not by a call of the class: everything that the interpreter keeps must be right."""
    for n in (1, 2, 7, 8, 15, 16, 17, 63, 64, 65, 300):
        text = ("1.2.840.10008." * 22)[:n].rstrip(".") if vr == "UI" else ("Doe^John" * 40)[:n]
        found, made = value_of(vr, text.encode() + b"\0" * (len(text) & 1)), kind(text)
        assert type(found) is kind
        assert found == made == text
        assert (hash(found), len(found), found.isascii()) == (hash(made), len(made), True)
        assert sys.getsizeof(found) == sys.getsizeof(made)
        assert {text: 1}[found] == 1
        assert (found + "x", found[1:], found.encode(), f"{found}", str(found)) == (
            text + "x", text[1:], text.encode(), text, text)
        assert type(str(found)) is str
        assert sys.intern(str(found)) == text
        again = pickle.loads(pickle.dumps(found))
        assert (type(again), again) == (kind, text)
        assert kind(found) == made
        assert found.translate({0x31: "é"}) == text.replace("1", "é")
        with pytest.raises(AttributeError):
            found.other = 1


@pytest.mark.parametrize("char", [b"\xe4", b"\x80", b"\xff"])
def test_a_high_byte_anywhere_is_seen(char):
    """The test for plain text looks at words of four and eight bytes that may overlap."""
    for n in range(1, 26):
        for at in range(n):
            text = b"a" * at + char + b"z" * (n - at - 1)
            assert value_of("LO", text, charset="ISO_IR 100") == text.decode("latin-1")


def test_an_escape_anywhere_is_seen():
    for n in range(3, 22):
        for at in range(n - 2):
            text = b"a" * at + b"\x1b(B" + b"z" * (n - at - 3)
            found = value_of("LO", text, charset=["", "ISO 2022 IR 100"])
            assert found == "a" * at + "z" * (n - at - 3)


@given(st.binary(min_size=1, max_size=40).filter(lambda b: not set(b) & {0x1B, 0x5C}))
def test_latin_1_text_is_what_python_decodes(data):
    assert value_of("LO", data, charset="ISO_IR 100") == data.decode("latin-1").rstrip(" \0")


@given(st.text(max_size=30).filter(lambda t: not set(t) & {"\\", "\x1b"}))
def test_utf_8_text_is_what_python_decodes(text):
    assert value_of("UT", text.encode(), charset="ISO_IR 192") == text.rstrip(" \0")


# ------------------------------------------------------------------------------------------------------ number strings

NUMBER = re.compile(r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? *\Z")
INTEGER = re.compile(r" *[+-]?[0-9]+ *\Z")


def bits(number):
    return struct.pack("<d", number)


def decimal(text):
    """What a DS component must give: a float, None for nothing, the text for what is no number."""
    if not text.strip(" "):
        return None
    return float(text) if NUMBER.match(text) else text.strip(" ")


digits = st.text("0123456789", max_size=25)
written = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", " ", "  "]),
    st.sampled_from(["", "-", "+"]),
    digits,
    st.one_of(st.just(""), digits.map(lambda text: "." + text)),
    st.one_of(st.just(""), st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), digits)),
    st.sampled_from(["", " "]),
)


@given(st.lists(st.one_of(written, st.text("0123456789+-.eE, ", max_size=16)), min_size=1, max_size=6))
@example(["1,5"])
@example(["1.0", " 12 ", "+3", "-0", "-0.0", "0e5", ".5", "5.", ".", "e5", "1e", "1e+", "+-3", "- 3"])
@example(["9007199254740993", "9007199254740992e22", "9007199254740993e22", "1e23", "8.5e-23", "123456789012345e-22"])
@example(["1e400", "-1e400", "1e-400", "4.9406564584124654e-324", "2.4703282292062328e-324", "2.2250738585072011e-308"])
@example(["1e99999999999999999999", "0e99999999999999999999", "1e-99999999999999999999", "0" * 30 + "1"])
@example(["179769313486231580793728971405301199e272", "0." + "0" * 30 + "123456789012345678901234567890"])
def test_decimal_strings_are_what_python_reads(texts):
    value = "\\".join(texts)
    ds = dicomwire.dcmread(part10(element(TAGS["DS"], "DS", value.encode())))
    found = ds[TAGS["DS"]].value
    wanted = [decimal(text) for text in value.rstrip(" ").split("\\")]
    found = found if isinstance(found, list) else [found]
    assert [bits(one) if type(one) is float else one for one in found] == [
        bits(one) if type(one) is float else one for one in wanted
    ]
    told = any(deviation.kind == "value" for deviation in ds.deviations)
    assert told == any(type(one) is str for one in wanted)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{!r}", "{:.15e}", "{:.10g}", "{:f}"]))
def test_a_float_survives_its_text(number, form):
    text = form.format(number)
    assert bits(value_of("DS", text.encode())) == bits(float(text))


def test_separators_of_python_source_are_no_numbers():
    for text in ("1_000", "0x10", "nan", "inf", "Infinity", "1\t", "\u0661"):
        data = text.encode()
        assert value_of("DS", data, charset="ISO_IR 192") == data.decode("latin-1")


@given(st.lists(st.text("0123456789+- ", max_size=24), min_size=1, max_size=5))
@example(["+3", " 12 ", "-0", "007", "+", "-", "1 2", "--1"])
@example(["9223372036854775807", "9223372036854775808", "-9223372036854775809", "9" * 18, "9" * 19])
def test_integer_strings_are_what_python_reads(texts):
    value = "\\".join(texts)
    found = value_of("IS", value.encode())
    found = found if isinstance(found, list) else [found]
    components = value.rstrip(" ").split("\\")
    for one, text in zip(found, components, strict=True):
        if not text.strip(" "):
            assert one is None
        elif INTEGER.match(text):
            assert type(one) is int
            assert one == int(text)
        else:
            assert one == text.strip(" ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.0 ", 1),
        (b"-25.00", -25),
        (b"1e3 ", 1000),
        (b"3.", 3),
        (b"12\\1.0", [12, 1]),
        (b"1.5 ", 1.5),
        (b"1e-1", 0.1),
        (b"2\\.5", [2, 0.5]),
    ],
)
def test_an_integer_written_as_a_decimal_is_taken_and_reported(text, value):
    """As an int where it is one."""
    ds = dicomwire.dcmread(part10(element(TAGS["IS"], "IS", text)))
    found = ds[TAGS["IS"]].value
    assert found == value
    assert type(found) is type(value)
    assert [(deviation.kind, deviation.path) for deviation in ds.deviations] == [("value", "SelectorISValue")]


@pytest.mark.parametrize("text", [b"1,5 ", b"abc ", b"1e400 ", b"9" * 5000, b"--1 ", b"0x10", b"1e"])
def test_what_is_no_integer_is_handed_over_as_text_and_reported(text):
    ds = dicomwire.dcmread(part10(element(TAGS["IS"], "IS", text)))
    assert ds[TAGS["IS"]].value == text.decode().strip()
    (deviation,) = ds.deviations
    assert deviation.kind == "value"
    assert text.decode().strip() not in deviation.message


def test_empty_components():
    assert value_of("DS", b"1\\\\3.5 ") == [1.0, None, 3.5]
    assert value_of("IS", b"\\2\\") == [None, 2, None]
    assert value_of("DS", b"\\") == [None, None]


def test_bytes_outside_ascii_in_numbers():
    ds = dicomwire.dcmread(part10(element(TAGS["DS"], "DS", b"1\xb2")))
    assert ds[TAGS["DS"]].value == "1\xb2"
    assert {deviation.kind for deviation in ds.deviations} == {"value", "character_set"}


# --------------------------------------------------------------------------------------------------------------- bytes


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("vr", BYTES)
def test_binary_values_are_readonly_views_of_the_bytes(vr, encoding):
    found = read(vr, bytes(range(16)), encoding)
    assert (vr, 1) == (found.VR, found.VM)
    value = found.value
    assert isinstance(value, memoryview)
    assert (value.readonly, value.format, value.nbytes, value.contiguous) == (True, "B", 16, True)
    assert bytes(value) == bytes(range(16))
    with pytest.raises(TypeError):
        value[0] = 1


@pytest.mark.parametrize("vr", BYTES)
def test_binary_values_are_no_copies(vr):
    data = bytearray(part10(element(TAGS[vr], vr, bytes(8)) + element(0x00720104, "IS", b"1 ")))
    found = dicomwire.dcmread(data)[TAGS[vr]]
    value = found.value
    raw = found.raw
    data[found.offset + 3] = 0xAB
    assert value[3] == raw[3] == 0xAB
    assert found.value[3] == 0xAB


def test_a_large_value_of_bytes_is_not_copied():
    import tracemalloc

    data = part10(element(0x7FE00010, "OW", bytes(1 << 22)))
    tracemalloc.start()
    try:
        views = [dicomwire.dcmread(data).PixelData for _ in range(4)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [len(view) for view in views] == [1 << 22] * 4
    assert peak < 1 << 20


@pytest.mark.parametrize("vr", ["OB", "UN"])
def test_odd_length_of_bytes_is_kept_and_reported(vr):
    ds = dicomwire.dcmread(part10(element(TAGS[vr], vr, b"abc") + element(0x00720104, "IS", b"1 ")))
    assert bytes(ds[TAGS[vr]].value) == b"abc"
    assert [deviation.kind for deviation in ds.deviations] == ["odd_length"]
    assert len(ds) == 2


# ------------------------------------------------------------------------------------------------------------- caching


@pytest.mark.parametrize("vr", ["LO", "PN", "UI", "DS", "IS", "FD", "US", "AT"])
def test_a_value_is_decoded_once(vr):
    value = {"FD": bytes(8) + b"\1" * 8, "US": b"\1\2\3\4", "AT": bytes(8)}.get(vr, b"12\\34 ")
    ds = dicomwire.dcmread(part10(element(TAGS[vr], vr, value)))
    assert ds[TAGS[vr]].value is ds[TAGS[vr]].value


def test_strict_error_comes_each_time():
    found = read("DS", b"abc ", policy="strict")
    for _ in range(2):
        with pytest.raises(dicomwire.errors.ValueDecodeError, match="not a number") as caught:
            _ = found.value
        assert "abc" not in str(caught.value)
        assert (caught.value.offset, caught.value.path) == (found.offset, "SelectorDSValue")
