"""The bytes of an association, taken apart by Wireshark's dissector: what we say is what others read."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CStoreRQ
from dicomwire.errors import AssociationRejected
from dicomwire.net import AE, AcceptorPolicy, IdentityAnswer, Roles, Server, Trace, UserIdentityRQ
from dicomwire.ul.codes import UserIdentityType
from dicomwire.ul.policy import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from tests.net import pcap, peers
from tests.net.raw import CT, VERIFICATION, until

pytestmark = pytest.mark.peers

PORT = 11112
REMARKS = ("Connection establish", "Association rejected", "Association aborted")  # no complaints
Row = dict[str, list[str]]
UID_IN_TEXT = re.compile(r"[0-9.]{5,}[0-9]")


class Recorder(Trace):
    """Keeps what a requestor sent and received, piece by piece."""

    def __init__(self) -> None:
        super().__init__(lambda line: None)
        self.pieces: list[tuple[bool, bytes]] = []

    def received(self, data: object) -> None:
        self.pieces.append((False, bytes(data)))  # type: ignore[call-overload]

    def sent(self, data: object) -> None:
        self.pieces.append((True, bytes(data)))  # type: ignore[call-overload]


def dissect(folder: Path, recorder: Recorder, *names: str) -> list[Row]:
    """Return these fields of each packet in which a PDU ends; a complaint of the dissector fails the test."""
    path = folder / "association.pcap"
    pcap.write(path, PORT, recorder.pieces)
    wanted = ["dicom.pdu.type", "_ws.expert.message", "_ws.malformed", *names]
    options = [option for name in wanted for option in ("-e", name)]
    command = [peers.tool("tshark"), "-r", str(path), "-d", f"tcp.port=={PORT},dicom"]
    command += ["-T", "fields", "-E", "separator=|", "-E", "occurrence=a", "-E", "aggregator=;", *options]
    done = peers.run(command)
    rows = []
    for line in done.stdout.splitlines():
        if line.count("|") != len(wanted) - 1:
            continue  # what tshark says about running as root
        row = {name: text.split(";") for name, text in zip(wanted, line.split("|"), strict=True) if text}
        assert [text for text in row.get("_ws.expert.message", ()) if not text.startswith(REMARKS)] == []
        assert "_ws.malformed" not in row
        if "dicom.pdu.type" in row:
            rows.append(row)
    assert rows, done.stdout
    return rows


def uids(row: Row, name: str) -> list[str]:
    """UIDs without the names that the dissector gives them."""
    return [found[0] for text in row[name] if (found := UID_IN_TEXT.search(text))]


def numbers(row: Row, name: str) -> list[int]:
    return [int(text, 0) for text in row[name]]


async def record(server: Server, recorder: Recorder, *echoes: int, **options: object) -> None:
    async with server:
        asking = AE("WORKSTATION", max_pdu_length=65536)
        async with asking.associate(
            "127.0.0.1", server.port, called_ae_title="ARCHIVE", trace=recorder, **options  # type: ignore[arg-type]
        ) as association:
            for _ in echoes:
                await association.c_echo()


def test_an_echo_association(tmp_path: Path) -> None:
    recorder = Recorder()
    asyncio.run(record(Server(AE("ARCHIVE", max_pdu_length=0), port=0), recorder, 1, 2))
    rows = dissect(
        tmp_path,
        recorder,
        "dicom.assoc.version",
        "dicom.assoc.ae.called",
        "dicom.assoc.ae.calling",
        "dicom.actx",
        "dicom.pctx.id",
        "dicom.pctx.result",
        "dicom.pctx.abss.syntax",
        "dicom.pctx.xfer.syntax",
        "dicom.max_pdu_len",
        "dicom.userinfo.uid",
        "dicom.userinfo.version",
        "dicom.pdv.ctx",
        "dicom.pdv.flags",
        "_ws.col.Info",
    )
    assert [numbers(row, "dicom.pdu.type") for row in rows] == [[1], [2], [4], [4], [4], [4], [5], [6]]

    request, acceptance = rows[:2]
    for row in (request, acceptance):
        assert numbers(row, "dicom.assoc.version") == [1]
        assert row["dicom.assoc.ae.called"][0].strip() == "ARCHIVE"
        assert row["dicom.assoc.ae.calling"][0].strip() == "WORKSTATION"
        assert uids(row, "dicom.actx") == ["1.2.840.10008.3.1.1.1"]
        assert numbers(row, "dicom.pctx.id")[0] == 1
        assert uids(row, "dicom.userinfo.uid") == [IMPLEMENTATION_CLASS_UID]
        assert row["dicom.userinfo.version"] == [IMPLEMENTATION_VERSION_NAME]
    assert numbers(request, "dicom.max_pdu_len") == [65536]
    assert numbers(acceptance, "dicom.max_pdu_len") == [0]
    assert uids(request, "dicom.pctx.abss.syntax") == [VERIFICATION]
    assert uids(request, "dicom.pctx.xfer.syntax") == [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    assert numbers(acceptance, "dicom.pctx.result") == [0]
    assert uids(acceptance, "dicom.pctx.xfer.syntax") == [ExplicitVRLittleEndian]

    for message_id, (asked, answered) in enumerate([(rows[2], rows[3]), (rows[4], rows[5])], 1):
        for row in (asked, answered):
            assert numbers(row, "dicom.pdv.ctx") == [1]
            assert numbers(row, "dicom.pdv.flags") == [3]
        assert asked["_ws.col.Info"] == [f"P-DATA, C-ECHO-RQ ID={message_id}"]
        assert answered["_ws.col.Info"] == [f"P-DATA, C-ECHO-RSP ID={message_id} (Success)"]


def test_roles_windows_and_identities(tmp_path: Path) -> None:
    policy = AcceptorPolicy(
        asynchronous_operations_window=(3, 4), identify=lambda asked: IdentityAnswer(True, b"welcome")
    )
    server = Server("ARCHIVE", port=0, policy=policy)
    server.support(CT, roles=Roles(scu=False, scp=True))
    recorder = Recorder()
    identity = UserIdentityRQ(UserIdentityType.USERNAME_AND_PASSCODE, True, b"doe", b"secret")
    options = {
        "contexts": [VERIFICATION, CT],
        "roles": {CT: Roles(scu=True, scp=True)},
        "user_identity": identity,
        "asynchronous_operations_window": (5, 2),
    }
    asyncio.run(record(server, recorder, **options))
    rows = dissect(
        tmp_path,
        recorder,
        "dicom.pctx.id",
        "dicom.userinfo.rolesel.sopclassuid",
        "dicom.userinfo.rolesel.scurole",
        "dicom.userinfo.rolesel.scprole",
        "dicom.userinfo.asyncneg.maxnumopsinv",
        "dicom.userinfo.asyncneg.maxnumopsper",
        "dicom.userinfo.user_identify.type",
        "dicom.userinfo.user_identify.response_requested",
        "dicom.userinfo.user_identify.primary_field",
        "dicom.userinfo.user_identify.secondary_field",
    )
    request, acceptance = rows[:2]
    assert set(numbers(request, "dicom.pctx.id")) == {1, 3}
    for row, roles, window in ((request, (1, 1), (5, 2)), (acceptance, (0, 1), (3, 2))):
        assert uids(row, "dicom.userinfo.rolesel.sopclassuid") == [CT]
        found = [numbers(row, f"dicom.userinfo.rolesel.{name}role")[0] for name in ("scu", "scp")]
        assert tuple(found) == roles
        found = [numbers(row, f"dicom.userinfo.asyncneg.maxnumops{name}")[0] for name in ("inv", "per")]
        assert tuple(found) == window
    assert numbers(request, "dicom.userinfo.user_identify.type") == [2]
    assert numbers(request, "dicom.userinfo.user_identify.response_requested") == [1]
    assert request["dicom.userinfo.user_identify.primary_field"] == ["doe"]
    assert request["dicom.userinfo.user_identify.secondary_field"] == ["secret"]


def test_a_rejection(tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(AssociationRejected):
        asyncio.run(record(Server(port=0, policy=AcceptorPolicy(ae_title="OTHER")), recorder))
    names = [f"dicom.assoc.reject.{name}" for name in ("result", "source", "reason")]
    rows = dissect(tmp_path, recorder, *names)
    assert [numbers(row, "dicom.pdu.type") for row in rows] == [[1], [3]]
    assert [numbers(rows[1], name) for name in names] == [[1], [1], [7]]


def test_an_abort(tmp_path: Path) -> None:
    recorder = Recorder()

    async def abort() -> None:
        ended: list[object] = []
        async with Server(port=0, ended=ended.append) as server:
            association = await AE().associate("127.0.0.1", server.port, trace=recorder)
            await association.terminate()
            await until(lambda: ended)

    asyncio.run(abort())
    rows = dissect(tmp_path, recorder, "dicom.assoc.abort.source", "dicom.assoc.abort.reason")
    assert [numbers(row, "dicom.pdu.type") for row in rows] == [[1], [2], [7]]
    assert numbers(rows[2], "dicom.assoc.abort.source") == [0]
    assert numbers(rows[2], "dicom.assoc.abort.reason") == [0]


def test_an_object_in_fragments(tmp_path: Path) -> None:
    """Every PDU within what the peer takes, the fragments even, and each part with one last fragment."""
    recorder = Recorder()
    element = b"\x10\x00\x20\x00LO\x08\x00DW-0001 " + b"\xe0\x7f\x10\x00OB\x00\x00" + (50_000).to_bytes(4, "little")
    data_set = element + bytes(50_000)

    async def store() -> None:
        server = Server(AE(max_pdu_length=4096), port=0)
        server.support(CT)
        server.on(CommandField.C_STORE_RQ)(lambda request: 0 if request.data == data_set else 0xC000)
        async with (
            server,
            AE().associate("127.0.0.1", server.port, contexts=[CT], trace=recorder) as association,
        ):
            request = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=CT)
            assert (await association.request(request, data_set)).status.code == 0

    asyncio.run(store())
    rows = dissect(
        tmp_path, recorder, "dicom.pdu.len", "dicom.pdv.len", "dicom.pdv.flags", "dicom.pdv.reassembled.length"
    )
    data = [row for row in rows if 4 in numbers(row, "dicom.pdu.type")]
    lengths = [number for row in data for number in numbers(row, "dicom.pdu.len")]
    flags = [number for row in data for number in numbers(row, "dicom.pdv.flags")]
    assert max(lengths) <= 4096
    assert all(number % 2 == 0 for row in data for number in numbers(row, "dicom.pdv.len"))
    assert flags[0] == 3
    assert flags[1:-1] == [0] * (len(flags) - 3) + [2]
    assert flags[-1] == 3
    sent = data[:-1] if len(data) > 1 else data
    assert sum(number - 6 for row in sent for number in numbers(row, "dicom.pdu.len")) > len(data_set)
