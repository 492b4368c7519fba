"""Wireshark's dissector as second opinion: fields of each packet of a capture file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tests.net import peers

Row = list[list[str]]


def fields(path: Path, *names: str, ports: Collection[int] = (), options: Collection[str] = ()) -> list[Row]:
    """Return for each packet the values of each field, all occurrences."""
    command = [peers.tool("tshark"), "-r", str(path), *options]
    for port in ports:
        command += ["-d", f"tcp.port=={port},dicom"]
    command += ["-T", "fields", "-E", "separator=|", "-E", "occurrence=a", "-E", "aggregator=;"]
    for name in ("frame.number", *names):
        command += ["-e", name]
    rows = []
    for line in peers.run(command).stdout.splitlines():
        number, *cells = line.split("|")
        if number.isdigit() and len(cells) == len(names):  # not what it says about running as root
            rows.append([cell.split(";") if cell else [] for cell in cells])
    return rows
