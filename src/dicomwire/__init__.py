"""dicomwire reads and writes DICOM: files and data sets, lazily and without copies.

    ds = dicomwire.dcmread("image.dcm")
    ds.PatientID, ds["RequestAttributesSequence.0.ScheduledProcedureStepID"].value
    ds.PatientID = "anonymous"
    ds.save_as("other.dcm")

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
    "dcmwrite",
    "errors",
    "generate_uid",
    "iter_archive",
    "open_remote",
    "scan",
    "stream",
    "stream_async",
]

bind(KEYWORD_TO_TAG)
bind_classes(UID, PersonName, Tag)


def _open_remote(url: str) -> object:
    from dicomwire.streaming.remote import open_remote

    return open_remote(url)


def _dcmwrite(filename: object, data_set: DataSet, **options: object) -> None:
    from dicomwire.file.writer import dcmwrite

    set_hooks(dcmwrite=dcmwrite)
    dcmwrite(filename, data_set, **options)  # type: ignore[arg-type]


def _reencode_item(plan: object, found: int, wanted: int) -> bytes:
    from dicomwire.file.reencoding import reencode_item

    return reencode_item(plan, found, wanted)  # type: ignore[arg-type]


def _decode(data_set: DataSet, frames: object = None, **options: object) -> object:
    from dicomwire.pixel.arrays import decode

    set_hooks(decode=decode)
    return decode(data_set, frames, **options)  # type: ignore[arg-type]


def _compress(data_set: DataSet, transfer_syntax: str, **options: object) -> None:
    from dicomwire.pixel.encoding import compress

    compress(data_set, transfer_syntax, **options)  # type: ignore[arg-type]


def _decompress(data_set: DataSet, **options: object) -> None:
    from dicomwire.pixel.encoding import decompress

    decompress(data_set, **options)  # type: ignore[arg-type]


def _frames(data_set: DataSet) -> object:
    from dicomwire.pixel.arrays import Frames

    set_hooks(frames=Frames)
    return Frames(data_set)


set_hooks(
    **hooks.table(),
    dcmwrite=_dcmwrite,
    compress=_compress,
    decode=_decode,
    decompress=_decompress,
    frames=_frames,
    open_remote=_open_remote,
    reencode_item=_reencode_item,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.dataset.private import PrivateBlock
    from dicomwire.dictionary.implementation import generate_uid
    from dicomwire.file.writer import dcmwrite
    from dicomwire.pixel import FrameIndex, FrameReader
    from dicomwire.scanning import ScanResult, scan
    from dicomwire.streaming import StreamParser, stream, stream_async
    from dicomwire.streaming.archives import iter_archive
    from dicomwire.streaming.remote import open_remote


# Where the names are that are imported when they are first asked for.
_LAZY = {
    "FrameIndex": "dicomwire.pixel",
    "FrameReader": "dicomwire.pixel",
    "PrivateBlock": "dicomwire.dataset.private",
    "ScanResult": "dicomwire.scanning",
    "StreamParser": "dicomwire.streaming",
    "dcmwrite": "dicomwire.file.writer",
    "generate_uid": "dicomwire.dictionary.implementation",
    "iter_archive": "dicomwire.streaming.archives",
    "open_remote": "dicomwire.streaming.remote",
    "scan": "dicomwire.scanning",
    "stream": "dicomwire.streaming",
    "stream_async": "dicomwire.streaming",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
