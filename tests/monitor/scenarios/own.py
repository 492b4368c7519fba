"""Our own ends, among themselves and with pynetdicom: windows, many associations, MPPS, commitment, rejections."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dicomwire.dictionary.uids import ExplicitVRLittleEndian
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CStoreRQ, NEventReportRQ
from dicomwire.errors import AssociationAborted, AssociationRejected
from dicomwire.net import AE, AcceptorPolicy, Limits, Server, Trace
from dicomwire.net.storage import Storage, contexts_for, send_files
from dicomwire.net.storage.outgoing import Sent
from dicomwire.net.tls import client_context, server_context
from tests.encoding import explicit
from tests.monitor.recording import Recorder, recording
from tests.monitor.scenarios.base import ABORTED, REJECTED, Did, Files, Scenario, Talk, scenario
from tests.monitor.scenarios.dcmtk import STUDY, SYNTAXES, facts
from tests.net import peers
from tests.net.certificates import Authority
from tests.net.raw import until
from tests.support import missing

CT = "1.2.840.10008.5.1.4.1.1.2"
MPPS = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"


class Counter(Trace):
    """Counts what one end of an association sent and received."""

    def __init__(self) -> None:
        super().__init__(lambda line: None)
        self.counts = [0, 0]

    def sent(self, data: object) -> None:
        self.counts[0] += memoryview(data).nbytes  # type: ignore[arg-type]

    def received(self, data: object) -> None:
        self.counts[1] += memoryview(data).nbytes  # type: ignore[arg-type]

    @property
    def both(self) -> tuple[int, int]:
        return self.counts[0], self.counts[1]


def played(server: Server, act: Callable[[int], Awaitable[None]]) -> tuple[Recorder, int]:
    """Serve, record, act; returns the recording and the port."""

    async def play() -> tuple[Recorder, int]:
        async with server:
            with recording(server.port) as recorder:
                await act(server.port)
            return recorder, server.port

    return asyncio.run(play())


@scenario
def store_orthanc(folder: Path, files: Files) -> Scenario:
    """Our sender to Orthanc, files of several syntaxes over one association."""
    paths = [files[name] for name in SYNTAXES if name != "MR_small_bigendian.dcm"]
    with peers.orthanc(folder) as peer, recording(peer.port) as recorder:
        plan, sent, counter = contexts_for(paths), list[Sent](), Counter()
        ae = AE("SENDER")
        asyncio.run(
            send_files(
                plan.batches,
                lambda contexts: ae.associate(
                    "127.0.0.1", peer.port, called_ae_title="ORTHANC", contexts=contexts, trace=counter
                ),
                report=sent.append,
            )
        )
    assert len(plan.batches) == 1
    did = []
    for one in sent:
        assert one.status is not None
        did.append(Did("C-STORE", one.status.code, 0, *facts(Path(one.path))))
    return Scenario(
        "store_orthanc",
        recorder.frames,
        (peer.port,),
        [Talk("ORTHANC", "SENDER", by="client", did=did, sent=counter.both)],
    )


def data_set(number: int, size: int) -> tuple[str, bytes]:
    """An instance UID and the data set of an image."""
    uid = f"1.2.826.0.1.3680043.10.1414.8.{number}"
    value = uid.encode() + bytes(len(uid) % 2)
    return uid, b"".join(
        (
            explicit(0x00080016, "UI", CT.encode() + b"\0"),
            explicit(0x00080018, "UI", value),
            explicit(0x00080050, "SH", b"ACC-77"),
            explicit(0x00080060, "CS", b"CT"),
            explicit(0x00100020, "LO", b"PAT-0077"),
            explicit(0x0020000D, "UI", b"1.2.826.0.1.3680043.10.1414.8\0"),
            explicit(0x0020000E, "UI", b"1.2.826.0.1.3680043.10.1414.8.99"),
            explicit(0x7FE00010, "OW", bytes(size)),
        )
    )


@scenario
def window(folder: Path, files: Files) -> Scenario:
    """Eight operations at once over one association; answers come in another order than the requests."""
    policy = AcceptorPolicy(asynchronous_operations_window=(8, 8))
    server = Server("ARCHIVE", port=0, policy=policy)
    server.support(CT)
    counter, did = Counter(), []

    async def store(request: Any) -> int:
        number = int(str(request.message.affected_sop_instance_uid).rsplit(".", 1)[1])
        await asyncio.sleep(0.002 * (number % 3))
        return 0xB000 if number % 5 == 4 else 0

    server.on(CommandField.C_STORE_RQ)(store)

    async def act(port: int) -> None:
        async with AE("PIPELINER").associate(
            "127.0.0.1", port, called_ae_title="ARCHIVE", contexts=[(CT, ExplicitVRLittleEndian)], trace=counter,
            asynchronous_operations_window=(8, 1),
        ) as association:  # fmt: skip

            async def one(number: int) -> None:
                uid, data = data_set(number, 1000 * number)
                request = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
                answer = await association.request(request, data)
                did.append(Did("C-STORE", answer.status.code, 0, uid, len(data)))

            await asyncio.gather(*(one(number) for number in range(24)))

    recorder, port = played(server, act)
    talk = Talk("ARCHIVE", "PIPELINER", by="client", did=did, sent=counter.both)
    return Scenario("window", recorder.frames, (port,), [talk])


@scenario
def several(folder: Path, files: Files) -> Scenario:
    """Six associations at once, of storage and of echoes, in short PDUs."""
    server = Server(AE("ARCHIVE", max_pdu_length=16384), port=0)
    Storage(folder / "to").register(server)
    paths = [files[name] for name in STUDY]
    talks: list[Talk] = []

    async def storing(port: int, name: str) -> None:
        sent, counter = list[Sent](), Counter()
        await send_files(
            contexts_for(paths).batches,
            lambda contexts: AE(name).associate(
                "127.0.0.1", port, called_ae_title="ARCHIVE", contexts=contexts, trace=counter
            ),
            report=sent.append,
        )
        did = [Did("C-STORE", one.status.code, 0, *facts(Path(one.path))) for one in sent if one.status]
        assert len(did) == len(paths)
        talks.append(Talk("ARCHIVE", name, by="client", did=did, sent=counter.both))

    async def echoing(port: int, name: str) -> None:
        counter = Counter()
        async with AE(name).associate("127.0.0.1", port, called_ae_title="ARCHIVE", trace=counter) as association:
            for _ in range(10):
                await association.c_echo()
        talks.append(Talk("ARCHIVE", name, by="client", did=[Did("C-ECHO", 0)] * 10, sent=counter.both))

    async def act(port: int) -> None:
        await asyncio.gather(
            *(storing(port, f"STORING{number}") for number in range(3)),
            *(echoing(port, f"ECHOING{number}") for number in range(3)),
        )

    recorder, port = played(server, act)
    return Scenario("several", recorder.frames, (port,), talks)


@scenario
def echo_ipv6(folder: Path, files: Files) -> Scenario:
    """Echoes over the loopback address of IPv6."""
    counter = Counter()

    async def act(port: int) -> None:
        async with AE("SIXTH").associate("::1", port, called_ae_title="ARCHIVE", trace=counter) as association:
            for _ in range(3):
                await association.c_echo()

    recorder, port = played(Server("ARCHIVE", port=0, host="::1"), act)
    talk = Talk("ARCHIVE", "SIXTH", by="client", did=[Did("C-ECHO", 0)] * 3, sent=counter.both)
    return Scenario("echo_ipv6", recorder.frames, (port,), [talk])


@scenario
def over_tls(folder: Path, files: Files) -> Scenario:
    """An association that nobody can look into."""
    authority = Authority(folder)
    archive = authority.issue("archive")
    server = Server("ARCHIVE", port=0, tls=server_context(archive.certificate, archive.key))

    async def act(port: int) -> None:
        tls = client_context(authorities=authority.certificate, check_host_name=False)
        async with AE("SECRET").associate("127.0.0.1", port, called_ae_title="ARCHIVE", tls=tls) as association:
            await association.c_echo()

    recorder, port = played(server, act)
    return Scenario("over_tls", recorder.frames, (port,))


@scenario
def procedure_step(folder: Path, files: Files) -> Scenario:
    """pynetdicom reports a procedure step and asks for commitment, which is reported on the same association."""
    if importlib.util.find_spec("pynetdicom") is None:
        missing("pynetdicom is not installed")
    import pydicom
    import pynetdicom

    server = Server("MANAGER", port=0)
    for sop_class in (MPPS, COMMITMENT):
        server.support(sop_class)
    for field in (CommandField.N_CREATE_RQ, CommandField.N_SET_RQ):
        server.on(field)(lambda request: 0)
    reported: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def report(association: Any, data: bytes) -> None:
        request = NEventReportRQ(
            affected_sop_class_uid=COMMITMENT, affected_sop_instance_uid=COMMITMENT_INSTANCE, event_type_id=1
        )
        answer = await association.request(request, data)
        reported.append(answer.status.code)

    def commit(request: Any) -> int:
        tasks.add(asyncio.get_running_loop().create_task(report(request.association, request.data)))
        return 0

    server.on(CommandField.N_ACTION_RQ)(commit)
    did: list[Did] = []
    instance = "1.2.826.0.1.3680043.10.1414.7.1"

    def work(port: int) -> None:
        ae = pynetdicom.AE("MODALITY")
        ae.add_requested_context(MPPS)
        ae.add_requested_context(COMMITMENT)
        seen: list[int] = []

        def noted(event: Any) -> tuple[int, None]:
            seen.append(event.event_type)
            return 0, None

        association = ae.associate(
            "127.0.0.1", port, ae_title="MANAGER", evt_handlers=[(pynetdicom.evt.EVT_N_EVENT_REPORT, noted)]
        )
        assert association.is_established
        step = pydicom.Dataset()
        step.PerformedProcedureStepStatus = "IN PROGRESS"
        step.PatientID = "PAT-0077"
        scheduled = pydicom.Dataset()
        scheduled.StudyInstanceUID = "1.2.826.0.1.3680043.10.1414.8"
        scheduled.AccessionNumber = "ACC-77"
        step.ScheduledStepAttributesSequence = [scheduled]
        status, _ = association.send_n_create(step, MPPS, instance)
        did.append(Did("N-CREATE", status.Status, 0, instance))
        last = pydicom.Dataset()
        last.PerformedProcedureStepStatus = "COMPLETED"
        status, _ = association.send_n_set(last, MPPS, instance)
        did.append(Did("N-SET", status.Status, 0, instance))
        asked = pydicom.Dataset()
        asked.TransactionUID = "1.2.826.0.1.3680043.10.1414.7.2"
        item = pydicom.Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, "1.2.826.0.1.3680043.10.1414.8.1"
        asked.ReferencedSOPSequence = [item]
        status, _ = association.send_n_action(asked, 1, COMMITMENT, COMMITMENT_INSTANCE)
        did.append(Did("N-ACTION", status.Status, 0, COMMITMENT_INSTANCE))
        while not (seen and reported):
            association.acse.is_release_requested()
        association.release()

    async def act(port: int) -> None:
        await asyncio.to_thread(work, port)

    recorder, port = played(server, act)
    did.append(Did("N-EVENT-REPORT", reported[0], 0, COMMITMENT_INSTANCE))
    return Scenario("procedure_step", recorder.frames, (port,), [Talk("MANAGER", "MODALITY", by="client", did=did)])


@scenario
def rejections(folder: Path, files: Files) -> Scenario:
    """A server's rejections as they come from its policy: titles, and associations at their limit."""
    talks: list[Talk] = []
    policy = AcceptorPolicy(ae_title="ARCHIVE", calling_ae_titles=["KNOWN"])
    server = Server(AE("ARCHIVE", limits=Limits(associations=1)), port=0, policy=policy)

    async def refused(port: int, called: str, calling: str) -> None:
        try:
            await AE(calling).associate("127.0.0.1", port, called_ae_title=called)
        except AssociationRejected as error:
            code = int(error.result), int(error.source), int(error.reason)
            talks.append(Talk(called, calling, REJECTED, "server", code))
        else:
            raise AssertionError("accepted")

    async def act(port: int) -> None:
        await refused(port, "SOMEBODY", "KNOWN")
        await refused(port, "ARCHIVE", "UNKNOWN")
        first = Talk("ARCHIVE", "KNOWN", by="client", did=[Did("C-ECHO", 0)])
        talks.append(first)
        async with AE("KNOWN").associate("127.0.0.1", port, called_ae_title="ARCHIVE") as association:
            await refused(port, "ARCHIVE", "KNOWN")
            await association.c_echo()

    recorder, port = played(server, act)
    assert {talk.code for talk in talks} == {(1, 1, 7), (1, 1, 3), (2, 3, 1), ()}
    return Scenario("rejections", recorder.frames, (port,), talks)


@scenario
def abort_of_server(folder: Path, files: Files) -> Scenario:
    """The server aborts while a request waits for its answer."""
    server = Server("ARCHIVE", port=0)
    server.support(CT)
    ended: list[Any] = []

    def store(request: Any) -> int:
        request.association.abort()
        return 0

    server.on(CommandField.C_STORE_RQ)(store)
    uid, data = data_set(1, 5000)

    async def act(port: int) -> None:
        association = await AE("SENDER").associate(
            "127.0.0.1", port, called_ae_title="ARCHIVE", contexts=[(CT, ExplicitVRLittleEndian)]
        )
        try:
            await association.request(CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=uid), data)
        except AssociationAborted as error:
            ended.append(error)
        await until(lambda: not association.is_open)

    recorder, port = played(server, act)
    assert len(ended) == 1
    did = [Did("C-STORE", None, 0, uid, len(data))]
    talk = Talk("ARCHIVE", "SENDER", ABORTED, "server", (int(ended[0].source), int(ended[0].reason or 0)), did)
    return Scenario("abort_of_server", recorder.frames, (port,), [talk])
