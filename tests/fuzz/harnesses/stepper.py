"""Any bytes under any limits, in any windows, step to a tape whose entries lie inside their parents; in C."""

from tests.fuzz import seeds
from tests.fuzz.harness import Harness

SETUPS = (
    bytes(8),
    b"\0\0\2\0\0\1\2\3",  # containers up to 4 KiB are entered
    b"\0\1\3\1\0\7\7\7",  # strict
    b"\2\2\2\2\0\1\1\1",  # implicit, looked up
    b"\0\x0b\2\0\0\1\2\3",  # sequences are left now and then, implicit is looked up, strict
    b"\0\x08\2\0\0\1\2\3",  # sequences are left now and then
    b"\0\4\2\4\0\5\5\5",  # one byte behind the end declared, fragments by another stepper
    b"\0\0\x0a\x0c\1\x09\x09\x09",  # shallow, 4 GB declared, group 0008 only
)


def starts() -> list[bytes]:
    """Data sets behind the eight bytes that set a run up, see take_setup in kernels.pyx."""
    numbers = {"implicit": 2, "big endian": 1}
    result = []
    for name, body in seeds.bodies().items():
        for setup in SETUPS:
            result.append(bytes([setup[0] | numbers.get(name, 0)]) + setup[1:] + body)
    return result + [SETUPS[1] + file[132:] for file in seeds.files() if file[128:132] == b"DICM"]


HARNESS = Harness("stepper", starts, None, seeds.TRICKY)
