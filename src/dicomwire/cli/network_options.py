"""What the commands of the network share: options of titles, PDUs and TLS, lines that are out at once."""

from __future__ import annotations

import contextlib
import os
import sys

import click

from dicomwire.cli.console import safe
from dicomwire.net.settings import MAX_PDU_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from dicomwire.ul.items import UserIdentityRQ

    Command = Callable[..., Any]


def tls_options(command: Command) -> Command:
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


def pdu_option(command: Command) -> Command:
    """The option --max-pdu."""
    return click.option(
        "--max-pdu",
        "-pdu",
        type=click.IntRange(0, 0xFFFFFFFF),
        default=MAX_PDU_LENGTH,
        show_default=True,
        metavar="BYTES",
        help="Longest P-DATA-TF PDU that we take; 0 is any.",
    )(command)


def verbose_option(command: Command) -> Command:
    """The option --verbose."""
    return click.option("--verbose", "-v", "--debug", "-d", is_flag=True, help="Print all PDUs and messages.")(command)


def key_and_certificate_option(command: Command) -> Command:
    """The option +tls of DCMTK's programs; see `over_tls`."""
    return click.option(
        "+tls",
        "key_and_certificate",
        nargs=2,
        type=click.Path(exists=True, dir_okay=False),
        metavar="KEY PEM",
        help="As DCMTK has it: --tls --key KEY --certificate PEM, and for requestors --no-host-check.",
    )(command)


def no_host_check_option(command: Command) -> Command:
    """The option --no-host-check."""
    return click.option("--no-host-check", is_flag=True, help="The peer's certificate need not name HOST.")(command)


def user_options(command: Command) -> Command:
    """The options --user and --password; see `user_identity`."""
    for option in (
        click.option(
            "--password",
            "-pwd",
            envvar="DICOMWIRE_PASSWORD",
            help="Passcode of the user; by default the environment's DICOMWIRE_PASSWORD, if there is one.",
        ),
        click.option("--user", "-usr", metavar="NAME", help="User on whose behalf the association is asked for."),
    ):
        command = option(command)
    return command


def user_identity(user: str | None, password: str | None) -> UserIdentityRQ | None:
    """The user identity that these options ask for (PS3.7 section D.3.3.7), None without one."""
    from dicomwire.ul.codes import UserIdentityType
    from dicomwire.ul.items import UserIdentityRQ

    if user is None:
        return None
    kind = UserIdentityType.USERNAME if password is None else UserIdentityType.USERNAME_AND_PASSCODE
    return UserIdentityRQ(kind, False, user.encode(), (password or "").encode())


def granted_option(*names: str) -> Callable[[Command], Command]:
    """A flag of DCMTK's programs that asks for what is done in any case."""
    return click.option(*names, is_flag=True, hidden=True, expose_value=False)


def timeout_option(*names: str, help: str) -> Callable[[Command], Command]:
    """An option for seconds to wait, without a default."""
    return click.option(*names, type=click.FloatRange(0, min_open=True), metavar="SECONDS", help=help)


def title_option(*names: str, default: str, help: str) -> Callable[[Command], Command]:
    """An option for an AE title."""
    return click.option(*names, default=default, show_default=True, metavar="AE", help=help)


def say(text: str) -> None:
    """A line about what goes on, or several, at once also through a pipe; peers' titles do not drive the terminal.

    What goes on does not depend on it: nothing is said any more when the reader of a pipe is gone, and a line is lost
    that the disk has no room for.
    """
    try:
        click.echo("\n".join(map(safe, text.split("\n"))))
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except OSError as error:
        with contextlib.suppress(OSError):
            click.echo(f"dicomwire: warning: standard output: {error.strerror}", err=True)


def client_tls(
    tls: bool, certificate: str | None, key: str | None, authorities: str | None, *, check_host_name: bool = True
) -> ssl.SSLContext | None:
    """The context of a requestor that these options ask for, None without TLS."""
    if not tls:
        return None
    from dicomwire.net.tls import client_context

    return client_context(authorities=authorities, certificate=certificate, key=key, check_host_name=check_host_name)


def server_tls(tls: bool, certificate: str | None, key: str | None, authorities: str | None) -> ssl.SSLContext | None:
    """The context of an acceptor that these options ask for, None without TLS."""
    if not tls:
        return None
    if certificate is None:
        raise click.UsageError("--tls needs --certificate")
    from dicomwire.net.tls import server_context

    return server_context(certificate, key, authorities=authorities)
