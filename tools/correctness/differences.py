"""Compares readings of a file and explains differences: each one must fall under a rule, or it is a fault.

A rule names a cause, says who follows the standard, and holds a predicate over one difference.  The first
rule that fits counts.  Rules are about causes that can be seen in the bytes or in what the readers say, not
about file names, except where a file is broken in a way of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tools.correctness.readings import BYTES_VRS, FileReadings, Reading


@dataclass(slots=True)
class Difference:
    """One respect in which a reader and dicomwire differ about one element."""

    package: str
    file: str
    path: str
    reader: str
    kind: str  # "absent" in the reader, "extra" there, "error", "vr", "vm", "value", "raw", "offset", "length"
    ours: Reading | None
    theirs: Reading | None
    our_file: FileReadings
    their_file: FileReadings

    @property
    def tag(self) -> int:
        """The element's own tag."""
        return int(self.path[-8:], 16)

    @property
    def is_private(self) -> bool:
        return bool(self.tag >> 16 & 1)

    @property
    def is_open(self) -> bool:
        """Whether the encoding leaves the VR open: none in the header, UN, or none of the 34."""
        return self.ours is not None and self.ours.declared != self.ours.vr


@dataclass(frozen=True)
class Rule:
    """A cause of differences; ``right`` is who reads it as the standard says, "open" where it does not
    say."""

    name: str
    reason: str
    right: str
    fits: Callable[[Difference], bool]


def kinds(reader: str, ours: Reading | None, theirs: Reading | None) -> Iterator[str]:
    """The respects in which a reading differs from dicomwire's."""
    if theirs is None:
        if ours is not None:
            yield "absent"
        return
    if ours is None:
        yield "extra"
        return
    if theirs.value[0] == "error":
        yield "error"
        return
    if theirs.vr and theirs.vr != ours.vr:
        yield "vr"
    # What is UN for DCMTK has one value there; and of an OF without value it says that there is one.
    counts_alike = reader == "pydicom" or (theirs.vr == ours.vr and ours.vr not in BYTES_VRS)
    if theirs.vm is not None and theirs.vm != ours.vm and counts_alike:
        yield "vm"
    if not _same_value(reader, ours, theirs):
        yield "value"
    if reader == "pydicom":
        if theirs.raw is not None and theirs.raw != ours.raw:
            yield "raw"
        if theirs.offset is not None and theirs.offset != ours.offset:
            yield "offset"
    if theirs.length is not None and ours.length is not None and theirs.length != ours.length:
        yield "length"


def _same_value(reader: str, ours: Reading, theirs: Reading) -> bool:
    """Whether two values are one, as far as the reader shows it."""
    if theirs.value[0] == "not shown":
        return True
    if reader == "DCMTK" and isinstance(theirs.raw, bytes) and ours.value[0] == "text":
        is_alike = theirs.value == ours.value if theirs.is_converted else True
        return is_alike and ours.plain == theirs.raw.strip(b" \0")
    if theirs.value == ours.value:
        return True
    if theirs.value[0] == "bytes":
        if theirs.value[1] is None:
            return True
        return theirs.value[1] in (ours.raw, ours.words)
    if ours.value[0] == "bytes" and theirs.raw is not None:
        return theirs.raw == ours.raw
    if ours.value[0] == "fragments" == theirs.value[0]:
        pairs = zip(ours.value[1], theirs.value[1], strict=False)
        return len(ours.value[1]) == len(theirs.value[1]) and all(b is None or a == b for a, b in pairs)
    if ours.value[0] == "numbers" == theirs.value[0] and reader == "DCMTK" and ours.vr in ("FL", "FD"):
        # The listing has 8 or 17 digits.
        near = 1e-7 if ours.vr == "FL" else 1e-15
        return len(ours.value[1]) == len(theirs.value[1]) and all(
            a == b or (isinstance(a, float) and isinstance(b, int | float) and abs(a - b) <= near * abs(a))
            for a, b in zip(ours.value[1], theirs.value[1], strict=True)
        )
    return False


# --- what rules ask


def _ancestors(path: str) -> Iterator[str]:
    """Paths of the sequences around an element, innermost first."""
    while "." in path:
        path = path.rpartition(".")[0].rpartition(".")[0]
        yield path


def _is_dictionary_vr(d: Difference) -> bool:
    return (
        d.reader == "DCMTK" and d.kind == "vr" and d.ours is not None and d.theirs is not None
        and d.theirs.vr == "UN"
    )  # fmt: skip


def _is_inside_un(d: Difference) -> bool:
    readings = (d.our_file.elements.get(path) for path in _ancestors(d.path))
    return d.reader == "DCMTK" and d.kind == "absent" and any(r and r.declared == "UN" for r in readings)


def _is_odd(d: Difference) -> bool:
    if d.reader != "DCMTK" or d.kind not in ("value", "length") or d.ours is None or d.theirs is None:
        return False
    if d.ours.length is None or not d.ours.length & 1 or d.theirs.length != d.ours.length + 1:
        return False
    return d.kind == "length" or (isinstance(d.ours.raw, bytes) and d.theirs.value == ("bytes", d.ours.raw + b"\0"))


def _is_cut(d: Difference) -> bool:
    return (
        d.ours is not None and d.theirs is not None and d.ours.is_cut and d.theirs.length is not None
        and d.ours.length is not None and d.theirs.length > d.ours.length
        and (d.kind == "length" or (d.reader == "DCMTK" and d.kind == "value"))
    )  # fmt: skip


def _is_name_without_last_group(d: Difference) -> bool:
    if d.reader != "pydicom" or d.kind != "value" or d.ours is None or d.theirs is None or d.ours.vr != "PN":
        return False
    return tuple(name.rstrip("=") for name in d.ours.value[1]) == d.theirs.value[1]


RULES: tuple[Rule, ...] = (
    Rule(
        "UN kept",
        "The header says UN although the dictionary has the tag, or says UN for a private element whose "
        "creator is in the private dictionary. dicomwire and pydicom take the dictionary's VR, DCMTK "
        "keeps UN; the bytes are the same",
        "open",
        lambda d: _is_dictionary_vr(d) and d.ours is not None and d.ours.declared == "UN",
    ),
    Rule(
        "inside UN",
        "Elements of a sequence whose header says UN with a known length: dicomwire and pydicom enter it, "
        "DCMTK shows its bytes",
        "open",
        _is_inside_un,
    ),
    Rule(
        "private dictionary",
        "A private element without VR (implicit VR), whose creator is in the private dictionary of "
        "dicomwire and pydicom but not in DCMTK's; the bytes are the same",
        "open",
        lambda d: _is_dictionary_vr(d) and d.is_private and d.ours is not None and not d.ours.declared,
    ),
    Rule(
        "fragments as OB",
        "Encapsulated Pixel Data whose header says OW: dicomwire and pydicom tell the header's VR, "
        "dcmdump prints OB, which Annex A.4 requires",
        "DCMTK",
        lambda d: (
            d.reader == "DCMTK"
            and d.kind == "vr"
            and d.ours is not None
            and d.theirs is not None
            and d.ours.value[0] == "fragments"
            and (d.ours.declared, d.theirs.vr) == ("OW", "OB")
        ),
    ),
    Rule(
        "odd length",
        "An odd length, which the standard forbids: dicomwire and pydicom give the value as it is, DCMTK adds a NUL",
        "open",
        _is_odd,
    ),
    Rule(
        "cut short",
        "The file ends inside the value. dicomwire gives the length that is there (and a deviation), "
        "pydicom and DCMTK the length that the header claims; DCMTK fills up with NULs",
        "open",
        _is_cut,
    ),
    Rule(
        "encoding contradicts",
        "The data set is not in the encoding of its transfer syntax: dicomwire and pydicom go by the "
        "bytes, DCMTK by the transfer syntax, and fails",
        "dicomwire",
        lambda d: d.reader == "DCMTK" and bool(d.their_file.error) and "encoding " in d.our_file.remarks,
    ),
    Rule(
        "no delimiter",
        "Encapsulated Pixel Data without its delimiter at the end of the file: pydicom then gives an empty data set",
        "dicomwire",
        lambda d: (
            d.reader == "pydicom"
            and d.kind == "absent"
            and any("End of file reached before delimiter" in remark for remark in d.their_file.remarks)
        ),
    ),
    Rule(
        "trailing zeros",
        "Eight zeros behind the last element: dicomwire takes them as padding (and tells), the others as "
        "an empty element (0000,0000), which no data set may have",
        "dicomwire",
        lambda d: d.kind == "extra" and d.path == "00000000" and "trailing_bytes " in d.our_file.remarks,
    ),
    Rule(
        "duplicate",
        "The element stands twice in its data set, which the standard forbids: for dicomwire and DCMTK "
        "the first counts, for pydicom the last",
        "open",
        lambda d: (
            d.reader == "pydicom"
            and d.kind in ("value", "raw", "offset", "length")
            and any(remark.startswith("duplicate_tag") for remark in d.our_file.remarks)
        ),
    ),
    Rule(
        "empty component group",
        "An empty last component group of a name: pydicom drops its '=', dicomwire and DCMTK keep the text as it is",
        "open",
        _is_name_without_last_group,
    ),
)


def explain(difference: Difference) -> Rule | None:
    """The first rule that fits, None if the difference is unexplained."""
    return next((rule for rule in RULES if rule.fits(difference)), None)
