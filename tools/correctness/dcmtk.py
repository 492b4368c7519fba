"""DCMTK's view of a file: runs dcmdump and reads its listing back into readings.

The listing gives text with markup for everything that is not printable ASCII, binary values as hexadecimal
words, numbers in decimal, and the structure as lines.  Values longer than a bound are not loaded: of them
only VR and length are compared.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tools.correctness.readings import (
    BYTES_VRS,
    NUMBER_VRS,
    ONE_TEXT_VRS,
    FileReadings,
    Reading,
    Value,
    digest,
    swapped,
    text_value,
)  # fmt: skip

LONG_VALUE_KIB = 256
# Everything in full, quoted as XML, UIDs as numbers, no messages about values.
OPTIONS = ("+L", "+Qn", "-Un", "-M", "+R")
HEXADECIMAL = {"OB": 1, "UN": 1, "OW": 2}
DECIMAL = {"OL": 4, "OV": 8}
# Names that DCMTK gives to what its dictionary leaves open, as the VR that it then reads.
INTERNAL_VRS = {"up": "UL", "xs": "US", "lt": "OW", "??": "UN"}
_LINE = re.compile(rb"^ *\(([0-9a-f]{4}),([0-9a-f]{4})\) (..) (.*?) *# *(u/l|\d+), *(\d+) [^#]*$")
_MARKUP = re.compile(rb"&(?:#(\d+)|(lt|gt|amp|quot|apos));")
_NAMED = {b"lt": b"<", b"gt": b">", b"amp": b"&", b"quot": b'"', b"apos": b"'"}


def version() -> str:
    """Version of dcmdump on the path, "" if there is none."""
    if shutil.which("dcmdump") is None:
        return ""
    text = subprocess.run(["dcmdump", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"dcmdump v(\S+)", text)
    return found.group(1) if found else ""


def _run(path: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = ["dcmdump", *OPTIONS, str(LONG_VALUE_KIB), *options, str(path)]
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)


def read_dcmtk(path: Path) -> FileReadings:
    """Every element by dcmdump.

    Where there is text beyond ASCII a second listing in UTF-8 gives it; DCMTK cannot convert all character
    sets. What it finds damaged is listed as far as it goes, and the error kept.
    """
    result = _run(path)
    error = ""
    if result.returncode:
        error = _messages(result.stderr)[-1]
        result = _run(path, "+E")
    found = _parse(result.stdout, False)
    found.error = error
    found.remarks = _messages(result.stderr)
    foreign = [
        key
        for key, reading in found.elements.items()
        if isinstance(reading.raw, bytes) and (b"\x1b" in reading.raw or not reading.raw.isascii())
    ]
    if foreign:
        converted = _run(path, "+U8")
        if converted.returncode == 0:
            listing = _parse(converted.stdout, True)
            for key in foreign:
                found.elements[key].value = listing.elements[key].value
                found.elements[key].is_converted = True
    return found


def _messages(text: bytes) -> list[str]:
    """DCMTK's warnings and errors without the file's name."""
    lines = text.decode("utf-8", "replace").splitlines()
    return [re.sub(r": (/|[A-Z]:\\).*", "", line) for line in lines if line[:2] in ("W:", "E:", "F:")] or [""]


def _unquoted(text: bytes) -> bytes:
    def replaced(match: re.Match[bytes]) -> bytes:
        return bytes([int(match[1])]) if match[1] else _NAMED[match[2]]

    return _MARKUP.sub(replaced, text)


def _parse(listing: bytes, is_utf8: bool) -> FileReadings:
    found = FileReadings()
    # One open sequence a level: its path and the number of items seen; fragments collect in the same way.
    sequences: list[tuple[str, int]] = []
    prefix = ""
    pieces: list[object] = []
    in_pieces = ""
    for line in listing.split(b"\n"):
        if not line or line.startswith(b"#"):
            continue
        match = _LINE.match(line)
        if match is None:
            found.remarks.append(f"line not understood: {line[:60]!r}")
            continue
        tag = (match[1] + match[2]).decode().upper()
        vr, text, length = match[3].decode("latin-1"), match[4], match[5]
        if tag == "FFFEE000":
            if in_pieces:
                pieces.append(_octets(text, 1))
            else:
                name, count = sequences[-1]
                sequences[-1] = name, count + 1
                prefix = f"{name}.{count}."
        elif tag == "FFFEE00D":
            prefix = ""
        elif tag == "FFFEE0DD":
            if in_pieces:
                found.elements[in_pieces].value = "fragments", tuple(pieces)
                in_pieces = ""
                continue
            name, count = sequences.pop()
            found.elements[name].value = "items", count
            prefix = name[:-8]
        else:
            path = prefix + tag
            undefined = length == b"u/l"
            reading = Reading(INTERNAL_VRS.get(vr, vr), ("", None), length=None if undefined else int(length))
            reading.vm = int(match[6])
            found.elements[path] = reading
            if text.startswith(b"(Sequence with"):
                sequences.append((path, 0))
                reading.vr = "SQ" if vr == "??" else vr
                reading.value = "items", 0
            elif text.startswith(b"(PixelSequence"):
                in_pieces, pieces = path, []
            else:
                reading.value = _value(text, reading, is_utf8)
    return found


def _octets(text: bytes, size: int) -> object:
    """Digest of a value that is listed as hexadecimal words; None if it was not loaded."""
    if text == b"(not loaded)":
        return None
    if text == b"(no value available)":
        return b""
    digits = bytes.fromhex(text.replace(b"\\", b"").decode("ascii"))
    if size > 1:
        digits = swapped(digits, size)
    return digest(digits)


def _value(text: bytes, reading: Reading, is_utf8: bool) -> Value:
    vr = reading.vr
    if text == b"(not loaded)":
        return "not shown", None
    if text == b"(no value available)":
        if vr in BYTES_VRS:
            return "bytes", b""
        return ("numbers" if vr in NUMBER_VRS or vr == "AT" else "text"), ()
    if text.startswith(b"[") and text.endswith(b"]"):
        octets = _unquoted(text[1:-1])
        if not is_utf8:
            reading.raw = octets
        plain = octets.decode("utf-8" if is_utf8 else "latin-1", "replace")
        if vr in ("DS", "IS"):
            return "numbers", tuple(_number(part) for part in plain.split("\\"))
        return text_value([plain] if vr in ONE_TEXT_VRS else plain.split("\\"), vr)
    if vr in HEXADECIMAL:
        return "bytes", _octets(text, HEXADECIMAL[vr])
    if vr in DECIMAL:
        return "bytes", digest(b"".join(int(part).to_bytes(DECIMAL[vr], "little") for part in text.split(b"\\")))
    if vr in BYTES_VRS:
        return "not shown", None  # OF and OD come rounded
    if vr == "AT":
        return "numbers", tuple(int(part.strip(b"()").replace(b",", b""), 16) for part in text.split(b"\\"))
    return "numbers", tuple(_number(part) for part in text.decode("ascii").split("\\"))


def _number(text: str) -> object:
    """The number, None for nothing, the text itself where it is none."""
    text = text.strip(" \0")
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return "nan" if number != number else number
