"""Storage for scripts: `send_c_store` and handlers of EVT_C_STORE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import dicomwire
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, JPEG2000Lossless
from dicomwire.errors import DecodeError
from dicomwire.file.instance_file import file_meta_information
from dicomwire.net.blocking import AE, EVT_C_STORE, Association, Occurrence, StatusSet
from tests.net.storage.instances import CT, MR, PATIENT, data_set


@contextmanager
def associated(handler: Any, *more: Any) -> Iterator[Association]:
    ae = AE("ARCHIVE")
    ae.add_supported_context(CT, [ExplicitVRLittleEndian])
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(EVT_C_STORE, handler, *more)]) as server:
        scu = AE("SCRIPT")
        scu.add_requested_context(CT, [ExplicitVRLittleEndian])
        with scu.associate("127.0.0.1", server.server_address[1]) as association:
            assert association.is_established
            yield association


def content(instance: str = "1.2.3.4", **options: Any) -> bytes:
    meta = file_meta_information(
        options.get("sop_class", CT), instance, options.get("syntax", ExplicitVRLittleEndian)
    )
    return meta + data_set(instance, **options)


@pytest.mark.parametrize("answer", [0x0000, 0xB000, 0xA700])
@pytest.mark.parametrize("as_object", [False, True])
def test_a_handler_gets_the_instance(tmp_path: Path, answer: int, as_object: bool) -> None:
    def handle(event: Occurrence, folder: Path) -> int | StatusSet:
        assert event.dataset.PatientName == PATIENT
        assert event.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert event.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4"
        assert event.file_meta.SourceApplicationEntityTitle == "SCRIPT"
        assert event.encoded_dataset(include_meta=False) == data_set()
        (folder / "got.dcm").write_bytes(event.encoded_dataset())
        return StatusSet(answer) if as_object else answer

    path = tmp_path / "one.dcm"
    path.write_bytes(content())
    with associated(handle, [tmp_path]) as association:
        for source in (path, str(path), content(), dicomwire.dcmread(path)):
            status = association.send_c_store(source, msg_id=7, priority=1)
            assert status
            assert status.Status == answer
    assert dicomwire.dcmread(tmp_path / "got.dcm") == dicomwire.dcmread(path)


def test_what_cannot_be_sent(tmp_path: Path) -> None:
    with associated(lambda event: 0) as association:
        with pytest.raises(ValueError, match="MR Image Storage"):
            association.send_c_store(content(sop_class=MR))
        with pytest.raises(ValueError, match="JPEG 2000"):
            association.send_c_store(content(syntax=JPEG2000Lossless))
        with pytest.raises(DecodeError):
            association.send_c_store(b"no DICOM")
        with pytest.raises(FileNotFoundError):
            association.send_c_store(tmp_path / "absent")
        assert association.send_c_store(content()).Status == 0
        association.release()
        with pytest.raises(RuntimeError, match="not established"):
            association.send_c_store(content())


def test_a_peer_that_is_gone_gives_an_empty_status() -> None:
    def handle(event: Occurrence) -> int:
        event.assoc.abort()
        return 0

    with associated(handle) as association:
        status = association.send_c_store(content())
        assert not status
        assert association.is_aborted
