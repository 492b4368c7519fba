"""Conversion of columns of Python values to Arrow arrays (PS3.5 section 6.2, PS3.6 chapters 6 to 8)."""

from __future__ import annotations

import json
from binascii import b2a_base64
from functools import partial

from dicomwire.dictionary import Tag, dictionary_vm, dictionary_vr
from dicomwire.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType
    from typing import Any, Protocol

    class Rows(Protocol):
        """Some rows: paths, errors and the cells of each column, lists of one length."""

        paths: list[str]
        errors: list[str | None]
        columns: dict[str, list[object]]

    class Result(Protocol):
        """Batches of rows, and the names of their columns."""

        column_names: list[str]

        def __iter__(self) -> Iterable[Rows]: ...


INTEGERS = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "US or SS"))
DECIMALS = frozenset(("DS", "FD", "FL"))
BYTES = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "OB or OW", "US or OW", "US or SS or OW"))


def require_pyarrow() -> ModuleType:
    """The module pyarrow.  Raises UnsupportedError, which names the extra, when it is not installed."""
    try:
        import pyarrow
    except ImportError:
        raise UnsupportedError(
            "this needs pyarrow: pip install 'dicomwire[arrow]'", what="Arrow and Parquet", extra="arrow"
        ) from None
    return pyarrow  # type: ignore[no-any-return]


def column_type(name: str) -> Any:
    """The Arrow type of a column: a keyword, a tag as eight hexadecimal digits, or a path that ends in one.

    int64, uint64, float64, binary or string by VR, and a list of it unless the VM is 1.  Sequences are JSON text.
    An element that the dictionary does not know, a private one for example, is text.
    """
    pa = require_pyarrow()
    tag = Tag(name.rpartition(".")[2])
    vr, vm = dictionary_vr(tag), dictionary_vm(tag)
    if vr in INTEGERS:
        kind = pa.int64()
    elif vr == "UV":
        kind = pa.uint64()
    elif vr in DECIMALS:
        kind = pa.float64()
    elif vr in BYTES:
        return pa.binary()
    else:
        kind = pa.string()
    return kind if vm in ("1", None) or vr == "SQ" else pa.list_(kind)


def schema(column_names: Iterable[str]) -> Any:
    """The Arrow schema of rows: ``path``, ``error``, then the columns."""
    pa = require_pyarrow()
    fields = [pa.field("path", pa.string(), nullable=False), pa.field("error", pa.string())]
    return pa.schema(fields + [pa.field(name, column_type(name)) for name in column_names])


def record_batch(rows: Rows, batch_schema: Any = None) -> Any:
    """Rows as an Arrow record batch of ``batch_schema``, by default the schema of their columns."""
    pa = require_pyarrow()
    if batch_schema is None:
        batch_schema = schema(rows.columns)
    errors = list(rows.errors)
    arrays = []
    for name, cells in rows.columns.items():
        kind = batch_schema.field(name).type
        arrays.append(_array(pa, kind, cells, partial(_note, errors, name, str(kind))))
    paths = _array(pa, pa.string(), list(rows.paths), partial(_note, errors, "path", "string"))
    texts = _array(pa, pa.string(), list(errors), partial(_note, errors, "error", "string"))
    return pa.RecordBatch.from_arrays([paths, texts, *arrays], schema=batch_schema)


def table(result: Result) -> Any:
    """All batches of a scan as an Arrow table."""
    pa = require_pyarrow()
    whole = schema(result.column_names)
    return pa.Table.from_batches([record_batch(rows, whole) for rows in result], schema=whole)  # type: ignore[attr-defined]


def _note(errors: list[str | None], name: str, expected: str, row: int, found: str) -> None:
    """Say in a row's error that a cell is left out.  Types only: no values in errors."""
    text = f"{name}: {found} where {expected} is expected"
    errors[row] = f"{errors[row]}; {text}" if errors[row] else text


def _array(pa: ModuleType, kind: Any, cells: Sequence[object], note: Callable[[int, str], None]) -> Any:
    """The cells as an array; those that do not fit are null, and told to ``note`` by row number and type."""
    if pa.types.is_list(kind):
        cells = [cell if cell is None or isinstance(cell, list) else [cell] for cell in cells]
    text = pa.types.is_string(kind) or (pa.types.is_list(kind) and pa.types.is_string(kind.value_type))
    if not text:
        try:
            # In two steps: array(type=int64) would cut the fraction off a float without a word.
            return pa.array(cells).cast(kind)
        except (pa.ArrowException, OverflowError):
            pass  # one of them does not fit: find out which
    fitted = []
    for row, cell in enumerate(cells):
        try:
            value = _fitted(pa, kind, cell)
            pa.array([value], type=kind)
        except (pa.ArrowException, OverflowError, ValueError):
            note(row, _what(cell))
            value = None
        fitted.append(value)
    return pa.array(fitted, type=kind)


def _fitted(pa: ModuleType, kind: Any, cell: object) -> object:
    """A cell in the form that a type takes; ValueError when it has none."""
    if cell is None:
        return None
    if pa.types.is_list(kind):
        parts = cell if isinstance(cell, list) else [cell]
        return [_fitted(pa, kind.value_type, part) for part in parts]
    if pa.types.is_string(kind):
        return text_of(cell)
    if pa.types.is_integer(kind) and isinstance(cell, float):
        if not cell.is_integer():
            raise ValueError
        return int(cell)
    return cell


def _what(cell: object) -> str:
    return f"a list of {len(cell)}" if isinstance(cell, list) else type(cell).__name__


def text_of(cell: object) -> str:
    """One text for a cell of any kind: several values joined by backslash, tags as eight digits, bytes as base64,
    items of sequences as JSON."""
    if isinstance(cell, str):
        # A path that is no UTF-8 has surrogates in it, which Arrow cannot hold.
        return str(cell) if cell.isascii() else cell.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(cell, list):
        if any(isinstance(part, dict) for part in cell):
            return json.dumps(cell, default=text_of, ensure_ascii=False)
        return "\\".join("" if part is None else text_of(part) for part in cell)
    if isinstance(cell, Tag):
        return f"{cell:08X}"
    if isinstance(cell, (bytes, memoryview)):
        return b2a_base64(cell, newline=False).decode("ascii")
    return str(cell)
