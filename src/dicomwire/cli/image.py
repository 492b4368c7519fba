"""``dicomwire image``: frames as pictures, one or a contact sheet of many."""

from __future__ import annotations

import os
import sys

import click

from dicomwire.cli.console import complain, error_message, warn
from dicomwire.errors import DicomWireError, UnsupportedError
from dicomwire.replacing import replacing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire import DataSet
    from dicomwire.errors import Deviation

    Picture = NDArray[Any]

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}
_MOST_TILES = 4096  # of a contact sheet


class _WindowType(click.ParamType):  # type: ignore[type-arg]
    """ "CENTRE,WIDTH" as two numbers, or "minmax"."""

    name = "window"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float] | str:
        if value == "minmax" or isinstance(value, tuple):
            return value  # type: ignore[no-any-return]
        try:
            centre, width = (float(part) for part in str(value).split(","))
        except ValueError:
            self.fail("expected CENTRE,WIDTH or minmax", param, ctx)
        return centre, width


class _SizeType(click.ParamType):  # type: ignore[type-arg]
    """ "ROWS,COLUMNS" as two whole numbers."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        try:
            rows, columns = (int(part) for part in str(value).split(","))
        except ValueError:
            self.fail("expected ROWS,COLUMNS", param, ctx)
        return rows, columns


@click.command("image")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("-o", "--output", "target", metavar="PICTURE", required=True, type=click.Path(dir_okay=False),
              help="Where to write: .png, .jpg, .tif or .bmp.")  # fmt: skip
@click.option(
    "--frame", type=int, default=0, show_default=True, metavar="N", help="Which frame, from 0; -1 is the last."
)
@click.option("--window", type=_WindowType(), metavar="C,W|minmax", help="Window in place of the file's own.")
@click.option(
    "--voi", type=click.IntRange(min=0), metavar="N", help="Which of the file's VOI LUTs and windows, from 0."
)
@click.option("--overlays/--no-overlays", default=True, show_default=True, help="Draw overlay planes.")
@click.option("--shutters/--no-shutters", default=True, show_default=True, help="Hide what display shutters hide.")
@click.option("--presentation-state", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
              help="A Grayscale, Color or Pseudo-Color Softcopy Presentation State to apply.")  # fmt: skip
@click.option("--annotations/--no-annotations", default=True, show_default=True, help="Draw its graphics and text.")
@click.option("--area/--no-area", default=True, show_default=True, help="Show its displayed area, not the whole image.")
@click.option("--size", type=_SizeType(), metavar="R,C", help="Rows and columns that the picture should fit into.")
@click.option("--display-spacing", type=float, metavar="MM", help="Between pixels, for areas in their true size.")
@click.option("--srgb", is_flag=True, help="Apply the ICC profile; else it goes into the picture.")
@click.option("--font", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="TrueType font for text.")
@click.option("--sheet", is_flag=True, help="A contact sheet: all frames of all files, those of folders too.")
@click.option("--tile", type=click.IntRange(16, 1024), default=160, show_default=True, metavar="PIXELS",
              help="Side of a tile of the sheet.")  # fmt: skip
def image(
    files: tuple[str, ...],
    target: str,
    frame: int,
    window: tuple[float, float] | str | None,
    voi: int | None,
    overlays: bool,
    shutters: bool,
    presentation_state: str | None,
    annotations: bool,
    area: bool,
    size: tuple[int, int] | None,
    display_spacing: float | None,
    srgb: bool,
    font: str | None,
    sheet: bool,
    tile: int,
) -> None:
    """Write a frame as it is shown, or a contact sheet of many, as a picture file.

    Not for diagnosis.  Needs Pillow: pip install dicomwire[image].  The exit status is 1 when something could not be
    read; of a sheet the other frames are written.  Overlays, shutters and annotations that make no sense are left out,
    which is told.
    """
    kind = _FORMATS.get(os.path.splitext(target)[1].lower())
    if kind is None:
        raise click.UsageError(f"-o: the name must end in one of {', '.join(_FORMATS)}")
    if not sheet and (len(files) > 1 or os.path.isdir(files[0])):
        raise click.UsageError("several files, or a folder, go with --sheet")
    options: dict[str, Any] = {
        "window": window, "voi_index": voi, "overlays": overlays, "shutters": shutters, "annotations": annotations,
        "area": area, "size": size, "display_spacing_mm": display_spacing, "icc": "srgb" if srgb else None,
        "font": font,
    }  # fmt: skip
    failed = 0
    try:
        if presentation_state is not None:
            from dicomwire import dcmread

            options["presentation_state"] = dcmread(presentation_state)
        if sheet:
            tiles, failed = _tiles(files, tile, options)
            _write(_sheet(tiles, tile), target, kind)
        else:
            picture, profile = _rendered(files[0], frame, options)
            _write(picture, target, kind, profile)
    except (DicomWireError, OSError, MemoryError, IndexError, ValueError) as error:
        complain(files[0], error_message(error))
        sys.exit(1)
    if failed:
        sys.exit(1)


def _rendered(path: str, frame: int, options: dict[str, Any]) -> tuple[Picture, bytes | None]:
    """A frame, and the profile of its colours where it has not been applied."""
    from dicomwire import dcmread
    from dicomwire.pixel import icc_profile
    from dicomwire.pixel.icc import is_rgb_profile

    data_set = dcmread(path)
    picture = _shown(path, data_set, frame, options)
    profile = icc_profile(data_set, presentation_state=options.get("presentation_state"))
    if options["icc"] is not None or picture.ndim == 2 or profile is None or not is_rgb_profile(profile):
        return picture, None
    return picture, profile


def _shown(path: str, data_set: DataSet, frame: int, options: dict[str, Any]) -> Picture:
    from dicomwire.pixel import render

    deviations: list[Deviation] = []
    picture = render(data_set, frame, **options, deviations=deviations)
    for deviation in deviations:
        warn(path, f"left out: {deviation.message}")
    return picture


def _paths(files: tuple[str, ...]) -> Iterator[str]:
    """Files as they are, those of folders in order of their names."""
    for name in files:
        if not os.path.isdir(name):
            yield name
            continue
        for folder, folders, found in os.walk(name):
            folders.sort()
            yield from (os.path.join(folder, each) for each in sorted(found))


def _order(data_set: DataSet) -> tuple[str, int]:
    """Where a file stands in a sheet: by series, then by Instance Number."""
    number = data_set.get("InstanceNumber")
    return str(data_set.get("SeriesInstanceUID") or ""), number if isinstance(number, int) else 0


def _tiles(files: tuple[str, ...], tile: int, options: dict[str, Any]) -> tuple[list[Picture], int]:
    """Small pictures of all frames, in order, and how many files could not be read."""
    from dicomwire import dcmread

    failed, opened = 0, []
    for path in _paths(files):
        try:
            data_set = dcmread(path)
            if "PixelData" in data_set or "FloatPixelData" in data_set or "DoubleFloatPixelData" in data_set:
                opened.append((_order(data_set), path))
        except (DicomWireError, OSError) as error:
            failed += 1
            complain(path, error_message(error))
    tiles: list[Picture] = []
    for _, path in sorted(opened):
        try:
            data_set = dcmread(path)
            for number in range(len(data_set.frames)):
                if len(tiles) == _MOST_TILES:
                    raise UnsupportedError(f"a sheet has {_MOST_TILES} tiles at most")
                tiles.append(_shrunk(_shown(path, data_set, number, options), tile))
        except (DicomWireError, OSError, IndexError) as error:
            failed += 1
            complain(path, error_message(error))
    if not tiles:
        raise ValueError("no frames to show")
    return tiles, failed


def _shrunk(picture: Picture, tile: int) -> Picture:
    import numpy as np

    shown = _pillow().fromarray(picture)
    shown.thumbnail((tile, tile))
    return np.asarray(shown)


def _sheet(tiles: list[Picture], tile: int) -> Picture:
    import numpy as np

    across = int(np.ceil(np.sqrt(len(tiles))))
    down = -(-len(tiles) // across)
    is_colour = any(each.ndim == 3 for each in tiles)
    side = tile + 4
    result = np.full((down * side, across * side, 3) if is_colour else (down * side, across * side), 32, dtype=np.uint8)
    for number, each in enumerate(tiles):
        top, left = number // across * side, number % across * side
        height, width = each.shape[:2]
        top, left = top + (side - height) // 2, left + (side - width) // 2
        result[top : top + height, left : left + width] = each[..., None] if is_colour and each.ndim == 2 else each
    return result


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise UnsupportedError(
            "pictures need Pillow: pip install dicomwire[image]", what="Pillow", extra="image"
        ) from None
    return Image


def _write(picture: Picture, target: str, kind: str, profile: bytes | None = None) -> None:
    shown = _pillow().fromarray(picture)
    more = {"icc_profile": profile} if profile is not None and kind != "BMP" else {}
    with replacing(target) as temporary, open(temporary, "xb") as file:
        shown.save(file, kind, **more)
