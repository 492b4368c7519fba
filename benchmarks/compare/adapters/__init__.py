"""One adapter per toolkit; a variant is another way of using the same toolkit.

Adapters are found by label without importing any toolkit, so that a child process can load one alone.
"""

from __future__ import annotations

import importlib

from benchmarks.compare.adapters.base import KEYWORDS, TAGS, Toolkit

CLASSES = {
    "dicomwire_": ["Dicomwire", "DicomwireScan"],
    "fastdicom_": ["Fastdicom", "FastdicomByTag"],
    "dicomsdl_": ["Dicomsdl", "DicomsdlGetValues", "DicomsdlUntilLastTag"],
    "gdcm_": ["Gdcm", "GdcmSelectedTags", "GdcmScanner"],
    "pydcm_": ["Pydcm"],
    "pydicom_": ["Pydicom", "PydicomSpecificTags"],
}


def adapters() -> list[type[Toolkit]]:
    """Return every adapter, available here or not, dicomwire's first."""
    found: list[type[Toolkit]] = []
    for module, names in CLASSES.items():
        loaded = importlib.import_module(f"{__name__}.{module}")
        found += [getattr(loaded, name) for name in names]
    return found


def find(label: str) -> type[Toolkit]:
    """Return the adapter of a label such as "dicomsdl" or "dicomsdl (getValues)"."""
    for adapter in adapters():
        if label == (f"{adapter.name} ({adapter.variant})" if adapter.variant else adapter.name):
            return adapter
    raise ValueError(f"no adapter {label!r}")


__all__ = ["KEYWORDS", "TAGS", "Toolkit", "adapters", "find"]
