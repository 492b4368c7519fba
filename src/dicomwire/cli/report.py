"""``dicomwire sr``: structured reports as text."""

from __future__ import annotations

import os
import sys

import click

from dicomwire import dcmread
from dicomwire.cli.batches import is_foreign
from dicomwire.cli.console import complain, error_message, output, policy_option, safe
from dicomwire.errors import DicomWireError
from dicomwire.scanning.scanner import walk
from dicomwire.sr.text import report_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command("sr")
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path(allow_dash=True))
@click.option("--codes", is_flag=True, help="Value and scheme of each code beside its meaning.")
@click.option("--full", is_flag=True, help="All coordinates, and UIDs of instances that are referred to.")
@click.option("--no-header", is_flag=True, help="The content tree alone.")
@policy_option
def sr(files: tuple[str, ...], codes: bool, full: bool, no_header: bool, policy: str) -> None:
    """Print the content trees of structured reports.

    Of folders the reports below, other files are passed over.  "-" reads standard input.  The exit status is 1 when a
    file could not be read, or one that was named is no report.
    """
    stream = output()
    failed = written = 0
    several = len(files) > 1 or os.path.isdir(files[0])
    for name, is_named in _names(files):
        try:
            data_set = dcmread(sys.stdin.buffer if name == "-" else name, policy=policy)
            if not is_named and "ContentSequence" not in data_set:
                continue
            if several:
                stream.write(f"{chr(10) if written else ''}# {safe(name)}\n")
            written += 1
            for line in report_lines(data_set, header=not no_header, codes=codes, full=full):
                stream.write(safe(line) + "\n")
        except (DicomWireError, OSError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            if is_named or not is_foreign(error):
                failed += 1
                complain(name, error_message(error))
    sys.exit(1 if failed else 0)


def _names(files: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Each file, and whether it was named itself and not a folder that it is in."""
    for given in files:
        if given != "-" and os.path.isdir(given):
            yield from ((name, False) for name in walk([given]))
        else:
            yield given, True
