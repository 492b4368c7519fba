"""Records as JSON lines, as lines to read, and as Parquet files: what is written is what the records hold."""

from __future__ import annotations

import io
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rich.color import ColorSystem

from dicomwire.monitor.analyzing import analyze
from dicomwire.monitor.hl7 import Endpoints, Exchanges, Moment
from dicomwire.monitor.jsonlines import JSONLines, json_text
from dicomwire.monitor.lines import Lines, duration, shown, size, summary_lines
from dicomwire.monitor.parquet import TABLES, ParquetFolder, column_type, schema
from dicomwire.monitor.pseudonyms import Pseudonyms
from tests.monitor import mutations, sample


@cache
def records() -> tuple[Any, ...]:
    """Those of the sample, and of a C-STORE of which a segment is lost."""
    lossy = sample.dicom()
    lost = [number for number in mutations.with_data(lossy) if len(lossy[number].payload) == 1460][-1:]
    data = (sample.capture(), sample.capture(mutations.without(lossy, lost)))
    return tuple(record for part in data for record in analyze(io.BytesIO(part), key=b"k" * 16, run="run"))


def of(kind: str) -> list[Any]:
    return [record for record in records() if record.record == kind]


def test_the_sample_has_every_kind() -> None:
    counts = {kind: len(of(kind)) for kind in ("association", "transaction", "hl7", "gap", "summary")}
    assert counts == {"association": 4, "transaction": 8, "hl7": 1, "gap": 1, "summary": 2}


# --------------------------------------------------------------------------------------------------------------- JSON


def test_json_lines() -> None:
    stream = io.StringIO()
    writer = JSONLines(stream)
    for record in records():
        writer.write(record)
    writer.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(records())
    for line, record in zip(lines, records(), strict=True):
        assert line.isascii()
        assert line.isprintable()
        fields = json.loads(line)
        if record.record != "summary":
            assert fields == json.loads(json.dumps(record.to_dict()))
        assert fields["record"] == record.record
        assert fields["time"].endswith("Z")


def test_no_value_breaks_a_line() -> None:
    assert json_text("a\n\x1b[2J\x7f\u202e\x85ü") == '"a\\n\\u001b[2J\\u007f\\u202e\\u0085\\u00fc"'
    assert json_text({"b": b"\x00\xff"}) == '{"b":"AP8="}'
    with pytest.raises(TypeError, match="complex"):
        json_text(1j)
    with pytest.raises(ValueError, match="JSON"):
        json_text(math.nan)


class Counting(io.StringIO):
    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


def test_lines_come_at_once_when_they_are_to() -> None:
    for writer in (JSONLines, Lines):
        stream = Counting()
        sink = writer(stream, flush=True)
        for record in records():
            sink.write(record)
        assert stream.flushes == len(records())
        stream = Counting()
        writer(stream).write(records()[0])
        assert stream.flushes == 0


# -------------------------------------------------------------------------------------------------------------- lines


def written(*given: Any, colours: ColorSystem | None = None) -> list[str]:
    stream = io.StringIO()
    lines = Lines(stream, colours=colours)
    for record in given:
        lines.write(record)
    return stream.getvalue().splitlines()


def test_lines() -> None:
    assert written(*records()[:1]) == [
        "2023-11-14 (UTC)",
        "22:13:20.000  MODALITY 10.1.0.1:50000 > ARCHIVE 203.0.113.9:11112  C-STORE  CT 3.35 kB  "
        "A700H failure: too few resources to store the instance  request 252 ms, server 5 ms  "
        "1 retransmission; window closed 2.1 ms",
    ]
    text = "\n".join(written(*records()))
    for expected in (
        "C-FIND  STUDY, 2 matches  success  server 3.1 ms, last answer 3.3 ms",
        "association  3 of 3 contexts  released, by the client  3 transactions, 8.15 kB, 262 ms  1 retransmission",
        "ended before the request was complete: reset (RST) by the client",
        "C-ECHO  ended before the response was complete: aborted (A-ABORT) by the server",
        "RIS 10.1.0.8:50100 > BROKER 10.1.0.7:2575  ORM^O01  MSG00001  639 B  AA application accepts  "
        "answered after 7 ms",
        "gap  1.46 kB of the client's stream lost  in the data set of C-STORE 9",
    ):
        assert expected in text
    assert "\x1b" not in text
    assert text.count("(UTC)") == 1
    assert all(line.isprintable() for line in text.splitlines())


def test_colours_are_for_terminals() -> None:
    plain, coloured = written(*records()), written(*records(), colours=ColorSystem.STANDARD)
    assert any("\x1b[31m" in line for line in coloured)
    assert any("\x1b[32m" in line for line in coloured)
    console = [_without_escapes(line) for line in coloured]
    assert console[:5] == plain[:5]


def _without_escapes(text: str) -> str:
    from rich.text import Text

    return Text.from_ansi(text).plain


def test_the_summary() -> None:
    lines = summary_lines(of("summary")[0])
    facts = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in lines if line}
    assert facts["packets"] == "52"
    assert facts["from"] == "2023-11-14T22:13:20.000000000Z"
    assert facts["connections"] == "3 dicom, 1 hl7"
    assert facts["records"] == "5 transaction, 3 association, 1 hl7"
    assert facts["dropped"] == "0 packets"


def test_what_peers_write_cannot_drive_a_terminal() -> None:
    assert shown("A\x1b[2J\u202eB") == "A&#27;[2J&#8238;B"
    assert shown("") == shown(None) == "?"
    conversation = Exchanges(Pseudonyms()).conversation(Endpoints(1, "::1", 1, "::1", 2))
    message = b"\x0bMSH|^~\\&|A\x1b[2J||B\x07||||ADT^A01\x1b]0;x|1\x1b|P|2.3|||NE|NE\r\x1c\r"
    (record,) = conversation.data(0, message, Moment(10**18, 1))
    assert all(line.isprintable() for line in written(record))
    assert json_text(record.to_dict()).isprintable()


def test_spans_and_sizes() -> None:
    assert [duration(ms) for ms in (0.0004, 0.041, 4.1, 252.4, 1500, 119_000, 185_000, 9_000_000)] == [
        "0 us", "41 us", "4.1 ms", "252 ms", "1.5 s", "119 s", "3 min 5 s", "2.5 h",
    ]  # fmt: skip
    assert [size(count) for count in (0, 999, 1000, 3348, 999_600, 5_200_000, 7e12)] == [
        "0 B", "999 B", "1 kB", "3.35 kB", "1 MB", "5.2 MB", "7 TB",
    ]  # fmt: skip


@pytest.mark.sources
def test_every_field_is_defined_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text()
    names = set(re.findall(r"`([a-z0-9_]+)`", guide))
    for kind, (_, fields) in TABLES.items():
        for name in fields:
            known = name in names or name.replace("rsp_", "req_") in names or name.removesuffix("_raw") in names
            known |= name.removesuffix("_min") in names or name.removesuffix("_max") in names
            assert known or kind == "gap", (kind, name)


# ------------------------------------------------------------------------------------------------------------ Parquet

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def read(folder: Path, name: str) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(sorted(folder.glob(f"{name}-*.parquet")))


def test_parquet(tmp_path: Path) -> None:
    with ParquetFolder(tmp_path / "out") as folder:
        for record in records():
            folder.write(record)
    for kind, (name, fields) in TABLES.items():
        table = read(tmp_path / "out", name)
        given = of(kind)
        assert table.num_rows == len(given)
        assert table.column_names == [field for field in fields if field != "record"]
        for row, record in zip(table.to_pylist(), given, strict=True):
            expected = record.to_dict()
            for field, value in row.items():
                if field in ("time", "end_time", "last_time"):
                    continue
                if isinstance(value, str) and not isinstance(expected[field], str):
                    assert json.loads(value) == json.loads(json.dumps(expected[field])), field
                else:
                    assert value == expected[field], field
        times = table["time"].cast(pa.int64()).to_pylist()
        assert times == [record.time_ns for record in given]


def test_every_column_has_a_type_of_its_own() -> None:
    """Nothing but texts falls back to text; what has parts is known to have them."""
    for kind in TABLES:
        for record in of(kind):
            for name, value in record.to_dict().items():
                if name == "record" or value is None:
                    continue
                arrow = column_type(kind, name)
                if isinstance(value, bool):
                    assert pa.types.is_boolean(arrow), (kind, name)
                elif isinstance(value, int):
                    assert pa.types.is_int64(arrow), (kind, name)
                elif isinstance(value, float):
                    assert pa.types.is_float64(arrow), (kind, name)
                elif isinstance(value, str):
                    assert pa.types.is_string(arrow) or pa.types.is_timestamp(arrow), (kind, name)
                else:
                    json.loads(json_text(value))
    assert str(schema("transaction").field("time").type) == "timestamp[ns, tz=UTC]"


def test_row_groups_and_files_are_bounded(tmp_path: Path) -> None:
    import pyarrow.parquet

    folder = ParquetFolder(tmp_path, rows_of_group=10, rows_of_file=30)
    for _ in range(9):
        for record in of("transaction"):
            folder.write(record)
    assert not list(tmp_path.glob("transactions-00002.parquet"))
    folder.close()
    files = sorted(tmp_path.glob("transactions-*.parquet"))
    shapes = []
    for path in files:
        metadata = pyarrow.parquet.ParquetFile(path).metadata
        shapes.append([metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)])
    assert shapes == [[10, 10, 10], [10, 10, 10], [10, 2]]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    # Another run leaves the files that are there alone.
    with ParquetFolder(tmp_path) as more:
        more.write(of("transaction")[0])
    assert len(list(tmp_path.glob("transactions-*.parquet"))) == 4


def test_a_broken_off_run_keeps_what_it_has(tmp_path: Path) -> None:
    def run() -> None:
        with ParquetFolder(tmp_path) as folder:
            folder.write(of("hl7")[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert [path.name for path in tmp_path.iterdir()] == ["hl7-00000.parquet"]
    assert read(tmp_path, "hl7").num_rows == 1
