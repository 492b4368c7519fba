"""Presentation states by attributes, encoded and read again, so that what is tested has been through the decoder."""

from __future__ import annotations

import dicomwire
from dicomwire import DataSet
from dicomwire.file import file_bytes
from tests.builders import EXPLICIT, element
from tests.pixel.images import native

GRAYSCALE, COLOR, PSEUDO_COLOR = (f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in (1, 2, 3))
UID = "1.2.3.4"


def made(**values: object) -> DataSet:
    return DataSet(values)


def state(kind: str = GRAYSCALE, **values: object) -> DataSet:
    """A presentation state with these attributes and no others."""
    return dicomwire.dcmread(file_bytes(made(**{"SOPClassUID": kind, **values}), transfer_syntax=EXPLICIT))


def image(pixels: bytes, more: bytes = b"", **options: object) -> DataSet:
    """An image of unsigned bytes; its SOP Instance UID is UID."""
    data = native(pixels, stored=8, high_bit=7, signed=0, more=more, **options)  # type: ignore[arg-type]
    at = data.index(b"\x28\0\x02\0US")
    return dicomwire.dcmread(data[:at] + element(0x00080018, "UI", UID.encode() + b"\0") + data[at:])


def referring(uid: str = UID, frames: object = None, **values: object) -> DataSet:
    """An item that refers to an image, or to frames of it."""
    reference = made(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.7", ReferencedSOPInstanceUID=uid)
    if frames is not None:
        reference.ReferencedFrameNumber = frames
    return made(ReferencedImageSequence=[reference], **values)


def displayed(
    top_left: tuple[int, int], bottom_right: tuple[int, int], mode: str = "SCALE TO FIT", **values: object
) -> DataSet:
    """An item of Displayed Area Selection Sequence; corners are column and row."""
    return made(
        DisplayedAreaTopLeftHandCorner=list(top_left), DisplayedAreaBottomRightHandCorner=list(bottom_right),
        PresentationSizeMode=mode, **values,
    )  # fmt: skip


def graphic(kind: str, data: list[float], units: str = "PIXEL", **values: object) -> DataSet:
    found = made(
        GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=len(data) // 2,
        GraphicData=[float(value) for value in data], GraphicType=kind,
    )  # fmt: skip
    found.update(values)
    return found


def annotated(*objects: DataSet, layer: str = "A", **values: object) -> DataSet:
    """An item of Graphic Annotation Sequence with graphics and texts."""
    graphics = [each for each in objects if "GraphicType" in each]
    texts = [each for each in objects if "GraphicType" not in each]
    found = made(GraphicLayer=layer, **values)
    if graphics:
        found.GraphicObjectSequence = graphics
    if texts:
        found.TextObjectSequence = texts
    return found


def layer(name: str, order: int, **values: object) -> DataSet:
    return made(GraphicLayer=name, GraphicLayerOrder=order, **values)
