"""dicomwire reads DICOM: files and data sets, lazily and without copies.

    ds = dicomwire.dcmread("image.dcm")
    ds.PatientID, ds["RequestAttributesSequence.0.ScheduledProcedureStepID"].value

This module lists the public names and ties the compiled floor to what lies above it.  It imports neither NumPy nor
anything that costs time; what is rarely used is imported when it is first called.
"""

from __future__ import annotations

from _dicomwire.block import set_hooks
from _dicomwire.dataset import DataElement, DataSet, Sequence, bind
from _dicomwire.fragments import Fragments
from _dicomwire.part10 import dcmread
from _dicomwire.values import bind_classes
from dicomwire import errors
from dicomwire.dataset import hooks
from dicomwire.dataset.personname import PersonName
from dicomwire.dictionary import UID, Tag
from dicomwire.dictionary._keywords import KEYWORD_TO_TAG
from dicomwire.errors import Deviation

__version__ = "0.1.0"

Dataset = DataSet

__all__ = [
    "UID",
    "DataElement",
    "DataSet",
    "Dataset",
    "Deviation",
    "Fragments",
    "FrameIndex",
    "FrameReader",
    "PersonName",
    "PrivateBlock",
    "ScanResult",
    "Sequence",
    "StreamParser",
    "Tag",
    "dcmread",
    "errors",
    "scan",
    "stream",
    "stream_async",
]

bind(KEYWORD_TO_TAG)
bind_classes(UID, PersonName, Tag)
set_hooks(**hooks.table())

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.dataset.private import PrivateBlock
    from dicomwire.pixel import FrameIndex, FrameReader
    from dicomwire.scanning import ScanResult, scan
    from dicomwire.streaming import StreamParser, stream, stream_async


def __getattr__(name: str) -> object:
    if name == "PrivateBlock":
        from dicomwire.dataset.private import PrivateBlock

        globals()["PrivateBlock"] = PrivateBlock
        return PrivateBlock
    if name in ("scan", "ScanResult"):
        import dicomwire.scanning as module

        globals()["scan"], globals()["ScanResult"] = module.scan, module.ScanResult
        return globals()[name]
    if name == "StreamParser":
        from dicomwire.streaming.push import StreamParser

        globals()["StreamParser"] = StreamParser
        return StreamParser
    if name in ("stream", "stream_async"):
        import dicomwire.streaming.pull as pull

        globals()["stream"], globals()["stream_async"] = pull.stream, pull.stream_async
        return globals()[name]
    if name in ("FrameReader", "FrameIndex"):
        import dicomwire.pixel as pixel

        globals()["FrameReader"], globals()["FrameIndex"] = pixel.FrameReader, pixel.FrameIndex
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
