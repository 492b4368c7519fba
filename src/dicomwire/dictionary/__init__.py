"""What the standard lists: tags, UIDs, transfer syntaxes, private elements, IODs (PS3.3, PS3.5 Annex A, PS3.6, PS3.7).

Importing this package costs about two milliseconds; tables that few programs need are read when first asked for.
The files that start with an underscore are generated (`make tables`); docs/tables.md says from what.
"""

from __future__ import annotations

from dicomwire.dictionary.tags import (
    Tag,
    dictionary_entry,
    dictionary_name,
    dictionary_vm,
    dictionary_vr,
    keyword_for_tag,
    private_element,
    repeater_mask,
    repeater_tag,
    suggest_keywords,
    tag_for_keyword,
)
from dicomwire.dictionary.uids import UID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.dictionary.iods import IOD, Module, ModuleAttribute, ModuleUse, iod_for_sop_class
    from dicomwire.dictionary.transfer_syntax import TransferSyntax

__all__ = [
    "IOD",
    "UID",
    "Module",
    "ModuleAttribute",
    "ModuleUse",
    "Tag",
    "TransferSyntax",
    "dictionary_entry",
    "dictionary_name",
    "dictionary_vm",
    "dictionary_vr",
    "iod_for_sop_class",
    "keyword_for_tag",
    "private_element",
    "repeater_mask",
    "repeater_tag",
    "suggest_keywords",
    "tag_for_keyword",
]


def __getattr__(name: str) -> object:
    if name in ("IOD", "Module", "ModuleAttribute", "ModuleUse", "iod_for_sop_class"):
        from dicomwire.dictionary import iods

        value = getattr(iods, name)
    elif name == "TransferSyntax":
        from dicomwire.dictionary.transfer_syntax import TransferSyntax as value
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
