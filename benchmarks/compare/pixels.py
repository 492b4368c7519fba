"""Tasks on pixel data: arrays handed over, and handed over and summed; kernels beside plain C and NumPy.

With 12 of 16 bits stored, dicomwire looks whether the unused bits are clean before it hands a view over; the others
do not look, or copy.  Inputs are written once into build/corpus/pixels.  Every answer is compared with the samples that
were put in, untimed.
A view is handed over without a look at its pixels: the tasks that sum them say what that is worth.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.compare.runner import Entry, Goal, Task
from benchmarks.encode import (
    CT_IMAGE_STORAGE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    PIXEL_DATA,
    UID_ROOT,
    Counts,
    Element,
    file_meta,
    writer_for,
)
from benchmarks.workloads import CORPUS
from benchmarks.yardsticks import Buffer, pixels

FRAMES = {"XS": 3, "S": 20, "M": 100, "L": 200}
FILES = {"XS": 4, "S": 50, "M": 200, "L": 400}
LONG = {"XS": 20, "S": 200, "M": 1000, "L": 1000}  # frames of 512 KiB of the file of which one is read
Array = Any


@dataclass(frozen=True)
class Image:
    """How pixels are described and encoded: the arguments of the tasks."""

    rows: int = 512
    columns: int = 512
    allocated: int = 16
    stored: int = 16
    samples: int = 1
    planar: int = 0
    photometric: str = "MONOCHROME2"
    syntax: str = EXPLICIT_LE
    vr: str = "OW"

    def head(self, frames: int, length: int) -> bytes:
        """Return everything before the value of Pixel Data, of ``length`` bytes (0xFFFFFFFF: fragments)."""
        elements = [
            Element(0x00080016, "UI", CT_IMAGE_STORAGE),
            Element(0x00080018, "UI", f"{UID_ROOT}.7.1"),
            Element(0x00280002, "US", self.samples),
            Element(0x00280004, "CS", self.photometric),
            *([Element(0x00280006, "US", self.planar)] if self.samples > 1 else []),
            Element(0x00280008, "IS", str(frames)),
            Element(0x00280010, "US", self.rows),
            Element(0x00280011, "US", self.columns),
            Element(0x00280100, "US", self.allocated),
            Element(0x00280101, "US", self.stored),
            Element(0x00280102, "US", self.stored - 1),
            Element(0x00280103, "US", 0),
        ]
        native = self.syntax if self.syntax in (EXPLICIT_LE, EXPLICIT_BE) else EXPLICIT_LE
        writer = writer_for(native)
        meta = file_meta(Counts(), CT_IMAGE_STORAGE, f"{UID_ROOT}.7.1", self.syntax)
        return meta + writer.data_set(elements) + writer.header(PIXEL_DATA, self.vr, length)


def write(name: str, image: Image, frames: int, value: bytes) -> str:
    """Write a file of native pixel data, unless it is there already; return its path."""
    path = CORPUS / "pixels" / f"{name}-{frames}.dcm"
    head = image.head(frames, len(value))
    if not path.exists() or path.stat().st_size != len(head) + len(value):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(head + value)
        temporary.rename(path)
    return str(path)


def slices(frames: int, *, bits: int = 12, rows: int = 512, columns: int = 512) -> Array:
    """Return frames (frames, rows, columns) uint16 like CT slices: a body of noise over smooth shapes in still air."""
    random = np.random.default_rng(20)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    inside = x * x + 1.6 * y * y < 0.75
    result = np.empty((frames, rows, columns), dtype=np.uint16)
    for number in range(frames):
        shapes = 900 + 300 * np.sin(9 * x + number / 7) * np.cos(7 * y) + random.normal(0, 12, (rows, columns))
        result[number] = np.where(inside, shapes, 24) * (1 << bits) / 4096
    return result


# ----------------------------------------------------------------------------------------------- toolkits


def own(path: str) -> Array:
    import dicomwire

    return dicomwire.dcmread(path).pixel_array


def by_pydicom(path: str) -> Array:
    import pydicom

    return pydicom.dcmread(path).pixel_array


def by_dicomsdl(path: str) -> Array:
    import dicomsdl

    ds = dicomsdl.open(path)
    frames = int(ds.NumberOfFrames or 1)
    if frames == 1:
        return ds.pixelData(0, storedvalue=True)
    first = ds.pixelData(0, storedvalue=True)
    result = np.empty((frames, *first.shape), dtype=first.dtype)
    for number in range(frames):
        ds.copyFrameData(number, result[number])
    return result


def by_fastdicom(path: str) -> Array:
    import fastdicom

    return np.squeeze(np.asarray(fastdicom.dcmread(path).pixel_array))


def by_gdcm(path: str) -> Array:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(path)
    if not reader.Read():
        raise ValueError("gdcm: read failed")
    image = reader.GetImage()
    kind = {gdcm.PixelFormat.UINT16: np.uint16, gdcm.PixelFormat.UINT8: np.uint8, gdcm.PixelFormat.INT16: np.int16}[
        image.GetPixelFormat().GetScalarType()
    ]
    columns, rows, *frames = image.GetDimensions()
    samples = image.GetPixelFormat().GetSamplesPerPixel()
    values = np.frombuffer(image.GetBuffer().encode("utf-8", errors="surrogateescape"), dtype=kind)
    shape = (*frames, rows, columns) + ((samples,) if samples > 1 else ())
    return values.reshape(shape)


PEERS: dict[str, tuple[str, Callable[[str], Array]]] = {
    "pydicom": ("pydicom", by_pydicom),
    "dicomsdl": ("dicomsdl", by_dicomsdl),
    "fastdicom": ("fastdicom", by_fastdicom),
    "gdcm": ("python-gdcm", by_gdcm),
}


def installed(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def equal_to(expected: Array) -> Callable[[Any], str]:
    def check(found: Any) -> str:
        if isinstance(found, list):
            same = all(np.array_equal(each, expected) for each in found)
        elif isinstance(found, np.integer):
            same = int(found) == int(expected.sum(dtype=np.uint64))
        else:
            same = np.array_equal(np.squeeze(found), expected)
        return "equal" if same else "DIFFERENT"

    return check


def toolkits(run: Callable[[Callable[[str], Array]], Callable[[], Any]], expected: Array) -> list[Entry]:
    """Return an entry for dicomwire and each peer that is installed; ``run`` makes its work of its reading."""
    check = equal_to(expected)
    version = importlib.metadata.version("dicomwire")
    entries = [Entry("dicomwire", "own", run(own), version=version, toolkit="dicomwire", compare=check)]
    for name, (distribution, read) in PEERS.items():
        found = installed(distribution)
        if found:
            entries.append(Entry(name, "peer", run(read), version=found, toolkit=name, compare=check))
    return entries


# -------------------------------------------------------------------------------------------- whole files


def file_task(name: str, size: str, *, stored: int, is_summed: bool) -> Task:
    """100 frames of little endian 16-bit words in one file."""
    frames = FRAMES[size]
    values = slices(frames, bits=stored)
    path = write(f"native-{stored}", Image(stored=stored), frames, values.tobytes())

    def run(read: Callable[[str], Array]) -> Callable[[], Any]:
        return (lambda: read(path).sum(dtype=np.uint64)) if is_summed else (lambda: read(path))

    goals = [Goal("best peer", 3 if is_summed else 100)] if stored == 16 else []
    what = "handed over and summed by NumPy" if is_summed else "handed over"
    return Task(
        name=name, title=f"{frames} frames of 512 x 512, {stored} of 16 bits stored: opened, the array {what}",
        unit="file", units=1, entries=toolkits(run, values), goals=goals, size_bytes=values.nbytes,
    )  # fmt: skip


def series_task(name: str, size: str, *, stored: int, is_summed: bool) -> Task:
    """CT slices, a file each."""
    frame = slices(1, bits=stored)[0]
    paths = [
        write(f"ct-{stored}-{number:04}", Image(stored=stored), 1, frame.tobytes()) for number in range(FILES[size])
    ]

    def run(read: Callable[[str], Array]) -> Callable[[], Any]:
        if is_summed:
            return lambda: [read(path).sum(dtype=np.uint64) for path in paths]
        return lambda: [read(path) for path in paths]

    expected = frame.astype(np.uint64).sum() if is_summed else frame
    what = "handed over and summed by NumPy" if is_summed else "handed over"
    return Task(
        name=name, title=f"{len(paths)} files of 512 x 512, {stored} of 16 bits stored: opened, arrays {what}",
        unit="file", units=len(paths), entries=toolkits(run, np.asarray(expected)),
        goals=[Goal("best peer", 1.3 if is_summed else 5)] if stored == 16 else [],
        size_bytes=frame.nbytes * len(paths),
    )  # fmt: skip


def one_frame_task(name: str, size: str, *, is_summed: bool) -> Task:
    """A frame from the middle of a long file, which is opened for it."""
    frames = LONG[size]
    image, frame = Image(), slices(1, bits=16)[0]
    head = image.head(frames, frames * frame.nbytes)
    path = CORPUS / "pixels" / f"long-{frames}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:  # a hole but for the frame: what is in the others nobody may look at
        file.write(head)
        file.seek(len(head) + frames // 2 * frame.nbytes)
        file.write(frame.tobytes())
        file.truncate(len(head) + frames * frame.nbytes)
    number = frames // 2

    def ours() -> Array:
        import dicomwire

        array = dicomwire.dcmread(path).frames[number]
        return array.sum(dtype=np.uint64) if is_summed else array

    def pydicoms() -> Array:
        from pydicom.pixels import pixel_array

        array = pixel_array(path, index=number)
        return array.sum(dtype=np.uint64) if is_summed else array

    check = equal_to(frame)
    version = importlib.metadata.version
    entries = [
        Entry("dicomwire", "own", ours, version=version("dicomwire"), toolkit="dicomwire", compare=check),
        Entry("pydicom", "peer", pydicoms, version=version("pydicom"), toolkit="pydicom", compare=check),
    ]
    what = "summed" if is_summed else "handed over"
    return Task(
        name=name, title=f"one frame from the middle of {frames} in a file of {frames // 2} MB: opened, {what}",
        unit="frame", units=1, entries=entries, goals=[] if is_summed else [Goal("pydicom", 5)],
        size_bytes=frame.nbytes,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- kernels


def numpy_swapped(data: bytes, frames: int) -> Array:
    return np.frombuffer(data, ">u2").astype(np.uint16)


def numpy_twelve(data: bytes, frames: int) -> Array:
    triples = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.uint16)
    out = np.empty((len(triples), 2), np.uint16)
    np.bitwise_or(triples[:, 0], (triples[:, 1] & 15) << 8, out=out[:, 0])
    np.bitwise_or(triples[:, 1] >> 4, triples[:, 2] << 4, out=out[:, 1])
    return out


def numpy_bits(data: bytes, frames: int) -> Array:
    return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")


def numpy_planes(data: bytes, frames: int) -> Array:
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(frames, 3, -1).transpose(0, 2, 1))


def packed_twelve(values: Array) -> bytes:
    pairs = values.reshape(-1, 2)
    out = np.empty((len(pairs), 3), np.uint8)
    out[:, 0] = pairs[:, 0]
    out[:, 1] = pairs[:, 0] >> 8 | (pairs[:, 1] & 15) << 4
    out[:, 2] = pairs[:, 1] >> 4
    return out.tobytes()


@dataclass(frozen=True)
class Kernel:
    """A task's image, how its samples are encoded, NumPy's best way, and the name of plain C's."""

    image: Image
    encode: Callable[[Array], bytes]
    by_numpy: Callable[[bytes, int], Array] | None
    plain: str
    decoded_bits: int  # of a sample of the array


KERNELS = {
    "big-endian": Kernel(Image(syntax=EXPLICIT_BE), lambda v: v.astype(">u2").tobytes(), numpy_swapped, "swap16", 16),
    "twelve": Kernel(Image(allocated=12, stored=12), packed_twelve, numpy_twelve, "twelve", 16),
    "bits": Kernel(
        Image(allocated=1, stored=1, vr="OB"), lambda v: np.packbits(v, bitorder="little").tobytes(), numpy_bits,
        "bits", 8,
    ),
    "planes": Kernel(
        Image(rows=600, columns=800, allocated=8, stored=8, samples=3, planar=1, photometric="RGB", vr="OB"),
        lambda v: np.ascontiguousarray(np.moveaxis(v, -1, 1)).tobytes(), numpy_planes, "planes", 8,
    ),
    "ybr422": Kernel(
        Image(rows=600, columns=800, allocated=8, stored=8, samples=3, photometric="YBR_FULL_422", vr="OB"),
        lambda v: v.tobytes(), None, "ybr422", 8,
    ),
}  # fmt: skip


def kernel_task(name: str, size: str, which: str, *, is_fresh: bool) -> Task:
    """Pixels that must be unpacked, of a data set in memory, into new arrays or into one that has been used before."""
    import dicomwire

    kernel, frames = KERNELS[which], FRAMES[size] * 3 // 5
    image, random = kernel.image, np.random.default_rng(3)
    shape = (frames, image.rows, image.columns) + ((image.samples,) if image.samples > 1 else ())
    if which == "ybr422":
        expected = random.integers(0, 256, (frames, image.rows, image.columns * 2)).astype(np.uint8)
    else:
        kind = np.uint16 if kernel.decoded_bits == 16 else np.uint8
        expected = random.integers(0, 1 << image.stored, shape).astype(kind)
    encoded = kernel.encode(expected)
    data = image.head(frames, len(encoded)) + encoded
    data_set, source = dicomwire.dcmread(data), Buffer(encoded)
    if which == "ybr422":
        expected = reference_rgb(expected)
    size_bytes = int(np.prod(shape)) * kernel.decoded_bits // 8
    target, memory = np.ones(shape, dtype=data_set.frames.dtype), Buffer(size_bytes)

    def ours() -> Array:
        return data_set.decode() if is_fresh else data_set.decode(out=target)

    def plain() -> int:
        step = len(encoded) // frames
        return pixels.run(kernel.plain, None if is_fresh else memory, source, size_bytes // frames, step, frames)

    def check(found: Array) -> str:
        if which != "ybr422":
            return "equal" if np.array_equal(found, expected) else "DIFFERENT"
        return "equal, or one off" if np.abs(found.astype(np.int16) - expected).max() <= 1 else "DIFFERENT"

    version = importlib.metadata.version("dicomwire")
    entries = [Entry("dicomwire", "own", ours, version=version, toolkit="dicomwire", compare=check)]
    goals = [Goal("limit", 0.6 if which == "ybr422" else 0.7)]
    if kernel.by_numpy is not None:
        by_numpy = kernel.by_numpy

        def with_numpy() -> Array:
            return by_numpy(encoded, frames).reshape(shape)

        entries.append(Entry("NumPy", "peer", with_numpy, version=np.__version__, toolkit="NumPy", compare=check))
        goals.append(Goal("NumPy", 1))
    else:
        goals.append(Goal("pydicom", 20))
    if installed("pydicom"):
        from io import BytesIO

        import pydicom

        theirs = pydicom.dcmread(BytesIO(data))

        def with_pydicom() -> Array:
            theirs._pixel_array = theirs._pixel_id = None  # it keeps its array, which would be timed but once
            return theirs.pixel_array

        if which != "twelve":  # which it does not read
            entries.append(
                Entry("pydicom", "peer", with_pydicom, version=pydicom.__version__, toolkit="pydicom", compare=check)
            )
    entries.append(Entry("C", "limit", plain, own_clock=True))
    where = "new memory" if is_fresh else "memory that has been touched"
    return Task(
        name=name, title=f"{frames} frames, {which}, {image.rows} x {image.columns}, out of memory into {where}",
        unit="frame", units=frames, entries=entries, goals=goals, size_bytes=size_bytes,
    )  # fmt: skip


def reference_rgb(encoded: Array) -> Array:
    """Return R, G, B (frames, rows, columns, 3) of Y Y CB CR in floating point (PS3.3 section C.7.6.3.1.2)."""
    quads = encoded.reshape(*encoded.shape[:2], -1, 4).astype(np.float32)
    y, cb, cr = quads[..., :2], quads[..., 2:3] - 128, quads[..., 3:] - 128
    green = y - 0.114 * 1.772 / 0.587 * cb - 0.299 * 1.402 / 0.587 * cr
    rgb = np.stack([y + 1.402 * cr, green, y + 1.772 * cb], axis=-1)
    return np.clip(np.floor(rgb + 0.5), 0, 255).astype(np.int16).reshape(*encoded.shape[:2], -1, 3)


def _whole(stored: int, *, is_summed: bool, is_series: bool) -> Callable[[str, str], Task]:
    make = series_task if is_series else file_task
    return lambda name, size: make(name, size, stored=stored, is_summed=is_summed)


def _kernel(which: str, *, is_fresh: bool) -> Callable[[str, str], Task]:
    return lambda name, size: kernel_task(name, size, which, is_fresh=is_fresh)


_MAKERS: dict[str, Callable[[str, str], Task]] = {
    **{
        "-".join(
            filter(None, ("pixels", "ct" if is_series else "native", "12" * (stored == 12), "summed" * is_summed))
        ): _whole(
            stored, is_summed=is_summed, is_series=is_series
        )
        for is_series in (False, True)
        for stored in (16, 12)
        for is_summed in (False, True)
    },
    "pixels-one-frame": lambda name, size: one_frame_task(name, size, is_summed=False),
    "pixels-one-frame-summed": lambda name, size: one_frame_task(name, size, is_summed=True),
    **{
        f"pixels-{which}-{'fresh' if is_fresh else 'warm'}": _kernel(which, is_fresh=is_fresh)
        for which in KERNELS
        for is_fresh in (False, True)
    },
}
TASKS: dict[str, Callable[[str], Task]] = {
    name: (lambda size, name=name, make=make: make(name, size)) for name, make in _MAKERS.items()
}
