"""Tasks on compressed frames: whole files to arrays, beside other toolkits and the codecs called bare.

The frames are like CT slices, 12 bits of 16, but for JPEG baseline; each file is written once.  A codec called bare
gets its codestreams as bytes and gives an array of each: what a program adds is finding and checking frames, and, of
a file, reading it.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compare.pixels import Array, Image, by_dicomsdl, by_gdcm, by_pydicom, equal_to, installed, slices
from benchmarks.compare.runner import Entry, Goal, Task
from benchmarks.workloads import CORPUS

FRAMES = {"XS": 2, "S": 10, "M": 40, "L": 100}


@dataclass(frozen=True)
class Coding:
    """A transfer syntax, how its frames are encoded, and its decoders called bare by name."""

    syntax: str
    encode: Callable[[Array], bytes]
    bare: dict[str, Callable[[bytes], Array]]
    bits: int = 12
    is_lossy: bool = False
    least: float = 0.95  # of the fastest decoder called bare


def codings() -> dict[str, Coding]:
    """Return the codings by task; what is not installed is left out of `bare`."""
    import imagecodecs as ic

    from dicomwire.pixel.rle import encode_frame

    shape = (512, 512)
    rle: dict[str, Callable[[bytes], Array]] = {
        "imagecodecs": lambda data: np.frombuffer(ic.dicomrle_decode(data, "<u2"), np.uint16).reshape(shape)
    }
    j2k: dict[str, Callable[[bytes], Array]] = {"imagecodecs": lambda data: ic.jpeg2k_decode(data, numthreads=1)}
    if installed("pylibjpeg-rle"):
        from rle.rle import decode_frame

        rle["pylibjpeg-rle"] = lambda data: np.frombuffer(decode_frame(data, 512 * 512, 16, "<"), np.uint16).reshape(
            shape
        )
    if installed("pylibjpeg-openjpeg"):
        import openjpeg

        j2k["pylibjpeg-openjpeg"] = lambda data: openjpeg.decode(data)
    jpeg: dict[str, Callable[[bytes], Array]] = {"imagecodecs": ic.jpeg8_decode}
    if installed("simplejpeg"):
        import simplejpeg

        jpeg["simplejpeg"] = lambda data: simplejpeg.decode_jpeg(data, colorspace="GRAY")[..., 0]
    return {
        "rle": Coding("1.2.840.10008.1.2.5", encode_frame, rle, least=2),
        "jpeg": Coding(
            "1.2.840.10008.1.2.4.50", lambda v: ic.jpeg8_encode(v, 92), jpeg, 8, is_lossy=True,
        ),
        "jpeg-lossless": Coding(
            "1.2.840.10008.1.2.4.70", lambda v: ic.jpeg8_encode(v, lossless=True, predictor=1, bitspersample=12),
            {"imagecodecs": ic.jpeg8_decode, "imagecodecs ljpeg": ic.ljpeg_decode},
        ),
        "jpeg-ls": Coding(
            "1.2.840.10008.1.2.4.80", own_encoder("1.2.840.10008.1.2.4.80"), {"imagecodecs": ic.jpegls_decode}
        ),
        "jpeg2000": Coding(
            "1.2.840.10008.1.2.4.90",
            lambda v: ic.jpeg2k_encode(v, codecformat="j2k", reversible=True, bitspersample=12), j2k,
        ),
        "htj2k": Coding(
            "1.2.840.10008.1.2.4.201", own_encoder("1.2.840.10008.1.2.4.201"), {"imagecodecs": ic.htj2k_decode}
        ),
    }  # fmt: skip


def own_encoder(syntax: str) -> Callable[[Array], bytes]:
    """Return dicomwire's encoder of frames of 512 x 512, 12 of 16 bits: imagecodecs alone says 16 in the codestream,
    where the standard wants Bits Stored.
    """
    import dicomwire
    from dicomwire.dictionary.transfer_syntax import transfer_syntax
    from dicomwire.pixel import ImagePixel
    from dicomwire.pixel.encoders import encoder_for

    known = transfer_syntax(syntax)
    assert known is not None
    size = 512 * 512 * 2
    image = ImagePixel(dicomwire.dcmread(Image(stored=12).head(1, size) + bytes(size)))
    return encoder_for(known, image, image.photometric, {}).encode


def write(name: str, coding: Coding, values: Array) -> tuple[str, list[bytes]]:
    """Write a file with a fragment for each frame and a Basic Offset Table; return its path and the codestreams."""
    frames = [coding.encode(frame) for frame in values]
    fragments = [frame + b"\0" * (len(frame) % 2) for frame in frames]
    offsets = np.cumsum([0, *[len(fragment) + 8 for fragment in fragments[:-1]]]).astype("<u4").tobytes()
    allocated = 8 if coding.bits == 8 else 16
    image = Image(allocated=allocated, stored=coding.bits, syntax=coding.syntax, vr="OB")
    body = image.head(len(frames), 0xFFFFFFFF)
    for fragment in (offsets, *fragments):
        body += b"\xfe\xff\x00\xe0" + len(fragment).to_bytes(4, "little") + fragment
    body += b"\xfe\xff\xdd\xe0" + bytes(4)
    path = CORPUS / "pixels" / f"{name}-{len(frames)}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(body)
    temporary.rename(path)
    return str(path), frames


def coded_task(name: str, size: str, which: str) -> Task:
    """All frames of one file to an array, on one thread and on two."""
    import dicomwire

    coding = codings()[which]
    values = slices(FRAMES[size])
    if coding.bits == 8:
        values = (values >> 4).astype(np.uint8)
    path, frames = write(which, coding, values)
    exact, whole = equal_to(values), Path(path).read_bytes()

    def check(found: Array) -> str:
        if not coding.is_lossy:
            return exact(found)
        difference = np.abs(np.squeeze(found).astype(int) - values).max()
        return "near the source" if difference < 24 else "DIFFERENT"

    def one_by_one(decode: Callable[[bytes], Array]) -> Callable[[], Any]:
        def run() -> Array:
            out = np.empty_like(values)
            for number, frame in enumerate(frames):
                out[number] = decode(frame)
            return out

        return run

    version = importlib.metadata.version
    entries = [
        Entry(
            "dicomwire" if threads == 1 else f"dicomwire, {threads} threads", "own" if threads == 1 else "check",
            lambda threads=threads: dicomwire.dcmread(path).decode(threads=threads), version=version("dicomwire"),
            toolkit="dicomwire" if threads == 1 else "two threads", compare=check,
        )
        for threads in (1, 2)
    ]  # fmt: skip
    entries.append(
        Entry(
            "dicomwire, of bytes in memory", "own", lambda: dicomwire.dcmread(whole).decode(),
            version=version("dicomwire"),
            toolkit="dicomwire", variant="memory", compare=check,
        )
    )  # fmt: skip
    for label, decode in coding.bare.items():
        entries.append(
            Entry(
                f"{label}, bare",
                "peer",
                one_by_one(decode),
                version=version(label.split()[0]),
                toolkit="bare",
                compare=check,
            )
        )
    peers = {
        "pydicom": ("pydicom", by_pydicom),
        "dicomsdl": ("dicomsdl", by_dicomsdl),
        "gdcm": ("python-gdcm", by_gdcm),
    }
    for label, (distribution, read) in peers.items():
        if installed(distribution):
            entries.append(
                Entry(
                    label,
                    "peer",
                    lambda read=read: read(path),
                    version=version(distribution),
                    toolkit=label,
                    compare=check,
                )
            )
    return Task(
        name=name, title=f"{len(frames)} frames of 512 x 512, {which}: the file opened, an array of all frames",
        unit="frame",
        units=len(frames), entries=entries, goals=[Goal("bare", coding.least)], size_bytes=values.nbytes,
        notes=["gdcm and pydicom, which calls it, decode JPEG 2000 on all cores; bare codecs run on one."],
    )  # fmt: skip


TASKS: dict[str, Callable[[str], Task]] = {
    f"coded-{which}": (lambda size, which=which: coded_task(f"coded-{which}", size, which))
    for which in ("rle", "jpeg", "jpeg-lossless", "jpeg-ls", "jpeg2000", "htj2k")
}
