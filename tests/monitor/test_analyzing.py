"""From captures to records: pulled or pushed, in any pieces, to the end and to where a capture breaks off."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

import dicomwire.monitor
from dicomwire.errors import DecodeError
from dicomwire.monitor import Monitor, analyze
from dicomwire.monitor.sources import Filled
from tests.monitor import captures
from tests.monitor.packets import End, frames
from tests.monitor.spoken import stores


def capture() -> bytes:
    return captures.pcap(frames(stores(3000, 20_000, 10).segments))


def texts(records: Any) -> list[str]:
    """Records but for the summary, whose times are of the run."""
    return [json.dumps(one.to_dict()) for one in records if one.record != "summary"]


def options() -> dict[str, Any]:
    return {"run": "r", "key": bytes(16)}


def test_a_path_an_object_and_pushed_bytes_are_the_same(tmp_path: Path) -> None:
    data = capture()
    path = tmp_path / "capture.pcap"
    path.write_bytes(data)
    expected = texts(analyze(path, **options()))
    assert len(expected) == 4
    assert texts(analyze(str(path), **options())) == expected
    assert texts(analyze(io.BytesIO(data), **options())) == expected
    for size in (1, 7, 1000, len(data)):
        monitor = Monitor(**options())
        records = [one for at in range(0, len(data), size) for one in monitor.feed(data[at : at + size])]
        records += monitor.finish()
        assert texts(records) == expected
        assert records[-1] is monitor.summary
        assert monitor.summary.records == {"transaction": 3, "association": 1}


def test_records_come_before_the_end() -> None:
    monitor = Monitor()
    data = capture()
    records = list(monitor.feed(data[: len(data) // 2]))
    assert [one.record for one in records] == ["transaction"]


def test_the_summary_counts() -> None:
    *_, summary = analyze(io.BytesIO(capture()))
    fields = summary.to_dict()
    assert fields["record"] == "summary"
    assert fields["packets"] == len(stores(3000, 20_000, 10).segments)
    assert fields["connections"]["dicom"] == 1
    assert (fields["drops"], fields["cut_packets"], fields["left_out"]) == (0, 0, 0)
    assert fields["time"] < fields["end_time"]
    assert json.dumps(fields)


def test_a_capture_that_breaks_off_gives_what_is_there_then_the_error() -> None:
    some = frames(stores(3000, 20_000, 10).segments)
    broken = captures.pcap(some[: len(some) * 3 // 4]) + b"\xff" * 64
    records: list[Any] = []
    with pytest.raises(DecodeError):
        records.extend(analyze(io.BytesIO(broken)))
    kinds = [one.record for one in records]
    assert kinds[-1] == "summary"
    assert "association" in kinds
    assert kinds.count("transaction") >= 2


def test_what_is_no_capture_is_an_error() -> None:
    with pytest.raises(DecodeError):
        list(analyze(io.BytesIO(b"no capture at all, whatever its name says")))
    with pytest.raises(OSError, match="nowhere"):
        list(analyze("/nowhere/at/all.pcap"))


class Interrupted:
    """A live source that is interrupted from the keyboard behind its packets."""

    is_live = True
    drops = 5

    def __init__(self, monitor_packets: Any) -> None:
        self.packets = monitor_packets
        self.fills = 0

    def __enter__(self) -> Interrupted:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def fill(self) -> Filled:
        self.fills += 1
        if self.fills == 2:
            return Filled.SILENT
        if self.fills > 2:
            raise KeyboardInterrupt
        return Filled.MORE


def test_an_interface_ends_with_an_interrupt_and_the_summary() -> None:
    from _dicomwire.capture import CaptureReader

    reader = CaptureReader(1 << 20)
    data = capture()
    assert reader.feed(data) == len(data)
    *records, summary = analyze(Interrupted(reader))
    assert [one.record for one in records] == ["transaction"] * 3 + ["association"]
    assert summary.drops == 5


def test_phi_is_hidden_unless_it_is_to_be_shown_and_keys_agree() -> None:
    shown = next(iter(analyze(io.BytesIO(capture()), show_phi=True)))
    assert shown.accession_number
    hidden = [next(iter(analyze(io.BytesIO(capture()), key=bytes(16)))) for _ in range(2)]
    other = next(iter(analyze(io.BytesIO(capture()))))
    assert hidden[0].accession_number == hidden[1].accession_number
    assert len({shown.accession_number, hidden[0].accession_number, other.accession_number}) == 3
    assert shown.accession_number not in json.dumps(hidden[0].to_dict())


def test_names_are_imported_when_they_are_used() -> None:
    assert dicomwire.monitor.Monitor is Monitor
    with pytest.raises(AttributeError):
        dicomwire.monitor.nothing  # noqa: B018


def test_nothing_is_left_of_connections_that_are_over() -> None:
    monitor = Monitor(show_phi=True)
    for number in range(30):
        talk = stores(3000, 20_000, client=End("10.1.0.1", 40_000 + number))
        data = captures.pcap(frames(talk.segments))
        for _ in monitor.feed(data[24:] if number else data):
            pass
    assert (monitor.talk.held_bytes, monitor.talk.open_count) == (0, 0)
    assert monitor.summary.records["transaction"] == 60
