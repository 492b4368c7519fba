"""``dicomwire echo``: asks an application entity whether it is there; ``dicomwire echoscp``: is there to be asked."""

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
from time import perf_counter

import click

from dicomwire.cli.console import complain, error_message
from dicomwire.cli.network_options import (
    client_tls,
    key_and_certificate_option,
    no_host_check_option,
    pdu_option,
    say,
    server_tls,
    timeout_option,
    title_option,
    tls_options,
    user_identity,
    user_options,
    verbose_option,
)
from dicomwire.dimse.status import SUCCESS, Status
from dicomwire.errors import DicomWireError
from dicomwire.net.ae import ApplicationEntity
from dicomwire.net.loop import run
from dicomwire.net.server import Server
from dicomwire.net.settings import DICOM_PORT, DICOM_TLS_PORT, Timeouts
from dicomwire.net.trace import Trace
from dicomwire.ul.policy import AcceptorPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.net.ae import Associating
    from dicomwire.net.association import Association


@click.command("echo")
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535), required=False)
@title_option("--called-ae", "-aec", default="ANY-SCP", help="AE title of the peer.")
@title_option("--calling-ae", "-aet", default="DICOMWIRE", help="AE title of ours.")
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
@timeout_option("--connect-timeout", "-to", help="The connection.")
@timeout_option("--acse-timeout", "-ta", help="The answers to the requests for the association and for its release.")
@timeout_option("--dimse-timeout", "-td", help="Each answer to an echo.")
@user_options
@pdu_option
@tls_options
@no_host_check_option
@key_and_certificate_option
@verbose_option
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
    user: str | None,
    password: str | None,
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
        context = client_tls(tls, certificate, key, authorities, check_host_name=not no_host_check)
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
            host,
            port,
            called_ae_title=called_ae,
            user_identity=user_identity(user, password),
            tls=context,
            trace=Trace(say) if verbose else None,
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
    say(f"{called_ae} at {host} port {port}: {status}; {milliseconds}")
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
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 or :: for all.")
@title_option("--ae-title", "-aet", default="DICOMWIRE", help="AE title of ours.")
@click.option("--check-called-ae", is_flag=True, help="Reject requests that call another AE title.")
@pdu_option
@tls_options
@verbose_option
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
    try:
        context = server_tls(tls, certificate, key, authorities)
        server = Server(
            ApplicationEntity(ae_title, max_pdu_length=max_pdu),
            host=host,
            port=port,
            policy=AcceptorPolicy(ae_title=ae_title if check_called_ae else None),
            tls=context,
            trace=(lambda: Trace(say)) if verbose else None,
            ended=_report,
        )
        run(_serve(server))
    except (DicomWireError, OSError, ValueError) as error:
        complain(f"{host} {port or ''}".strip(), error_message(error))
        sys.exit(1)


def _report(association: Association) -> None:
    """A line about an association that is over."""
    host = association.peer_address[0] if association.peer_address else "an unknown address"
    say(f"{association.peer_ae_title or 'unknown'} at {host}: {association.error or 'released'}")


async def _serve(server: Server) -> None:
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    async with server:
        say(f"{server.ae.title} listens on {server.host} port {server.port}")
        await end.wait()
