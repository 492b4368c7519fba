"""The yardsticks of storage are DICOM, find wrong answers, and the tasks measure every toolkit that is there."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from benchmarks import encode, workloads, yardsticks
from benchmarks.compare import report, storage, storage_results
from benchmarks.compare.delay import delayed
from benchmarks.compare.network import Absent, serving
from benchmarks.compare.runner import Entry, Goal, Task, measure
from benchmarks.compare.storage_toolkits import ACCEPTORS, REQUESTORS
from benchmarks.workloads import ROOT
from benchmarks.yardsticks import PathList, YardstickError
from benchmarks.yardsticks import storage as yardstick
from dicomwire import dcmread, ul
from dicomwire.dictionary import UID
from dicomwire.net import AE, run
from tests.benchmarks.scripted import accept, element, peer, read_pdu, refuse
from tests.support import missing

if shutil.which("cc") is None:
    pytest.skip("no C compiler", allow_module_level=True)

CT = encode.CT_IMAGE_STORAGE
NOT_EVERYWHERE = ("pydcm", "orthanc")  # neither in a dependency group nor installed by CI


@pytest.fixture(scope="module")
def paths():
    return workloads.corpus("ct-explicit-le", "XS").paths


def command_of(pdu):
    """The elements of a command in a P-DATA-TF of its own, by number."""
    (pdv,) = ul.PDataTF.decode(pdu).pdvs
    assert (pdv.is_command, pdv.is_last) == (True, True)
    found, at = {}, 0
    while at < len(pdv.data):
        size = int.from_bytes(pdv.data[at + 4 : at + 8], "little")
        found[int.from_bytes(pdv.data[at + 2 : at + 4], "little")] = pdv.data[at + 8 : at + 8 + size]
        at += 8 + size
    return found


def accepting(maximum):
    def answer(request):
        request = ul.AAssociateRQ.decode(request)
        results = tuple(
            ul.ContextResult(context.context_id, ul.ContextResultReason.ACCEPTANCE, context.transfer_syntaxes[0])
            for context in request.presentation_contexts
        )
        return ul.AAssociateAC.answering(request, results, ul.UserInformation((ul.MaximumLength(maximum),))).encode()

    return answer


def response(message_id=1, status=0, field=0x8001):
    command = element(0x0002, CT.encode() + b"\0") + element(0x0100, field.to_bytes(2, "little"))
    command += element(0x0120, message_id.to_bytes(2, "little")) + element(0x0800, b"\1\1")
    command += element(0x0900, status.to_bytes(2, "little"))
    command = element(0, len(command).to_bytes(4, "little")) + command
    return ul.PDataTF((ul.PDV(1, True, True, command),)).encode()


def nothing(_):
    return b""


@pytest.mark.parametrize(("maximum", "forced", "most"), [(0, 0, 1 << 20), (65536, 0, 65536), (131072, 16384, 16384)])
def test_requestor_sends_what_the_standard_wants(paths, maximum, forced, most):
    _, data_set = storage_results.data_set_of(paths[0])
    count = -(-len(data_set) // (most - 6))
    answers = [accepting(maximum), nothing, *[nothing] * (count - 1), response(), ul.AReleaseRP().encode()]
    with peer(*answers) as (port, got):
        sent = yardstick.requestor().send(port, PathList(paths[:1]), pdu=forced)
    assert sent.bytes == len(data_set)
    request = ul.decode_pdu(got[0])
    assert request.presentation_contexts == (ul.ProposedContext(1, UID(CT), (UID(encode.EXPLICIT_LE),)),)
    command = command_of(got[1])
    assert int.from_bytes(command.pop(0), "little") == len(read_command(got[1])) - 12
    uid = dcmread(paths[0]).SOPInstanceUID.encode()
    assert command == {
        0x0002: CT.encode() + b"\0" * (len(CT) % 2),
        0x0100: b"\1\0",
        0x0110: b"\1\0",
        0x0700: b"\0\0",
        0x0800: b"\1\0",
        0x1000: uid + b"\0" * (len(uid) % 2),
    }
    pdvs = [pdv for pdu in got[2:-1] for pdv in ul.PDataTF.decode(pdu).pdvs]
    assert b"".join(bytes(pdv.data) for pdv in pdvs) == data_set
    assert [pdv.is_last for pdv in pdvs] == [False] * (count - 1) + [True]
    assert max(len(pdu) - 6 for pdu in got[2:-1]) == min(most, len(data_set) + 6)
    assert ul.decode_pdu(got[-1]) == ul.AReleaseRQ()


def read_command(pdu):
    (pdv,) = ul.PDataTF.decode(pdu).pdvs
    return pdv.data


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([refuse], "refused"),
        ([accept, nothing, response(status=0xA700)], "wrong answer to C-STORE"),
        ([accept, nothing, response(message_id=2)], "wrong answer to C-STORE"),
        ([accept, nothing, response(field=0x8030)], "wrong answer to C-STORE"),
        ([accept, nothing, ul.AAbort().encode()], "not expected"),
        ([accept, nothing, b""], "closed"),
    ],
)
def test_requestor_finds_what_is_wrong(answers, reason, tmp_path):
    path = tmp_path / "small"
    path.write_bytes(encode.file_meta(encode.Counts(), CT, "1.2.3", encode.EXPLICIT_LE) + bytes(16))
    with peer(*answers) as (port, _), pytest.raises(YardstickError, match=reason):
        yardstick.requestor().send(port, PathList([str(path)]))


@pytest.mark.parametrize("content", [None, b"", bytes(500), bytes(128) + b"DICM\2\0\0\0UL\xff\xff" + bytes(20)])
def test_files_that_are_none(tmp_path, content):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(YardstickError, match="cannot be read"):
        yardstick.requestor().send(1, PathList([str(path)]))


@pytest.mark.parametrize("options", [{}, {"pdu": 4096}, {"associations": 3}, {"whole": True, "associations": 2}])
@pytest.mark.parametrize("read_size", [65536, 1 << 20])
def test_files_arrive_whole(paths, tmp_path, options, read_size):
    with yardstick.acceptor(str(tmp_path), read_size=read_size) as acceptor:
        sent = yardstick.requestor().send(acceptor.port, PathList(paths), **options)
        assert acceptor.ask() == [len(paths), sent.bytes]
    assert sent.ns > 0
    assert storage_results.compare_files(tmp_path, paths) == "equal"
    uid, name = dcmread(paths[0]).SOPInstanceUID, dcmread(paths[0]).PatientName
    stored = dcmread(tmp_path / f"{uid}.dcm")
    assert (stored.PatientName, stored.file_meta.TransferSyntaxUID) == (name, encode.EXPLICIT_LE)
    assert not [entry for entry in os.listdir(tmp_path) if entry.startswith(".")]


def test_files_over_and_over(paths):
    with yardstick.acceptor() as acceptor:
        sent = yardstick.requestor().send(acceptor.port, PathList(paths[:1]), total=7, associations=2)
        assert acceptor.ask() == [7, sent.bytes]


def test_acceptor_takes_small_pieces(paths, tmp_path):
    uid, data_set = storage_results.data_set_of(paths[0])
    contexts = (ul.ProposedContext(1, UID(CT), (UID(encode.EXPLICIT_LE),)),)
    request = ul.AAssociateRQ("CALLED", "CALLING", contexts, ul.UserInformation((ul.MaximumLength(0),)))
    command = element(0x0002, CT.encode() + b"\0") + element(0x0100, b"\1\0") + element(0x0110, b"\7\0")
    command += element(0x0800, b"\1\0") + element(0x1000, uid.encode() + b"\0" * (len(uid) % 2))
    stream = ul.PDataTF((ul.PDV(1, True, True, command), ul.PDV(1, False, False, bytes(data_set[:100])))).encode()
    stream += ul.PDataTF((ul.PDV(1, False, False, b""), ul.PDV(1, False, True, bytes(data_set[100:300])))).encode()
    with (
        yardstick.acceptor(str(tmp_path)) as acceptor,
        socket.create_connection(("127.0.0.1", acceptor.port)) as connection,
    ):
        connection.settimeout(10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request.encode())
        read_pdu(connection)
        for k in range(len(stream)):
            connection.sendall(stream[k : k + 1])
        answer = command_of(read_pdu(connection))
        assert (answer[0x0120], answer[0x0900], answer[0x0100]) == (b"\7\0", b"\0\0", b"\1\x80")
        assert acceptor.ask() == [1, 300]
    (name,) = os.listdir(tmp_path)
    assert storage_results.data_set_of(tmp_path / name) == (uid, data_set[:300])


@pytest.mark.parametrize("max_pdu", [4096, 131072])
def test_acceptor_is_understood_by_dicomwire(paths, tmp_path, max_pdu):
    async def store(port):
        async with AE("SCU").associate("127.0.0.1", port, contexts=[(CT, encode.EXPLICIT_LE)]) as association:
            assert (await association.c_store(paths[1])).status.code == 0

    with yardstick.acceptor(str(tmp_path), max_pdu=max_pdu) as acceptor:
        run(store(acceptor.port))
    assert storage_results.compare_files(tmp_path, paths[1:2]) == "equal"


@pytest.mark.parametrize(
    "hostile",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\4\0\0\0\0\6" + b"\0\0\0\2\1\2",  # a data set without a command
        b"\4\0\0\0\0\6" + b"\0\0\0\1\1\3",  # a PDV without its header
        b"\4\0\0\0\0\6" + b"\xff\xff\xff\xff\1\0",
        ul.PDataTF((ul.PDV(1, True, False, bytes(8)),)).encode(),
        ul.PDataTF((ul.PDV(1, True, True, b"\0" * 4 + b"\xff" * 4),)).encode(),
        ul.PDataTF(
            (
                ul.PDV(
                    1,
                    True,
                    True,
                    element(0x0100, b"\1\0") + element(0x0800, b"\0\0") + element(0x1000, b"../../etc/passwd"),
                ),
            )
        ).encode(),
    ],
)
def test_acceptor_survives_what_is_not_dicom(hostile, paths, tmp_path):
    with yardstick.acceptor(str(tmp_path)) as acceptor:
        with socket.create_connection(("127.0.0.1", acceptor.port)) as connection:
            connection.settimeout(10)
            connection.sendall(hostile)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""
        assert os.listdir(tmp_path) == []
        assert yardstick.requestor().send(acceptor.port, PathList(paths[:1])).ns > 0


def test_a_file_that_is_cut_short_does_not_stay(paths, tmp_path):
    uid, _ = storage_results.data_set_of(paths[0])
    command = element(0x0100, b"\1\0") + element(0x0800, b"\0\0") + element(0x1000, uid.encode())
    stream = ul.PDataTF((ul.PDV(1, True, True, command), ul.PDV(1, False, False, bytes(100)))).encode()
    with yardstick.acceptor(str(tmp_path)) as acceptor:
        with socket.create_connection(("127.0.0.1", acceptor.port)) as connection:
            connection.settimeout(10)
            connection.sendall(stream)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("to_files", [False, True])
def test_plain_tcp_has_as_many_bytes(paths, tmp_path, to_files):
    with yardstick.plain(str(tmp_path) if to_files else None) as acceptor:
        sent = yardstick.requestor().send(acceptor.port, PathList(paths), plain=True)
    assert sent.ns > 0
    assert sent.bytes == storage_results.size_of(tuple(paths))
    sizes = [(tmp_path / name).stat().st_size for name in os.listdir(tmp_path)]
    assert len(sizes) == (len(paths) if to_files else 0)
    assert not to_files or sent.bytes < sum(sizes) < sent.bytes + 1000 * len(paths)


def test_associations_are_held():
    with yardstick.acceptor() as acceptor:
        with yardstick.requestor().holding(acceptor.port, 20) as taken:
            assert taken > 0
            assert len(os.listdir(f"/proc/{acceptor.process.pid}/task")) > 20
        with pytest.raises(YardstickError, match="no connection"), yardstick.requestor().holding(1, 2):
            pass


def test_command(paths):
    program = [sys.executable, "-m", "benchmarks.yardsticks"]
    with yardstick.acceptor() as acceptor:
        line = [*program, "store-send", str(acceptor.port), *paths, "--rounds", "2", "--associations", "2"]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
        assert acceptor.ask()[0] == 2 * len(paths)
    assert done.stdout.count(" MB/s") == 2
    done = subprocess.run([*program, "store-send", "1", *paths], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no connection" in done.stderr
    shared, command = yardsticks.build_pair("storage")
    assert shared.exists()
    with yardstick.acceptor() as acceptor:
        done = subprocess.run(
            [command, "send", str(acceptor.port), paths[0]], capture_output=True, text=True, check=True
        )
    assert '"objects": 1' in done.stdout


def test_delayed_connection():
    with socket.create_server(("127.0.0.1", 0)) as server, delayed(server.getsockname()[1], 0.05) as port:
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", port)) as near, server.accept()[0] as far:
            near.settimeout(10)
            far.settimeout(10)
            near.sendall(b"there")
            assert far.recv(100) == b"there"
            assert time.monotonic() - start >= 0.05
            far.sendall(b"and back")
            assert near.recv(100) == b"and back"
            assert time.monotonic() - start >= 0.1
            near.shutdown(socket.SHUT_WR)
            assert far.recv(100) == b""


def test_files_that_differ_are_found(paths, tmp_path):
    assert storage_results.compare_files(tmp_path, paths[:1]) == "DIFFERENT: 0 files of 1"
    copy = tmp_path / "copy"
    shutil.copyfile(paths[0], copy)
    assert storage_results.compare_files(tmp_path, paths[:1]) == "equal"
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    assert storage_results.compare_files(tmp_path, paths[:1]) == "DIFFERENT: 1 of 1 files"
    copy.write_bytes(b"no DICOM" * 100)
    assert storage_results.compare_files(tmp_path, paths[:1]).startswith("DIFFERENT")


def test_memory_of_a_process():
    program = "import sys\nb = bytearray(sys.stdin.read(1) and 64 << 20)\ndel b\nprint(1, flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        time.sleep(0.3)
        storage_results.forget_peak(process.pid)
        before = storage_results.memory_kb(process.pid, "VmHWM")
        assert storage_results.tree_kb(process.pid) >= before * 0.9
        process.stdin.write("\n")
        process.stdin.close()
        process.stdout.readline()
        process.wait(10)
    assert before > 1000
    with pytest.raises(ValueError, match="no VmNothing"):
        storage_results.memory_kb(os.getpid(), "VmNothing")


# ----------------------------------------------------------------------------------------- tasks


@pytest.mark.parametrize("name", [name for name in storage.TASKS if name != "window"])
def test_c_against_c(name):
    task = storage.TASKS[name]("XS", ["nothing"])
    try:
        measure(task, 2)
    finally:
        task.close()
    assert [entry.role for entry in task.entries] == ["limit", "check"][: len(task.entries)]
    assert all(len(entry.wall_ns) == 2 for entry in task.entries)
    assert not any(entry.error or entry.answer.startswith("DIFFERENT") for entry in task.entries)
    assert "| C to C |" in report.table(task)
    with pytest.raises((YardstickError, FileNotFoundError)):  # nobody is there any more
        task.entries[0].run()


def measured(entry):
    assert entry.error == ""
    assert not entry.answer.startswith("DIFFERENT")
    assert entry.wall_ns
    assert entry.version


@pytest.mark.peers
@pytest.mark.parametrize(
    ("mode", "toolkit"),
    [(mode, acceptor) for mode, acceptors in ACCEPTORS.items() for acceptor in acceptors],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_acceptor_is_measured(mode, toolkit):
    names = {"discard": "store-300m", "files": "store-files", "digest": "store-files-digest", "many": "store-50"}
    tasks = [names[mode], "store-idle"] if mode == "many" else [names[mode]]
    for name in tasks:
        task = storage.TASKS[name]("XS", [toolkit.name])
        try:
            if any("left out" in note for note in task.notes):
                if toolkit.name in NOT_EVERYWHERE:
                    pytest.skip(task.notes[0])
                missing(task.notes[0])
            measure(task, 1)
        finally:
            task.close()
        assert task.entries[0].toolkit == toolkit.name
        measured(task.entries[0])
        if name == "store-300m":
            assert "MB growth" in task.entries[0].memory
        if name == "store-idle":
            assert "kB each" in task.entries[0].memory


@pytest.mark.peers
@pytest.mark.parametrize("toolkit", REQUESTORS, ids=lambda toolkit: f"{toolkit.name} {toolkit.variant}".strip())
def test_requestor_is_measured(toolkit, paths):
    with yardstick.acceptor() as acceptor:
        try:
            entry = storage._requesting(toolkit, acceptor, paths)
        except Absent as error:
            if toolkit.name in NOT_EVERYWHERE:
                pytest.skip(str(error))
            missing(str(error))
        task = Task("send", "send", "object", len(paths), [entry])
        measure(task, 1)
    measured(entry)
    assert entry.answer.startswith(storage.RIGHT)


def test_window_over_a_delayed_link(monkeypatch):
    monkeypatch.setattr(storage, "DELAY_S", 0.02)
    task = storage.TASKS["window"]("XS", [])
    try:
        measure(task, 1)
    finally:
        task.close()
    for entry in task.entries:
        measured(entry)
    one, eight = task.entry("dicomwire, window 1"), task.entry("dicomwire, window 8")
    assert one.wall_ns[0] > 4 * 0.04 * 1e9
    assert eight.wall_ns[0] < one.wall_ns[0]


def test_yardstick_slower_than_plain_tcp_is_void():
    task = Task("store", "store", "object", 1, [Entry("C to C", "limit", int), Entry("plain TCP", "check", int)])
    assert "not measured" in storage.judge(task)[0]
    for entry, taken in zip(task.entries, (1300, 1000), strict=True):
        entry.wall_ns[:] = [taken]
    assert storage.judge(task) == ["C-STORE in C takes 1.30 times as long as plain TCP"]
    task.entries[0].wall_ns[:] = [1200]
    assert storage.judge(task) == []


def test_memory_is_told_and_judged():
    entry = Entry("dicomwire", "own", int, wall_ns=[2_000_000], cpu_ns=[1], waits=True, answer="equal")
    entry.memory["MB growth"] = 20.0
    task = Task("store", "store", "object", 1, [entry, Entry("other", "peer", int, error="no")], size_bytes=1_000_000)
    text = report.table(task)
    assert "| MB/s |" in text
    assert "| 500 |" in text
    assert "equal; 20 MB growth" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    assert report.goal_line(task, Goal("MB growth", 16), []) == "goal MB growth (under 16 MB growth): 20, MISSED"
    assert report.goal_line(task, Goal("MB growth", 30), []).endswith("20, reached")
    assert report.goal_line(task, Goal("kB each", 30), []).endswith("not measured")
    assert report.as_json(task)["entries"][0]["memory"] == {"MB growth": 20.0}


def test_acceptor_tells_what_it_has_stored(paths):
    toolkit = ACCEPTORS["discard"][0]
    with serving("dicomwire", lambda port, own: toolkit.command(port, own, own), answers=True) as acceptor:
        yardstick.requestor().send(acceptor.port, PathList(paths[:1]))
        assert '"stored": 1' in acceptor.ask()
