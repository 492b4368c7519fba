"""Text from outside made safe for names of files: no separators, no "..", nothing hidden.

Two different values never give the same name, so that nobody writes over what others stored.
"""

from __future__ import annotations

import hashlib
import re

LONGEST_NAME = 100  # characters of one value; a name in a folder has at most 255 bytes

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_SAFE = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")


def safe_name(value: str) -> str:
    """Return a value as one part of a path; UIDs stay as they are.

    Other characters than ASCII letters, digits, dot, underscore and hyphen become underscores, also a dot in front.
    What is changed by that, or cut, or empty, ends in a hash of the value.
    """
    if _SAFE.fullmatch(value):
        return value
    name = _UNSAFE.sub("_", value)[:LONGEST_NAME]
    if name.startswith("."):
        name = "_" + name[1:]
    return f"{name}_{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
