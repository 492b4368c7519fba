"""Tasks on pictures: frames rendered in another size, beside Pillow's resize of the same pixels.

dicomwire renders: it reads the frame, looks its stored values up, and scales; Pillow has nothing to do but to scale an
array.  Where a large frame is shown small, nine values are looked up for each pixel that comes of them.  Answers may
differ by one level, since Pillow rounds between columns and rows.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np

from benchmarks.compare.pixels import EXPLICIT_LE, Image, installed
from benchmarks.compare.runner import Entry, Goal, Task

Array = Any

# Rows and columns of an image, its samples, and the size that it is shown in.
SHAPES = {
    "picture-larger": (512, 512, 1, (2048, 2048)),
    "picture-smaller": (3000, 2500, 1, (1000, 833)),
    "picture-colours": (512, 512, 3, (1500, 1500)),
}
SHARE = {"XS": 8, "S": 2, "M": 1, "L": 1}  # of both sides


def picture_task(name: str, size: str) -> Task:
    """One frame of bytes, of a data set in memory, in another size."""
    import dicomwire
    from dicomwire.pixel import render

    rows, columns, samples, target = SHAPES[name]
    rows, columns = rows // SHARE[size], columns // SHARE[size]
    wanted = target[0] // SHARE[size], target[1] // SHARE[size]
    image = Image(
        rows=rows, columns=columns, allocated=8, stored=8, samples=samples, vr="OB",
        photometric="RGB" if samples == 3 else "MONOCHROME2", syntax=EXPLICIT_LE,
    )  # fmt: skip
    shape = (rows, columns, 3) if samples == 3 else (rows, columns)
    values = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    data = image.head(1, values.nbytes) + values.tobytes()
    # A window of all values: levels are the values, so that both sides scale the same.
    window = (128.0, 256.0) if samples == 1 else None
    data_set = dicomwire.dcmread(BytesIO(data))
    expected = render(data_set, window=window, size=wanted).astype(np.int16)

    def ours() -> Array:
        return render(data_set, window=window, size=wanted)

    def check(found: Array) -> str:
        if found.shape != expected.shape:
            return "DIFFERENT"
        worst = int(np.abs(found - expected).max())
        return "equal" if worst == 0 else "equal, or one off" if worst == 1 else "DIFFERENT"

    version = importlib.metadata.version("dicomwire")
    entries = [Entry("dicomwire", "own", ours, version=version, toolkit="dicomwire", compare=check)]
    if installed("pillow"):
        from PIL import Image as Picture

        shown = Picture.fromarray(values)

        def theirs() -> Array:
            return np.asarray(shown.resize(wanted[::-1], Picture.Resampling.BILINEAR))

        version = importlib.metadata.version("pillow")
        entries.append(Entry("Pillow", "peer", theirs, version=version, toolkit="Pillow", compare=check))
    return Task(
        name=name, title=f"{rows} x {columns} pixels of {samples} bytes shown in {wanted[0]} x {wanted[1]}",
        unit="frame", units=1, entries=entries, goals=[Goal("best peer", 0.7 if name == "picture-smaller" else 1)],
        size_bytes=wanted[0] * wanted[1] * samples,
    )  # fmt: skip


TASKS: dict[str, Callable[[str], Task]] = {
    name: (lambda size, name=name: picture_task(name, size)) for name in SHAPES
}
