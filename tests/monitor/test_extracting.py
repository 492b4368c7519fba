"""Instances taken off the wire: as they were sent, under their name only when complete, else marked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pydicom
import pytest

import dicomwire
from dicomwire.dimse.messages import CStoreRQ
from dicomwire.monitor.extracting import Extractor
from tests.builders import EXPLICIT, PIXEL_DATA, Encoder
from tests.monitor.rehearsing import CLIENT, SERVER, Stage
from tests.net.raw import CT, context, message_bytes

PLAIN = Encoder()


def store(instance: str = "1.2.3") -> CStoreRQ:
    return CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=instance, priority=0)


def image(size: int = 1_000_000) -> bytes:
    return PLAIN.element(0x00080060, "CS", b"CT") + PLAIN.element(PIXEL_DATA, "OW", os.urandom(size))


def staged(folder: Path) -> tuple[Stage, Extractor]:
    extractor = Extractor(folder)
    return Stage(extractor=extractor), extractor


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("mss", [1 << 20, 50_000, 1460])
def test_an_instance_as_it_was_sent(tmp_path: Path, mss: int) -> None:
    stage, extractor = staged(tmp_path)
    call = stage.call(mss=mss)
    call.associate([context(1, CT)])
    data = image()
    call.message(CLIENT, store(), data)
    call.message(SERVER, store().response(status=0))
    call.release()
    assert files(tmp_path) == ["1.2.3.dcm"]
    written = (tmp_path / "1.2.3.dcm").read_bytes()
    assert written.endswith(data)
    other = pydicom.dcmread(tmp_path / "1.2.3.dcm")
    assert other.file_meta.TransferSyntaxUID == EXPLICIT
    assert other.file_meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert other.file_meta.SourceApplicationEntityTitle == "RAW"
    assert dicomwire.dcmread(tmp_path / "1.2.3.dcm", policy="strict").Modality == "CT"
    assert (extractor.files, extractor.incomplete, extractor.skipped) == (1, 0, 0)


def test_a_gap_is_marked_and_filled(tmp_path: Path) -> None:
    stage, extractor = staged(tmp_path)
    call = stage.call()
    call.associate([context(1, CT)])
    data = image(100_000)
    said = message_bytes(1, store(), data, 1 << 20)
    call.say(CLIENT, said[:50_000])
    call.lose(CLIENT, 1000)
    call.say(CLIENT, said[51_000:])
    call.message(SERVER, store().response(status=0))
    call.release()
    assert files(tmp_path) == ["1.2.3.incomplete"]
    written = (tmp_path / "1.2.3.incomplete").read_bytes()
    at = len(written) - len(data)
    gap = 50_000 - (len(said) - len(data))
    assert written[at:] == data[:gap] + bytes(1000) + data[gap + 1000 :]
    assert (extractor.files, extractor.incomplete) == (0, 1)


def test_a_message_that_is_cut_off_is_marked(tmp_path: Path) -> None:
    stage, extractor = staged(tmp_path)
    call = stage.call()
    call.associate([context(1, CT)])
    call.say(CLIENT, message_bytes(1, store(), image())[:300_000])
    call.hang_up(1)
    assert files(tmp_path) == ["1.2.3.incomplete"]
    assert (extractor.files, extractor.incomplete) == (0, 1)


def test_a_gap_over_headers_is_marked(tmp_path: Path) -> None:
    stage, extractor = staged(tmp_path)
    call = stage.call()
    call.associate([context(1, CT)])
    said = message_bytes(1, store(), image(100_000))
    call.say(CLIENT, said[:20_000])
    call.lose(CLIENT, 20_000)
    call.say(CLIENT, said[40_000:])
    call.message(SERVER, store().response(status=0))
    call.release()
    assert files(tmp_path) == ["1.2.3.incomplete"]
    assert extractor.files == 0


def test_nothing_is_written_over(tmp_path: Path) -> None:
    stage, extractor = staged(tmp_path)
    call = stage.call()
    call.associate([context(1, CT)])
    for _ in range(2):
        call.message(CLIENT, store(), image(10))
        call.message(SERVER, store().response(status=0))
    call.release()
    assert files(tmp_path) == ["1.2.3-2.dcm", "1.2.3.dcm"]
    assert extractor.files == 2


class Negotiated:
    """What an extractor asks of a connection."""

    requestor = CLIENT
    calling_ae_title, called_ae_title = "RAW", "ANY"

    def transfer_syntax(self, _: int) -> str:
        return EXPLICIT


@pytest.mark.parametrize("instance", [b"../../etc/x", b"/etc/x", b".hidden", b"a/../b", b"..", b"1.2\0.3"])
def test_names_are_safe(tmp_path: Path, instance: bytes) -> None:
    folder = tmp_path / "here"
    extractor = Extractor(folder)
    extraction = extractor.open(Negotiated(), CLIENT, 1, 1, CT.encode(), instance)  # type: ignore[arg-type]
    assert extraction is not None
    extraction.write(image(10))
    extraction.close(True)
    (name,) = files(folder)
    assert name.endswith(".dcm")
    assert not name.startswith(".")
    assert files(tmp_path) == ["here"]


@pytest.mark.parametrize("instance", [b"", b"1" * 65, b"1.\xff"])
def test_uids_that_make_no_file(tmp_path: Path, instance: bytes) -> None:
    extractor = Extractor(tmp_path)
    assert extractor.open(Negotiated(), CLIENT, 1, 1, CT.encode(), instance) is None  # type: ignore[arg-type]
    assert extractor.skipped == 1


def test_without_the_negotiation_no_file_is_made(tmp_path: Path) -> None:
    stage, extractor = staged(tmp_path)
    call = stage.call(from_start=False)
    call.message(CLIENT, store(), image(10))
    call.message(SERVER, store().response(status=0))
    call.release()
    assert files(tmp_path) == []
    assert extractor.skipped == 1


def test_a_disk_that_takes_no_more_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    stage, _ = staged(tmp_path)
    call = stage.call()
    call.associate([context(1, CT)])
    said = message_bytes(1, store(), image(2_000_000))

    def full(*_: object) -> int:
        raise OSError(28, "no space")

    monkeypatch.setattr("dicomwire.file.instance_file.os.writev", full)
    call.say(CLIENT, said)
    call.message(SERVER, store().response(status=0))
    with pytest.raises(OSError, match="no space"):
        stage.take()
    stage.take()
    assert files(tmp_path) == []
    assert [one.status for one in stage.of("transaction")] == [0]
