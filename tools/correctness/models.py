"""The JSON and XML models of files by dicomwire, pydicom and DCMTK, compared element by element.

Every difference must fall under a rule, or it is a fault; each rule says who does what the standard says.
"""

from __future__ import annotations

import base64
import json
import math
import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Model = dict[str, Any]  # by path: (VR, values, bytes); of a sequence the number of items in place of the values


@dataclass(frozen=True)
class ModelDifference:
    """One element for which two models differ; None where one has none."""

    file: str
    path: str
    reader: str
    form: str
    ours: Any
    theirs: Any
    inside_un: bool = False  # inside of a sequence that the reader leaves as UN, or the other way round

    @property
    def tag(self) -> int:
        return int(self.path.rpartition(".")[2], 16)


@dataclass(frozen=True)
class ModelRule:
    """A cause of differences, and who follows the standard."""

    name: str
    reason: str
    right: str
    fits: Callable[[ModelDifference], bool]


# --- models ---


def json_model(objects: dict[str, Any]) -> Model:
    """A DICOM JSON Model object by paths; numbers as floats, IS and DS too."""
    model: Model = {}
    stack = [("", objects)]
    while stack:
        prefix, item = stack.pop()
        for tag, member in item.items():
            path = prefix + tag
            items = member.get("Value") or []
            if member["vr"] == "SQ":
                model[path] = ("SQ", len(items), None)
                stack += [(f"{path}.{number}.", inner or {}) for number, inner in enumerate(items)]
                continue
            binary = member.get("InlineBinary")
            model[path] = (
                member["vr"],
                [_plain(value) for value in items],
                base64.b64decode(binary) if binary else b"",
            )
    return model


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return "" if value is None else value


def xml_model(text: bytes) -> Model:
    """A NativeDicomModel document by paths, as json_model gives them; tags with the numbers of private blocks."""
    model: Model = {}
    stack = [("", ElementTree.fromstring(text))]
    while stack:
        prefix, item = stack.pop()
        creators: dict[tuple[int, str], int] = {}
        for attribute in item:
            tag, vr = int(attribute.get("tag", ""), 16), attribute.get("vr", "")
            creator = attribute.get("privateCreator")
            if creator is not None:
                tag |= creators.get((tag >> 16, creator), 0) << 8
            elif tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF and len(attribute):
                creators.setdefault((tag >> 16, attribute[0].text or ""), tag & 0xFF)
            path = f"{prefix}{tag:08X}"
            children = [(child.tag.rpartition("}")[2], child) for child in attribute]
            if vr == "SQ" or any(name == "Item" for name, _ in children):
                model[path] = ("SQ", len(children), None)
                stack += [(f"{path}.{number}.", inner) for number, (_, inner) in enumerate(children)]
                continue
            values: list[Any] = []
            data = b""
            for name, child in children:
                if name == "InlineBinary":
                    data = base64.b64decode(child.text or "")
                elif name == "PersonName":
                    values.append(_name_of(child))
                elif name == "Value":
                    values.append(_number_or_text(vr, child.text or ""))
            model[path] = (vr, values, data)
    return model


def _name_of(person: ElementTree.Element) -> str:
    groups = {}
    for group in person:
        parts = {part.tag.rpartition("}")[2]: part.text or "" for part in group}
        names = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
        groups[group.tag.rpartition("}")[2]] = "^".join(parts.get(name, "") for name in names).rstrip("^")
    return "=".join(groups.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")


def _number_or_text(vr: str, text: str) -> Any:
    if vr in ("FL", "FD", "SL", "SS", "SV", "UL", "US", "UV", "IS", "DS"):
        try:
            return int(text)
        except ValueError:
            try:
                return float(text)
            except ValueError:
                return text
    return text


def dcmtk_json(path: Path) -> tuple[Model | None, str]:
    """dcm2json's model, or None and why there is none."""
    result = subprocess.run(["dcm2json", "-fc", str(path)], capture_output=True, check=False)
    if result.returncode:
        lines = result.stderr.decode("utf-8", "replace").splitlines() or ["?"]
        return None, lines[-1].partition(": /")[0]
    try:
        return json_model(json.loads(result.stdout)), ""
    except UnicodeDecodeError:
        return None, "the output is not UTF-8"


def dcmtk_xml(path: Path) -> tuple[Model | None, str]:
    """The model of `dcm2xml -nat`, or None and why there is none."""
    result = subprocess.run(["dcm2xml", "-nat", "+Eb", "+M", "+U8", str(path)], capture_output=True, check=False)
    if result.returncode:
        lines = result.stderr.decode("utf-8", "replace").splitlines() or ["?"]
        return None, lines[-1].partition(": /")[0]
    try:
        return xml_model(result.stdout), ""
    except (ElementTree.ParseError, UnicodeDecodeError):
        return None, "the output is not XML"


# --- differences ---


def differences(file: str, reader: str, form: str, ours: Model, theirs: Model) -> Iterator[ModelDifference]:
    """The elements for which two models differ."""
    closed = tuple(
        f"{path}." for path in ours.keys() & theirs.keys() if {ours[path][0], theirs[path][0]} == {"UN", "SQ"}
    )
    for path in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(path), theirs.get(path)
        if left != right and not (
            left and right and left[0] == right[0] and left[2] == right[2] and _alike(left, right)
        ):
            yield ModelDifference(file, path, reader, form, left, right, bool(closed) and path.startswith(closed))


def _alike(left: Any, right: Any) -> bool:
    """Whether two lists of values are one, with not-a-number equal to itself."""
    if not isinstance(left[1], list) or not isinstance(right[1], list) or len(left[1]) != len(right[1]):
        return False
    return all(
        a == b or (isinstance(b, float) and math.isnan(b) and a in ("NaN", b))
        for a, b in zip(left[1], right[1], strict=True)
    )


def _words(data: bytes, size: int) -> bytes:
    """Bytes with their words turned around; what is left over stays."""
    whole = len(data) - len(data) % size
    return b"".join(data[at : at + size][::-1] for at in range(0, whole, size)) + data[whole:]


def _is_character_set(d: ModelDifference) -> bool:
    both = [one[1] for one in (d.ours, d.theirs) if one is not None]
    return d.tag == 0x00080005 and ["ISO_IR 192"] in both


def _is_swapped(d: ModelDifference) -> bool:
    if not (d.ours and d.theirs and d.ours[0] == d.theirs[0] and isinstance(d.ours[2], bytes)):
        return False
    size = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}.get(d.ours[0], 0)
    return bool(size) and _words(d.ours[2], size) == d.theirs[2]


def _is_un(d: ModelDifference) -> bool:
    return d.inside_un or bool(d.ours and d.theirs and d.theirs[0] == "UN" and d.ours[0] != "UN")


def _is_private_block(d: ModelDifference) -> bool:
    """A private element, or one inside of one, under the number of another block."""
    steps = d.path.split(".")[::2]
    return d.form == "xml" and (d.ours is None or d.theirs is None) and any(int(step, 16) >> 16 & 1 for step in steps)


def _is_encapsulated(d: ModelDifference) -> bool:
    return d.tag == 0x7FE00010 and bool(d.ours and d.theirs) and d.theirs[0] == "OB" and d.theirs[2] == b""


def _is_rounded(d: ModelDifference) -> bool:
    """Single or double floats with fewer digits than they need."""
    if not (d.ours and d.theirs and d.ours[0] == d.theirs[0] and d.ours[0] in ("FL", "FD")):
        return False
    if len(d.ours[1]) != len(d.theirs[1]):
        return False
    if d.ours[0] == "FL":
        return all(struct.pack("<f", a) == struct.pack("<f", b) for a, b in zip(d.ours[1], d.theirs[1], strict=True))
    return all(math.isclose(a, b, rel_tol=1e-15) for a, b in zip(d.ours[1], d.theirs[1], strict=True))


def _is_padded(d: ModelDifference) -> bool:
    return bool(
        d.ours and d.theirs and isinstance(d.ours[2], bytes) and len(d.ours[2]) % 2 and d.ours[2] + b"\0" == d.theirs[2]
    )


def _is_blank_text(d: ModelDifference) -> bool:
    return bool(d.ours and d.theirs and d.ours[0] == d.theirs[0] and d.ours[1] == [] and d.theirs[1] in ([""], [None]))


def _is_spaced(d: ModelDifference) -> bool:
    """Text that differs in blanks at its ends, or in kinds of line ends, only."""
    if not (d.ours and d.theirs and d.ours[0] == d.theirs[0] and isinstance(d.ours[1], list)):
        return False
    left, right = (["\n".join(str(value).split()) for value in one[1]] for one in (d.ours, d.theirs))
    return left == right or (left in ([], [""]) and right in ([], [""]))


def _is_separators(d: ModelDifference) -> bool:
    if not (d.ours and d.theirs and d.ours[0] == d.theirs[0] == "PN"):
        return False
    names = [[str(name).rstrip("^=") for name in one[1]] for one in (d.ours, d.theirs)]
    left, right = (name or [""] for name in names)
    return left == right


RULES = (
    ModelRule(
        "character set",
        "dicomwire says that the text is UTF-8 (ISO_IR 192), which JSON is; pydicom leaves what "
        "the file declared, DCMTK does so in items",
        "dicomwire",
        _is_character_set,
    ),
    ModelRule(
        "group length",
        "Group lengths are not part of the models; pydicom and dcm2xml write them",
        "dicomwire",
        lambda d: d.ours is None and d.tag & 0xFFFF == 0 and d.tag != 0,
    ),
    ModelRule(
        "zeros at the end",
        "Eight zeros behind the last element are padding for dicomwire, the others take them as an element (0000,0000)",
        "dicomwire",
        lambda d: d.ours is None and d.tag == 0,
    ),
    ModelRule(
        "byte order",
        "Words of big endian: dicomwire gives them in little endian, the byte order of the models; "
        "pydicom leaves them as they are",
        "dicomwire",
        _is_swapped,
    ),
    ModelRule("UN", "UN, or no VR, with a VR in the dictionaries: DCMTK keeps the bytes", "open", _is_un),
    ModelRule(
        "digits",
        "DCMTK writes floats with 9 and 17 digits and fewer where the last are zeros; in dicomwire's "
        "shortest text of the double, what reads back is the same",
        "open",
        _is_rounded,
    ),
    ModelRule(
        "odd length", "Bytes of odd length: the others pad them, dicomwire leaves them (CP-1920)", "open", _is_padded
    ),
    ModelRule(
        "blank text", "Text of padding alone: an empty value for DCMTK, none for dicomwire", "open", _is_blank_text
    ),
    ModelRule(
        "blanks", "Blanks at the ends and line ends: dicomwire drops padding alone, keeps CR", "open", _is_spaced
    ),
    ModelRule(
        "separators",
        "Separators at the end of a name: dicomwire keeps them in JSON, DCMTK does not",
        "open",
        _is_separators,
    ),
    ModelRule(
        "private block",
        "A private element without a creator: DCMTK drops the number of its block, dicomwire keeps the tag",
        "dicomwire",
        _is_private_block,
    ),
    ModelRule(
        "empty group",
        "A name whose last component group is empty: DCMTK writes the one before once more",
        "dicomwire",
        lambda d: d.form == "xml" and d.file in ("chrX1.dcm", "chrX2.dcm") and d.tag == 0x00100010,
    ),
    ModelRule(
        "encapsulated",
        "Encapsulated Pixel Data: DCMTK gives a reference, and OB where the header says OW",
        "open",
        _is_encapsulated,
    ),
    ModelRule(
        "too short",
        "Encapsulated Pixel Data without its delimiter: pydicom gives an empty data set",
        "dicomwire",
        lambda d: d.reader == "pydicom" and d.theirs is None and d.file.endswith("_too_short.dcm"),
    ),
)
