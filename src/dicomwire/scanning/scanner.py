"""The scan: files in, batches of columns out.

A compiled loop takes the usual files without the GIL; those that it hands back go through ``dcmread``.  A file that
cannot be read is a row with its error; only a wrong argument ends a scan.
"""

from __future__ import annotations

import os
from itertools import islice

from _dicomwire.part10 import dcmread
from _dicomwire.scan import scan_files
from dicomwire.errors import DicomWireError
from dicomwire.scanning.columns import Column, reading_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow

    Path = str | os.PathLike[str]


class Batch:
    """Some rows of a scan as lists: ``paths``, ``errors`` (None or a text for each path), ``columns`` by name."""

    __slots__ = ("columns", "errors", "paths")

    def __init__(self, paths: list[str], errors: list[str | None], columns: dict[str, list[object]]) -> None:
        self.paths = paths
        self.errors = errors
        self.columns = columns

    def __len__(self) -> int:
        return len(self.paths)

    def rows(self) -> Iterator[dict[str, object]]:
        """The rows as dictionaries: path, error, then the columns."""
        names = ("path", "error", *self.columns)
        for cells in zip(self.paths, self.errors, *self.columns.values(), strict=True):
            yield dict(zip(names, cells, strict=True))

    def part(self, start: int, stop: int) -> Batch:
        """The rows from ``start`` to before ``stop``."""
        columns = {name: cells[start:stop] for name, cells in self.columns.items()}
        return Batch(self.paths[start:stop], self.errors[start:stop], columns)

    def __repr__(self) -> str:
        return f"<Batch: {len(self)} rows, {len(self.columns)} columns>"


class ScanResult:
    """The batches of a scan, read while they are iterated, once; ``files`` and ``failed`` count the rows so far."""

    def __init__(self, paths: Iterable[str], columns: list[Column], workers: int, policy: str, batch_size: int) -> None:
        self.column_names = [column.name for column in columns]
        self.files = 0
        self.failed = 0
        self._columns = columns
        self._policy = policy
        self._batches = self._run(iter(paths), workers, batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        batch = next(self._batches)
        self.files += len(batch)
        self.failed += sum(error is not None for error in batch.errors)
        return batch

    def rows(self) -> Iterator[dict[str, object]]:
        """The remaining rows as dictionaries."""
        for batch in self:
            yield from batch.rows()

    def to_arrow(self) -> pyarrow.Table:
        """The remaining rows as an Arrow table; needs the extra ``arrow``."""
        from dicomwire.arrow import table

        return table(self)

    def _run(self, paths: Iterator[str], workers: int, batch_size: int) -> Iterator[Batch]:
        batches = _in_batches(paths, batch_size)
        if workers == 1:
            for batch, folders in map(self._read, batches):
                yield from self._without(folders, batch, batch_size)
            return
        from collections import deque
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers) as pool:
            # A few batches ahead, so that the result never has to hold all rows.
            pending = deque(pool.submit(self._read, batch) for batch in islice(batches, workers * 2))
            while pending:
                batch, folders = pending.popleft().result()
                pending.extend(pool.submit(self._read, more) for more in islice(batches, 1))
                yield from self._without(folders, batch, batch_size)

    def _without(self, folders: list[int], batch: Batch, batch_size: int) -> Iterator[Batch]:
        """The batch with the files of folders in place of these rows, which turned out to be folders."""
        start = 0
        for row in folders:
            if start < row:
                yield batch.part(start, row)
            for names in _in_batches(walk(batch.paths[row]), batch_size):
                yield self._read(names)[0]
            start = row + 1
        if start == 0:
            yield batch
        elif start < len(batch):
            yield batch.part(start, len(batch))

    def _read(self, paths: list[str]) -> tuple[Batch, list[int]]:
        """The rows of these files, and the numbers of the rows that are folders."""
        columns = self._columns
        flat = {column.tag for column in columns if not column.is_nested}
        tags = sorted(flat)
        errors: list[str | None] = [None] * len(paths)
        if len(flat) < len(columns) or self._policy == "strict":
            found: dict[int, list[object]] = {}
            left = list(range(len(paths)))
        else:
            values, left = scan_files(paths, tags)
            found = dict(zip(tags, values, strict=True))
        cells: list[list[object]] = [
            found[column.tag] if column.tag in found else [None] * len(paths) for column in columns
        ]
        folders = []
        for i in left:
            try:
                row = self._read_one(paths[i])
            except IsADirectoryError as error:
                errors[i] = _error_text(error)
                if os.path.isdir(paths[i]):
                    folders.append(i)
                continue
            except (DicomWireError, OSError, ValueError) as error:
                errors[i] = _error_text(error)
                continue
            for column, value in zip(cells, row, strict=True):
                column[i] = value
        return Batch(paths, errors, dict(zip(self.column_names, cells, strict=True))), folders

    def _read_one(self, path: str) -> list[object]:
        stop_at = reading_end(self._columns)
        data_set = dcmread(path, stop_at=max(stop_at, 0x00080006), policy=self._policy)
        return [column.value(data_set) for column in self._columns]


def _in_batches(paths: Iterator[str], batch_size: int) -> Iterator[list[str]]:
    return iter(lambda: list(islice(paths, batch_size)), [])


def _error_text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return f"{type(error).__name__}: {error}"


def walk(paths: Path | Iterable[Path], *, ask_each: bool = True) -> Iterator[str]:
    """Files of ``paths``: files as they are, folders with all that is below them, in order of name.

    ask_each: False takes what comes behind the first file of a list for files, as they are as a rule, and does not ask
        the system; a folder among them is for the caller to walk.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    seen_file = False
    for path in paths:
        name = os.fspath(path)
        if seen_file or not os.path.isdir(name):
            seen_file = not ask_each
            yield name
            continue
        for folder, folders, files in os.walk(name):
            folders.sort()
            for file in sorted(files):
                yield os.path.join(folder, file)


def scan(
    paths: Path | Iterable[Path],
    columns: Iterable[str | int | tuple[int, int]],
    *,
    workers: int = 1,
    policy: str = "report",
    batch_size: int = 1024,
) -> ScanResult:
    """Read chosen elements of many files and return them in batches, as they are read.

    ``paths``: a path or several; folders are read with everything below them, in order of name.
    ``columns``: keywords, tags, or paths such as "RequestAttributesSequence.0.ScheduledProcedureStepID".  A missing
    element is None, a value with several components a list, a sequence a list of dictionaries, a binary value bytes.
    ``workers``: threads; the compiled loop runs without the GIL.
    ``policy``: as for ``dcmread``.

    A file that cannot be read is a row whose error is set.  Raises ValueError for wrong arguments only.
    """
    wanted = [Column(column) for column in columns]
    names = [column.name for column in wanted]
    if len(set(names)) < len(names):
        raise ValueError("a column is named twice")
    if workers < 1 or batch_size < 1:
        raise ValueError("workers and batch_size must be at least 1")
    if policy not in ("strict", "report", "ignore"):
        raise ValueError(f"policy={policy!r}: expected 'strict', 'report' or 'ignore'")
    return ScanResult(walk(paths, ask_each=False), wanted, workers, policy, batch_size)
