"""Storage: instances received to files, and files sent (PS3.4 Annex B).  What is named here is imported
when it is first used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.file.instance_file import Duplicates, FileWriter, file_meta_information
    from dicomwire.file.names import safe_name
    from dicomwire.net.storage.naming import Template
    from dicomwire.net.storage.outgoing import Sent
    from dicomwire.net.storage.plan import Batch, Plan, Unreadable, contexts_for, walk
    from dicomwire.net.storage.provider import Storage
    from dicomwire.net.storage.receiving import Arriving, Stored
    from dicomwire.net.storage.sending import send_files
    from dicomwire.net.storage.sop_classes import storage_sop_classes, storage_transfer_syntaxes
    from dicomwire.net.storage.source import Instance, open_instance
    from dicomwire.net.storage.user import c_store

__all__ = [
    "Arriving",
    "Batch",
    "Duplicates",
    "FileWriter",
    "Instance",
    "Plan",
    "Sent",
    "Storage",
    "Stored",
    "Template",
    "Unreadable",
    "c_store",
    "contexts_for",
    "file_meta_information",
    "open_instance",
    "safe_name",
    "send_files",
    "storage_sop_classes",
    "storage_transfer_syntaxes",
    "walk",
]

_WHERE = {
    "dicomwire.file.names": ("safe_name",),
    "dicomwire.file.instance_file": ("Duplicates", "FileWriter", "file_meta_information"),
    ".naming": ("Template",),
    ".plan": ("Batch", "Plan", "Unreadable", "contexts_for", "walk"),
    ".provider": ("Storage",),
    ".receiving": ("Arriving", "Stored"),
    ".outgoing": ("Sent",),
    ".sending": ("send_files",),
    ".sop_classes": ("storage_sop_classes", "storage_transfer_syntaxes"),
    ".source": ("Instance", "open_instance"),
    ".user": ("c_store",),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(module, __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
