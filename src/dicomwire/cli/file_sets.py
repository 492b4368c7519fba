"""``dicomwire dicomdir``: what a DICOMDIR lists, and file-sets made of files."""

from __future__ import annotations

import os
import sys

import click

from dicomwire.cli.console import complain, error_message, output, policy_option, safe, warn
from dicomwire.cli.interrupts import INTERRUPTED, Interrupt
from dicomwire.cli.progress import SHOWN, Tally
from dicomwire.errors import DicomWireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.file.dicomdir import Directory, DirectoryRecord

# What tells records of a type apart, for the listing.
_TITLES = {
    "PATIENT": ("PatientID", "PatientName"),
    "STUDY": ("StudyDate", "StudyID", "StudyDescription"),
    "SERIES": ("Modality", "SeriesNumber", "SeriesDescription"),
}


@click.command("dicomdir")
@click.argument("paths", nargs=-1, required=True, metavar="DICOMDIR | FILE|FOLDER...", type=click.Path())
@click.option(
    "--create",
    "root",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Copy the files into this folder under File IDs, and write its DICOMDIR.",
)
@click.option("--file-set-id", default="", metavar="ID", help="With --create: up to 16 of A-Z, 0-9, _ and blank.")
@click.option("--check", is_flag=True, help="Look for each file; those that are missing are failures.")
@policy_option
def dicomdir(paths: tuple[str, ...], root: str | None, file_set_id: str, check: bool, policy: str) -> None:  # fmt: skip
    """List the records of a DICOMDIR as a tree, or, with --create, make a file-set of files and folders.

    The exit status is 1 when a DICOMDIR could not be read, a file is missing or could not be taken.
    """
    try:
        if root is not None:
            sys.exit(1 if _create(paths, root, file_set_id) else 0)
        failed = sum(_list(path, check, policy) for path in paths)
    except (DicomWireError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        complain(root or "dicomdir", error_message(error))
        sys.exit(1)
    sys.exit(1 if failed else 0)


def _list(path: str, check: bool, policy: str) -> int:
    """Print one DICOMDIR; how many failures."""
    from dicomwire.file.dicomdir import read_dicomdir

    stream = output()
    try:
        directory = read_dicomdir(path, policy=policy)
    except (DicomWireError, OSError) as error:
        complain(path, error_message(error))
        return 1
    for found in directory.deviations[:SHOWN]:
        warn(path, f"{found.path}: {found.message} [{found.kind}]")
    missing = 0
    stack = [(record, 0) for record in reversed(directory.records)]
    while stack:
        record, depth = stack.pop()
        stream.write(f"{'  ' * depth}{safe(_line(record))}\n")
        if check and record.file_id:
            missing += _is_missing(directory, record)
        stack += [(inner, depth + 1) for inner in reversed(record.children)]
    return missing


def _line(record: DirectoryRecord) -> str:
    words = [record.record_type or "?"]
    for keyword in _TITLES.get(record.record_type, ("InstanceNumber",)):
        value = record.data_set.get(keyword)
        if value not in (None, ""):
            words.append(str(value))
    if record.file_id:
        words.append("/".join(record.file_id))
    return "  ".join(words if record.is_in_use else [*words, "(inactive)"])


def _is_missing(directory: Directory, record: DirectoryRecord) -> int:
    try:
        directory.path_of(record)
    except (DicomWireError, OSError) as error:
        complain("/".join(record.file_id), error_message(error))
        return 1
    return 0


def _create(paths: tuple[str, ...], root: str, file_set_id: str) -> int:
    """Make a file-set; how many files could not be taken."""
    from dicomwire.file.file_set import FileSet
    from dicomwire.scanning.scanner import walk

    if os.path.lexists(os.path.join(root, "DICOMDIR")):
        raise FileExistsError(17, "a file-set is there already", os.path.join(root, "DICOMDIR"))
    made = FileSet(root, file_set_id=file_set_id)
    names = list(walk(list(paths)))
    with Interrupt() as interrupt, Tally("dicomdir", len(names)) as tally:
        for name in names:
            if interrupt.came:
                break
            try:
                made.add(name)
            except (DicomWireError, OSError) as error:
                tally.count(name, error_message(error))
            else:
                tally.count(name)
    made.write()  # of what was copied, even if that is not all
    note = f", interrupted, {len(names) - tally.done - tally.failed:,} left" if interrupt.came else ""
    click.echo(f"dicomdir: {made.files:,} files, {tally.failed:,} failed{note}, {tally.seconds:.2f} s", err=True)
    if interrupt.came:
        sys.exit(INTERRUPTED)
    return tally.failed
