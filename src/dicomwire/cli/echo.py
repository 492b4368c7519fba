"""``dicomwire echo``: asks an application entity whether it is there; ``dicomwire echoscp``: is there to be asked."""

from __future__ import annotations

import asyncio
import statistics
import sys
from time import perf_counter

import click

from dicomwire.cli.console import complain, error_message
from dicomwire.dimse.status import SUCCESS, Status
from dicomwire.errors import AssociationAborted, AssociationRejected, DicomWireError
from dicomwire.net.ae import ApplicationEntity
from dicomwire.net.loop import run
from dicomwire.net.server import Server
from dicomwire.net.settings import DICOM_PORT, DICOM_TLS_PORT, MAX_PDU_LENGTH, Timeouts
from dicomwire.net.tls import client_context, server_context
from dicomwire.net.trace import Trace
from dicomwire.ul.policy import AcceptorPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from dicomwire.net.association import Association

    Command = Callable[..., Any]


def _tls_options(command: Command) -> Command:
    """The options --tls, --certificate, --key and --authorities."""
    for option in (
        click.option(
            "--authorities",
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
        type=click.IntRange(0, 0xFFFFFFFF),
        default=MAX_PDU_LENGTH,
        show_default=True,
        metavar="BYTES",
        help="Longest P-DATA-TF PDU that we take; 0 is any.",
    )(command)


def _title_option(*names: str, default: str, help: str) -> Callable[[Command], Command]:
    return click.option(*names, default=default, show_default=True, metavar="AE", help=help)


def _say(text: str) -> None:
    """A line about what goes on, at once also through a pipe."""
    click.echo(text)
    sys.stdout.flush()


@click.command("echo")
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535), required=False)
@_title_option("--called-ae", "-aec", default="ANY-SCP", help="AE title of the peer.")
@_title_option("--calling-ae", "-aet", default="DICOMWIRE", help="AE title of ours.")
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Echoes on one association.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.01),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="To wait for the connection, and for each answer.",
)
@_pdu_option
@_tls_options
@click.option("-v", "--verbose", is_flag=True, help="Print all PDUs and messages.")
def echo(
    host: str,
    port: int | None,
    called_ae: str,
    calling_ae: str,
    repeat: int,
    timeout: float,
    max_pdu: int,
    tls: bool,
    certificate: str | None,
    key: str | None,
    authorities: str | None,
    verbose: bool,
) -> None:
    """Ask the application entity at HOST PORT whether it answers (C-ECHO, PS3.4 Annex A).

    PORT is 11112 when it is not given, 2762 with --tls.  The exit status is 0 when every echo was answered with
    success, 1 otherwise.
    """
    context = client_context(authorities=authorities, certificate=certificate, key=key) if tls else None
    times: list[float] = []
    try:
        status = run(
            _ask(
                ApplicationEntity(
                    calling_ae,
                    max_pdu_length=max_pdu,
                    timeouts=Timeouts(connect_s=timeout, artim_s=timeout, dimse_s=timeout),
                ),
                host,
                port or (DICOM_TLS_PORT if tls else DICOM_PORT),
                called_ae,
                context,
                repeat,
                Trace(_say) if verbose else None,
                times,
            )
        )
    except (DicomWireError, OSError, ValueError) as error:
        complain(f"{host} {port or ''}".strip(), error_message(error))
        sys.exit(1)
    milliseconds = f"{statistics.median(times) * 1000:.2f} ms"
    if repeat > 1:
        milliseconds = f"{repeat} echoes, median {milliseconds}, slowest {max(times) * 1000:.2f} ms"
    _say(f"{called_ae} at {host}: {status}; {milliseconds}")
    sys.exit(0 if status.code == SUCCESS else 1)


async def _ask(
    ae: ApplicationEntity,
    host: str,
    port: int,
    called_ae_title: str,
    tls: ssl.SSLContext | None,
    repeat: int,
    trace: Trace | None,
    times: list[float],
) -> Status:
    async with ae.associate(host, port, called_ae_title=called_ae_title, tls=tls, trace=trace) as association:
        for _ in range(repeat):
            start = perf_counter()
            status = await association.c_echo()
            times.append(perf_counter() - start)
            if status.code != SUCCESS:
                break
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
@click.option("-v", "--verbose", is_flag=True, help="Print all PDUs and messages.")
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
    """Answer C-ECHO until interrupted: a verification provider (PS3.4 Annex A).

    With --authorities, requestors must have a certificate issued by one of them.
    """
    if tls and certificate is None:
        raise click.UsageError("--tls needs --certificate")
    context = server_context(certificate, key, authorities=authorities) if tls and certificate else None
    try:
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
    except KeyboardInterrupt:
        sys.exit(130)


def _report(association: Association) -> None:
    """A line about an association that is over."""
    if association.is_released:
        _say(f"{association.peer_ae_title}: released")
    elif isinstance(association.error, (AssociationAborted, AssociationRejected)):
        _say(f"{association.peer_ae_title or 'unknown'}: {association.error}")
    elif association.error is not None:
        _say(f"{association.peer_ae_title or 'unknown'}: aborted: {association.error}")


async def _serve(server: Server) -> None:
    await server.start()
    _say(f"{server.ae.title} listens on {server.host} port {server.port}")
    try:
        await server.serve_forever()
    except asyncio.CancelledError:
        await server.stop()
        raise
