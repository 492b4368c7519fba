"""``dicomwire echo`` and ``dicomwire echoscp`` as processes: against each other and DCMTK, over TLS, and their ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomwire.cli.console import error_message
from dicomwire.dictionary.uids import ExplicitVRLittleEndian
from dicomwire.file.instance_file import file_meta_information
from dicomwire.net import AcceptorPolicy, IdentityAnswer, Server, Storage, UserIdentityRQ
from dicomwire.ul.codes import UserIdentityType
from tests.net import peers
from tests.net.certificates import Authority
from tests.net.storage.instances import CT, data_set

COMMAND = [sys.executable, "-m", "dicomwire"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


class Provider:
    """A running ``echoscp``."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "echoscp", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()
        found = re.search(r"port (\d+)$", self.first)
        if found is None:
            self.process.kill()
            raise AssertionError(self.process.communicate()[1])
        self.port = int(found[1])

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Return exit status, stdout without the first line, and stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@contextlib.contextmanager
def serving(*arguments: object) -> Iterator[Provider]:
    provider = Provider(*arguments)
    try:
        yield provider
    finally:
        if provider.process.poll() is None:
            provider.process.kill()
        provider.process.communicate()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with serving("-aet", "ARCHIVE", "--check-called-ae") as provider:
        yield provider


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


# --- echo


def test_an_echo_that_is_answered(provider: Provider) -> None:
    done = run("echo", "127.0.0.1", provider.port, "--called-ae", "ARCHIVE")
    assert done.returncode == 0
    assert re.fullmatch(rf"ARCHIVE at 127\.0\.0\.1 port {provider.port}: 0000H success.*; [0-9.]+ ms\n", done.stdout)
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["echo", "echoscu"])
def test_familiar_options(provider: Provider, command: str) -> None:
    options = ["-aet", "ME", "-aec", "ARCHIVE", "-pdu", "16384", "-to", "10", "-ta", "10", "-td", "10"]
    done = run(command, *options, "--repeat", "3", "-v", "127.0.0.1", provider.port)
    assert done.returncode == 0
    assert done.stdout.count("sent C-ECHO-RQ") == 3
    assert done.stdout.count("received C-ECHO-RSP") == 3
    assert "3 echoes, median" in done.stdout
    assert "16384" in done.stdout


@pytest.mark.parametrize("flag", ["-v", "-d", "--verbose", "--debug"])
def test_verbose_prints_every_pdu_and_message(provider: Provider, flag: str) -> None:
    done = run("echo", "127.0.0.1", provider.port, "-aec", "ARCHIVE", flag)
    assert done.returncode == 0
    headings = re.findall(r"^(sent|received) ([A-Z-]+)", done.stdout, re.MULTILINE)
    assert headings == [
        ("sent", "A-ASSOCIATE-RQ"),
        ("received", "A-ASSOCIATE-AC"),
        ("sent", "C-ECHO-RQ"),
        ("received", "C-ECHO-RSP"),
        ("sent", "A-RELEASE-RQ"),
        ("received", "A-RELEASE-RP"),
    ]


def test_abort_in_the_end() -> None:
    with serving() as provider:
        done = run("echo", "127.0.0.1", provider.port, "--abort", "-v")
        assert done.returncode == 0
        assert "sent A-ABORT" in done.stdout
        assert "A-RELEASE" not in done.stdout
        status, out, _ = provider.end()
        assert status == 0
        assert "DICOMWIRE at 127.0.0.1: aborted by the peer" in out


def test_a_rejection(provider: Provider) -> None:
    done = run("echo", "127.0.0.1", provider.port, "-aec", "OTHER")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"dicomwire: error: 127.0.0.1 port {provider.port}: the peer rejected")
    assert "called AE title" in done.stderr
    assert done.stderr.count("\n") == 1


def test_nobody_there() -> None:
    port = peers.free_port()
    done = run("echo", "127.0.0.1", port)
    assert done.returncode == 1
    assert done.stderr == f"dicomwire: error: 127.0.0.1 port {port}: Connection refused\n"


def test_every_event_loop_says_it_in_one_way() -> None:
    asyncio_says = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 104)")
    assert error_message(asyncio_says) == "Connection refused"
    assert error_message(ConnectionResetError("the peer closed")) == "the peer closed"


def test_somebody_who_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = run("echo", "127.0.0.1", silent.getsockname()[1], "-ta", "0.2")
    assert done.returncode == 1
    assert "no answer to A-ASSOCIATE-RQ within 0.2 s" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["echo"],
        ["echo", "127.0.0.1", "0"],
        ["echo", "127.0.0.1", "--repeat", "0"],
        ["echo", "127.0.0.1", "-to", "0"],
        ["echo", "127.0.0.1", "--authorities", "/nowhere.pem"],
        ["echoscp", "--tls"],
    ],
)
def test_wrong_arguments(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Error:" in done.stderr


@pytest.mark.parametrize("option", [["--calling-ae", "A" * 17], ["--max-pdu", "5"]])
def test_values_that_cannot_be_sent(option: list[str]) -> None:
    done = run("echo", "127.0.0.1", *option)
    assert done.returncode == 1
    assert done.stderr.startswith("dicomwire: error: 127.0.0.1 port 11112: ")


@pytest.mark.peers
def test_storescp_is_asked(tmp_path: Path) -> None:
    with peers.storescp(tmp_path) as peer:
        done = run("echo", "127.0.0.1", peer.port, "--repeat", "2")
    assert done.returncode == 0, done.stderr


# --- echoscp


@pytest.mark.peers
def test_echoscu_is_answered() -> None:
    with serving("-v", "-aet", "ARCHIVE") as provider:
        done = peers.run([peers.tool("echoscu"), "-aet", "MODALITY", "127.0.0.1", str(provider.port)])
        assert done.returncode == 0, done.stdout
        status, out, err = provider.end()
    assert (status, err) == (0, "")
    assert "received C-ECHO-RQ" in out
    assert "MODALITY at 127.0.0.1: released" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_aborts_what_is_there(number: int) -> None:
    """A peer in an association hears an A-ABORT, and the process ends with 0 and without a traceback."""
    from tests.net.raw import request

    with serving("-aet", "ARCHIVE") as provider:
        with socket.create_connection(("127.0.0.1", provider.port), 20) as peer:
            peer.sendall(request().encode())
            assert peer.recv(1000)[0] == 2
            provider.process.send_signal(number)
            assert peer.recv(1000)[:2] == b"\x07\x00"
        status, out, err = provider.end()
    assert status == 0
    assert err == ""
    assert "RAW at 127.0.0.1: aborted here" in out


def test_the_port_in_use(provider: Provider) -> None:
    done = run("echoscp", "--port", provider.port)
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert done.stderr.count("\n") == 1


def test_titles_do_not_drive_the_terminal() -> None:
    from tests.net.raw import request

    sent = request().encode().replace(b"RAW ", b"\x1b[2J")
    with serving("-v") as provider:
        with socket.create_connection(("127.0.0.1", provider.port), 20) as peer:
            peer.sendall(sent)
            assert peer.recv(1000)
        status, out, _ = provider.end()
    assert status == 0
    assert "\x1b" not in out


# --- TLS


def test_echo_over_tls(authority: Authority) -> None:
    archive, workstation = authority.issue("archive"), authority.issue("workstation")
    own = ["--certificate", archive.certificate, "--key", archive.key, "--authorities", authority.certificate]
    with serving("--tls", *own) as provider:
        mine = ["--certificate", workstation.certificate, "--key", workstation.key]
        trusted = ["--authorities", authority.certificate]
        assert run("echo", "--tls", *mine, *trusted, "127.0.0.1", provider.port).returncode == 0
        familiar = ["+tls", workstation.key, workstation.certificate, "+cf", authority.certificate]
        assert run("echoscu", *familiar, "127.0.0.1", provider.port).returncode == 0

        unknown = run("echo", "--tls", *mine, "127.0.0.1", provider.port)
        assert unknown.returncode == 1
        assert "certificate verify failed" in unknown.stderr.lower()
        nameless = run("echo", "--tls", *trusted, "127.0.0.1", provider.port)
        assert nameless.returncode == 1
        plain = run("echo", "127.0.0.1", provider.port, "-ta", "5")
        assert plain.returncode == 1


def test_the_interrupted_echo_ends_quietly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = subprocess.Popen(
            [*COMMAND, "echo", "127.0.0.1", str(silent.getsockname()[1])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(30)
        peer, _ = silent.accept()
        with peer:
            assert peer.recv(1000)[0] == 1
            os.kill(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize("command", ["echo", "send"])
def test_a_user_of_the_requestor(command: str, tmp_path: Path) -> None:
    asked: list[tuple[UserIdentityType, bytes, bytes]] = []

    def identify(identity: UserIdentityRQ) -> IdentityAnswer:
        asked.append((identity.type, identity.primary, identity.secondary))
        return IdentityAnswer(identity.secondary == b"secret")

    paths: list[Path] = []
    if command == "send":
        paths.append(tmp_path / "one.dcm")
        paths[0].write_bytes(file_meta_information(CT, "1.2.3.4", ExplicitVRLittleEndian) + data_set())

    async def test() -> list[int]:
        policy = AcceptorPolicy(identify=identify, require_identity=True)
        server = Server("ARCHIVE", port=0, policy=policy)
        Storage(None).register(server)
        async with server:
            statuses = []
            for arguments in (["-usr", "jane", "-pwd", "secret"], ["--user", "jane"], []):
                done = await asyncio.to_thread(run, command, "127.0.0.1", server.port, *paths, *arguments)
                assert "secret" not in done.stdout + done.stderr
                statuses.append(done.returncode)
            return statuses

    assert asyncio.run(test()) == [0, 1, 1]
    assert asked == [
        (UserIdentityType.USERNAME_AND_PASSCODE, b"jane", b"secret"),
        (UserIdentityType.USERNAME, b"jane", b""),
    ]
