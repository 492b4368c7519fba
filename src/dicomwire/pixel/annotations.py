"""Graphics and text of presentation states (PS3.3 sections C.10.5 and C.10.7).

    for annotation in read_annotations(state, ds):
        annotation.layer, annotation.kind, annotation.points, annotation.text

They are drawn in the picture as it is shown, so that lines stay thin where it is magnified and text stays upright
where it is turned.
"""

from __future__ import annotations

import numpy as np

from dicomwire.errors import Deviation, PixelError
from dicomwire.pixel.attributes import is_empty, items, number, numbers, text
from dicomwire.pixel.drawing import curve, ellipse, fill, line
from dicomwire.pixel.lettering import Lettering
from dicomwire.pixel.presentation import colour, meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _dicomwire.dataset import DataSet
    from dicomwire.pixel.areas import Area
    from dicomwire.pixel.drawing import Canvas, Points
    from dicomwire.pixel.presentation import Colour

_SECTION = "PS3.3 C.10.5"
_WHITE = 255
_POINT = 3  # pixels from the middle of the cross that a point is to its ends
_BESIDE = 4  # pixels between an anchor point and text that has no box
_LINES = ("POLYLINE", "INTERPOLATED")
_POINTS = {"POINT": 1, "CIRCLE": 2, "ELLIPSE": 4}


class Layer:
    """A graphic layer: ``order``, of which the least is drawn first, and its colour for grey and coloured pictures."""

    __slots__ = ("_item", "name", "order")

    def __init__(self, name: str, order: int = 0, item: DataSet | None = None) -> None:
        self.name, self.order, self._item = name, order, item

    def colour(self, *, on_colour: bool) -> Colour:
        """Grey from 0 to 255 or R, G, B; white where the layer recommends none, or what makes no sense."""
        if self._item is None:
            return _WHITE
        try:
            found = colour(
                self._item,
                "GraphicLayerRecommendedDisplayGrayscaleValue",
                "GraphicLayerRecommendedDisplayCIELabValue",
                on_colour=on_colour,
                section="PS3.3 C.10.7",
            )
        except PixelError:
            return _WHITE
        return _WHITE if found is None else found


class Annotation:
    """A graphic or a text.

    layer           its name
    kind            "POINT", "POLYLINE", "INTERPOLATED", "CIRCLE", "ELLIPSE"; "TEXT"
    units           of its points: "PIXEL", of the image from its top left corner, "MATRIX", of the Total Pixel Matrix,
                    or "DISPLAY", parts of the displayed area
    points          float64 (points, 2), x and y: of a graphic, or the top left and bottom right corners of a text's
                    box; none for text without a box
    is_filled       an area, and not its outline alone
    text            of a text, which may be data of the patient, or ""
    anchor, anchor_units    the point (x, y) that a text belongs to, and its units; None where there is none
    is_anchor_visible       whether it is to be shown
    justification   of text in its box: "LEFT", "RIGHT", "CENTER"
    """

    __slots__ = (
        "_style", "anchor", "anchor_units", "is_anchor_visible", "is_filled", "justification", "kind", "layer",
        "points", "text", "units",
    )  # fmt: skip

    def __init__(self, layer: str, kind: str, units: str, points: Points, style: DataSet) -> None:
        self.layer, self.kind, self.units, self.points = layer, kind, units, points
        self._style = style
        self.is_filled = self.is_anchor_visible = False
        self.text, self.justification = "", "LEFT"
        self.anchor: Points | None = None
        self.anchor_units = ""

    def draw(self, canvas: Canvas, area: Area, layer_colour: Colour) -> None:
        """Draw on a picture in the colours of its own style, or in that of its layer.

        PixelError where it would cost too much, UnsupportedError for text without Pillow.
        """
        if self.kind == "TEXT":
            self._draw_text(canvas, area, layer_colour)
            return
        style = _style(self._style, "LineStyleSequence")
        shown = _colour(style, "PatternOnColorCIELabValue", canvas) or layer_colour
        thickness = _number(style, "LineThickness")
        points = _placed(self.points, self.units, area)
        if self.kind == "POINT":
            x, y = points[0]
            for end in ((_POINT, 0), (0, _POINT)):
                line(canvas, np.array([[x - end[0], y - end[1]], [x + end[0], y + end[1]]]), shown, thickness)
            return
        outline = self._outline(points)
        if self.is_filled:
            inside = _style(self._style, "FillStyleSequence")
            opacity = _number(inside, "PatternOnOpacity")
            filling = _colour(inside, "PatternOnColorCIELabValue", canvas) or shown
            fill(canvas, outline, filling, min(max(opacity, 0), 1))
        line(canvas, outline, shown, thickness)

    def _outline(self, points: Points) -> Points:
        if self.kind == "INTERPOLATED":
            return curve(points)
        if self.kind == "CIRCLE":  # round on the display, whatever becomes of the image's pixels
            centre, radius = points[0], float(np.hypot(*(points[1] - points[0])))
            return ellipse(centre, np.array([radius, 0]), np.array([0, radius]))
        if self.kind == "ELLIPSE":
            return ellipse((points[0] + points[1]) / 2, (points[1] - points[0]) / 2, (points[3] - points[2]) / 2)
        return points

    def _draw_text(self, canvas: Canvas, area: Area, layer_colour: Colour) -> None:
        shown = _colour(_style(self._style, "TextStyleSequence"), "TextColorCIELabValue", canvas) or layer_colour
        anchor = None if self.anchor is None else _placed(self.anchor[None], self.anchor_units, area)[0]
        align = self.justification.lower()
        if len(self.points):
            corners = _placed(self.points, self.units, area)
            (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
            lettering = Lettering(self.text, canvas.font, (right - left, bottom - top), align)
            spare = right - left - lettering.width
            left += spare if align == "right" else spare / 2 if align == "center" else 0
        else:
            assert anchor is not None
            lettering = Lettering(self.text, canvas.font, None, align)
            left, top = anchor + _BESIDE
            # It may lie anywhere beside its point: rather in the picture.
            left = max(min(left, canvas.columns - lettering.width), 0)
            top = max(min(top, canvas.rows - lettering.height), 0)
        lettering.draw(canvas, left, top, shown)
        if anchor is not None and self.is_anchor_visible:
            nearest = np.clip(anchor, [left, top], [left + lettering.width, top + lettering.height])
            line(canvas, np.stack([nearest, anchor]), shown)


def read_layers(state: DataSet) -> dict[str, Layer]:
    """The graphic layers of a presentation state, by their names."""
    found = {}
    for item in items(state, "GraphicLayerSequence"):
        order = item.get("GraphicLayerOrder")
        name = text(item, "GraphicLayer")
        found[name] = Layer(name, order if isinstance(order, int) else 0, item)
    return found


def read_annotations(
    presentation_state: DataSet, data_set: DataSet, *, frame: int = 0, deviations: list[Deviation] | None = None
) -> list[Annotation]:
    """The graphics and texts that are meant for a frame of an image, in the order in which they are drawn.

    Compound graphics are passed over: what they look like stands beside them as graphics and texts (PS3.3 section
    C.10.5.2).  deviations: a list to which is added which annotations make no sense, and were left out.
    """
    layers = read_layers(presentation_state)
    found = []
    for item in meant(presentation_state, "GraphicAnnotationSequence", data_set, frame):
        layer = text(item, "GraphicLayer")
        for keyword, reader in (("GraphicObjectSequence", _graphic), ("TextObjectSequence", _text)):
            for part in items(item, keyword):
                try:
                    found.append(reader(layer, part))
                except PixelError as error:
                    if deviations is not None:
                        offset = max(item[keyword].offset, 0)
                        deviations.append(Deviation("annotation", "00700001", offset, str(error)))
    orders = {name: layer.order for name, layer in layers.items()}
    return sorted(found, key=lambda each: orders.get(each.layer, 0))


def _graphic(layer: str, item: DataSet) -> Annotation:
    kind = text(item, "GraphicType")
    values = numbers(item, "GraphicData", section=_SECTION)
    if not is_empty(item, "GraphicDimensions") and item.get("GraphicDimensions") != 2:
        raise PixelError(f"GraphicDimensions is not 2; {_SECTION}")
    if len(values) % 2:
        raise PixelError(f"GraphicData has {len(values)} values: expected pairs; {_SECTION}")
    if kind not in _LINES and kind not in _POINTS:
        raise PixelError(f"a Graphic Type that the standard does not have; {_SECTION}")
    count = _POINTS.get(kind)
    if count is not None and len(values) != 2 * count:
        raise PixelError(f"GraphicData of {kind} has {len(values) // 2} points: expected {count}; {_SECTION}")
    found = Annotation(layer, kind, _units(item, "GraphicAnnotationUnits"), np.array(values).reshape(-1, 2), item)
    is_closed = count is not None or bool((found.points[0] == found.points[-1]).all())
    found.is_filled = item.get("GraphicFilled") == "Y" and is_closed
    return found


def _text(layer: str, item: DataSet) -> Annotation:
    points, units = np.zeros((0, 2)), ""
    if not is_empty(item, "BoundingBoxTopLeftHandCorner"):
        corners = [
            numbers(item, f"BoundingBox{each}HandCorner", 2, section=_SECTION) for each in ("TopLeft", "BottomRight")
        ]
        points, units = np.array(corners), _units(item, "BoundingBoxAnnotationUnits")
    found = Annotation(layer, "TEXT", units, points, item)
    if not is_empty(item, "AnchorPoint"):
        found.anchor = np.array(numbers(item, "AnchorPoint", 2, section=_SECTION))
        found.anchor_units = _units(item, "AnchorPointAnnotationUnits")
        found.is_anchor_visible = item.get("AnchorPointVisibility") == "Y"
    elif not len(points):
        raise PixelError(f"a text with neither Bounding Box nor Anchor Point; {_SECTION}")
    value = item.get("UnformattedTextValue")
    if not isinstance(value, str):
        raise PixelError(f"a text without UnformattedTextValue; {_SECTION}")
    found.text = value
    style = _style(item, "TextStyleSequence")
    for source, keyword in ((style, "HorizontalAlignment"), (item, "BoundingBoxTextHorizontalJustification")):
        if source is not None and source.get(keyword) in ("LEFT", "RIGHT", "CENTER"):
            found.justification = text(source, keyword)
    return found


def _units(item: DataSet, keyword: str) -> str:
    units = text(item, keyword)
    if units not in ("PIXEL", "DISPLAY", "MATRIX"):
        raise PixelError(f"{keyword} is none of PIXEL, DISPLAY and MATRIX; {_SECTION}")
    return units


def _placed(points: Points, units: str, area: Area) -> Points:
    if units == "DISPLAY":
        return area.of_display(points)
    return area.of_image(points) if units == "PIXEL" else area.of_matrix(points)


def _style(item: DataSet, keyword: str) -> DataSet | None:
    return next(iter(items(item, keyword)), None)


def _number(style: DataSet | None, keyword: str) -> float:
    if style is None or is_empty(style, keyword):
        return 1.0
    return number(style, keyword, section="PS3.3 C.10.5.1")


def _colour(style: DataSet | None, keyword: str, canvas: Canvas) -> Colour | None:
    if style is None:
        return None
    return colour(style, None, keyword, on_colour=canvas.is_colour, section="PS3.3 C.10.5.1")
