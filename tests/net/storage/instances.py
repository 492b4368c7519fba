"""Small instances byte by byte, in several transfer syntaxes, and what a storage folder has."""

from __future__ import annotations

import zlib
from pathlib import Path

import dicomwire
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from tests.encoding import explicit, implicit, item

CT = UID("1.2.840.10008.5.1.4.1.1.2")
MR = UID("1.2.840.10008.5.1.4.1.1.4")
PATIENT = "Instance^Test"


def image(instance: str = "1.2.3.4", *, transfer_syntax: str | None = None, frames: int = 3) -> dicomwire.DataSet:
    """An image of 12 bits with all that its pixel data need, compressed where a transfer syntax is named."""
    made = dicomwire.DataSet()
    made.SOPClassUID, made.SOPInstanceUID, made.PatientName = CT, instance, PATIENT
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    made.SamplesPerPixel, made.PhotometricInterpretation, made.NumberOfFrames = 1, "MONOCHROME2", str(frames)
    made.Rows, made.Columns, made.PixelRepresentation = 20, 30, 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelData = b"".join((i * 7 % 4096).to_bytes(2, "little") for i in range(20 * 30 * frames))
    if transfer_syntax is not None:
        made.compress(transfer_syntax)
    return made


def even(text: str, padding: bytes = b"\0") -> bytes:
    value = text.encode()
    return value + padding * (len(value) & 1)


def data_set(
    instance: str = "1.2.3.4",
    *,
    sop_class: str = CT,
    syntax: str = ExplicitVRLittleEndian,
    pixels: int = 1000,
    study: str = "1.2.3",
    series: str = "1.2.3.1",
    patient: str = PATIENT,
) -> bytes:
    """The encoded data set of an image whose icon, before the identifiers of the series, has pixel data as well."""
    native = ExplicitVRLittleEndian if syntax == DeflatedExplicitVRLittleEndian else syntax
    order = ">" if native == ExplicitVRBigEndian else "<"

    def element(tag: int, vr: str, value: bytes) -> bytes:
        return implicit(tag, value) if native == ImplicitVRLittleEndian else explicit(tag, vr, value, order=order)

    icon = element(0x7FE00010, "OB", bytes(4))
    encoded = b"".join(
        (
            element(0x00080016, "UI", even(sop_class)),
            element(0x00080018, "UI", even(instance)),
            element(0x00100010, "PN", even(patient, b" ")),
            element(0x00160000 + 1, "SQ", item(icon, order=order)),
            element(0x0020000D, "UI", even(study)),
            element(0x0020000E, "UI", even(series)),
            element(0x00280010, "US", b"\1\0" if order == "<" else b"\0\1"),
            element(0x7FE00010, "OW", bytes(i % 251 for i in range(pixels)) + bytes(pixels & 1)),
        )
    )
    if syntax == DeflatedExplicitVRLittleEndian:
        deflater = zlib.compressobj(wbits=-15)
        encoded = deflater.compress(encoded) + deflater.flush()
        encoded += bytes(len(encoded) & 1)
    return encoded


def files_in(folder: Path) -> list[str]:
    """Everything below a folder that is no folder, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
