"""Passive observation of DICOM and HL7 traffic: records of associations, transactions and HL7 exchanges.

    for record in dicomwire.monitor.analyze("traffic.pcapng"):
        print(record.to_dict())

What is named here is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.monitor.analyzing import Monitor, analyze

__all__ = ["Monitor", "analyze"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("dicomwire.monitor.analyzing"), name)
