"""``dicomwire scan``: an index of the headers of many files, one row a file."""

from __future__ import annotations

import os
import re
import sys
from time import perf_counter

import click

from dicomwire.cli.console import complain, error_message, normal_key, output, policy_option, safe
from dicomwire.cli.progress import progress_bar
from dicomwire.cli.tables import Output, cell_text, ending_of, text_table
from dicomwire.errors import DicomWireError
from dicomwire.scanning import scan as scan_files
from dicomwire.scanning.scanner import Batch, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

DEFAULT_COLUMNS = (
    "Modality,PatientID,StudyDate,StudyInstanceUID,SeriesInstanceUID,SOPInstanceUID,SOPClassUID,TransferSyntaxUID"
)
HEAD = 10  # rows that are shown when nothing is written
CELL_WIDTH = 24
PATH_WIDTH = 40
ERROR_KINDS = 20  # kinds of errors that the summary lists
# What dcmread says of a file that is something else altogether.
NOT_DICOM = re.compile(
    "DecodeError: (this is not DICOM|this is an? [^;:]*, not DICOM|the source is empty|the bytes do not read as a data)"
)


def _columns(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> list[str]:
    """The columns of all --columns options, in order."""
    names = [name.strip() for text in given for name in text.split(",")]
    try:
        return [normal_key(name) for name in names if name]
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None


def _output_path(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
    try:
        if path is not None:
            ending_of(path)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None
    return path


@click.command("scan")
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER|FILE...", type=click.Path(exists=True))
@click.option(
    "-c", "--columns", multiple=True, metavar="A,B,C", callback=_columns, default=(DEFAULT_COLUMNS,), show_default=True,
    help="Keywords, tags of eight digits, or paths such as "
    "RequestAttributesSequence.0.ScheduledProcedureStepID.",
)  # fmt: skip
@click.option(
    "-o", "--output", "output_path", metavar="FILE", type=click.Path(dir_okay=False), callback=_output_path,
    help="Write the index; the ending chooses the format: .csv, .ndjson or .parquet.",
)  # fmt: skip
@click.option("--head", type=click.IntRange(min=0), help=f"Rows to show.  [default: {HEAD} without --output, else 0]")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Threads that read.")
@policy_option
@click.option("--skip-foreign", is_flag=True, help="Leave out files that are not DICOM.")
def scan(
    paths: tuple[str, ...], columns: list[str], output_path: str | None, head: int | None, workers: int, policy: str,
    skip_foreign: bool,
) -> None:  # fmt: skip
    """Index the headers of files, and of all files in folders and below.

    Each file is a row with its path and the columns; one that cannot be read has its error in place of them.  The exit
    status is 1 when not a single file could be read.
    """
    started = perf_counter()
    try:
        result = scan_files(paths, columns, workers=workers, policy=policy)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--columns") from None
    tally = _Tally(HEAD if head is None and output_path is None else head or 0, skip_foreign)
    try:
        if output_path is None:
            for batch in _with_progress(result, paths):
                tally.take(batch)
        else:
            with Output(output_path, result.column_names) as index:
                tally.own_files = {os.path.abspath(index.path), os.path.abspath(index.temporary)}
                for batch in _with_progress(result, paths):
                    index.write(tally.take(batch))
                index.finish()
    except (DicomWireError, OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        complain(output_path or "scan", error_message(error))
        sys.exit(1)
    stream = output()
    tally.show(stream, result.column_names, perf_counter() - started, output_path)
    if tally.read == 0:
        sys.exit(1)


class _Tally:
    """Counts the rows, keeps the first ones to show them, and drops those that are not wanted."""

    def __init__(self, head: int, skip_foreign: bool) -> None:
        self.head = head
        self.skip_foreign = skip_foreign
        self.own_files: set[str] = set()  # what this scan writes is not what it looks for
        self.files = self.failed = self.foreign = 0
        self.first: list[list[object]] = []
        self.kinds: dict[str, tuple[int, str]] = {}  # of errors: how many, and the first path

    @property
    def read(self) -> int:
        """Files that could be read."""
        return self.files - self.failed - self.foreign

    def take(self, batch: Batch) -> Batch:
        """Count the rows of a batch; the batch, or what is to be kept of it."""
        dropped = set()
        for row, (path, error) in enumerate(zip(batch.paths, batch.errors, strict=True)):
            if error is None:
                continue
            if self.own_files and os.path.abspath(path) in self.own_files:
                dropped.add(row)
                continue
            if NOT_DICOM.match(error):
                self.foreign += 1
                if self.skip_foreign:
                    dropped.add(row)
                    self.files += 1
                    continue
            else:
                self.failed += 1
            kind = _kind(error)
            count, first = self.kinds.get(kind, (0, path))
            self.kinds[kind] = (count + 1, first)
        if dropped:
            keep = [row for row in range(len(batch)) if row not in dropped]
            batch = Batch(
                [batch.paths[row] for row in keep],
                [batch.errors[row] for row in keep],
                {name: [cells[row] for row in keep] for name, cells in batch.columns.items()},
            )
        self.files += len(batch)
        for row in range(min(self.head - len(self.first), len(batch))):
            cells = [cells[row] for cells in batch.columns.values()]
            self.first.append([batch.paths[row], *cells, batch.errors[row]])
        return batch

    def show(self, stream: IO[str], names: list[str], seconds: float, output_path: str | None) -> None:
        """Print the first rows, the counts and the kinds of errors."""
        if self.first:
            rows = [[safe(str(cell_text(cell))) for cell in row] for row in self.first]
            widths = [PATH_WIDTH, *[CELL_WIDTH] * len(names), PATH_WIDTH]
            for line in text_table(["path", *names, "error"], rows, widths):
                stream.write(line + "\n")
            if self.files > len(self.first):
                stream.write(f"... {self.files - len(self.first):,} more\n")
            stream.write("\n")
        foreign = "left out" if self.skip_foreign else "not DICOM"
        facts = [
            ("files", f"{self.files:,}"),
            ("read", f"{self.read:,}"),
            ("failed", f"{self.failed:,}"),
            (foreign, f"{self.foreign:,}"),
            ("columns", f"{len(names):,}"),
            ("seconds", f"{seconds:.3f}"),
            ("files per second", f"{self.files / seconds:,.0f}"),
        ]
        if output_path is not None:
            size = os.path.getsize(output_path)
            facts.append(("written", f"{safe(output_path)}, {size:,} bytes"))
        for name, value in facts:
            stream.write(f"{name:<18}{value}\n")
        if self.kinds:
            stream.write("\nerrors\n")
            ranked = sorted(self.kinds.items(), key=lambda item: -item[1][0])
            for kind, (count, first) in ranked[:ERROR_KINDS]:
                stream.write(f"{count:>8,}  {safe(kind)}\n{'':10}first: {safe(first)}\n")
            if len(ranked) > ERROR_KINDS:
                rest = sum(count for _, (count, _) in ranked[ERROR_KINDS:])
                stream.write(f"{rest:>8,}  of {len(ranked) - ERROR_KINDS:,} other kinds\n")


def _kind(error: str) -> str:
    """An error without the numbers that differ from file to file."""
    text = re.sub(r"; offset \d+ \(0x[0-9a-f]+\)", "", error)
    return re.sub(r"(?<![\w.,(])\d+(?![\w.,)])", "N", text)


def _with_progress(batches: Iterator[Batch], paths: tuple[str, ...]) -> Iterator[Batch]:
    """The batches; when standard error is a terminal, with a progress bar on it."""
    if not sys.stderr.isatty():
        yield from batches
        return
    total = sum(1 for _ in walk(paths))
    started = perf_counter()
    done = 0
    with progress_bar() as progress:
        task = progress.add_task("scanning", total=total, rate="")
        for batch in batches:
            yield batch
            done += len(batch)
            rate = f"{done / (perf_counter() - started):,.0f} files/s"
            progress.update(task, completed=done, rate=rate)
