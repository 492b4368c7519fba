"""Text on a picture, drawn by Pillow (extra ``image``)."""

from __future__ import annotations

import math

import numpy as np

from dicomwire.errors import PixelError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dicomwire.pixel.drawing import Canvas
    from dicomwire.pixel.presentation import Colour

_LEAST_FONT, _USUAL_FONT, _MOST_FONT = 10, 16, 96
_MOST_TEXT = 10240  # characters: ten times what Unformatted Text Value can hold (PS3.5 section 6.2)


class Lettering:
    """Lines of text in a size that suits a box; width, height: of what is drawn, in pixels."""

    __slots__ = ("_align", "_draw", "_font", "_left", "_text", "_top", "height", "width")

    def __init__(self, text: str, font: str | None, box: tuple[float, float] | None, align: str = "left") -> None:
        """box: width and height, in pixels, that the text should keep to; align: "left", "center" or "right"."""
        try:
            from PIL import Image, ImageDraw, ImageFont
        except ImportError:
            raise UnsupportedError(
                "text annotations need Pillow: pip install dicomwire[image], or annotations=False",
                what="Pillow",
                extra="image",
            ) from None
        if len(text) > _MOST_TEXT:
            raise PixelError(f"a text of {len(text)} characters: expected 1024 at most; PS3.3 C.10.5")
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").strip("\n ")
        self._text = "".join(each if each == "\n" or each.isprintable() else " " for each in text)
        self._align = align
        self._draw = ImageDraw.Draw(Image.new("L", (1, 1)))
        size = float(_USUAL_FONT)
        if box is not None:
            size = min(max(box[1] / (1.2 * (self._text.count("\n") + 1)), _LEAST_FONT), _MOST_FONT)

        def sized(points: float) -> None:
            if font is None:
                self._font: Any = ImageFont.load_default(points)
            else:
                try:
                    self._font = ImageFont.truetype(font, points)
                except OSError as error:
                    raise UnsupportedError(f"no font at {font!r}: {error}", what="font") from error
            left, top, right, bottom = self._draw.multiline_textbbox((0, 0), self._text, font=self._font, align=align)
            self._left, self._top = left, top
            self.width, self.height = math.ceil(right - left), math.ceil(bottom - top)

        sized(size)
        if box is not None and self.width > box[0] and size > _LEAST_FONT:
            sized(max(size * box[0] / self.width, _LEAST_FONT))

    def draw(self, canvas: Canvas, x: float, y: float, colour: Colour) -> None:
        """Draw with the top left corner at a point, as far as the picture goes."""
        from PIL import Image, ImageDraw

        left, top = math.floor(x), math.floor(y)
        first_x, first_y = max(left, 0), max(top, 0)
        width = min(left + self.width + 1, canvas.columns) - first_x
        height = min(top + self.height + 1, canvas.rows) - first_y
        if width <= 0 or height <= 0 or not self._text:
            return
        canvas.spend(width * height)
        mask = Image.new("L", (width, height))
        place = (left - first_x - self._left, top - first_y - self._top)
        ImageDraw.Draw(mask).multiline_text(place, self._text, fill=255, font=self._font, align=self._align)
        canvas.blend(first_y, first_x, np.asarray(mask), colour)
