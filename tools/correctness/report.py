"""Runs the comparison over packages of real files, counts, and writes the table of the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from tools.correctness import dcmtk
from tools.correctness.differences import RULES, Difference, Rule, explain, kinds
from tools.correctness.readings import FileReadings, read_dicomwire, read_pydicom

COMMAND = "python tools/compare_readers.py --write docs/correctness.md"
GOAL = 0.999
OUTCOMES = ("both", "pydicom only", "DCMTK only", "neither")


@dataclass(slots=True)
class Tally:
    """Counts of one package, or of all."""

    files: int = 0
    elements: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Share of elements that agree with at least one reader, 0 to 1."""
        return 1 - self.outcomes["neither"] / self.elements if self.elements else 0.0


@dataclass(slots=True)
class Report:
    """What the comparison of many files found."""

    packages: dict[str, Tally] = field(default_factory=dict)
    explained: dict[tuple[str, str], list[Difference]] = field(default_factory=dict)  # by rule and reader
    unexplained: list[Difference] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # files that dicomwire could not read, with the error

    @property
    def total(self) -> Tally:
        """All packages together."""
        total = Tally()
        for tally in self.packages.values():
            total.files += tally.files
            total.elements += tally.elements
            total.outcomes.update(tally.outcomes)
        return total


def compare_file(report: Report, package: str, file: Path, ours: FileReadings, others: dict[str, FileReadings]) -> None:
    """Add one file: for each element that any reader has, with whom dicomwire agrees and why not."""
    tally = report.packages.setdefault(package, Tally())
    tally.files += 1
    names = set(ours.elements).union(*(other.elements for other in others.values()))
    for path in sorted(names):
        agrees = {}
        for reader, other in others.items():
            mine, theirs = ours.elements.get(path), other.elements.get(path)
            found = list(kinds(reader, mine, theirs))
            agrees[reader] = not found
            for kind in found:
                difference = Difference(package, file.name, path, reader, kind, mine, theirs, ours, other)
                rule = explain(difference)
                if rule is None:
                    report.unexplained.append(difference)
                else:
                    report.explained.setdefault((rule.name, reader), []).append(difference)
        with_pydicom, with_dcmtk = agrees.get("pydicom", False), agrees.get("DCMTK", False)
        tally.elements += 1
        tally.outcomes[
            OUTCOMES[0 if with_pydicom and with_dcmtk else 1 if with_pydicom else 2 if with_dcmtk else 3]
        ] += 1


def compare(
    files: Iterable[tuple[str, Path]],
    *,
    with_dcmtk: bool = True,
    dcmtk_reader: Callable[[Path], FileReadings] = dcmtk.read_dcmtk,
) -> Report:
    """Compare all files, given as package and path."""
    report = Report()
    for package, file in files:
        others = {"pydicom": read_pydicom(file)}
        if with_dcmtk:
            others["DCMTK"] = dcmtk_reader(file)
        try:
            ours = read_dicomwire(file)
        except (ValueError, OSError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
            report.broken.append(f"{package} {file.name}: {type(error).__name__}: {error}")
            ours = FileReadings()
        compare_file(report, package, file, ours, others)
    return report


def describe(difference: Difference) -> str:
    """One line about a difference: where, in what, and what the two say; for people, so values are in it."""

    def said(reading: object, name: str) -> str:
        return repr(getattr(reading, name, None))[:80]

    name = {"absent": "vr", "extra": "vr", "error": "value"}.get(difference.kind, difference.kind)
    return (
        f"{difference.package} {difference.file} {difference.path} {difference.kind}: "
        f"dicomwire {said(difference.ours, name)}, {difference.reader} {said(difference.theirs, name)}"
    )


# --- the table of the documentation


def table(report: Report) -> str:
    """Packages, elements and agreements as a Markdown table."""
    lines = [
        "| package | files | elements | agrees with both | pydicom only | DCMTK only | neither | with one or both |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, tally in (*report.packages.items(), ("all", report.total)):
        counts = " | ".join(f"{tally.outcomes[outcome]:,}" for outcome in OUTCOMES)
        lines.append(f"| {name} | {tally.files} | {tally.elements:,} | {counts} | {tally.share:.3%} |")
    return "\n".join(lines)


def _sources(differences: list[Difference]) -> str:
    files = sorted({difference.file for difference in differences})
    names = ", ".join(f"`{name}`" for name in files[:2])
    return names + (f" and {len(files) - 2} more" if len(files) > 2 else "")


def rules_table(report: Report) -> str:
    """The causes that occur, as a Markdown table: reader, elements, files, reason, who is right."""
    lines = [
        "| differs from | elements | cause | as the standard says | in |",
        "| --- | --: | --- | --- | --- |",
    ]
    for rule in RULES:
        for reader in ("pydicom", "DCMTK"):
            differences = report.explained.get((rule.name, reader), [])
            if differences:
                elements = len({(d.package, d.file, d.path) for d in differences})
                lines.append(f"| {reader} | {elements:,} | {rule.reason} | {_right(rule)} | {_sources(differences)} |")
    return "\n".join(lines)


def _right(rule: Rule) -> str:
    return "it does not say" if rule.right == "open" else rule.right


def markdown(report: Report) -> str:
    """docs/correctness.md."""
    return f"""# Correctness on real files

<!-- Written by `{COMMAND}`; change tools/correctness/ instead. -->

Every element of every DICOM file that these packages carry, nested elements and File Meta Information too, is
read by dicomwire, pydicom {pydicom.__version__} and DCMTK {dcmtk.version()} (`dcmdump`) and compared: the VR,
the value, the number of values, the encoded bytes, and the length and offset of the value. The files hold all
the common encodings, DICOMDIRs, data sets without File Meta Information, truncated and damaged files.
`tests/correctness` makes the same comparison.

    {COMMAND}

{table(report)}

Text is compared without its padding, numbers by value, binary values byte by byte up to
{dcmtk.LONG_VALUE_KIB} KiB in DCMTK's listing and wholly with pydicom, fragments one by one, text beyond ASCII
after conversion from its character set where DCMTK can convert it. Offsets are compared with pydicom's. An
element agrees with a reader if nothing differs.

## Each difference

A difference that falls under none of these causes fails the test. Elements are counted once for each cause
and reader.

{rules_table(report)}

Differences without a known cause: {len(report.unexplained)}. Files that dicomwire does not read:
{len(report.broken)}.
"""
