"""``dicomwire monitor``: what DICOM and HL7 systems say to each other, from captures or from the wire as it passes."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager

import click

from dicomwire.cli.console import complain, error_message, output, warn
from dicomwire.errors import DicomWireError
from dicomwire.monitor.packets import Filled, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any, Protocol

    from _dicomwire.capture import PacketSource
    from dicomwire.monitor.jsonlines import Record

    class Writer(Protocol):
        """What takes records."""

        def write(self, record: Record) -> None: ...

        def close(self) -> None: ...


KINDS = ("association", "transaction", "hl7", "gap")


def _networks(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    from dicomwire.monitor.addresses import InternalNetworks

    try:
        InternalNetworks(given)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None
    return given


@click.command("monitor")
@click.argument("sources", nargs=-1, required=True, metavar="FILE...|INTERFACE|-")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of lines to read.")
@click.option(
    "--parquet", "parquet_folder", metavar="FOLDER", type=click.Path(file_okay=False),
    help="Write Parquet files to FOLDER, a table for each kind of record; needs pyarrow.",
)  # fmt: skip
@click.option(
    "--only", multiple=True, type=click.Choice(KINDS), help="Show these kinds of records only; can be repeated."
)
@click.option("--show-phi", is_flag=True, help="Identifiers of patients and texts of peers as they are.")
@click.option(
    "--key", "key_file", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
    help="Key of the pseudonyms, 16 bytes or more; by default a new one for each run.",
)  # fmt: skip
@click.option("--hide-uids", is_flag=True, help="Pseudonyms for the UIDs of studies, series and instances, too.")
@click.option(
    "--internal", "networks", multiple=True, metavar="NETWORK", callback=_networks,
    help="A network that is not external, as 10.0.0.0/8; by default all private addresses.  Can be repeated.",
)  # fmt: skip
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written to files later, new ones of a set too.")
@click.option("--promiscuous", is_flag=True, help="Of an interface, packets to other machines too.")
@click.option(
    "--extract", "extract_to", metavar="FOLDER", type=click.Path(file_okay=False),
    help="Write the instances that are stored to FOLDER, pixels and patient data included.",
)  # fmt: skip
@click.option(
    "--max-connections", type=click.IntRange(1), default=32768, show_default=True, metavar="N",
    help="Connections followed at a time.",
)  # fmt: skip
@click.option(
    "--max-transactions", type=click.IntRange(1), default=20000, show_default=True, metavar="N",
    help="Transactions without their last response at a time.",
)  # fmt: skip
@click.option(
    "--max-memory", type=click.IntRange(1), default=32, show_default=True, metavar="MIB",
    help="For bytes that wait for others.",
)  # fmt: skip
def monitor(
    sources: tuple[str, ...], as_json: bool, parquet_folder: str | None, only: tuple[str, ...], show_phi: bool,
    key_file: str | None, hide_uids: bool, networks: tuple[str, ...], follow: bool, promiscuous: bool,
    extract_to: str | None, max_connections: int, max_transactions: int, max_memory: int,
) -> None:  # fmt: skip
    """Show the DICOM and HL7 traffic in captures (pcap, pcapng), on an interface, or of standard input.

    One line for each association, each DIMSE request with its responses, each HL7 message with its acknowledgement,
    each gap; a summary at the end, also after Ctrl-C.  Identifiers of patients are replaced by pseudonyms unless
    --show-phi is given.  Nothing is ever sent.

    The exit status is 1 when a source could not be read.
    """
    from dicomwire.monitor.pseudonyms import read_key

    try:
        # Of one run all sources have the same pseudonyms.
        key = read_key(key_file) if key_file else os.urandom(32)
    except (OSError, ValueError) as error:
        raise click.BadParameter(error_message(error), param_hint="--key") from None
    options = {
        "key": key, "show_phi": show_phi, "hide_uids": hide_uids, "internal_networks": networks,
        "extract_to": extract_to, "max_connections": max_connections, "max_held_bytes": max_memory << 20,
        "max_open_transactions": max_transactions,
    }  # fmt: skip
    stop = _Stop()
    failed = False
    try:
        with _writers(as_json, parquet_folder, follow or _is_alive(sources)) as writers, stop.on_signals():
            for source in sources:
                if stop.is_wanted:
                    break
                failed |= not _watch(source, follow, promiscuous, options, stop, writers, frozenset(only))
    except (DicomWireError, OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        complain("monitor", error_message(error))
        sys.exit(1)
    if failed:
        sys.exit(1)


def _watch(
    source: str, follow: bool, promiscuous: bool, options: dict[str, Any], stop: _Stop, writers: list[Writer],
    only: frozenset[str],
) -> bool:  # fmt: skip
    """Write the records of one source; whether it could be read to its end."""
    from dicomwire.monitor.analyzing import analyze
    from dicomwire.monitor.sources import open_source

    try:
        opened = open_source(source, follow=follow, promiscuous=promiscuous)
    except (DicomWireError, OSError) as error:
        complain(source, error_message(error))
        return False
    records = iter(analyze(_Stoppable(opened, stop), **options))
    while True:
        try:
            record = next(records, None)
        except (DicomWireError, OSError, MemoryError) as error:
            complain(source, error_message(error))
            return False
        if record is None:
            break
        if not only or record.record in only or record.record == "summary":
            for writer in writers:
                writer.write(record)
    if opened.drops:
        warn(source, f"{opened.drops:,} packets were dropped before they could be looked at")
    if opened.truncated_bytes:
        warn(source, f"the capture ends in the middle of a packet, {opened.truncated_bytes:,} bytes are left")
    return True


def _is_alive(sources: tuple[str, ...]) -> bool:
    """Whether a source is something that goes on while we look: a pipe or an interface."""
    return any(source == "-" or not os.path.isfile(source) for source in sources)


@contextmanager
def _writers(as_json: bool, parquet_folder: str | None, flush: bool) -> Iterator[list[Writer]]:
    """What the records go to.  With Parquet files alone, standard output has the summary only."""
    from dicomwire.monitor.jsonlines import JSONLines
    from dicomwire.monitor.lines import Lines

    stream = output()
    writers: list[Writer] = []
    if parquet_folder is not None:
        from dicomwire.monitor.parquet import ParquetFolder

        writers.append(ParquetFolder(parquet_folder))
    flush |= stream.isatty()
    if as_json:
        writers.append(JSONLines(stream, flush=flush))
    else:
        lines = Lines(stream, colours=_colours(stream), flush=flush)
        writers.append(lines if parquet_folder is None else _SummaryOnly(lines))
    try:
        yield writers
    finally:
        for writer in writers:
            writer.close()


def _colours(stream: IO[str]) -> Any:
    """The colours that the terminal has; None for anything else, and where NO_COLOR is set."""
    if not stream.isatty():
        return None
    from rich.color import ColorSystem
    from rich.console import Console

    systems = {
        "standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR,
    }  # fmt: skip
    console = Console(file=stream)
    return None if console.no_color else systems.get(console.color_system or "")


class _SummaryOnly:
    """Lets only the summary pass."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def write(self, record: Record) -> None:
        if record.record == "summary":
            self._writer.write(record)

    def close(self) -> None:
        self._writer.close()


class _Stop:
    """Set by the first SIGINT or SIGTERM: what was seen until then is still written.  The second one ends at once."""

    def __init__(self) -> None:
        self.is_wanted = False

    def _take(self, number: int, frame: object) -> None:
        if self.is_wanted:
            raise KeyboardInterrupt
        self.is_wanted = True

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen to the signals within the block."""
        former = {number: signal.signal(number, self._take) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


class _Stoppable(Source):
    """A source that ends when it is told to."""

    def __init__(self, source: Source, stop: _Stop) -> None:
        self._source = source
        self._stop = stop
        self.name = source.name
        self.is_live = source.is_live

    @property
    def packets(self) -> PacketSource:  # type: ignore[override]
        return self._source.packets

    @property
    def truncated_bytes(self) -> int:  # type: ignore[override]
        return self._source.truncated_bytes

    @property
    def drops(self) -> int:
        return self._source.drops

    def fill(self, timeout_s: float = 0.5) -> Filled:
        return Filled.ENDED if self._stop.is_wanted else self._source.fill(timeout_s)

    def close(self) -> None:
        self._source.close()
