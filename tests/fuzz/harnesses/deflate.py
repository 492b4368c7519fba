"""Any bytes in the place of a deflated data set, or any data set well or badly deflated: the outcomes of a file."""

import zlib

from tests.builders import DEFLATED, element, implicit, part10, plain
from tests.fuzz import seeds
from tests.fuzz.harness import Harness
from tests.fuzz.outcomes import check_two

FRONT = part10(b"", DEFLATED)
WINDOWS = (-15, -15, -9, 15, 31)  # raw as it should be, twice; a small window; zlib; gzip


def run(data: bytes) -> None:
    """The first byte says whether the rest is the stream, or how it is deflated; the second cuts it or adds to it."""
    if len(data) < 2:
        return
    how, damage, body = data[0], data[1], data[2:]
    if how & 1:
        packer = zlib.compressobj(how >> 1 & 7, zlib.DEFLATED, WINDOWS[(how >> 4) % 5])
        if how & 8:
            body *= 1 + (damage & 31)  # much of the same: high ratios
        body = packer.compress(body) + packer.flush()
        if damage & 1:
            body = body[: -(damage >> 1) - 1]
        elif damage & 2:
            body += bytes(damage >> 2)
    check_two(FRONT + body)


def starts() -> list[bytes]:
    """Streams and bodies."""
    result = [b"\0\0" + seeds.deflated(body, level) for body in seeds.bodies().values() for level in (0, 9)]
    for body in seeds.bodies().values():
        result += [bytes([how, damage]) + body for how in (3, 13) for damage in (0, 1, 6)]
    many = plain() + b"".join(implicit.element(0x00090010 + i, "") for i in range(200))
    return [*result, b"\x0d\xff" + many, b"\x0d\xff" + element(0x00091001, "UN", bytes(2000))]


HARNESS = Harness("deflate", starts, run, seeds.TRICKY, 1024)
