"""``dicomwire monitor``: captures, pipes and interfaces; lines, JSON and Parquet; keys; how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import CliRunner, Result

from dicomwire.cli.__main__ import cli
from dicomwire.errors import UnsupportedError
from dicomwire.monitor.sources import open_source
from dicomwire.net import ApplicationEntity, Server
from tests.monitor import sample
from tests.support import missing

COMMAND = [sys.executable, "-m", "dicomwire", "monitor"]
KEY = b"a key of 16 bytes\n"
SECRETS = ("583295", "DOE", "JANE", "19610615", "ACC100", "A100Z", "disk of")


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.write(tmp_path_factory.mktemp("captures") / "sample.pcap")


def run(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["monitor", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def records(*arguments: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("--json", *arguments).stdout.splitlines()]


def kinds(found: list[dict[str, Any]]) -> dict[str, int]:
    return {
        kind: sum(record["record"] == kind for record in found) for kind in dict.fromkeys(r["record"] for r in found)
    }


def test_lines_and_a_summary(capture: Path) -> None:
    out = run(capture).stdout
    assert "C-STORE  CT 3.35 kB  A700H failure: too few resources to store the instance" in out
    assert "ORM^O01  MSG00001  639 B  AA application accepts  answered after 7 ms" in out
    assert "\x1b" not in out
    facts = dict(line.split("  ", 1) for line in out.splitlines()[-12:] if "  " in line)
    assert facts["packets"].strip() == "52"
    assert facts["records"].strip() == "5 transaction, 3 association, 1 hl7"
    for secret in SECRETS:
        assert secret not in out


def test_json(capture: Path) -> None:
    found = records(capture)
    assert kinds(found) == {"transaction": 5, "association": 3, "hl7": 1, "summary": 1}
    assert found[-1]["record"] == "summary"
    assert not any(secret in json.dumps(found) for secret in SECRETS)
    assert kinds(records("--only", "hl7", "--only", "association", capture)) == {
        "association": 3,
        "hl7": 1,
        "summary": 1,
    }


def test_phi_and_keys(capture: Path, tmp_path: Path) -> None:
    shown = records("--show-phi", capture)
    assert all(secret in json.dumps(shown) for secret in SECRETS)
    key = tmp_path / "key"
    key.write_bytes(KEY)

    def patients(*options: object) -> set[str]:
        return {record["patient_id"] for record in records(*options, capture) if record.get("patient_id")}

    assert len(patients()) == 1
    assert patients("--key", key) == patients("--key", key) != patients()
    key.write_bytes(b"short")
    assert "16 to 4096" in run("--key", key, capture, status=2).output
    hidden = records("--hide-uids", capture)
    assert {record["study_instance_uid"][:4] for record in hidden if record.get("study_instance_uid")} == {"uid-"}


def test_networks(capture: Path) -> None:
    def external(*options: object) -> set[bool]:
        return {record["server_is_external"] for record in records("--only", "association", *options, capture)[:-1]}

    assert external("--internal", "10.0.0.0/8") == {True}
    assert external("--internal", "10.0.0.0/8", "--internal", "203.0.113.0/24") == {False}
    assert "nowhere" in run("--internal", "nowhere", capture, status=2).output


def test_parquet(capture: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    out = run("--parquet", tmp_path, capture).stdout
    assert "C-STORE" not in out
    assert "packets" in out
    rows = {path.name: parquet.read_table(path).num_rows for path in tmp_path.iterdir()}
    assert rows == {"associations-00000.parquet": 3, "transactions-00000.parquet": 5, "hl7-00000.parquet": 1}
    assert kinds(records("--parquet", tmp_path, capture))["transaction"] == 5


def test_several_sources_have_one_key(capture: Path) -> None:
    found = records(capture, capture)
    assert kinds(found)["summary"] == 2
    assert len({record["patient_id"] for record in found if record.get("patient_id")}) == 1


def test_what_cannot_be_read(capture: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"this is no capture" * 10)
    result = run(tmp_path / "none.pcap", bad, capture, "--json", status=1)
    assert result.stderr.count("dicomwire: error:") == 2
    assert kinds([json.loads(line) for line in result.stdout.splitlines()])["transaction"] == 5


def test_a_capture_that_is_cut_is_said_to_be(capture: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:-10])
    result = run(cut)
    assert "ends in the middle of a packet" in result.stderr
    assert "packets" in result.stdout


def test_standard_input(capture: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--json", "-"], input=capture.read_bytes(), capture_output=True, timeout=60, check=True
    )
    assert kinds([json.loads(line) for line in done.stdout.splitlines()])["transaction"] == 5
    assert done.stderr == b""


def rest(process: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """What a process that ends well still writes."""
    assert process.stdout is not None
    assert process.stderr is not None
    found = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 0
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary(capture: Path, number: int) -> None:
    """What is open then has its records, too."""
    data = capture.read_bytes()
    process = subprocess.Popen(
        [*COMMAND, "--json", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(data[:8000])
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert first["record"] == "transaction"
    process.send_signal(number)
    found = [first, *rest(process)]
    assert kinds(found)["association"] == 1
    assert found[-1]["record"] == "summary"


def test_following_a_file(capture: Path, tmp_path: Path) -> None:
    """Records of what is appended come while the file is still written."""
    growing = tmp_path / "growing.pcap"
    data = capture.read_bytes()
    growing.write_bytes(data[:3000])
    process = subprocess.Popen(
        [*COMMAND, "--json", "--follow", growing], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    time.sleep(0.3)
    with growing.open("ab") as file:
        file.write(data[3000:])
    found = [json.loads(process.stdout.readline()) for _ in range(5)]
    process.send_signal(signal.SIGINT)
    found += rest(process)
    assert kinds(found)["transaction"] == 5
    assert kinds(found)["summary"] == 1


def test_what_is_neither_a_file_nor_an_interface(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["monitor", str(tmp_path / "absent0")])
    assert done.exit_code == 1
    assert "neither a file nor an interface" in done.stderr


def test_an_interface() -> None:
    """Echoes on loopback are seen as they pass; whatever else passes there does not matter."""
    try:
        open_source("lo").close()
    except (PermissionError, UnsupportedError) as error:
        missing(f"capturing is not allowed here: {error}")
    title = f"LIVE{os.getpid()}"
    process = subprocess.Popen(
        [*COMMAND, "--json", "--only", "transaction", "lo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    seen: list[dict[str, Any]] = []
    first = threading.Event()

    def read(lines: IO[bytes]) -> None:
        for line in lines:
            seen.append(json.loads(line))
            if seen[-1].get("calling_ae_title") == title:
                first.set()

    reader = threading.Thread(target=read, args=(process.stdout,))
    reader.start()

    async def echo() -> int:
        echoes = 0
        async with Server(ApplicationEntity("ANSWERING"), port=0) as server:
            while not first.is_set() and echoes < 200:  # until the capture has begun
                async with ApplicationEntity(title).associate("127.0.0.1", server.port) as association:
                    await association.c_echo()
                echoes += 1
                await asyncio.sleep(0.1)
        return echoes

    echoes = asyncio.run(echo())
    process.send_signal(signal.SIGINT)
    reader.join(30)
    assert process.wait(30) == 0
    assert seen[-1]["record"] == "summary"
    ours = [record for record in seen if record.get("calling_ae_title") == title]
    assert 0 < len(ours) <= echoes
    assert {(r["called_ae_title"], r["method"], r["status"]) for r in ours} == {("ANY-SCP", "C-ECHO", 0)}
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
