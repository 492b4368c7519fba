"""``dicomwire send``: sends files, and all files in folders, to an application entity."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from time import perf_counter

import click

from dicomwire.cli.console import complain, error_message, safe, warn
from dicomwire.cli.network_options import (
    client_tls,
    granted_option,
    key_and_certificate_option,
    no_host_check_option,
    pdu_option,
    say,
    timeout_option,
    title_option,
    tls_options,
    user_identity,
    user_options,
    verbose_option,
)
from dicomwire.cli.progress import progress_bar
from dicomwire.errors import DicomWireError
from dicomwire.net.ae import ApplicationEntity
from dicomwire.net.loop import run
from dicomwire.net.settings import Timeouts
from dicomwire.net.storage.outgoing import Sent
from dicomwire.net.storage.plan import contexts_for, walk
from dicomwire.net.storage.sending import send_files
from dicomwire.net.trace import Trace
from dicomwire.replacing import replacing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from types import TracebackType
    from typing import Any, Self

    from rich.progress import Progress, TaskID

    from dicomwire.net.storage.plan import Plan, StrPath

SHOWN = 20  # failures that are printed one by one; the list of failures has all
ALIKE = 3  # of these, with the same reason; of others the reason is counted


@click.command("send")
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535))
@click.argument("paths", nargs=-1, metavar="FOLDER|FILE...", type=click.Path(exists=True))
@title_option("--called-ae", "-aec", "--call", default="ANY-SCP", help="AE title of the peer.")
@title_option("--calling-ae", "-aet", "--aetitle", default="DICOMWIRE", help="AE title of ours.")
@click.option(
    "--associations", type=click.IntRange(1, 1000), default=1, show_default=True, metavar="N", help="How many at once."
)
@click.option(
    "--window",
    type=click.IntRange(1, 65535),
    default=1,
    show_default=True,
    metavar="N",
    help="Files under way at once on an association, as far as the peer allows it: for links with long delays.",
)
@click.option(
    "--failures",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Where the files are listed that were not stored.  Those that are listed in it are sent again.",
)
@click.option("--skip-foreign", is_flag=True, help="Pass over files that are not DICOM, and DICOMDIRs.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.01),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="To wait for each of these three:",
)
@timeout_option("--connect-timeout", "-to", help="The connection.")
@timeout_option("--acse-timeout", "-ta", help="The answers to the requests for an association and for its release.")
@timeout_option("--dimse-timeout", "-td", help="The answer to each file.")
@user_options
@pdu_option
@tls_options
@no_host_check_option
@key_and_certificate_option
@verbose_option
@click.option("--quiet", "-q", is_flag=True, help="Print nothing: the exit status says it.")
# Each file is proposed in its own transfer syntax, by itself; folders are walked, and one failure does not end it.
@granted_option("+sd", "--scan-directories", "+r", "--recurse", "-nh", "--no-halt", "-R", "--required")
@granted_option("-xe", "-xs", "-xy", "-xx", "-xv", "-xw", "-xt", "-xu", "-xm", "-xh", "-xn", "-xl", "-xr", "-xd")
def send(
    host: str,
    port: int,
    paths: tuple[str, ...],
    called_ae: str,
    calling_ae: str,
    associations: int,
    window: int,
    failures: str | None,
    skip_foreign: bool,
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
    quiet: bool,
) -> None:
    """Send files, and all files in folders and below, to the application entity at HOST PORT (C-STORE, PS3.4 Annex B).

    Each file goes as it is encoded, or in the transfer syntax that the peer takes, compressed pixel data decoded if
    need be.  The exit status is 0 when every file was stored, 1 otherwise, 130 after Ctrl-C: then the files under way
    are still answered.
    """
    wanted = list({os.path.abspath(path): path for path in (*_listed(failures), *walk(paths))}.values())
    if not wanted:
        raise click.UsageError("nothing to send: name files or folders, or --failures with a list of an earlier run")
    if key_and_certificate is not None:
        tls = no_host_check = True
        key, certificate = key_and_certificate
    context = client_tls(tls, certificate, key, authorities, check_host_name=not no_host_check)
    interrupted = False
    with _Tally(wanted, skip_foreign, quiet) as tally:
        try:
            plan = contexts_for(wanted)
            tally.pass_over(plan)
            timeouts = Timeouts(
                connect_s=connect_timeout or timeout, artim_s=acse_timeout or timeout, dimse_s=dimse_timeout or timeout
            )
            ae = ApplicationEntity(calling_ae, max_pdu_length=max_pdu, timeouts=timeouts)
            run(
                _until_interrupted(
                    send_files(
                        plan.batches,
                        lambda contexts: ae.associate(
                            host,
                            port,
                            called_ae_title=called_ae,
                            contexts=contexts,
                            user_identity=user_identity(user, password),
                            asynchronous_operations_window=(window, 1) if window > 1 else None,
                            tls=context,
                            trace=Trace(say) if verbose else None,
                        ),
                        associations=associations,
                        report=tally.take,
                    )
                )
            )
        except (DicomWireError, OSError, ValueError) as error:
            tally.complain(f"{host} {port}", error_message(error))
            tally.leave(error_message(error))
        except KeyboardInterrupt:
            interrupted = True
            tally.leave("interrupted")
    tally.show(called_ae, host)
    if failures is not None:
        _write_list(failures, tally.failed)
    sys.exit(130 if interrupted else 1 if tally.failed else 0)


async def _until_interrupted(sending: Coroutine[Any, Any, None]) -> None:
    """Send; say after Ctrl-C what is waited for."""
    task = asyncio.ensure_future(sending)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.cancelled():
            warn("send", "interrupted: the files under way are still answered; Ctrl-C once more ends it at once")
            task.cancel()
            await task
        raise


class _Tally:
    """What became of the files; a progress bar while standard error is a terminal."""

    def __init__(self, paths: Sequence[StrPath], skip_foreign: bool, quiet: bool) -> None:
        self._quiet = quiet
        self.failed: list[tuple[StrPath, str]] = []
        self._left = dict.fromkeys(paths)
        self._skip_foreign = skip_foreign
        self._foreign = 0
        self._bytes = 0
        self._statuses: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._started = perf_counter()
        self._shown = 0
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._quiet:
            self._progress = progress_bar()
            self._progress.start()
            self._task = self._progress.add_task("sending", total=len(self._left), rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def pass_over(self, plan: Plan) -> None:
        """Count the files that cannot be sent."""
        for one in plan.unreadable:
            if one.is_foreign and self._skip_foreign:
                self._left.pop(one.path, None)
                self._foreign += 1
            else:
                self._fail(one.path, one.reason)

    def take(self, sent: Sent) -> None:
        """Count a file that was sent, or was not."""
        if sent.status is not None:
            self._statuses[str(sent.status)] += 1
        if sent.is_stored:
            self._left.pop(sent.path, None)
            self._bytes += _size(sent.path)
        else:
            self._fail(sent.path, f"{sent.status}; {sent.error}" if sent.status and sent.error else _reason(sent))
        if self._progress is not None and self._task is not None:
            seconds = perf_counter() - self._started
            self._progress.update(self._task, advance=1, rate=f"{self._bytes / seconds / 1e6:,.1f} MB/s")

    def leave(self, reason: str) -> None:
        """What is left was not sent."""
        self.failed += [(path, reason) for path in self._left]
        self._left = {}

    def _fail(self, path: StrPath, reason: str) -> None:
        self._left.pop(path, None)
        self.failed.append((path, reason))
        self._reasons[reason] += 1
        if self._reasons[reason] <= ALIKE and self._shown < SHOWN:
            self._shown += 1
            self.complain(os.fsdecode(path), reason)

    def complain(self, place: str, reason: str) -> None:
        """Say what failed."""
        if not self._quiet:
            complain(place, reason)

    def show(self, called_ae: str, host: str) -> None:
        """Print the counts, and the answers by status."""
        if self._quiet:
            return
        stored, seconds = self._stored(), perf_counter() - self._started
        rate = f"{self._bytes / seconds / 1e6:,.1f} MB/s"
        say(f"{safe(called_ae)} at {safe(host)}: {stored:,} stored, {self._bytes:,} bytes, {seconds:.2f} s, {rate}")
        for status, count in self._statuses.most_common():
            say(f"{count:>9,}  {status}")
        if self._foreign:
            say(f"{self._foreign:>9,}  passed over: not DICOM, or a DICOMDIR")
        if self.failed:
            say(f"{len(self.failed):>9,}  not stored")
            if self._shown < sum(self._reasons.values()):
                for reason, count in self._reasons.most_common(SHOWN):
                    say(f"{count:>9,}    {safe(reason)}")
                warn("send", f"{self._shown} of the files are named above, --failures FILE lists all")

    def _stored(self) -> int:
        return sum(count for status, count in self._statuses.items() if " failure: " not in status)


def _reason(sent: Sent) -> str:
    return str(sent.status) if sent.status is not None else sent.error or "not sent"


def _size(path: StrPath) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0  # it was sent, and is gone by now


def _listed(path: str | None) -> Iterable[str]:
    """The files of a list of failures; none when there is no such list yet."""
    if path is None or not os.path.exists(path):
        return []
    try:
        with open(path, encoding="utf-8") as lines:
            return [str(json.loads(line)["path"]) for line in lines if line.strip()]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise click.UsageError(f"--failures {path}: no list of failures ({error_message(error)})") from None


def _write_list(path: str, failed: Sequence[tuple[StrPath, str]]) -> None:
    """Replace the list in one step; without failures it goes."""
    try:
        if not failed:
            if os.path.exists(path):
                os.unlink(path)
            return
        with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as out:
            for name, reason in failed:
                out.write(json.dumps({"path": os.path.abspath(os.fsdecode(name)), "reason": reason}) + "\n")
    except OSError as error:
        complain(path, error_message(error))
