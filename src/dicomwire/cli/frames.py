"""``dicomwire frames``: where the frames of a file lie, one of them as it is encoded, and the index beside the file."""

from __future__ import annotations

import os
import sys

import click

from dicomwire.cli.console import complain, error_message, output, policy_option, safe, warn
from dicomwire.errors import DicomWireError
from dicomwire.replacing import replacing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from dicomwire.pixel import FrameReader, RawFrame


@click.command("frames")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--extract", "number", type=click.IntRange(min=0), metavar="N", help="Write frame N, from 0, to --to.")
@click.option("--to", "target", metavar="FILE|-", type=click.Path(dir_okay=False, allow_dash=True),
              help="Where --extract writes; - is standard output.")  # fmt: skip
@click.option("--index", "write_index", is_flag=True, help="Write the frame index FILE.frames; nothing is listed.")
@policy_option
def frames(file: str, number: int | None, target: str | None, write_index: bool, policy: str) -> None:
    """List the frames of a file: number, offset and length in bytes, number of fragments.

    Of 1-bit frames that do not begin on a byte the bits to skip follow.  What bends the standard's rules is told on
    standard error.  The exit status is 1 when the frames, or the one that was asked for, could not be read.
    """
    if (number is None) != (target is None):
        raise click.UsageError("--extract and --to go together")
    if write_index and number is not None:
        raise click.UsageError("--index does not go with --extract")
    if target == "-" and sys.stdout.isatty():
        raise click.UsageError("a frame is no text: it is not written to a terminal")
    from dicomwire.pixel import FrameReader

    try:
        reader = FrameReader(file, policy=policy)
        try:
            if write_index:
                _write_index(reader, f"{file}.frames")
            elif number is None:
                _list(reader)
            else:
                _extract(reader, number, target or "-")
        finally:
            for found in [*reader.data_set.deviations, *reader.deviations]:
                place = f"{found.path}: " if found.path else ""
                warn(file, f"{place}{found.message}; offset {found.offset} (0x{found.offset:x}) [{found.kind}]")
    except (DicomWireError, OSError, MemoryError, IndexError) as error:
        if isinstance(error, BrokenPipeError):
            raise  # the reader of our output went away; click ends quietly
        complain(file, error_message(error))
        sys.exit(1)


def _list(reader: FrameReader) -> None:
    write = output().write
    write(f"{'frame':>8}{'offset':>16}{'length':>14}{'fragments':>11}\n")
    for frame in reader:
        more = f"  from bit {frame.bit_offset}" if frame.bit_offset else ""
        if frame.is_cut_short:
            more += "  cut short"
        write(f"{frame.number:>8}{frame.offset:>16}{frame.length:>14}{len(frame.extents):>11}{more}\n")


def _extract(reader: FrameReader, number: int, target: str) -> None:
    if number >= len(reader):
        raise IndexError(f"frame {number}: there are {len(reader)} frames, counted from 0")
    frame = reader[number]
    if target == "-":
        _write(frame, sys.stdout.buffer)
        return
    with replacing(target) as temporary, open(temporary, "xb") as file:
        _write(frame, file)


def _write(frame: RawFrame, file: IO[bytes]) -> None:
    for fragment in frame.fragments:
        file.write(fragment)


def _write_index(reader: FrameReader, path: str) -> None:
    index = reader.build_index()
    index.save(path)
    output().write(f"{len(index)} frames, {os.path.getsize(path)} bytes: {safe(path)}\n")
