"""``dicomwire sr``: structured reports as text."""

from __future__ import annotations

import sys

import click

from dicomwire import dcmread
from dicomwire.cli.console import complain, error_message, output, policy_option, safe
from dicomwire.errors import DicomWireError
from dicomwire.sr.text import report_lines


@click.command("sr")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option("--codes", is_flag=True, help="Value and scheme of each code beside its meaning.")
@click.option("--full", is_flag=True, help="All coordinates, and UIDs of instances that are referred to.")
@click.option("--no-header", is_flag=True, help="The content tree alone.")
@policy_option
def sr(files: tuple[str, ...], codes: bool, full: bool, no_header: bool, policy: str) -> None:
    """Print the content trees of structured reports.

    "-" reads standard input.  The exit status is 1 when a file could not be read or is no report.
    """
    stream = output()
    failed = 0
    for number, name in enumerate(files):
        if len(files) > 1:
            stream.write(f"{chr(10) if number else ''}# {safe(name)}\n")
        try:
            data_set = dcmread(sys.stdin.buffer if name == "-" else name, policy=policy)
            for line in report_lines(data_set, header=not no_header, codes=codes, full=full):
                stream.write(safe(line) + "\n")
        except (DicomWireError, OSError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            failed += 1
            complain(name, error_message(error))
    sys.exit(1 if failed else 0)
