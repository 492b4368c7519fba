"""De-identifying data sets and files by PS3.15 Annex E."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from _dicomwire.dataset import DataElement, DataSet, Sequence
from _dicomwire.part10 import dcmread
from dicomwire.deid.profile import Types, profile_entry, resolved
from dicomwire.deid.values import Pseudonyms, dummy, shifted
from dicomwire.errors import UnsupportedError
from dicomwire.file.writer import dcmwrite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dicomwire.deid.profile import ProfileEntry

    Path = str | os.PathLike[str]
    Cleaner = Callable[[DataElement], object]
    Judge = Callable[[DataElement], bool]
    Painter = Callable[[DataSet], bool]

# Codes of PS3.16 CID 7050 for the profile and each option.
BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
_CODES = {
    "pixels": ("113101", "Clean Pixel Data Option"),
    "features": ("113102", "Clean Recognizable Visual Features Option"),
    "graphics": ("113103", "Clean Graphics Option"),
    "structured_content": ("113104", "Clean Structured Content Option"),
    "descriptors": ("113105", "Clean Descriptors Option"),
    "full_dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "modified_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "private": ("113111", "Retain Safe Private Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}
_STRUCTURE = frozenset(("ValueType", "RelationshipType", "ContinuityOfContent", "GraphicType", "TemporalRangeType"))
_PATIENT_NAME, _PATIENT_ID = 0x00100010, 0x00100020
_OURS = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280303))
_KEPT_META = frozenset((0x00020001, 0x00020010))


@dataclass(frozen=True, slots=True)
class Options:
    """The options of PS3.15 section E.3 that are taken besides the basic profile.

    retain_uids, retain_device, retain_institution, retain_patient    attributes of this kind stay
    retain_full_dates       dates and times stay
    retain_modified_dates   dates are moved, all of a patient by as many days; times of day stay
    shift_days              by how many days, in place of a number that the key and the patient give
    retain_private          private elements that are safe: (creator, group, last byte of the element number)

    What needs judgement takes a function of the caller's:

    clean_descriptors           gets a DataElement whose text may identify, returns the value to put in its place, or
                                None for what the basic profile does
    clean_structured_content    gets a sequence of content, which it may edit; whether it may stay
    clean_graphics              gets an element with overlays, curves or graphics; whether it may stay
    clean_pixel_data, clean_recognizable_features    get the data set, which they may edit; whether they cleaned it

    ``True`` in place of a function is an UnsupportedError: nothing here can do it.
    """

    retain_uids: bool = False
    retain_device: bool = False
    retain_institution: bool = False
    retain_patient: bool = False
    retain_full_dates: bool = False
    retain_modified_dates: bool = False
    shift_days: int | None = None
    retain_private: Iterable[tuple[str, int, int]] = ()
    clean_descriptors: Cleaner | None = None
    clean_structured_content: Judge | None = None
    clean_graphics: Judge | None = None
    clean_pixel_data: Painter | None = None
    clean_recognizable_features: Painter | None = None

    def __post_init__(self) -> None:
        if self.retain_full_dates and self.retain_modified_dates:
            raise ValueError("dates are either retained or modified")
        for name in (
            "clean_descriptors",
            "clean_structured_content",
            "clean_graphics",
            "clean_pixel_data",
            "clean_recognizable_features",
        ):
            if isinstance(getattr(self, name), bool):
                raise UnsupportedError(f"{name} needs a function that judges and cleans", what=name)

    def names(self) -> list[str]:
        """Names of the options that are taken for attributes."""
        chosen = {
            "uids": self.retain_uids,
            "device": self.retain_device,
            "institution": self.retain_institution,
            "patient": self.retain_patient,
            "full_dates": self.retain_full_dates,
            "modified_dates": self.retain_modified_dates,
            "descriptors": self.clean_descriptors,
            "structured_content": self.clean_structured_content,
            "graphics": self.clean_graphics,
            "private": tuple(self.retain_private),
        }
        return [name for name, value in chosen.items() if value]


@dataclass(slots=True)
class Outcome:
    """What was done to a data set: how many elements by action, and the codes of profile and options (CID 7050)."""

    actions: Counter[str] = field(default_factory=Counter)
    codes: list[tuple[str, str]] = field(default_factory=list)


class Deidentifier:
    """Replaces what identifies a patient, the same way for all objects of one study, series or patient.

    key        a secret of 16 bytes and more: the same key and value give the same UID, pseudonym and shift of dates;
               whoever has it can find out which pseudonym a known patient has
    options    see Options
    """

    def __init__(self, key: bytes, options: Options | None = None) -> None:
        self.options = options or Options()
        self._pseudonyms = Pseudonyms(key)
        self._names = self.options.names()
        self._private = {(creator.strip(), group, element) for creator, group, element in self.options.retain_private}

    def file(
        self, source: Path, target: Path | None = None, *, folder: Path | None = None, overwrite: bool = False
    ) -> tuple[str, Outcome]:
        """De-identify a file into another one; its path, and what was done.

        Without ``target`` it is named by its new SOP Instance UID, in ``folder``.  Pixel data are copied as they are.
        A file of that name is a FileExistsError unless ``overwrite``.  Errors as of dcmread and dcmwrite; nothing is
        left half done.
        """
        data_set = dcmread(source)
        outcome = self.apply(data_set)
        if target is None:
            uid = str(data_set.get("SOPInstanceUID") or "")
            if not uid or not all(character in "0123456789." for character in uid) or uid.startswith("."):
                raise UnsupportedError(
                    "an object without SOP Instance UID has no name to be written under", what="name"
                )
            target = os.path.join(os.fspath(folder or "."), f"{uid}.dcm")
        dcmwrite(target, data_set, overwrite=overwrite)
        return os.fspath(target), outcome

    def apply(self, data_set: DataSet) -> Outcome:
        """De-identify a data set, File Meta Information and preamble too; what was done.

        Text that is burned into pixel data stays, unless ``clean_pixel_data`` takes it away.  UnsupportedError for a
        DICOMDIR, whose offsets would not be true any more: make a new one.
        """
        if not isinstance(data_set, DataSet):
            raise TypeError(
                f"a DataSet is changed in place, not {type(data_set).__module__}.{type(data_set).__name__}: "
                "DataSet.from_pydicom makes one of pydicom's"
            )
        if "DirectoryRecordSequence" in data_set:
            raise UnsupportedError("a DICOMDIR is made anew, and not de-identified", what="DICOMDIR")
        return _Run(self, data_set).run()


class _Run:
    """One data set on its way through the profile."""

    def __init__(self, owner: Deidentifier, data_set: DataSet) -> None:
        self._options = owner.options
        self._names = owner._names
        self._private = owner._private
        self._pseudonyms = owner._pseudonyms
        self._data_set = data_set
        self._outcome = Outcome()
        self._types = Types(str(data_set.get("SOPClassUID") or ""))
        patient_id, issuer = (str(data_set.get(word) or "") for word in ("PatientID", "IssuerOfPatientID"))
        self._pseudonym = self._pseudonyms.patient(patient_id, issuer)
        self._days = self._options.shift_days
        if self._days is None:
            self._days = self._pseudonyms.shift_days(patient_id, issuer)
        self._waiting: list[tuple[DataSet, tuple[int, ...], bool]] = []

    def run(self) -> Outcome:
        data_set = self._data_set
        done = [
            name
            for name, paint in (
                ("pixels", self._options.clean_pixel_data),
                ("features", self._options.clean_recognizable_features),
            )
            if paint is not None and paint(data_set)
        ]
        self._waiting.append((data_set, (), False))
        while self._waiting:
            item, path, to_dummies = self._waiting.pop()
            if to_dummies:
                self._dummy_item(item, path)
            else:
                self._item(item, path)
        self._meta()
        self._outcome.codes = [BASIC_PROFILE, *(_CODES[name] for name in (*done, *self._names))]
        self._stamp()
        return self._outcome

    # --- items and elements

    def _item(self, item: DataSet, path: tuple[int, ...]) -> None:
        creators: set[int] = set()
        elements = list(item)
        for element in elements:
            tag = int(element.tag)
            if tag & 0xFFFF == 0:
                del item[tag]  # a group length, which would not be true any more
            elif tag >> 16 & 1:
                if not 0x10 <= tag & 0xFFFF <= 0xFF:
                    self._private_element(item, element, path, creators)
            elif not (path == () and tag in _OURS):
                self._element(item, element, (*path, tag))
        for element in elements:
            tag = int(element.tag)
            if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF and tag not in creators:
                self._remove(item, tag)

    def _private_element(self, item: DataSet, element: DataElement, path: tuple[int, ...], creators: set[int]) -> None:
        tag = int(element.tag)
        creator = element.private_creator
        if not isinstance(creator, str) or (creator.strip(), tag >> 16, tag & 0xFF) not in self._private:
            self._remove(item, tag)
            return
        creators.add(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
        self._outcome.actions["K"] += 1
        if element.VR == "SQ":
            self._enter(element, (*path, tag))

    def _element(self, item: DataSet, element: DataElement, path: tuple[int, ...]) -> None:
        entry = profile_entry(path[-1])
        if entry is None:
            if element.VR == "SQ":
                self._enter(element, path)
            return
        chosen = self._chosen(entry)
        if chosen is not None and self._by_option(element, path, entry, chosen):
            return
        action = resolved(entry.basic, self._types.of(path) if "/" in entry.basic else "")
        self._basic(item, element, path, action)

    def _chosen(self, entry: ProfileEntry) -> str | None:
        """The option that decides about an attribute: one that keeps it before one that cleans it."""
        found = [name for name in self._names if name in entry.options]
        return next((name for name in found if entry.options[name] == "K"), found[0] if found else None)

    def _by_option(self, element: DataElement, path: tuple[int, ...], entry: ProfileEntry, name: str) -> bool:
        """What an option does; False for what the basic profile is to do."""
        if entry.options[name] == "K":
            self._outcome.actions["K"] += 1
        elif name == "modified_dates":
            if not self._shift(element):
                return False
        elif name == "descriptors":
            if element.VR == "SQ":
                return False
            cleaned = self._options.clean_descriptors(element) if self._options.clean_descriptors else None
            if cleaned is None:
                return False
            element.value = cleaned
            self._outcome.actions["C"] += 1
            return True
        else:
            judge = self._options.clean_graphics if name == "graphics" else self._options.clean_structured_content
            if name not in ("graphics", "structured_content") or judge is None or not judge(element):
                return False
            self._outcome.actions["C"] += 1
        if element.VR == "SQ":
            self._enter(element, path)
        return True

    def _shift(self, element: DataElement) -> bool:
        """Move the dates of an element; False when one of its values is no date that can be moved."""
        vr, value = element.VR, element.value
        if vr not in ("DA", "DT"):
            return False
        texts = [str(part) for part in value] if isinstance(value, list) else [str(value or "")]
        assert self._days is not None
        moved = [shifted(text, vr, self._days) if text else "" for text in texts]
        if None in moved:
            return False
        element.value = moved if len(moved) > 1 else moved[0]
        self._outcome.actions["C"] += 1
        return True

    def _basic(self, item: DataSet, element: DataElement, path: tuple[int, ...], action: str) -> None:
        if action == "X":
            self._remove(item, path[-1])
        elif action == "U*" or (action == "U" and element.VR == "SQ"):
            self._outcome.actions["U"] += 1
            if element.VR == "SQ":
                self._enter(element, path)
            else:
                self._uids(item, element)
        elif action == "U":
            self._uids(item, element)
        elif path[-1] in (_PATIENT_NAME, _PATIENT_ID) and len(path) == 1:
            element.value = self._pseudonym
            self._outcome.actions["D"] += 1
        elif action == "Z":
            element.value = [] if element.VR == "SQ" else None
            self._outcome.actions["Z"] += 1
        elif element.VR == "SQ":
            self._outcome.actions["D"] += 1
            self._enter(element, path, to_dummies=True)
        else:
            self._dummy(item, element)

    def _remove(self, item: DataSet, tag: int) -> None:
        del item[tag]
        self._outcome.actions["X"] += 1

    def _uids(self, item: DataSet, element: DataElement) -> None:
        value: Any = element.value
        if element.VR != "UI":
            self._remove(item, int(element.tag))
            return
        if value:
            parts = value if isinstance(value, list) else [value]
            made = [self._pseudonyms.uid(str(part)) for part in parts]
            element.value = made if isinstance(value, list) else made[0]
        self._outcome.actions["U"] += 1

    def _dummy(self, item: DataSet, element: DataElement) -> None:
        vr = element.VR
        if vr == "UI":
            self._uids(item, element)
            return
        element.value = dummy(vr)
        self._outcome.actions["D"] += 1

    def _enter(self, element: DataElement, path: tuple[int, ...], *, to_dummies: bool = False) -> None:
        value = element.value
        if isinstance(value, Sequence):
            self._waiting += [(item, path, to_dummies) for item in value]

    def _dummy_item(self, item: DataSet, path: tuple[int, ...]) -> None:
        """Leave nothing of an item but its structure."""
        for element in list(item):
            tag = int(element.tag)
            if tag >> 16 & 1 or tag & 0xFFFF == 0:
                self._remove(item, tag)
            elif element.VR == "SQ":
                self._enter(element, (*path, tag), to_dummies=True)
            elif element.keyword not in _STRUCTURE and element.length:
                self._dummy(item, element)

    # --- the whole data set

    def _meta(self) -> None:
        """File Meta Information that the writer fills anew, and an empty preamble (PS3.15 section E.1.1)."""
        try:
            meta = self._data_set.file_meta
        except AttributeError:
            return  # an item has none
        for element in list(meta):
            if int(element.tag) not in _KEPT_META:
                del meta[int(element.tag)]
        if self._data_set.preamble is not None:
            self._data_set.preamble = bytes(128)

    def _stamp(self) -> None:
        """Say what was done (PS3.15 section E.1.1, PS3.3 sections C.7.1.1 and C.12.1)."""
        data_set = self._data_set
        data_set["PatientIdentityRemoved"] = "YES"
        data_set["DeidentificationMethod"] = [meaning for _, meaning in self._outcome.codes]
        items = []
        for value, meaning in self._outcome.codes:
            item = DataSet()
            item["CodeValue"] = value
            item["CodingSchemeDesignator"] = "DCM"
            item["CodeMeaning"] = meaning
            items.append(item)
        data_set["DeidentificationMethodCodeSequence"] = items
        kind = "REMOVED"
        if self._options.retain_full_dates:
            kind = "UNMODIFIED"
        elif self._options.retain_modified_dates:
            kind = "MODIFIED"
        data_set["LongitudinalTemporalInformationModified"] = kind
