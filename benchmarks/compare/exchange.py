"""Tasks of text models: a header from its file to DICOM JSON, and back to a data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pydicom

import dicomwire
from benchmarks import workloads
from benchmarks.compare.runner import Entry, Goal, Task

FILES = {"S": 20, "M": 100, "L": 300}


def _dicomwire_json(paths: Sequence[str]) -> list[str]:
    dcmread = dicomwire.dcmread
    return [dcmread(path, stop_before_pixels=True).to_json() for path in paths]


def _pydicom_json(paths: Sequence[str]) -> list[str]:
    dcmread = pydicom.dcmread
    return [dcmread(path, stop_before_pixels=True).to_json() for path in paths]


def _dicomwire_read(texts: Sequence[str]) -> list[Any]:
    return [dicomwire.DataSet.from_json(text) for text in texts]


def _pydicom_read(texts: Sequence[str]) -> list[Any]:
    return [pydicom.Dataset.from_json(text) for text in texts]


def _comparable(text: str) -> dict[str, Any]:
    """An object without what is a matter of choice: Specific Character Set, an empty array for an empty sequence."""

    def plain(item: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for tag, member in item.items():
            if tag == "00080005":
                continue
            values = member.get("Value") or []
            if member["vr"] == "SQ":
                values = [plain(inner) for inner in values]
            found[tag] = (member["vr"], [value or None for value in values], member.get("InlineBinary"))
        return found

    return plain(json.loads(text))


def _agreement(found: Sequence[str], wanted: Sequence[str]) -> str:
    wrong = sum(_comparable(left) != _comparable(right) for left, right in zip(found, wanted, strict=True))
    return f"DIFFERENT: {wrong} of {len(wanted)} objects" if wrong else "equal"


def _entry(name: str, run: Any, compare: Any, how: str) -> Entry:
    version = dicomwire.__version__ if name == "dicomwire" else pydicom.__version__
    role = "own" if name == "dicomwire" else "peer"
    return Entry(label=name, role=role, run=run, version=version, how=how, toolkit=name, variant="", compare=compare)


def json_task(size: str) -> Task:
    """Open a file by its header and write all of it as DICOM JSON."""
    paths = workloads.corpus("ct-explicit-le", size).paths[: FILES[size]]
    wanted = _pydicom_json(paths)
    return Task(
        name="json",
        title=f"the header of a CT file to DICOM JSON, {len(paths)} files",
        unit="file",
        units=len(paths),
        entries=[
            _entry("dicomwire", lambda: _dicomwire_json(paths), lambda found: _agreement(found, wanted),
                   "dcmread(stop_before_pixels=True).to_json()"),
            _entry("pydicom", lambda: _pydicom_json(paths), lambda found: _agreement(found, wanted),
                   "dcmread(stop_before_pixels=True).to_json()"),
        ],
        goals=[Goal("pydicom", 50, 100)],
        notes=["Opening the file is part of it. Of the other Python toolkits none writes DICOM JSON."],
    )  # fmt: skip


def json_read_task(size: str) -> Task:
    """Read data sets from DICOM JSON."""
    texts = _pydicom_json(workloads.corpus("ct-explicit-le", size).paths[: FILES[size]])

    def check(found: Sequence[Any]) -> str:
        return _agreement([one.to_json() for one in found], texts)

    return Task(
        name="json-read",
        title=f"DICOM JSON of a CT header to a data set, {len(texts)} objects",
        unit="file",
        units=len(texts),
        entries=[
            _entry("dicomwire", lambda: _dicomwire_read(texts), check, "DataSet.from_json(text)"),
            _entry("pydicom", lambda: _pydicom_read(texts), check, "Dataset.from_json(text)"),
        ],
        goals=[Goal("pydicom", 3)],
        notes=["The text is pydicom's. Values of pydicom's data sets are objects then, dicomwire's are encoded."],
    )


TASKS = {"json": json_task, "json-read": json_read_task}
