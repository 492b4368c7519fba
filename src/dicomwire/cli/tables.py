"""What a scan writes: CSV, NDJSON and Parquet files that appear whole or not at all, and plain tables of text."""

from __future__ import annotations

import os

from dicomwire.cli.jsontext import dumps, plain
from dicomwire.replacing import temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TextIO

    from dicomwire.scanning import Batch


class _CSV:
    """Comma separated values, UTF-8; several values in a cell are joined by backslashes, as DICOM writes them."""

    def __init__(self, path: str, column_names: list[str]) -> None:
        import csv

        self._file: TextIO = open(path, "w", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(["path", "error", *column_names])

    def write(self, batch: Batch) -> None:
        columns = [[cell_text(cell) for cell in cells] for cells in batch.columns.values()]
        self._writer.writerows(zip(batch.paths, batch.errors, *columns, strict=True))

    def close(self) -> None:
        self._file.close()


class _NDJSON:
    """One JSON object for each file, on one line, UTF-8."""

    def __init__(self, path: str, column_names: list[str]) -> None:
        # Of a path that is no UTF-8 the bytes are written as \udcXX, which is JSON too.
        self._file: TextIO = open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115

    def write(self, batch: Batch) -> None:
        for row in batch.rows():
            self._file.write(dumps(plain(row)) + "\n")

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """A Parquet file with a row group for each batch; needs pyarrow."""

    def __init__(self, path: str, column_names: list[str]) -> None:
        from dicomwire.arrow import record_batch, require_pyarrow, schema

        require_pyarrow()
        import pyarrow.parquet

        self._schema = schema(column_names)
        self._record_batch = record_batch
        self._writer: Any = pyarrow.parquet.ParquetWriter(path, self._schema)

    def write(self, batch: Batch) -> None:
        self._writer.write_batch(self._record_batch(batch, self._schema))

    def close(self) -> None:
        self._writer.close()


FORMATS: dict[str, Callable[[str, list[str]], _CSV | _NDJSON | _Parquet]] = {
    ".csv": _CSV,
    ".ndjson": _NDJSON,
    ".parquet": _Parquet,
}


def ending_of(path: str) -> str:
    """The ending that chooses a format.  Raises ValueError, with the list of formats, for others."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in FORMATS:
        raise ValueError(f"{path!r} must end in one of {', '.join(FORMATS)}")
    return ending


class Output:
    """A file that is written under another name beside its own, and takes its own when it is complete.

    A context manager: an exception, of whatever kind, leaves no file behind and an older one as it was.
    """

    def __init__(self, path: str, column_names: list[str]) -> None:
        """Raises ValueError for an unknown ending, OSError, and UnsupportedError when pyarrow is missing."""
        self.path = path
        self.temporary = temporary_name(path)
        try:
            self._writer = FORMATS[ending_of(path)](self.temporary, column_names)
        except BaseException:
            self._remove()
            raise
        self._done = False

    def write(self, batch: Batch) -> None:
        """Append the rows of a batch."""
        self._writer.write(batch)

    def finish(self) -> None:
        """Close the file and give it its name."""
        self._writer.close()
        os.replace(self.temporary, self.path)
        self._done = True

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._done:
            try:
                self._writer.close()
            finally:
                self._remove()

    def _remove(self) -> None:
        if os.path.exists(self.temporary):
            os.remove(self.temporary)


def cell_text(cell: object) -> object:
    """A cell of a text table: several values joined by backslash, "" for none, sequences as JSON."""
    if cell is None:
        return ""
    if isinstance(cell, list):
        if any(isinstance(part, dict) for part in cell):
            return dumps(plain(cell))
        return "\\".join(str(cell_text(part)) for part in cell)
    return plain(cell)


def text_table(head: Sequence[str], rows: Iterable[Sequence[object]], widths: Sequence[int]) -> list[str]:
    """Lines of a table with aligned columns; cells longer than their column's width end in "...", paths begin so."""
    from unicodedata import east_asian_width

    def size(text: str) -> int:
        return len(text) if text.isascii() else sum(2 if east_asian_width(c) in "WF" else 1 for c in text)

    def fitted(text: str, width: int, *, keep_end: bool) -> str:
        if size(text) <= width:
            return text
        while size(text) > width - 3:
            text = text[1:] if keep_end else text[:-1]
        return f"...{text}" if keep_end else f"{text}..."

    lines = [list(head)]
    for row in rows:
        lines.append(
            [
                fitted(str(cell), width, keep_end=number == 0)
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
        )
    room = [max(size(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  ".join(text + " " * (width - size(text)) for text, width in zip(line, room, strict=True)).rstrip()
        for line in lines
    ]
