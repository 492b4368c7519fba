"""``dicomwire json`` and ``dicomwire xml``: files as DICOM JSON and Native DICOM Model."""

from __future__ import annotations

import os
import sys
from functools import partial

import click

from dicomwire import dcmread
from dicomwire.cli.batches import foreign_option, is_foreign, places, run, workers_option
from dicomwire.cli.console import complain, error_message, policy_option
from dicomwire.errors import DicomWireError
from dicomwire.replacing import replacing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Command = Callable[..., Any]


def _options(command: Command) -> Command:
    """The arguments and options that both commands have."""
    for decorate in (
        click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path(allow_dash=True)),
        click.option("--to", "folder", metavar="FOLDER", type=click.Path(file_okay=False),
                     help="Write a file for each one read, under the same name and an ending, here."),
        click.option("--bulk", type=click.Choice(["inline", "omit"]), default="inline", show_default=True,
                     help="Long binary values: as base64, or leave their elements out."),
        click.option("--threshold", type=click.IntRange(min=0), default=1024, show_default=True, metavar="CHARACTERS",
                     help="Binary values are long from this length of their base64 on."),
        click.option("--stop-before-pixels", is_flag=True, help="Leave out Pixel Data and what follows."),
        click.option("--force", is_flag=True, help="Read bytes that do not look like DICOM."),
        policy_option,
        foreign_option,
        workers_option,
    ):  # fmt: skip
        command = decorate(command)
    return command


@click.command("json")
@_options
@click.option("--strings", is_flag=True, help="IS, DS, SV and UV as strings, digit for digit.")
def json_command(
    paths: tuple[str, ...], folder: str | None, bulk: str, threshold: int, stop_before_pixels: bool, force: bool,
    policy: str, skip_foreign: bool, workers: int, strings: bool,
) -> None:  # fmt: skip
    """Print files as objects of the DICOM JSON Model (PS3.18 Annex F), one a line.

    "-" reads standard input.  With --to, each becomes a file.  The exit status is 1 when one could not be read.
    """
    _convert("json", paths, folder, workers, skip_foreign, {
        "reading": {"stop_before_pixels": stop_before_pixels, "force": force, "policy": policy},
        "writing": {"bulk_data": bulk, "bulk_data_threshold": threshold, "number_strings": strings},
    })  # fmt: skip


@click.command("xml")
@_options
def xml_command(
    paths: tuple[str, ...], folder: str | None, bulk: str, threshold: int, stop_before_pixels: bool, force: bool,
    policy: str, skip_foreign: bool, workers: int,
) -> None:  # fmt: skip
    """Print a file as a NativeDicomModel document (PS3.19 Annex A.1).

    "-" reads standard input.  With --to, each of many becomes a file.  The exit status is 1 when one could not be read.
    """
    if folder is None and (len(paths) > 1 or os.path.isdir(paths[0])):
        raise click.UsageError("several documents make no document: say where they go by --to FOLDER")
    _convert("xml", paths, folder, workers, skip_foreign, {
        "reading": {"stop_before_pixels": stop_before_pixels, "force": force, "policy": policy},
        "writing": {"bulk_data": bulk, "bulk_data_threshold": threshold},
    })  # fmt: skip


def _convert(
    form: str, paths: tuple[str, ...], folder: str | None, workers: int, skip_foreign: bool, options: dict[str, Any]
) -> None:
    if folder is not None:
        work = partial(convert_file, form=form, **options)
        failed = run(form, work, list(places(paths, folder, f".{form}")), workers, skip_foreign=skip_foreign)
        sys.exit(1 if failed else 0)
    if workers > 1:
        raise click.UsageError("--workers goes with --to")
    from dicomwire.scanning.scanner import walk

    out = sys.stdout.buffer
    failed = 0
    for path in (name for given in paths for name in (["-"] if given == "-" else walk([given]))):
        started = False
        try:
            for piece in _pieces(form, sys.stdin.buffer if path == "-" else path, options):
                out.write(piece)
                started = True
        except (DicomWireError, OSError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            if not (skip_foreign and is_foreign(error)):
                failed += 1
                complain(path, error_message(error))
        if started and form == "json":
            out.write(b"\n")
    out.flush()
    sys.exit(1 if failed else 0)


def convert_file(source: str, target: str, *, form: str, **options: Any) -> int:
    """Write one file as JSON or XML, under its name when it is complete; how many bytes."""
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    total = 0
    with replacing(target) as temporary, open(temporary, "wb") as out:
        for piece in _pieces(form, source, options):
            total += out.write(piece)
    return total


def _pieces(form: str, source: Any, options: dict[str, Any]) -> Iterator[bytes]:
    data_set = dcmread(source, **options["reading"])
    if form == "json":
        from dicomwire.dataset.json import iter_json

        return iter_json(data_set, **options["writing"])
    from dicomwire.dataset.xml import iter_xml

    return iter_xml(data_set, **options["writing"])
