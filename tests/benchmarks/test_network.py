"""The network's yardsticks are DICOM, find wrong answers, and the tasks measure every toolkit that is there."""

import shutil
import socket
import sys
import time

import pytest

from benchmarks.compare import network, report
from benchmarks.compare.runner import measure
from benchmarks.yardsticks import YardstickError
from benchmarks.yardsticks import network as yardstick
from dicomwire import ul
from dicomwire.dictionary import UID
from tests.benchmarks.scripted import accept, element, peer, read_pdu, refuse
from tests.support import missing

if shutil.which("cc") is None:
    pytest.skip("no C compiler", allow_module_level=True)

RELEASE = ul.AReleaseRQ().encode()


def response(message_id=None, status=0, field=0x8030):
    """A C-ECHO-RSP to the request of this PDU, or with another Message ID."""

    def answer(request):
        (pdv,) = ul.PDataTF.decode(request).pdvs
        asked = pdv.data[56:58] if message_id is None else message_id.to_bytes(2, "little")
        command = element(0x0002, b"1.2.840.10008.1.1\0") + element(0x0100, field.to_bytes(2, "little"))
        command += element(0x0120, asked) + element(0x0800, b"\1\1") + element(0x0900, status.to_bytes(2, "little"))
        command = element(0, len(command).to_bytes(4, "little")) + command
        return ul.PDataTF((ul.PDV(pdv.context_id, True, True, command),)).encode()

    return answer


def test_requestor_sends_what_the_standard_wants():
    with peer(accept, response(), ul.AReleaseRP().encode()) as (port, got):
        assert yardstick.requestor().associations(port, 1) > 0
    request, echo, release = map(ul.decode_pdu, got)
    assert request.presentation_contexts == (
        ul.ProposedContext(1, UID("1.2.840.10008.1.1"), (UID("1.2.840.10008.1.2"),)),
    )
    assert request.calling_ae_title == "RAW"
    assert request.user_information.maximum_length == 131072
    (pdv,) = echo.pdvs
    assert (pdv.context_id, pdv.is_command, pdv.is_last) == (1, True, True)
    command = element(0x0002, b"1.2.840.10008.1.1\0") + element(0x0100, b"\x30\0")
    command += element(0x0110, b"\1\0") + element(0x0800, b"\1\1")
    assert pdv.data == element(0, len(command).to_bytes(4, "little")) + command
    assert release == ul.AReleaseRQ()


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([refuse], "refused"),
        ([ul.AAssociateRJ(1, 1, 7).encode()], "refused"),
        ([ul.AAbort().encode()], "not expected"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "too long"),
        ([b"\2\0\0"], "closed"),
        ([accept, response(status=0x0122)], "wrong answer"),
        ([accept, response(message_id=77)], "wrong answer"),
        ([accept, response(field=0x8001)], "wrong answer"),
        ([accept, b"\4\0\0\0\0\6" + bytes(6)], "wrong answer"),
        ([accept, response(), b"\7\0\0\0\0\4" + bytes(4)], "not expected"),
    ],
)
def test_requestor_finds_what_is_wrong(answers, reason):
    with peer(*answers) as (port, _), pytest.raises(YardstickError, match=reason):
        yardstick.requestor().echo(port, 1)


def test_nobody_there():
    with pytest.raises(YardstickError, match="no connection"):
        yardstick.requestor().echo(network.free_port(), 1)


def test_acceptor_answers_every_context_and_echo():
    contexts = tuple(ul.ProposedContext(n, UID(f"1.2.{n}"), (UID("1.2.3"), UID("1.2.4"))) for n in (1, 3, 255))
    request = ul.AAssociateRQ("CALLED", "CALLING", contexts, ul.UserInformation((ul.MaximumLength(0),)))
    with yardstick.acceptor() as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        data = request.encode()
        connection.sendall(data[:100])
        time.sleep(0.02)
        connection.sendall(data[100:])
        answer = ul.AAssociateAC.decode(read_pdu(connection))
        assert answer.called_ae_title_raw == request.called_ae_title_raw
        assert [(c.context_id, c.accepted, c.transfer_syntax) for c in answer.presentation_contexts] == [
            (n, True, "1.2.3") for n in (1, 3, 255)
        ]
        command = element(0x0100, b"\x30\0") + element(0x0110, b"\x39\x05")
        connection.sendall(ul.PDataTF((ul.PDV(255, True, True, command),)).encode())
        (pdv,) = ul.PDataTF.decode(read_pdu(connection)).pdvs
        assert pdv.context_id == 255
        assert element(0x0120, b"\x39\x05") in pdv.data
        assert element(0x0900, b"\0\0") in pdv.data
        connection.sendall(RELEASE)
        assert read_pdu(connection) == ul.AReleaseRP().encode()


@pytest.mark.parametrize("hostile", [b"GET / HTTP/1.1\r\n\r\n", b"\1\0\0\0\0\4" + bytes(4), b"\4\0\0\0\0\1\0", b"\1\0"])
def test_acceptor_survives_what_is_not_dicom(hostile):
    with yardstick.acceptor() as port:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(10)
            connection.sendall(hostile)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""
        assert yardstick.requestor().echo(port, 5) > 0


def test_plain_tcp_counts_all_its_messages():
    with yardstick.plain() as port:
        assert yardstick.requestor().plain(port, 3, 20) > 0


@pytest.mark.parametrize("name", ["echo", "associations"])
def test_c_against_c(name, monkeypatch):
    for sizes in (network.ECHOES, network.ASSOCIATIONS):
        monkeypatch.setitem(sizes, "S", 30)
    task = network.network_task(name, "S", ["nothing"])
    try:
        measure(task, 2)
    finally:
        task.close()
    assert [entry.role for entry in task.entries] == ["limit", "check"]
    assert all(len(entry.wall_ns) == 2 for entry in task.entries)
    assert "| C to C |" in report.table(task)
    with pytest.raises(YardstickError, match="no connection"):
        task.entries[0].run()


@pytest.mark.peers
@pytest.mark.parametrize("toolkit", network.TOOLKITS, ids=lambda toolkit: toolkit.name)
def test_toolkit_is_measured(toolkit, monkeypatch):
    for sizes in (network.ECHOES, network.ASSOCIATIONS):
        monkeypatch.setitem(sizes, "S", 4)
    names = [name for name in ("echo", "echo-scu") if (toolkit.scu if "scu" in name else toolkit.scp)]
    for name in names:
        task = network.network_task(name, "S", [toolkit.name])
        try:
            if any("left out" in note for note in task.notes):
                if toolkit.name in ("pydcm", "orthanc"):
                    pytest.skip(task.notes[0])  # neither in a dependency group nor installed by CI; not there yet
                missing(task.notes[0])
            measure(task, 1)
        finally:
            task.close()
        entry = task.entries[0]
        assert entry.toolkit == toolkit.name
        assert entry.error == ""
        assert entry.answer == network.RIGHT
        assert entry.version


def test_yardstick_slower_than_plain_tcp_is_void():
    task = network.network_task("echo", "S", ["nothing"])
    task.close()
    for entry, taken in zip(task.entries, (1300, 1000), strict=True):
        entry.wall_ns[:] = [taken]
    assert network.judge(task) == ["DICOM in C takes 1.30 times as long as plain TCP"]
    task.entries[0].wall_ns[:] = [1200]
    assert network.judge(task) == []


def test_acceptor_that_does_not_start_is_a_row():
    toolkit = network.Network("broken", lambda port, folder: [sys.executable, "-c", "raise SystemExit('no such port')"])
    with pytest.raises(YardstickError, match="broken does not answer: no such port"), network.running(toolkit):
        pass
