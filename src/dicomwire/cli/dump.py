"""``dicomwire dump``: prints files element by element, as text like that of dcmdump, as JSON, or as tape entries."""

from __future__ import annotations

import sys

import click

from dicomwire import dcmread
from dicomwire.cli.console import complain, error_message, is_path, normal_key, output, policy_option, warn
from dicomwire.errors import DicomWireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    from _dicomwire.dataset import DataElement, DataSet
    from dicomwire.cli.places import Values

    class Printer(Protocol):
        """What prints one file in one of the forms."""

        def show(self, name: str, data_set: DataSet, values: Values, keys: tuple[str, ...]) -> None: ...

        def fail(self, name: str, message: str) -> None: ...


WARNINGS = 20  # deviations of one file that are printed; --json has all

# Names of the flags of a tape entry, from the lowest bit (include/tape.h).
TAPE_FLAGS = (
    "undefined-length", "end-unknown", "not-entered", "fragments",
    "implicit-in-un", "vr-guessed", "cut-short", "unordered",
)  # fmt: skip


def _keys(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments of --tag in the form that data sets take."""
    try:
        return tuple(normal_key(key) for key in given)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None


@click.command("dump")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each file, on one line.")
@click.option("--tape", "as_tape", is_flag=True, help="The entries of the structural index as a table.")
@click.option(
    "-t", "--tag", "keys", multiple=True, metavar="KEY", callback=_keys,
    help="Only this element, wherever it occurs: a keyword or tag; or at this place: a path such as "
    "RequestAttributesSequence.0.ScheduledProcedureStepID.  Can be given several times.",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Print long values whole.")
@click.option("--stop-before-pixels", is_flag=True, help="Leave out Pixel Data and what follows.")
@click.option("--charset", metavar="TERM", help="Decode text by this term in place of Specific Character Set.")
@policy_option
@click.option("--force", is_flag=True, help="Read bytes that do not look like DICOM.")
def dump(
    files: tuple[str, ...], as_json: bool, as_tape: bool, keys: tuple[str, ...], full: bool, stop_before_pixels: bool,
    charset: str | None, policy: str, force: bool,
) -> None:  # fmt: skip
    """Print DICOM files element by element.

    "-" reads standard input.  What bends the standard's rules is told on standard error.  The exit status is 1 when a
    file could not be read, or an element of it.
    """
    if as_tape and (as_json or keys or full):
        raise click.UsageError("--tape goes with neither --json nor --tag nor --full")
    stream = output()
    failures = 0

    def report(error: DicomWireError) -> None:
        nonlocal failures
        if policy == "strict":
            raise error
        failures += 1
        complain(name, str(error))

    printer: Printer
    if as_tape:
        printer = _Tape(stream.write)
    elif as_json:
        printer = _JSON(stream.write, report, full=full)
    else:
        printer = _Text(stream.write, report, full=full)
    options = {"stop_before_pixels": stop_before_pixels, "charset": charset, "policy": policy, "force": force}
    for number, name in enumerate(files, start=1):
        if len(files) > 1 and not as_json:
            stream.write(f"{'' if number == 1 else chr(10)}# dicomwire dump ({number}/{len(files)}): {name}\n")
        try:
            _dump_one(name, printer, keys, options)
        except (DicomWireError, OSError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):
                raise  # the reader of our output went away; click ends quietly
            failures += 1
            printer.fail(name, error_message(error))
            complain(name, error_message(error))
    if failures:
        sys.exit(1)


def _dump_one(name: str, printer: Printer, keys: tuple[str, ...], options: dict[str, Any]) -> None:
    """Read and print one file, then tell its deviations."""
    from dicomwire.cli.places import Values

    standard_input = name == "-"
    data_set = dcmread(sys.stdin.buffer if standard_input else name, **options)
    values = Values(data_set, None if standard_input else name)
    try:
        printer.show(name, data_set, values, keys)
    finally:
        values.close()
        deviations = data_set.deviations
        for found in deviations[:WARNINGS]:
            place = f"{found.path}: " if found.path else ""
            warn(name, f"{place}{found.message}; offset {found.offset} (0x{found.offset:x}) [{found.kind}]")
        if len(deviations) > WARNINGS:
            warn(name, f"{len(deviations) - WARNINGS} further deviations; --json lists all")


def _chosen(data_set: DataSet, keys: tuple[str, ...]) -> Iterator[DataElement]:
    """The elements that --tag asks for: those of keywords and tags in the order of the file, then those of paths."""
    names = {key for key in keys if not is_path(key)}
    if names:
        for element in data_set.iterall():
            if element.keyword in names or f"{element.tag:08X}" in names:
                yield element
    for key in keys:
        if is_path(key) and key in data_set:
            yield data_set[key]


class _Text:
    def __init__(
        self, write: Callable[[str], object], report: Callable[[DicomWireError], None], *, full: bool
    ) -> None:
        from dicomwire.cli.dump_text import TextDump

        self._dump = TextDump(write, report, full=full)

    def show(self, name: str, data_set: DataSet, values: Values, keys: tuple[str, ...]) -> None:
        if not keys:
            self._dump.data_set(data_set, values)
            return
        for part in (data_set.file_meta, data_set):
            self._dump.elements(_chosen(part, keys), values, little_endian=part.is_little_endian)

    def fail(self, name: str, message: str) -> None:
        """Nothing more than the message on stderr."""


class _JSON:
    def __init__(
        self, write: Callable[[str], object], report: Callable[[DicomWireError], None], *, full: bool
    ) -> None:
        from dicomwire.cli.dump_json import JSONDump

        self._dump = JSONDump(write, report, full=full)

    def show(self, name: str, data_set: DataSet, values: Values, keys: tuple[str, ...]) -> None:
        self._dump.begin(name, data_set)
        for member, part in (("file_meta", data_set.file_meta), ("data_set", data_set)):
            self._dump.elements(member, _chosen(part, keys) if keys else part, values, paths=bool(keys))
        self._dump.end(data_set)

    def fail(self, name: str, message: str) -> None:
        self._dump.fail(name, message)


class _Tape:
    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def show(self, name: str, data_set: DataSet, values: Values, keys: tuple[str, ...]) -> None:
        """The tapes of File Meta Information and data set; containers of known length have tapes of their own."""
        for title, part in (("Meta-Information-Header", data_set.file_meta), ("Data-Set", data_set)):
            entries = part.tape()
            if len(entries) == 1 and part is not data_set:
                continue
            self._write(f"\n# {title}\n")
            self._write("  index tag         vr header      offset      length    next  parent  flags\n")
            for index, tag, vr, header, flags, offset, length, following, parent in entries:
                words = ",".join(word for bit, word in enumerate(TAPE_FLAGS) if flags >> bit & 1)
                where = f"({tag >> 16:04x},{tag & 0xFFFF:04x})" if index else "root"
                row = f"{index:7} {where:11} {vr:2} {header:6} {offset:11} {length:11} {following:7} {parent:7}"
                self._write(f"{row}  {words}".rstrip() + "\n")

    def fail(self, name: str, message: str) -> None:
        """Nothing more than the message on stderr."""
