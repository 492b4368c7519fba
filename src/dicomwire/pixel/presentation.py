"""Softcopy presentation states: which kinds, what their items are meant for, their colours.

PS3.3 sections A.33, C.10.7.1.1 and C.11.11, PS3.4 Annex N.  What a state does not say is an identity: the image's own
transformations do not count beside it (PS3.4 section N.2).
"""

from __future__ import annotations

from dicomwire.dictionary import uids
from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.pixel.attributes import is_empty, items, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from _dicomwire.dataset import DataSet

    # Grey from 0 to 255, or R, G, B.
    Colour = int | tuple[int, int, int]

_KINDS = (
    uids.GrayscaleSoftcopyPresentationStateStorage,
    uids.ColorSoftcopyPresentationStateStorage,
    uids.PseudoColorSoftcopyPresentationStateStorage,
    uids.XAXRFGrayscaleSoftcopyPresentationStateStorage,
)


def check_state(state: DataSet) -> None:
    """UnsupportedError for states of other kinds, and for those that subtract masks."""
    kind = state.get("SOPClassUID")
    if not is_empty(state, "SOPClassUID") and str(kind) not in map(str, _KINDS):
        raise UnsupportedError(
            "expected a Grayscale, Color, Pseudo-Color or XA/XRF Grayscale Softcopy Presentation State; PS3.3 A.33",
            what="SOPClassUID",
        )
    if items(state, "MaskSubtractionSequence"):
        raise UnsupportedError("masks are not subtracted; PS3.3 C.7.6.10", what="MaskSubtractionSequence")


def meant(state: DataSet, keyword: str, data_set: DataSet, frame: int) -> Iterator[DataSet]:
    """The items of a sequence that are meant for a frame of an image: those that refer to it, or to nothing."""
    uid = data_set.get("SOPInstanceUID")
    for item in items(state, keyword):
        images = items(item, "ReferencedImageSequence")
        if not images or any(_refers(image, uid, frame) for image in images):
            yield item


def _refers(image: DataSet, uid: object, frame: int) -> bool:
    if image.get("ReferencedSOPInstanceUID") != uid:
        return False
    found = image.get("ReferencedFrameNumber")
    if found is None:
        return True
    return frame + 1 in (found if isinstance(found, list) else [found])


def colour(
    item: DataSet, grey_keyword: str | None, cielab_keyword: str, *, on_colour: bool, section: str
) -> Colour | None:
    """A colour of a presentation state for a grey picture or one of colours; None where there is none.

    grey_keyword: of a P-Value of 16 bits, for monochrome displays; cielab_keyword: of three numbers, for displays of
    colours.  Where only the other one is there, it is taken.
    """
    grey: Colour | None = None
    if grey_keyword is not None and not is_empty(item, grey_keyword):
        value = numbers(item, grey_keyword, 1, section=section)[0]
        grey = round(min(max(value, 0), 65535) / 257)
    if is_empty(item, cielab_keyword) or (grey is not None and not on_colour):
        return grey
    return cielab_to_rgb(numbers(item, cielab_keyword, 3, section=section))


# PCS to linear sRGB: the inverse of the primaries of IEC 61966-2-1 as adapted to D50 by ICC.1.
_WHITE = (0.9642, 1.0, 0.8249)
_TO_LINEAR = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)


def cielab_to_rgb(values: list[float]) -> tuple[int, int, int]:
    """sRGB of 8 bits for a CIELab value as it is encoded: three numbers up to 65535 (PS3.3 section C.10.7.1.1)."""
    if not all(0 <= value <= 65535 for value in values):
        raise PixelError("a CIELab value beyond 0 and 65535; PS3.3 C.10.7.1.1")
    lightness = values[0] * 100 / 65535
    a, b = (value / 257 - 128 for value in values[1:])
    y = (lightness + 16) / 116
    xyz = [white * _from_lab(part) for white, part in zip(_WHITE, (y + a / 500, y, y - b / 200), strict=True)]
    red, green, blue = (_gamma(sum(k * part for k, part in zip(row, xyz, strict=True))) for row in _TO_LINEAR)
    return red, green, blue


def _from_lab(part: float) -> float:
    return part**3 if part > 6 / 29 else (part - 4 / 29) * 3 * (6 / 29) ** 2


def _gamma(linear: float) -> int:
    linear = min(max(linear, 0.0), 1.0)
    shown = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(255 * shown)
