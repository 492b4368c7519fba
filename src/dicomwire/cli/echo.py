"""``dicomwire echo``: asks an application entity whether it is there; ``dicomwire echoscp``: is there to be asked."""

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
from time import perf_counter

import click

from dicomwire.cli.console import complain, error_message, safe
from dicomwire.dimse.status import SUCCESS, Status
from dicomwire.errors import DicomWireError
from dicomwire.net.ae import ApplicationEntity
from dicomwire.net.loop import run
from dicomwire.net.server import Server
from dicomwire.net.settings import DICOM_PORT, DICOM_TLS_PORT, MAX_PDU_LENGTH, Timeouts
from dicomwire.net.tls import client_context, server_context
from dicomwire.net.trace import Trace
from dicomwire.ul.policy import AcceptorPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dicomwire.net.ae import Associating
    from dicomwire.net.association import Association

    Command = Callable[..., Any]


def _tls_options(command: Command) -> Command:
    """The options --tls, --certificate, --key and --authorities."""
    for option in (
        click.option(
            "--authorities",
            "+cf",
            type=click.Path(exists=True, dir_okay=False),
            metavar="PEM",
            help="Certificates that the peer's must be issued by.",
        ),
        click.option(
            "--key",
            type=click.Path(exists=True, dir_okay=False),
            metavar="PEM",
            help="Private key of the certificate, if it is in a file of its own.",
        ),
        click.option(
            "--certificate", type=click.Path(exists=True, dir_okay=False), metavar="PEM", help="Our own certificate."
        ),
        click.option("--tls", is_flag=True, help="DICOM over TLS, after BCP 195."),
    ):
        command = option(command)
    return command


def _pdu_option(command: Command) -> Command:
    return click.option(
        "--max-pdu",
        "-pdu",
        type=click.IntRange(0, 0xFFFFFFFF),
        default=MAX_PDU_LENGTH,
        show_default=True,
        metavar="BYTES",
        help="Longest P-DATA-TF PDU that we take; 0 is any.",
    )(command)


def _verbose_option(command: Command) -> Command:
    return click.option("--verbose", "-v", "--debug", "-d", is_flag=True, help="Print all PDUs and messages.")(command)


def _timeout_option(*names: str, help: str) -> Callable[[Command], Command]:
    return click.option(*names, type=click.FloatRange(0, min_open=True), metavar="SECONDS", help=help)


def _title_option(*names: str, default: str, help: str) -> Callable[[Command], Command]:
    return click.option(*names, default=default, show_default=True, metavar="AE", help=help)


def _say(text: str) -> None:
    """A line about what goes on, or several, at once also through a pipe; peers' titles do not drive the terminal."""
    click.echo("\n".join(map(safe, text.split("\n"))))
    sys.stdout.flush()


@click.command("echo")
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535), required=False)
@_title_option("--called-ae", "-aec", default="ANY-SCP", help="AE title of the peer.")
@_title_option("--calling-ae", "-aet", default="DICOMWIRE", help="AE title of ours.")
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Echoes on one association.",
)
@click.option("--abort", is_flag=True, help="Abort the association in the end instead of releasing it.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="To wait for each of these three:",
)
@_timeout_option("--connect-timeout", "-to", help="The connection.")
@_timeout_option("--acse-timeout", "-ta", help="The answers to the requests for the association and for its release.")
@_timeout_option("--dimse-timeout", "-td", help="Each answer to an echo.")
@_pdu_option
@_tls_options
@click.option("--no-host-check", is_flag=True, help="The peer's certificate need not name HOST.")
@click.option(
    "+tls",
    "key_and_certificate",
    nargs=2,
    type=click.Path(exists=True, dir_okay=False),
    metavar="KEY PEM",
    help="As echoscu has it: --tls --key KEY --certificate PEM --no-host-check.",
)
@_verbose_option
def echo(
    host: str,
    port: int | None,
    called_ae: str,
    calling_ae: str,
    repeat: int,
    abort: bool,
    timeout: float,
    connect_timeout: float | None,
    acse_timeout: float | None,
    dimse_timeout: float | None,
    max_pdu: int,
    tls: bool,
    certificate: str | None,
    key: str | None,
    authorities: str | None,
    no_host_check: bool,
    key_and_certificate: tuple[str, str] | None,
    verbose: bool,
) -> None:
    """Ask the application entity at HOST PORT whether it answers (C-ECHO, PS3.4 Annex A).

    PORT is 11112 when it is not given, 2762 with --tls.  The exit status is 0 when every echo was answered with
    success, 1 otherwise.
    """
    if key_and_certificate is not None:
        tls = no_host_check = True
        key, certificate = key_and_certificate
    port = port or (DICOM_TLS_PORT if tls else DICOM_PORT)
    times: list[float] = []
    try:
        context = None
        if tls:
            context = client_context(
                authorities=authorities, certificate=certificate, key=key, check_host_name=not no_host_check
            )
        ae = ApplicationEntity(
            calling_ae,
            max_pdu_length=max_pdu,
            timeouts=Timeouts(
                connect_s=connect_timeout or timeout,
                artim_s=acse_timeout or timeout,
                dimse_s=dimse_timeout or timeout,
            ),
        )
        associating = ae.associate(
            host, port, called_ae_title=called_ae, tls=context, trace=Trace(_say) if verbose else None
        )
        status = run(_ask(associating, repeat, abort, times))
    except (DicomWireError, OSError, ValueError) as error:
        complain(f"{host} port {port}", error_message(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    milliseconds = f"{statistics.median(times) * 1000:.2f} ms"
    if repeat > 1:
        milliseconds = f"{len(times)} echoes, median {milliseconds}, slowest {max(times) * 1000:.2f} ms"
    _say(f"{called_ae} at {host} port {port}: {status}; {milliseconds}")
    sys.exit(0 if status.code == SUCCESS else 1)


async def _ask(associating: Associating, repeat: int, abort: bool, times: list[float]) -> Status:
    async with associating as association:
        for _ in range(repeat):
            start = perf_counter()
            status = await association.c_echo()
            times.append(perf_counter() - start)
            if status.code != SUCCESS:
                break
        if abort:
            await association.terminate()
    return status


@click.command("echoscp")
@click.option(
    "--port",
    "-p",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port to listen on; 11112 by default, 2762 with --tls, 0 for any that is free.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@_title_option("--ae-title", "-aet", default="DICOMWIRE", help="AE title of ours.")
@click.option("--check-called-ae", is_flag=True, help="Reject requests that call another AE title.")
@_pdu_option
@_tls_options
@_verbose_option
def echoscp(
    port: int | None,
    host: str,
    ae_title: str,
    check_called_ae: bool,
    max_pdu: int,
    tls: bool,
    certificate: str | None,
    key: str | None,
    authorities: str | None,
    verbose: bool,
) -> None:
    """Answer C-ECHO until SIGINT or SIGTERM: a verification provider (PS3.4 Annex A).

    With --authorities, requestors must have a certificate issued by one of them.  Associations that are there in the
    end are aborted; the exit status is 0.
    """
    if tls and certificate is None:
        raise click.UsageError("--tls needs --certificate")
    try:
        context = server_context(certificate, key, authorities=authorities) if tls and certificate else None
        server = Server(
            ApplicationEntity(ae_title, max_pdu_length=max_pdu),
            host=host,
            port=port,
            policy=AcceptorPolicy(ae_title=ae_title if check_called_ae else None),
            tls=context,
            trace=(lambda: Trace(_say)) if verbose else None,
            ended=_report,
        )
        run(_serve(server))
    except (DicomWireError, OSError, ValueError) as error:
        complain(f"{host} {port or ''}".strip(), error_message(error))
        sys.exit(1)


def _report(association: Association) -> None:
    """A line about an association that is over."""
    _say(f"{association.peer_ae_title or 'unknown'}: {association.error or 'released'}")


async def _serve(server: Server) -> None:
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    async with server:
        _say(f"{server.ae.title} listens on {server.host} port {server.port}")
        await end.wait()
