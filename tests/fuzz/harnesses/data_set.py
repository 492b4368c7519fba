"""Any bytes under any transfer syntax and reading option are a data set to use and to copy, or a DecodeError."""

import copy

from dicomwire import dcmread
from dicomwire.errors import DecodeError
from tests.builders import BIG_ENDIAN, EXPLICIT, IMPLICIT, JPEG, PIXEL_DATA, part10
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, exact
from tests.fuzz.outcomes import check_place
from tests.hostile.reading import POLICIES, use

SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, JPEG, None, "1.2.3.4")
TAGS = (0x00080005, 0x00100020, 0x00211001, 0x0040A730, PIXEL_DATA, 0xFFFCFFFC, 0x00091002)
SETUP = 3  # bytes at the front that choose syntax and policy, options, tags


def run(data: bytes) -> None:
    """Read what follows the setup and use it."""
    if len(data) < SETUP:
        return
    choice, flags, tag = data[:SETUP]
    options: dict[str, object] = {"policy": POLICIES[choice >> 3 & 3] if choice >> 3 & 3 < 3 else "report"}
    if flags & 1:
        options["stop_before_pixels"] = True
    if flags & 2:
        options["stop_at"] = TAGS[tag % 7]
    if flags & 4:
        options["specific_tags"] = [TAGS[tag % 7], TAGS[(tag >> 3) % 7]]
    if flags & 8:
        options["charset"] = ("ISO_IR 192", "ISO_IR 100", "ISO 2022 IR 87")[tag % 3]
    body = data[SETUP:]
    if flags & 16:
        options["force"] = True
    else:
        body = part10(body, SYNTAXES[(choice & 7) % len(SYNTAXES)])
    try:
        data_set = dcmread(exact(body), **options)  # type: ignore[arg-type]
        values = use(data_set, texts=bool(flags & 32))
        if flags & 64:
            assert use(copy.deepcopy(data_set), texts=False) == values
        if flags & 128:
            data_set.to_dict()
    except DecodeError as error:
        check_place(error)


def starts() -> list[bytes]:
    """Bodies of every encoding with a setup before each, plain and with options."""
    numbers = {"implicit": 1, "big endian": 2, "encapsulated": 3}
    result = []
    for name, body in seeds.bodies().items():
        for flags in (0, 1, 2, 4, 8, 16, 32, 64, 128):
            result.append(bytes([numbers.get(name, 0) + 8 * (flags % 3), flags, 3]) + body)
    return result + [b"\0\0\0" + file[132:] for file in seeds.files() if file[128:132] == b"DICM"]


HARNESS = Harness("data_set", starts, run, seeds.TRICKY, 2048)
