"""DCMTK's programs with each other and with Orthanc: echo, storage, query, retrieval, worklist."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pydicom

from dicomwire.net.storage import open_instance
from tests.monitor.recording import recording
from tests.monitor.scenarios.base import ABORTED, FINISHED, Did, Files, Scenario, Talk, scenario
from tests.net import peers

# The file of each transfer syntax, and the option that has storescu propose it.
SYNTAXES = {
    "CT_small.dcm": "-xe",
    "MR_small_implicit.dcm": "-xi",
    "MR_small_bigendian.dcm": "-xb",
    "SC_rgb_jpeg_dcmtk.dcm": "-xy",
    "MR_small_RLE.dcm": "-xr",
    "MR_small_jp2klossless.dcm": "-xv",
}
STUDY = ("CT_small.dcm", "MR_small.dcm", "SC_rgb_jpeg_dcmtk.dcm")


def ran(program: str, *arguments: object) -> str:
    """Run a program to its end, which must be a good one, and return what it said."""
    done = peers.run([peers.tool(program), *map(str, arguments)])
    assert done.returncode == 0, done.stdout
    return done.stdout


def statuses(said: str) -> list[int]:
    """Return the statuses that a program at debug level says that it received."""
    incoming = said.split("INCOMING DIMSE MESSAGE")[1:]
    texts = [part.split("END DIMSE MESSAGE")[0] for part in incoming]
    return [int(found[1], 16) for text in texts if (found := re.search(r"DIMSE Status +: 0x([0-9a-f]{4})", text))]


def facts(path: Path) -> tuple[str, int]:
    """Return SOP Instance UID and length of the data set of a file."""
    with open_instance(path) as instance:
        whole = instance.whole
        assert whole is not None
        return str(instance.sop_instance_uid), len(whole)


def received(folder: Path) -> dict[str, int]:
    """Return the lengths of the data sets that were written as they came, by SOP Instance UID."""
    return dict(facts(path) for path in folder.iterdir() if path.is_file())


@contextlib.contextmanager
def archive(folder: Path, destination: int | None = None) -> Iterator[int]:
    """Yield the port of dcmqrscp, which is called ARCHIVE and knows THIRD."""
    port = peers.free_port()
    (folder / "database").mkdir()
    host = f"third = (THIRD, localhost, {destination})\n" if destination else ""
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{host}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {folder / 'database'} RW (100, 1024mb) ANY\nAETable END\n"
    )
    command = [peers.tool("dcmqrscp"), "-d", "-c", str(folder / "dcmqrscp.cfg"), str(port)]
    with peers.serving(command, port, folder / "dcmqrscp.log"):
        yield port


def filled(port: int, files: Files) -> None:
    ran("storescu", "-v", "+sd", "-R", "-xe", "-aec", "ARCHIVE", "localhost", port, files["CT_small.dcm"])
    ran("storescu", "-v", "-R", "-xe", "-aec", "ARCHIVE", "localhost", port, files["MR_small.dcm"])


@scenario
def echo_orthanc(folder: Path, files: Files) -> Scenario:
    with peers.orthanc(folder) as peer, recording(peer.port) as recorder:
        said = ran("echoscu", "-d", "--repeat", 3, "-aet", "WORKSTATION", "-aec", "ORTHANC", "localhost", peer.port)
    count = said.count("Received Echo Response (Success)")
    assert count == 3
    talk = Talk("ORTHANC", "WORKSTATION", by="client", did=[Did("C-ECHO", 0)] * count)
    return Scenario("echo_orthanc", recorder.frames, (peer.port,), [talk])


@scenario
def store_syntaxes(folder: Path, files: Files) -> Scenario:
    """storescu to storescp, an association for each transfer syntax; PDUs of 4 KiB and of 128 KiB in turn."""
    port = peers.free_port()
    to = folder / "to"
    to.mkdir()
    command = [peers.tool("storescp"), "-d", "-pdu", "131072", "+xa", "+B", "-od", str(to), str(port)]
    talks = []
    with peers.serving(command, port, folder / "storescp.log"), recording(port) as recorder:
        for number, (name, option) in enumerate(SYNTAXES.items()):
            length = (4096, 131072)[number % 2]
            said = ran(
                "storescu", "-d", "-aec", "STORE", "-pdu", length, "-to", 10, "--max-send-pdu", length, option,
                "localhost", port, files[name],
            )  # fmt: skip
            assert statuses(said) == [0]
            (path,) = list(to.iterdir())
            uid, size = facts(path)
            path.unlink()
            talks.append(Talk("STORE", "STORESCU", by="client", did=[Did("C-STORE", 0, 0, uid, size)]))
    return Scenario("store_syntaxes", recorder.frames, (port,), talks)


@scenario
def query(folder: Path, files: Files) -> Scenario:
    """findscu to dcmqrscp: all studies, none, and all series of one."""
    with archive(folder) as port:
        filled(port, files)
        talks = []
        with recording(port) as recorder:
            for key in ("PatientID=*", "PatientID=NOBODY"):
                said = ran(
                    "findscu", "-d", "-S", "-aec", "ARCHIVE", "-aet", "ASKER", "-k", "QueryRetrieveLevel=STUDY",
                    "-k", "StudyInstanceUID", "-k", "AccessionNumber", "-k", key, "localhost", port,
                )  # fmt: skip
                *pending, last = statuses(said)
                talks.append(Talk("ARCHIVE", "ASKER", by="client", did=[Did("C-FIND", last, len(pending))]))
    assert [talk.did[0].pending for talk in talks] == [2, 0]
    return Scenario("query", recorder.frames, (port,), talks)


@scenario
def move(folder: Path, files: Files) -> Scenario:
    """movescu has dcmqrscp send both studies to a third application entity."""
    third, to = peers.free_port(), folder / "third"
    to.mkdir()
    command = [peers.tool("storescp"), "-d", "+xa", "+B", "-od", str(to), str(third)]
    with peers.serving(command, third, folder / "storescp.log"), archive(folder, third) as port:
        filled(port, files)
        with recording(port, third) as recorder:
            said = ran(
                "movescu", "-d", "-P", "-aem", "THIRD", "-aec", "ARCHIVE", "-aet", "MOVER",
                "-k", "QueryRetrieveLevel=PATIENT", "-k", f"PatientID={patient(files['CT_small.dcm'])}",
                "localhost", port,
            )  # fmt: skip
            unknown = peers.run([
                peers.tool("movescu"), "-d", "-P", "-aem", "NOWHERE", "-aec", "ARCHIVE", "-aet", "MOVER",
                "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=*", "localhost", str(port),
            ]).stdout  # fmt: skip
    *pending, last = statuses(said)
    (refused,) = statuses(unknown)
    stored = received(to)
    talks = [
        Talk("ARCHIVE", "MOVER", by="client", did=[Did("C-MOVE", last, len(pending))]),
        Talk("THIRD", "ARCHIVE", by="client", did=[Did("C-STORE", 0, 0, uid, size) for uid, size in stored.items()]),
        Talk("ARCHIVE", "MOVER", by="client", did=[Did("C-MOVE", refused)]),
    ]
    return Scenario("move", recorder.frames, (port, third), talks)


def patient(path: Path) -> str:
    value = pydicom.dcmread(path, stop_before_pixels=True).PatientID
    return str(value)


@scenario
def get(folder: Path, files: Files) -> Scenario:
    """getscu takes a study back over the association that it asks on."""
    to = folder / "to"
    to.mkdir()
    with archive(folder) as port:
        filled(port, files)
        with recording(port) as recorder:
            said = ran(
                "getscu", "-d", "-P", "+B", "-od", to, "-aec", "ARCHIVE", "-aet", "GETTER",
                "-k", "QueryRetrieveLevel=PATIENT", "-k", f"PatientID={patient(files['CT_small.dcm'])}",
                "localhost", port,
            )  # fmt: skip
    got = received(to)
    assert len(got) == 1
    *_, last = statuses(said)
    stores = [Did("C-STORE", 0, 0, uid, size) for uid, size in got.items()]
    talk = Talk("ARCHIVE", "GETTER", by="client", did=[Did("C-GET", last, len(statuses(said)) - 1), *stores])
    return Scenario("get", recorder.frames, (port,), [talk])


@scenario
def worklist(folder: Path, files: Files) -> Scenario:
    """findscu asks wlmscpfs for the steps of a station."""
    place = folder / "WORKLIST"
    place.mkdir()
    (place / "lockfile").touch()
    for number in (1, 2, 3):
        step = pydicom.Dataset()
        step.Modality = "CT"
        step.ScheduledStationAETitle = "SCANNER"
        step.ScheduledProcedureStepStartDate = "20261128"
        step.ScheduledProcedureStepStartTime = "080000"
        step.ScheduledPerformingPhysicianName = "Doe^Jane"
        step.ScheduledProcedureStepDescription = "HEAD"
        step.ScheduledProcedureStepID = f"STEP{number}"
        item = pydicom.Dataset()
        item.SpecificCharacterSet = "ISO_IR 100"
        item.PatientName, item.PatientID = f"Worklist^{number}", f"WL-{number}"
        item.PatientBirthDate, item.PatientSex = "19700101", "O"
        item.AccessionNumber = f"ACC-{number}"
        item.RequestedProcedureID, item.RequestedProcedureDescription = f"RP-{number}", "CT of the head"
        item.StudyInstanceUID = f"1.2.826.0.1.3680043.10.1414.9.{number}"
        item.ScheduledProcedureStepSequence = [step]
        item.file_meta = pydicom.dataset.FileMetaDataset()
        item.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        item.file_meta.MediaStorageSOPClassUID = "1.2.276.0.7230010.3.1.0.1"
        item.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.10.1414.9.{number}.1"
        item.save_as(place / f"{number}.wl", enforce_file_format=True)
    port = peers.free_port()
    command = [peers.tool("wlmscpfs"), "-d", "-dfp", str(folder), str(port)]
    with peers.serving(command, port, folder / "wlmscpfs.log"), recording(port) as recorder:
        said = ran(
            "findscu", "-d", "-W", "-aec", "WORKLIST", "-aet", "SCANNER", "-k", "StudyInstanceUID",
            "-k", "AccessionNumber", "-k", "PatientID", "-k", "PatientName",
            "-k", "ScheduledProcedureStepSequence[0].ScheduledStationAETitle=SCANNER",
            "-k", "ScheduledProcedureStepSequence[0].Modality", "localhost", port,
        )  # fmt: skip
    *pending, last = statuses(said)
    assert len(pending) == 3
    talk = Talk("WORKLIST", "SCANNER", by="client", did=[Did("C-FIND", last, len(pending))])
    return Scenario("worklist", recorder.frames, (port,), [talk])


@scenario
def abort_of_client(folder: Path, files: Files) -> Scenario:
    """echoscu aborts instead of releasing."""
    with peers.storescp(folder) as peer, recording(peer.port) as recorder:
        said = ran("echoscu", "-d", "--abort", "-aec", "STORE", "-aet", "QUITTER", "localhost", peer.port)
        assert "Aborting Association" in said
    talk = Talk("STORE", "QUITTER", ABORTED, "client", (0, 0), [Did("C-ECHO", 0)])
    return Scenario("abort_of_client", recorder.frames, (peer.port,), [talk])


@scenario
def nothing_accepted(folder: Path, files: Files) -> Scenario:
    """termscu asks for a private class that storescp refuses."""
    with peers.storescp(folder) as peer, recording(peer.port) as recorder:
        peers.run([peers.tool("termscu"), "-d", "-aec", "STORE", "-aet", "STOPPER", "localhost", str(peer.port)])
    talk = Talk("STORE", "STOPPER", FINISHED, "client")
    return Scenario("nothing_accepted", recorder.frames, (peer.port,), [talk])
