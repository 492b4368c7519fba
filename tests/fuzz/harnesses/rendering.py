"""Any presentation state, and any attributes of an image, give a picture of the right size or one of our errors."""

from contextlib import suppress
from unittest.mock import patch

import numpy as np

from dicomwire import dcmread
from dicomwire.errors import DicomWireError
from dicomwire.file import file_bytes
from dicomwire.pixel import areas, drawing, render
from tests.builders import EXPLICIT, element, part10
from tests.fuzz import seeds
from tests.fuzz.harness import Harness, exact
from tests.pixel.images import native
from tests.pixel.states import annotated, displayed, graphic, layer, made
from tests.pixel.test_overlays import overlay

ROWS, COLUMNS = 12, 15
PIXELS = bytes(range(ROWS * COLUMNS))
# What a picture may cost, so that a run takes no longer than others.
MOST_PIXELS, MOST_STEPS = 1 << 14, 1 << 14


def show(data: bytes, setup: int) -> None:
    state = dcmread(exact(part10(data)))  # type: ignore[arg-type]
    colour = setup & 1
    ds = dcmread(
        native(
            PIXELS * (3 if colour else 1), rows=ROWS, columns=COLUMNS, stored=8, high_bit=7, signed=0,
            samples=3 if colour else 1, photometric="RGB" if colour else "MONOCHROME2",
        )
    )  # fmt: skip
    if setup & 2:
        for each in state:  # as attributes of the image: its shutters and overlays, windows and padding
            if each.tag >> 16 not in (0x0002, 0x0028, 0x7FE0) and not each.is_private:
                ds.add(each)
        options = {}
    else:
        options = {"presentation_state": state, "area": not setup & 4}
    size = (40, 30) if setup & 8 else None
    spacing = 0.5 if setup & 16 else None
    deviations: list[object] = []
    shown = render(ds, size=size, display_spacing_mm=spacing, deviations=deviations, **options)  # type: ignore[arg-type]
    assert shown.dtype == np.uint8
    assert shown.flags.c_contiguous
    area = areas.read_area(ds, (ROWS, COLUMNS), size=size, display_spacing_mm=spacing, **options)  # type: ignore[arg-type]
    assert shown.shape[:2] == (area.rows, area.columns)
    assert shown.ndim == 3 or not colour
    assert shown.shape[0] * shown.shape[1] <= MOST_PIXELS
    again = render(ds, size=size, display_spacing_mm=spacing, **options)  # type: ignore[arg-type]
    assert np.array_equal(again, shown)


def run(data: bytes) -> None:
    """First byte: colour, whose attributes, area, size and spacing; then elements in explicit VR little endian."""
    if not data:
        return
    pixels, steps = patch.object(areas, "MOST_PIXELS", MOST_PIXELS), patch.object(drawing, "_MOST_STEPS", MOST_STEPS)
    with pixels, steps, suppress(DicomWireError):
        show(data[1:], data[0])


def encoded(**values: object) -> bytes:
    whole = file_bytes(made(**values), transfer_syntax=EXPLICIT)
    length = int.from_bytes(whole[140:144], "little")
    return whole[144 + length :]


def starts() -> list[bytes]:
    """States with one thing each, and with all of them."""
    whole = displayed((1, 1), (COLUMNS, ROWS))
    text = made(
        UnformattedTextValue="ab\r\nc", BoundingBoxAnnotationUnits="DISPLAY", BoundingBoxTopLeftHandCorner=[0.0, 0.0],
        BoundingBoxBottomRightHandCorner=[1.0, 0.5], AnchorPointAnnotationUnits="PIXEL", AnchorPoint=[3.0, 4.0],
        AnchorPointVisibility="Y", BoundingBoxTextHorizontalJustification="CENTER",
    )  # fmt: skip
    style = [made(PatternOnColorCIELabValue=[60000, 20000, 40000], LineThickness=2.0)]
    objects = [
        graphic(
            "POLYLINE", [1, 1, 9, 1, 9, 9, 1, 1], GraphicFilled="Y", LineStyleSequence=style, FillStyleSequence=style
        ),
        graphic("INTERPOLATED", [0, 0, 0.5, 1, 1, 0], units="DISPLAY"),
        graphic("CIRCLE", [5, 5, 8, 5]), graphic("ELLIPSE", [1, 5, 9, 5, 5, 4, 5, 6]), graphic("POINT", [3, 3]),
    ]  # fmt: skip
    magnified = displayed((-3, 2), (9, 20), "MAGNIFY", PresentationPixelMagnificationRatio=2.5)
    true = displayed((3, 2), (9, 8), "TRUE SIZE", PresentationPixelSpacing=[1.0, 0.5])
    parts: list[dict[str, object]] = [
        {"DisplayedAreaSelectionSequence": [magnified]}, {"DisplayedAreaSelectionSequence": [true]},
        {"DisplayedAreaSelectionSequence": [whole], "ImageRotation": 90, "ImageHorizontalFlip": "Y"},
        {
            "ShutterShape": ["RECTANGULAR", "CIRCULAR", "POLYGONAL"], "ShutterLeftVerticalEdge": 2,
            "ShutterRightVerticalEdge": 10, "ShutterUpperHorizontalEdge": 2, "ShutterLowerHorizontalEdge": 10,
            "CenterOfCircularShutter": [6, 6], "RadiusOfCircularShutter": 5, "ShutterPresentationValue": 30000,
            "VerticesOfThePolygonalShutter": [1, 1, 12, 1, 6, 15],
            "ShutterPresentationColorCIELabValue": [60000, 20000, 40000],
        },
        *({"GraphicAnnotationSequence": [annotated(each)]} for each in [*objects, text]),
        {"GraphicLayerSequence": [layer("A", 1, GraphicLayerRecommendedDisplayCIELabValue=[60000, 20000, 40000])]},
        {"SoftcopyVOILUTSequence": [made(WindowCenter=100, WindowWidth=50)], "RescaleSlope": 2, "RescaleIntercept": 1},
        {"PresentationLUTSequence": [made(LUTDescriptor=[4, 0, 8], LUTData=b"\0\0\x50\0\xa0\0\xff\0")]},
        {
            f"{colour}PaletteColorLookupTable{what}": value
            for colour in ("Red", "Green", "Blue")
            for what, value in (("Descriptor", [4, 0, 8]), ("Data", b"\0\0\x50\0\xa0\0\xff\0"))
        },
    ]  # fmt: skip
    states = [encoded(**part) for part in parts]
    states.append(encoded(**{key: value for part in parts for key, value in part.items()}))
    states.append(
        encoded(ShutterShape="BITMAP", ShutterOverlayGroup=0x6002)
        + overlay(0x6000, 4, 4, b"\xff\xff") + element(0x60001001, "CS", b"A ")
        + overlay(0x6002, 4, 4, b"\x0f\xf0", origin=(3, 3))
    )  # fmt: skip
    return [bytes([setup]) + each for each in states for setup in (0, 1, 2, 9, 20)]


WORDS = (*seeds.TRICKY, b"MATRIX", b"\x70\0\x22\0FL\4\0", b"\x18\0\x20\x16IS\2\0", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f")
HARNESS = Harness("rendering", starts, run, WORDS, 2048)
