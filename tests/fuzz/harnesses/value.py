"""Any value bytes of any VR give what an obvious reading in Python gives, or stay raw with a finding."""

import struct

from dicomwire import dcmread
from dicomwire.dataset import temporal
from dicomwire.errors import DecodeError
from tests.builders import BIG_ENDIAN, EXPLICIT, IMPLICIT, LONG, Encoder, part10
from tests.fuzz.harness import Harness, exact
from tests.fuzz.outcomes import check_place, check_two

# A public tag of each VR; the private creator's block serves those that the dictionary has no short tag for.
TAGS = {
    "AE": 0x00080054, "AS": 0x00101010, "AT": 0x00280009, "CS": 0x00080060, "DA": 0x00080020, "DS": 0x00180050,
    "DT": 0x0008002A, "FD": 0x00186020, "FL": 0x00189073, "IS": 0x00200013, "LO": 0x00100020, "LT": 0x00104000,
    "OB": 0x00282000, "OD": 0x00701C0F, "OF": 0x00640009, "OL": 0x00660129, "OV": 0x7FE00003, "OW": 0x00281201,
    "PN": 0x00100010, "SH": 0x00080050, "SL": 0x00186020, "SQ": 0x0040A730, "SS": 0x00189219, "ST": 0x00080081,
    "SV": 0x00720082, "TM": 0x00080030, "UC": 0x00080119, "UI": 0x00080018, "UL": 0x00081160, "UN": 0x00091001,
    "UR": 0x00080190, "US": 0x00280010, "UT": 0x0040A160, "UV": 0x00080062,
}  # fmt: skip
VRS = tuple(TAGS)
NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
PARSERS = {
    "AS": (temporal.parse_as,),
    "DA": (temporal.parse_da, temporal.parse_da_range),
    "TM": (temporal.parse_tm, temporal.parse_tm_range),
    "DT": (temporal.parse_dt, temporal.parse_dt_range),
}
SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN)
ENCODERS = {EXPLICIT: Encoder(), IMPLICIT: Encoder(explicit=False), BIG_ENDIAN: Encoder(big=True)}


def expected_numbers(value: bytes, code: str, big: bool) -> list[object]:
    """All numbers of a value of whole words."""
    return list(struct.unpack(f"{'>' if big else '<'}{len(value) // struct.calcsize(code)}{code}", value))


def run(data: bytes) -> None:
    """First byte: VR; second: encoding and whether the whole check under three policies is made; then the value."""
    if len(data) < 2:
        return
    vr, syntax, value = VRS[data[0] % len(VRS)], SYNTAXES[data[1] % 3], data[2:]
    if vr.encode() not in LONG:
        value = value[:65535]
    file = part10(ENCODERS[syntax].element(TAGS[vr], vr, value), syntax)
    if data[1] & 0x40:
        check_two(file)
    try:
        data_set = dcmread(exact(file))
        element = data_set[TAGS[vr]]
        found = element.value
        texts = (element.VM, element.repval, element.raw == value, str(element), element.keyword)
        assert texts[2]
        if vr != element.VR or (element.length != len(value)):
            return
        if vr in NUMBERS and value and len(value) % struct.calcsize(NUMBERS[vr]) == 0:
            numbers = expected_numbers(value, NUMBERS[vr], syntax == BIG_ENDIAN)
            ours = found if isinstance(found, (list, tuple)) or len(numbers) > 1 else [found]
            assert [struct.pack(NUMBERS[vr], n) for n in ours] == [struct.pack(NUMBERS[vr], n) for n in numbers]
        if vr in ("DS", "IS") and isinstance(found, (int, float)):
            assert float(value.decode("ascii").strip(" \0")) == float(found)
        if vr in ("DA", "TM", "DT") and isinstance(found, str):
            element.as_datetime()
    except DecodeError as error:
        check_place(error)
    if vr in PARSERS:
        text = value.decode("latin-1")
        for parse in PARSERS[vr]:
            try:
                parse(text)
            except DecodeError:
                continue


def starts() -> list[bytes]:
    """Values that conform, and some that nearly do."""
    samples = {
        "AS": b"018M", "DA": b"20240229", "TM": b"235960.123456", "DT": b"20240229235959.999999+1400",
        "DS": b"-1.5e-3\\2 ", "IS": b"-2147483648\\1", "AT": b"\x10\0\x20\0\x28\0\x10\0", "UI": b"1.2.840.10008.1.2\0",
        "PN": b"A^B^C^D^E=F=G", "LO": b"a\\b", "UR": b"http://a ", "US": b"\1\0\2\0", "FD": struct.pack("<d", 1.5),
    }  # fmt: skip
    result = []
    for number, vr in enumerate(VRS):
        for how in (0, 1, 2, 0x40):
            result.append(bytes([number, how]) + samples.get(vr, b"12345678"))
    ranges = {"DA": b"20240101-20241231", "TM": b"10-12", "DT": b"2024-0500-2025+0100"}
    return result + [bytes([VRS.index(vr), 0]) + text for vr, text in ranges.items()]


HARNESS = Harness("value", starts, run, (b"\\", b"e", b"-", b"+", b".", b"nan", b"inf", b"^", b"=", b" ", b"\0"), 512)
