"""``dicomwire send``, ``dicomwire receive`` and their aliases, run as users run them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import dicomwire
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.file.instance_file import file_meta_information
from tests.net.certificates import Authority, Issued
from tests.net.peers import free_port
from tests.net.storage.instances import CT, data_set, files_in

COMMAND = [sys.executable, "-m", "dicomwire"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


@dataclass
class Receiver:
    process: subprocess.Popen[str]
    port: int

    def end(self, how: int = signal.SIGINT, expected: str = "") -> str:
        """Interrupt it and return what it said."""
        self.process.send_signal(how)
        said, complaints = self.process.communicate(timeout=20)
        assert complaints == expected
        assert self.process.returncode == 128 + how
        return said


@contextlib.contextmanager
def receiving(*arguments: object, command: tuple[str, ...] = ("receive", "--port", "0")) -> Iterator[Receiver]:
    process = subprocess.Popen(
        [*COMMAND, *command, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"listens on \S+ port (\d+)", first)
        assert found is not None, first + process.communicate(timeout=5)[1]
        yield Receiver(process, int(found[1]))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def write(folder: Path, count: int, syntax: str = ExplicitVRLittleEndian, pixels: int = 1000) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        instance = f"1.2.{number}"
        path = folder / f"{number:03}.dcm"
        path.write_bytes(file_meta_information(CT, instance, syntax) + data_set(instance, syntax=syntax, pixels=pixels))
        paths.append(path)
    return paths


@pytest.mark.parametrize("associations", [1, 3])
def test_a_folder_from_one_to_the_other(tmp_path: Path, associations: int) -> None:
    write(tmp_path / "from" / "a", 5)
    write(tmp_path / "from", 4, ImplicitVRLittleEndian)
    template = "{TransferSyntaxUID}/{SOPInstanceUID}.dcm"
    with receiving("--to", tmp_path / "to", "--template", template, "--list") as receiver:
        done = run("send", "localhost", receiver.port, tmp_path / "from", "--associations", associations)
        assert done.returncode == 0, done.stderr
        said = receiver.end()
    assert "9 stored" in done.stdout
    assert "0000H success" in done.stdout
    assert said.count(".dcm\n") == 9
    assert said.count("released") == associations
    assert sum(int(count) for count in re.findall(r"DICOMWIRE at 127\.0\.0\.1: (\d+) instances", said)) == 9
    received = files_in(tmp_path / "to")
    assert len(received) == 9
    for name in received:
        read = dicomwire.dcmread(tmp_path / "to" / name)
        assert (tmp_path / "to" / name).read_bytes().endswith(
            data_set(str(read.SOPInstanceUID), syntax=name.split("/")[0])
        )


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc")
def test_several_processes_share_a_port(tmp_path: Path) -> None:
    write(tmp_path / "from", 60)
    port = free_port()
    with receiving("--to", tmp_path / "to", command=("receive", "--port", str(port), "--processes", "3")) as receiver:
        children = children_of(receiver.process.pid)
        wait_for(lambda: listeners(port) == 3)
        sent = run("send", "127.0.0.1", port, tmp_path / "from", "--associations", "12", "--window", "4")
        assert (sent.returncode, sent.stderr) == (0, "")
        said = receiver.end(signal.SIGTERM)
    assert len(files_in(tmp_path / "to")) == 60
    counts = [int(found) for found in re.findall(r": (\d+) instances", said)]
    assert sum(counts) == 60
    assert len(children) >= 2
    wait_for(lambda: listeners(port) == 0)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc")
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    port = free_port()
    with receiving("--to", tmp_path / "to", command=("receive", "--port", str(port), "--processes", "2")) as receiver:
        wait_for(lambda: listeners(port) == 2)
        receiver.process.kill()
        wait_for(lambda: listeners(port) == 0)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc")
def test_a_process_that_is_killed_is_told_of(tmp_path: Path) -> None:
    port = free_port()
    with receiving("--to", tmp_path / "to", command=("receive", "--port", str(port), "--processes", "2")) as receiver:
        wait_for(lambda: listeners(port) == 2)
        for child in children_of(receiver.process.pid):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)
        wait_for(lambda: listeners(port) == 1)
        sent = run("send", "127.0.0.1", port, *write(tmp_path / "from", 2))
        assert (sent.returncode, sent.stderr) == (0, "")
        told = "dicomwire: error: receive: one of the 2 processes has ended with status -9\n"
        assert "DICOMWIRE at 127.0.0.1: 2 instances" in receiver.end(signal.SIGTERM, told)


def test_processes_need_a_port(tmp_path: Path) -> None:
    refused = run("receive", "--port", "0", "--processes", "2", "--to", tmp_path)
    assert refused.returncode == 2
    assert "--port" in refused.stderr


def children_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def listeners(port: int) -> int:
    """How many sockets listen on a port of this machine."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == "0A" and row[1].endswith(f":{port:04X}") for row in rows)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "not within 60 s"
        time.sleep(0.02)


def test_duplicates_are_told_of(tmp_path: Path) -> None:
    with receiving("--to", tmp_path / "to") as receiver:
        for count in (2, 3):
            done = run("send", "127.0.0.1", receiver.port, *write(tmp_path / "from", count))
            assert done.returncode == 0
        said = receiver.end()
    assert re.findall(r"(\d) instances, [\d,]+ bytes, (.*)", said) == [
        ("2", "released"),
        ("3", "2 dropped for files that were there, released"),
    ]


def test_failures_are_listed_and_sent_again(tmp_path: Path) -> None:
    paths = write(tmp_path / "from", 3)
    (tmp_path / "from" / "notes.txt").write_text("no DICOM")
    listed = tmp_path / "failures.ndjson"
    with receiving("--to", tmp_path / "to", "--max-length", 500) as receiver:
        done = run("send", "localhost", receiver.port, tmp_path / "from", "--failures", listed)
        receiver.end(signal.SIGTERM)
    assert done.returncode == 1
    assert "A700H failure" in done.stdout
    assert done.stderr.count("dicomwire: error:") == 4
    rows = [json.loads(line) for line in listed.read_text().splitlines()]
    assert {row["path"] for row in rows} == {*map(str, paths), str(tmp_path / "from" / "notes.txt")}
    with receiving("--to", tmp_path / "to") as receiver:
        again = run("send", "localhost", receiver.port, "--failures", listed)
        assert again.returncode == 1
        assert len(listed.read_text().splitlines()) == 1
        last = run("send", "localhost", receiver.port, "--failures", listed, "--skip-foreign")
        receiver.end()
    assert (last.returncode, listed.exists()) == (0, False)
    assert "passed over" in last.stdout
    assert len(files_in(tmp_path / "to")) == 3


def test_nobody_listens(tmp_path: Path) -> None:
    listed = tmp_path / "failures.ndjson"
    done = run("send", "localhost", free_port(), *write(tmp_path / "from", 2), "--failures", listed)
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert len(listed.read_text().splitlines()) == 2


def test_failures_with_one_reason_are_counted(tmp_path: Path) -> None:
    done = run("send", "localhost", free_port(), *write(tmp_path / "from", 12))
    assert done.returncode == 1
    assert done.stderr.count("no connection: Connection refused") == 3
    assert "12    no connection: Connection refused" in done.stdout


def test_a_send_is_interrupted_while_the_peer_does_not_answer(tmp_path: Path) -> None:
    listed = tmp_path / "failures.ndjson"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sending = subprocess.Popen(
            [
                *(*COMMAND, "send", "127.0.0.1", str(silent.getsockname()[1])),
                *map(str, write(tmp_path / "from", 2)),
                *("--failures", str(listed)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        peer, _ = silent.accept()
        with peer:
            assert peer.recv(1) == b"\1"
            sending.send_signal(signal.SIGINT)
            _, complaints = sending.communicate(timeout=20)
    assert sending.returncode == 130
    assert "once more" in complaints
    assert "Traceback" not in complaints
    assert len(listed.read_text().splitlines()) == 2


@pytest.mark.parametrize("arguments", [["localhost", "1"], ["localhost", "1", "/no/file"], ["localhost", "0", "."]])
def test_wrong_arguments_of_send(arguments: list[str]) -> None:
    assert run("send", *arguments).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--to", "x", "--ignore"],
        ["--ignore", "--template", "../{SOPInstanceUID}"],
        ["--ignore", "--tls"],
        ["--ignore", "--duplicates", "perhaps"],
    ],
)
def test_wrong_arguments_of_receive(arguments: list[str], tmp_path: Path) -> None:
    assert run("receive", "--port", "0", *arguments).returncode == 2


def test_an_interrupted_send_releases_and_lists_the_rest(tmp_path: Path) -> None:
    write(tmp_path / "from", 400, pixels=300_000)
    listed = tmp_path / "failures.ndjson"
    with receiving("--to", tmp_path / "to", "--fsync") as receiver:
        sending = subprocess.Popen(
            [*COMMAND, "send", "localhost", str(receiver.port), str(tmp_path / "from"), "--failures", str(listed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not (tmp_path / "to").exists() or len(files_in(tmp_path / "to")) < 3:
            assert sending.poll() is None, sending.communicate()
            time.sleep(0.001)
        sending.send_signal(signal.SIGINT)
        said, complaints = sending.communicate(timeout=30)
        report = receiver.end()
    assert sending.returncode == 130, complaints
    stored = len(files_in(tmp_path / "to"))
    assert 3 <= stored < 400
    assert f"{stored} stored" in said
    assert len(listed.read_text().splitlines()) == 400 - stored
    assert "released" in report
    assert "Traceback" not in complaints


@pytest.mark.parametrize(("prefix", "folder"), [("", "1.2.3"), ("{CT}", "{CT}_1.2.3")])
def test_the_familiar_names(tmp_path: Path, prefix: str, folder: str) -> None:
    write(tmp_path / "from" / "below", 2)
    port = free_port()
    command = ("storescp", "-aet", "ARCHIVE", "-od", str(tmp_path / "to"), "-su", prefix, "-fe", "", str(port))
    granted = ("+xa", "--fork", "+B", "-uf", "-dhl", "-pm", "-ta", "20", "-td", "20", "-ts", "20")
    with receiving(command=(*command, *granted)) as receiver:
        for _ in range(2):
            names = ("+sd", "+r", "-nh", "-R", "-xs", "-to", "20", "-ta", "20", "-td", "20", "-pdu", "16384")
            done = run("storescu", *names, "-aec", "ARCHIVE", "-aet", "ME", "localhost", port, tmp_path / "from")
            assert done.returncode == 0, done.stderr
        assert "ME at 127.0.0.1: 2 instances" in receiver.end()
    assert files_in(tmp_path / "to") == [f"{folder}/1.2.0", f"{folder}/1.2.1"]


@pytest.mark.parametrize("arguments", [["-xi"], ["+IR", "2"], ["-f"]])
def test_familiar_options_that_would_do_something_else_are_refused(arguments: list[str], tmp_path: Path) -> None:
    done = run("storescu", *arguments, "localhost", "1", *write(tmp_path, 1))
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_a_reader_that_is_gone_does_not_keep_instances_from_being_stored(tmp_path: Path) -> None:
    with receiving("--to", tmp_path / "to", "--list") as receiver:
        assert receiver.process.stdout is not None
        receiver.process.stdout.close()
        sending = subprocess.Popen(
            [*COMMAND, "send", "-v", "127.0.0.1", str(receiver.port), *map(str, write(tmp_path / "from", 5))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert sending.stdout is not None
        assert sending.stderr is not None
        sending.stdout.close()
        with sending.stderr:
            assert (sending.stderr.read(), sending.wait(30)) == (b"", 0)
        assert len(files_in(tmp_path / "to")) == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_of_the_output_does_not_keep_instances_from_being_stored(tmp_path: Path) -> None:
    port = free_port()
    with open("/dev/full", "w") as full:
        process = subprocess.Popen(
            [*COMMAND, "receive", "--port", str(port), "--to", str(tmp_path / "to"), "--list"],
            stdout=full,
            stderr=subprocess.DEVNULL,
        )
    try:
        wait_for(lambda: listeners(port) == 1)
        sent = run("send", "127.0.0.1", port, *write(tmp_path / "from", 3))
        assert (sent.returncode, sent.stderr) == (0, "")
        assert len(files_in(tmp_path / "to")) == 3
    finally:
        process.kill()
        process.wait()


def test_a_quiet_send(tmp_path: Path) -> None:
    done = run("send", "--quiet", "localhost", free_port(), *write(tmp_path, 1))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_a_receiver_s_timeouts(tmp_path: Path) -> None:
    with (
        receiving("--ignore", "--acse-timeout", "0.2") as receiver,
        socket.create_connection(("127.0.0.1", receiver.port), 20) as silent,
    ):
        assert silent.recv(1) == b""


def test_over_tls(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    archive, workstation = authority.issue("archive"), authority.issue("workstation")
    paths = write(tmp_path / "from", 1, pixels=3_000_000)

    def tls(issued: Issued) -> list[object]:
        own = ["--certificate", issued.certificate, "--key", issued.key]
        return ["--tls", *own, "--authorities", authority.certificate]

    with receiving("--to", tmp_path / "to", *tls(archive)) as receiver:
        refused = run("send", "localhost", receiver.port, *paths)
        assert refused.returncode == 1
        done = run("send", "localhost", receiver.port, *paths, *tls(workstation))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "to" / "1.2.0.dcm").read_bytes().endswith(data_set("1.2.0", pixels=3_000_000))


def test_over_tls_with_familiar_options(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    archive, workstation = authority.issue("archive"), authority.issue("workstation")

    def tls(issued: Issued) -> list[str]:
        return ["+tls", str(issued.key), str(issued.certificate), "+cf", str(authority.certificate)]

    command = ("storescp", "-od", str(tmp_path / "to"), *tls(archive), str(free_port()))
    with receiving(command=command) as receiver:
        done = run("storescu", *tls(workstation), "127.0.0.1", receiver.port, *write(tmp_path / "from", 1))
        assert done.returncode == 0, done.stderr
    assert files_in(tmp_path / "to") == ["1.2.0.dcm"]


def test_a_killed_receiver_has_only_whole_files(tmp_path: Path) -> None:
    """What was acknowledged is there, and nothing partial has a final name."""
    write(tmp_path / "from", 400, pixels=300_000)
    listed = tmp_path / "failures.ndjson"
    with receiving("--to", tmp_path / "to") as receiver:
        sending = subprocess.Popen(
            [*COMMAND, "send", "localhost", str(receiver.port), str(tmp_path / "from"), "--failures", str(listed)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while len([name for name in files_in(tmp_path / "to") if name.endswith(".dcm")]) < 5:
            assert sending.poll() is None
            time.sleep(0.001)
        receiver.process.kill()
        assert sending.wait(30) == 1
    failed = {json.loads(line)["path"] for line in listed.read_text().splitlines()}
    acknowledged = [path for path in (tmp_path / "from").iterdir() if str(path) not in failed]
    assert 0 < len(acknowledged) < 400
    for path in acknowledged:
        assert (tmp_path / "to" / f"1.2.{int(path.stem)}.dcm").exists()
    for name in files_in(tmp_path / "to"):
        if not name.startswith("."):
            content = (tmp_path / "to" / name).read_bytes()
            assert content.endswith(data_set(name.removesuffix(".dcm"), pixels=300_000))
