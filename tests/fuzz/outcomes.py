"""Reading one input under every policy, and what has to agree between the policies."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from dicomwire import dcmread
from dicomwire.errors import DecodeError
from tests.fuzz.harness import exact
from tests.hostile.reading import POLICIES, use


@dataclass(slots=True)
class Outcome:
    """Values by path and kinds of deviation, or the error; any other error but a DecodeError passes through."""

    policy: str
    values: dict[str, str] | None = None
    kinds: set[str] = field(default_factory=set)
    error: DecodeError | None = None


def check_place(error: DecodeError) -> None:
    """Every error of reading says where, and against which section."""
    if error.offset is None or error.path is None or not error.section:
        raise AssertionError(f"an error without its place: {error}") from error


def outcome(data: object, policy: str, *, texts: bool = True, **options: object) -> Outcome:
    """Read, and use everything of the data set and of its File Meta Information."""
    try:
        data_set = dcmread(data, policy=policy, **options)  # type: ignore[arg-type]
        values = use(data_set, texts=texts)
        for element in data_set.file_meta:
            values[f"file_meta.{element.path}"] = f"{element.VR} {element.repval}"
            assert len(bytes(element.raw)) == element.length
            repr(element.value)
        kinds = {deviation.kind for deviation in data_set.deviations}
    except DecodeError as error:
        check_place(error)
        return Outcome(policy, error=error)
    assert policy == "report" or not kinds
    return Outcome(policy, values, kinds)


def check(data: bytes, **options: object) -> None:
    """Read under every policy and use everything; what is tolerated and what is refused must fit together."""
    strict, report, ignore = (outcome(data, policy, **options) for policy in POLICIES)
    compare(strict, report)
    compare(ignore, report)


def check_two(data: bytes, **options: object) -> None:
    """The same, faster: "report" and one of the others by the input's checksum, texts of elements for every eighth."""
    buffer, checksum = exact(data), zlib.crc32(data)
    texts = checksum & 14 == 0
    other = outcome(buffer, POLICIES[2 * (checksum & 1)], texts=texts, **options)
    compare(other, outcome(buffer, "report", texts=texts, **options))


def compare(other: Outcome, report: Outcome) -> None:
    """Whether the outcome under another policy fits to that of "report"."""
    if other.policy == "ignore":
        assert report.values == other.values, "reporting changes a value"
        assert type(report.error) is type(other.error), "reporting changes an error"
        return
    strict = other
    if report.error is None and not report.kinds:
        assert strict.error is None, f"refused without a deviation: {strict.error}"
        assert strict.values == report.values, "strictness changes a value"
    else:
        assert strict.error is not None, f"strict tolerates {report.kinds}, or the error {report.error!r}"
