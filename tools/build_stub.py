"""Make cext/_dicomwire/_dataset_attributes.pyi: the attributes of a data set with their types.

The stub of DataSet inherits from the class made here, so that an editor completes ds.PatientName and knows
its type. An attribute of VM 1 has the type of one value. Other multiplicities give a list, or one value when
the element holds just one. Numbers and binary values are None when the element is empty, text is "" (PS3.5
section 6.2).
UID and PersonName are keywords too, which is why the types go by names with an underscore.
"""

from __future__ import annotations

from tables_common import Source, SourceError, header

_NUMBERS = {"DS": "float", "FD": "float", "FL": "float"}
_NUMBERS.update(dict.fromkeys(("IS", "SL", "SS", "SV", "UL", "US", "UV"), "int"))
_TEXT = dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UR", "UT"), "str")
_TEXT.update({"UI": "_UID", "PN": "_PersonName"})
_BINARY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")


def value_type(vr: str, vm: str) -> str:
    """Return the annotation of the values that an element of this VR and VM can have."""
    members: list[str] = []
    optional = False
    for part in vr.split(" or "):
        if part == "SQ":
            members.append("_Sequence")
            continue
        if part in _BINARY:
            members.append("memoryview")
            optional = True
            continue
        if part in _TEXT:
            scalar = _TEXT[part]
        elif part in _NUMBERS:
            scalar, optional = _NUMBERS[part], True
        elif part == "AT":
            scalar, optional = "_Tag", True
        else:
            raise SourceError(f"no Python type for VR {vr!r}")
        members.append(scalar)
        if vm != "1":
            members.append(f"list[{scalar}]")
    if optional:
        members.append("None")
    return " | ".join(dict.fromkeys(members))


def build(source: Source) -> str:
    """Return the text of _dataset_attributes.pyi."""
    properties = []
    for tag, element in source.elements.items():
        if not element.keyword or element.vr == "NONE":
            continue
        annotation = value_type(element.vr, element.vm)
        if element.keyword == "PixelData":
            annotation = "memoryview | _Fragments | None"
        retired = " (retired)" * element.retired
        where = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        properties.append(
            f"    {element.keyword}: _Attribute[{annotation}]\n"
            f'    """{where} {element.vr} {element.vm} {element.name}{retired}"""\n'
        )
    return f'''\
{header(source, "Attributes of a data set by keyword, typed by VR and VM (PS3.6).")}\
# fmt: off
from typing import Generic as _Generic
from typing import TypeVar as _TypeVar

from dicomwire.dataset.personname import PersonName as _PersonName
from dicomwire.dictionary import UID as _UID
from dicomwire.dictionary import Tag as _Tag

from .dataset import Sequence as _Sequence
from .fragments import Fragments as _Fragments

_Value = _TypeVar("_Value")

class _Attribute(_Generic[_Value]):
    """What is read has the type of decoded values; what is set is checked when it is encoded."""

    def __get__(self, instance: object, owner: type[object] | None = None) -> _Value: ...
    def __set__(self, instance: object, value: object) -> None: ...
    def __delete__(self, instance: object) -> None: ...

class _StandardAttributes:
    """{len(properties)} attributes of the standard; an absent one raises AttributeError."""

{"".join(properties)}'''
