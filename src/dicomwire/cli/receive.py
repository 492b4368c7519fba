"""``dicomwire receive``: takes instances into a folder; ``dicomwire storescp`` with the arguments that others have."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import click

from dicomwire.cli.console import complain, error_message, safe
from dicomwire.cli.network_options import (
    granted_option,
    key_and_certificate_option,
    pdu_option,
    say,
    server_tls,
    timeout_option,
    title_option,
    tls_options,
    verbose_option,
)
from dicomwire.errors import DicomWireError
from dicomwire.file.instance_file import Duplicates
from dicomwire.net.ae import ApplicationEntity
from dicomwire.net.loop import run
from dicomwire.net.server import Server
from dicomwire.net.settings import Timeouts
from dicomwire.net.storage.naming import BY_SERIES, UID_ONLY
from dicomwire.net.storage.provider import Storage
from dicomwire.net.trace import Trace
from dicomwire.ul.policy import AcceptorPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from typing import Any

    from dicomwire.dictionary import UID
    from dicomwire.net.association import Association
    from dicomwire.net.storage.receiving import Stored
    from dicomwire.ul.items import SOPClassCommonExtendedNegotiation

    Unlisted = Callable[[UID, SOPClassCommonExtendedNegotiation | None], tuple[UID, ...] | None]

WINDOW = 64  # requests under way at once that a requestor may ask for; they are answered in their order
ENDING_S = 5.0  # for other processes to end


@click.command("receive")
@click.option(
    "--port",
    "-p",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port to listen on; 11112 by default, 2762 with --tls, 0 for any that is free.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 or :: for all.")
@title_option("--ae-title", "-aet", default="DICOMWIRE", help="AE title of ours.")
@click.option("--check-called-ae", is_flag=True, help="Reject requests that call another AE title.")
@click.option("--to", type=click.Path(file_okay=False), metavar="FOLDER", help="Where files go.")
@click.option("--ignore", is_flag=True, help="Write nothing, only answer.")
@click.option(
    "--template",
    default=UID_ONLY,
    show_default=True,
    metavar="PATH",
    help=f"Names below the folder, with fields by keyword: {BY_SERIES}",
)
@click.option(
    "--duplicates",
    type=click.Choice([policy.value for policy in Duplicates]),
    default=Duplicates.KEEP.value,
    show_default=True,
    help="When a file of the name is there: keep it and drop what came, replace it, refuse what came, or number it.",
)
@click.option("--fsync", is_flag=True, help="Answer when the file is on the disk.")
@click.option("--max-length", type=click.IntRange(0), default=0, metavar="BYTES", help="Longest file; without it any.")
@click.option("--any-sop-class", is_flag=True, help="Take private SOP classes too.")
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that share the port; the system gives each association to one of them.",
)
@click.option("--list", "listing", is_flag=True, help="Print each file that is stored.")
@timeout_option("--acse-timeout", "-ta", help="Seconds for the request for an association, and for its end; 30.")
@timeout_option("--dimse-timeout", "-td", help="Seconds for the next piece of an instance that has begun; 60.")
@timeout_option("--idle-timeout", "-ts", help="Seconds for anything on an association; 300.")
@pdu_option
@tls_options
@verbose_option
def receive(
    port: int | None,
    host: str,
    ae_title: str,
    check_called_ae: bool,
    to: str | None,
    ignore: bool,
    template: str,
    duplicates: str,
    fsync: bool,
    max_length: int,
    any_sop_class: bool,
    processes: int,
    listing: bool,
    acse_timeout: float | None,
    dimse_timeout: float | None,
    idle_timeout: float | None,
    max_pdu: int,
    tls: bool,
    certificate: str | None,
    key: str | None,
    authorities: str | None,
    verbose: bool,
) -> None:
    """Take instances of all storage SOP classes into a folder until interrupted (C-STORE, PS3.4 Annex B).

    A file has its name when it is complete, and is readable by the user alone.  With --authorities, requestors must
    have a certificate issued by one of them.
    """
    if (to is None) != ignore:
        raise click.UsageError("either --to FOLDER or --ignore expected")
    if processes > 1 and not port:
        raise click.UsageError("--processes: a --port expected, which the processes share")
    options = _Options(
        host=host,
        port=port,
        ae_title=ae_title,
        check_called_ae=check_called_ae,
        storage={
            "folder": None if ignore else to,
            "template": template,
            "duplicates": duplicates,
            "fsync": fsync,
            "max_length": max_length,
        },
        any_sop_class=any_sop_class,
        listing=listing,
        timeouts={
            name: seconds
            for name, seconds in (("artim_s", acse_timeout), ("dimse_s", dimse_timeout), ("idle_s", idle_timeout))
            if seconds is not None
        },
        max_pdu=max_pdu,
        tls=(tls, certificate, key, authorities),
        verbose=verbose,
        shares_port=processes > 1,
    )
    try:
        with _others(options, processes - 1) as others:
            _serve(options, others=others)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except (DicomWireError, OSError) as error:
        complain(f"{host} {port or ''}".strip(), error_message(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


@dataclass(frozen=True)
class _Options:
    """What each process of the command is told."""

    host: str
    port: int | None
    ae_title: str
    check_called_ae: bool
    storage: dict[str, Any]
    any_sop_class: bool
    listing: bool
    timeouts: dict[str, float]
    max_pdu: int
    tls: tuple[bool, str | None, str | None, str | None]
    verbose: bool
    shares_port: bool


def _serve(options: _Options, parent: Connection | None = None, others: Sequence[SpawnProcess] = ()) -> None:
    """Serve until interrupted, or until the process that started this one is gone; say so when one of the others is."""
    context = server_tls(*options.tls)
    timeouts = Timeouts(**options.timeouts)
    ae = ApplicationEntity(options.ae_title, max_pdu_length=options.max_pdu, timeouts=timeouts)
    receiver = _Receiver(options, parent, others)
    storage = Storage(**options.storage, on_stored=receiver.take)
    policy = AcceptorPolicy(
        ae_title=options.ae_title if options.check_called_ae else None,
        unlisted=_private(storage) if options.any_sop_class else storage.unlisted,
        asynchronous_operations_window=(WINDOW, 1),
        extended_negotiation=storage.extended_negotiation,
    )
    run(receiver.serve(storage, ae, policy, context))


@contextmanager
def _others(options: _Options, count: int) -> Iterator[Sequence[SpawnProcess]]:
    """Have other processes serve at the same port for the time being."""
    if not count:
        yield ()
        return
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    processes = [spawning.Process(target=_serve_beside, args=(options, theirs), daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    theirs.close()
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(ENDING_S)
        ours.close()


def _serve_beside(options: _Options, parent: Connection) -> None:
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        _serve(options, parent)


def _private(storage: Storage) -> Unlisted:
    def accept(abstract_syntax: UID, common: SOPClassCommonExtendedNegotiation | None) -> tuple[UID, ...] | None:
        return storage.transfer_syntaxes if abstract_syntax.is_private else storage.unlisted(abstract_syntax, common)

    return accept


class _Receiver:
    """The server of the command, and what it says."""

    def __init__(self, options: _Options, parent: Connection | None, others: Sequence[SpawnProcess]) -> None:
        self._options = options
        self._parent = parent
        self._others = others
        self._files: Counter[Association] = Counter()
        self._bytes: Counter[Association] = Counter()
        self._dropped: Counter[Association] = Counter()

    def take(self, stored: Stored) -> None:
        self._files[stored.association] += 1
        self._bytes[stored.association] += stored.size
        self._dropped[stored.association] += stored.is_duplicate
        if self._options.listing:
            uid = stored.sop_instance_uid
            say(safe(f"{uid} is there" if stored.is_duplicate else stored.path or f"{uid} ignored"))

    def _report(self, association: Association) -> None:
        """A line about an association that is over."""
        files, size = self._files.pop(association, 0), self._bytes.pop(association, 0)
        end = "released" if association.is_released else str(association.error)
        title = association.peer_ae_title or "unknown"
        host = association.peer_address[0] if association.peer_address else "an unknown address"
        dropped = self._dropped.pop(association, 0)
        kept = f", {dropped:,} dropped for files that were there" if dropped else ""
        say(f"{safe(title)} at {host}: {files:,} instances, {size:,} bytes{kept}, {safe(end)}")

    async def serve(
        self,
        storage: Storage,
        ae: ApplicationEntity,
        policy: AcceptorPolicy,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Serve until interrupted or terminated; what is under way then leaves nothing behind."""
        options = self._options
        server = Server(
            ae,
            host=options.host,
            port=options.port,
            policy=policy,
            tls=tls,
            reuse_port=options.shares_port,
            trace=(lambda: Trace(say)) if options.verbose else None,
            ended=self._report,
        )
        storage.register(server)
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        if self._parent is not None:  # nothing is ever sent: what comes is the end
            loop.add_reader(self._parent.fileno(), task.cancel)
        for process in self._others:
            loop.add_reader(process.sentinel, self._tell_of_end, loop, process)
        await server.start()
        if self._parent is None:
            self._announce(server, storage)
        try:
            await server.serve_forever()
        except asyncio.CancelledError:
            await server.stop()
            raise

    def _tell_of_end(self, loop: asyncio.AbstractEventLoop, process: SpawnProcess) -> None:
        """Say that a process is gone, with the associations that it had; the system has the others take its share."""
        loop.remove_reader(process.sentinel)
        process.join()
        if process.exitcode:  # else it was interrupted as well
            count = len(self._others) + 1
            complain("receive", f"one of the {count} processes has ended with status {process.exitcode}")

    def _announce(self, server: Server, storage: Storage) -> None:
        where = "nothing is written" if storage.folder is None else f"to {safe(storage.folder)}"
        say(f"{server.ae.title} listens on {server.host} port {server.port}, {where}")


@click.command("storescp")
@click.argument("port", type=click.IntRange(0, 65535))
@title_option("-aet", "--aetitle", "ae_title", default="STORESCP", help="AE title of ours.")
@click.option("-od", "--output-directory", default=".", show_default=True, metavar="FOLDER", help="Where files go.")
@click.option("--ignore", is_flag=True, help="Write nothing, only answer.")
@click.option(
    "-su", "--sort-on-study-uid", metavar="PREFIX", help="Folders by Study Instance UID, behind this and a _."
)
@click.option("+uf", "--unique-filenames", is_flag=True, help="Keep duplicates, with a number.")
@click.option("-fe", "--filename-extension", default=".dcm", show_default=True, metavar="TEXT", help="Ending of names.")
@click.option("-pm", "--promiscuous", is_flag=True, help="Take private SOP classes too.")
@timeout_option("--acse-timeout", "-ta", help="Seconds for the request for an association, and for its end; 30.")
@timeout_option("--dimse-timeout", "-td", help="Seconds for the next piece of an instance that has begun; 60.")
@timeout_option("--socket-timeout", "-ts", help="Seconds for anything on an association; 300.")
@pdu_option
@tls_options
@key_and_certificate_option
@verbose_option
# All transfer syntaxes are taken, associations do not wait for each other, and bytes are kept as they come.
@granted_option("+xa", "--accept-all", "--fork", "--single-process", "+B", "--bit-preserving", "+F", "--write-file")
@granted_option("-uf", "--default-filenames", "-dhl", "--disable-host-lookup", "-ac", "--access-full")
@click.pass_context
def storescp(
    ctx: click.Context,
    port: int,
    ae_title: str,
    output_directory: str,
    ignore: bool,
    sort_on_study_uid: str | None,
    unique_filenames: bool,
    filename_extension: str,
    promiscuous: bool,
    acse_timeout: float | None,
    dimse_timeout: float | None,
    socket_timeout: float | None,
    max_pdu: int,
    tls: bool,
    certificate: str | None,
    key: str | None,
    authorities: str | None,
    key_and_certificate: tuple[str, str] | None,
    verbose: bool,
) -> None:
    """Take instances into a folder, on all addresses: `dicomwire receive` with familiar arguments.

    A file that is there is replaced, unless +uf is given.
    """
    if key_and_certificate is not None:
        tls = True
        key, certificate = key_and_certificate
    prefix = (sort_on_study_uid or "").replace("{", "{{").replace("}", "}}")
    folders = "" if sort_on_study_uid is None else f"{prefix}{'_' if prefix else ''}{{StudyInstanceUID}}/"
    ctx.invoke(
        receive,
        port=port,
        host="0.0.0.0",
        ae_title=ae_title,
        to=None if ignore else output_directory,
        ignore=ignore,
        template=f"{folders}{{SOPInstanceUID}}{filename_extension}",
        duplicates=(Duplicates.NUMBER if unique_filenames else Duplicates.REPLACE).value,
        any_sop_class=promiscuous,
        acse_timeout=acse_timeout,
        dimse_timeout=dimse_timeout,
        idle_timeout=socket_timeout,
        max_pdu=max_pdu,
        tls=tls,
        certificate=certificate,
        key=key,
        authorities=authorities,
        verbose=verbose,
    )
