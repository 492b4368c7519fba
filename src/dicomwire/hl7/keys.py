"""The values of an HL7 v2 message by which it is joined to DICOM: IHE Radiology's Scheduled Workflow in ORM^O01 of
v2.3.1 and in OMI^O23 of v2.5.1, ADT, ORU.

A value can stand in several places: an accession number in OBR-18 and in IPC-1, a study's UID in ZDS-1, in IPC-3 and in
an observation.  Where places of one segment group, or of one meaning, disagree this is told; nothing is merged away.
"""

from __future__ import annotations

from dataclasses import dataclass

from _dicomwire.segments import Selection
from dicomwire.hl7.message import Message, all_of, first_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.hl7.message import Found

# Name of the key: its places, the one that counts most first.
PLACES: dict[str, tuple[str, ...]] = {
    "patient_ids": ("PID-3.1", "PID-2.1"),
    "patient_id_issuer": ("PID-3[1].4.1",),
    "patient_name": ("PID-5[1].1.1", "PID-5[1].2", "PID-5[1].3", "PID-5[1].4", "PID-5[1].5"),
    "birth_date": ("PID-7.1",),
    "sex": ("PID-8.1",),
    "visit_numbers": ("PV1-19.1", "PID-18.1"),
    "prior_patient_ids": ("MRG-1.1",),
    "order_control": ("ORC-1",),
    "order_status": ("ORC-5",),
    "placer_order_numbers": ("ORC-2.1", "OBR-2.1"),
    "filler_order_numbers": ("ORC-3.1", "OBR-3.1"),
    "accession_numbers": ("IPC-1.1", "OBR-18.1"),
    "requested_procedure_ids": ("IPC-2.1", "OBR-19.1"),
    "scheduled_step_ids": ("IPC-4.1", "OBR-20.1"),
    "study_instance_uids": ("IPC-3.1", "ZDS-1.1", "OBX-5.1?3.1=110180"),
    "modalities": ("IPC-5.1", "OBR-24"),
    "scheduled_station_ae_titles": ("IPC-9.1",),
    "scheduled_times": ("TQ1-7.1", "ORC-7.4", "OBR-36.1"),
}

# Keys of which two places that both have values should have the same ones.
COMPARED = frozenset(
    (
        "placer_order_numbers", "filler_order_numbers", "accession_numbers", "requested_procedure_ids",
        "scheduled_step_ids", "study_instance_uids", "modalities",
    )
)  # fmt: skip
_ALL_PLACES = tuple(place for places in PLACES.values() for place in places)
SELECTION = Selection(_ALL_PLACES)


def _ranges() -> dict[str, tuple[int, int]]:
    found, at = {}, 0
    for name, places in PLACES.items():
        found[name] = (at, at + len(places))
        at += len(places)
    return found


_RANGES = _ranges()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Places of one key that have different values: name of the key, and the values by place."""

    key: str
    values: dict[str, tuple[str, ...]]


class JoinKeys:
    """The join keys of one message; an attribute's values are looked through when it is asked for.

    Every key of ``PLACES`` whose name is a plural is a tuple of different values, in the order of places and segments;
    the others are a text or None; the places of the patient's name are its components.
    """

    __slots__ = ("found",)

    def __init__(self, message: Message | bytes) -> None:
        """Raises DecodeError for bytes that are no message."""
        if not isinstance(message, Message):
            message = Message(message)
        self.found: tuple[Found, ...] = message.index.select(SELECTION, message.text)

    def values(self, key: str) -> tuple[str, ...]:
        """All values of a key, each once.  KeyError if there is no such key."""
        if key == "patient_name":
            name = self.patient_name
            return () if name is None else (name,)
        start, stop = _RANGES[key]
        found = self.found[start:stop]
        if found.count(None) >= len(found) - 1:
            return next((all_of(values) for values in found if values is not None), ())
        return tuple(dict.fromkeys(value for values in found for value in all_of(values)))

    def by_place(self, key: str) -> dict[str, tuple[str, ...]]:
        """The values of a key by their places, without those that have none.  KeyError if there is no such key."""
        start, _ = _RANGES[key]
        return {
            place: all_of(self.found[start + number])
            for number, place in enumerate(PLACES[key])
            if self.found[start + number] is not None
        }

    @property
    def conflicts(self) -> list[Conflict]:
        """Keys whose places disagree: an accession number in IPC-1 that is not the one of OBR-18 ...

        Values need not be the same in number or order; a conflict is that a place has one which another lacks.
        """
        conflicts = []
        for key in COMPARED:
            start, stop = _RANGES[key]
            if self.found[start:stop].count(None) < stop - start - 1:
                values = self.by_place(key)
                if len({frozenset(found) for found in values.values()}) > 1:
                    conflicts.append(Conflict(key, values))
        return sorted(conflicts, key=lambda conflict: conflict.key)

    @property
    def patient_id(self) -> str | None:
        """PID-3.1 of the first repetition that has one."""
        return next(iter(self.values("patient_ids")), None)

    @property
    def patient_ids(self) -> tuple[str, ...]:
        """PID-3.1 of all repetitions, and PID-2.1, the external ID of old versions."""
        return self.values("patient_ids")

    @property
    def patient_id_issuer(self) -> str | None:
        """PID-3.4.1 of the first repetition: the assigning authority's name."""
        return self._first("patient_id_issuer")

    @property
    def patient_name(self) -> str | None:
        """PID-5 in the order of a DICOM PN (PS3.5 section 6.2.1): the fourth component of HL7's XPN is the suffix, the
        fifth the prefix.  Of the family name the subcomponents that tell its parts apart are left out.
        """
        start, stop = _RANGES["patient_name"]
        family, given, middle, suffix, prefix = (first_of(found) or "" for found in self.found[start:stop])
        return "^".join((family, given, middle, prefix, suffix)).rstrip("^") or None

    @property
    def birth_date(self) -> str | None:
        """PID-7."""
        return self._first("birth_date")

    @property
    def sex(self) -> str | None:
        """PID-8."""
        return self._first("sex")

    @property
    def visit_numbers(self) -> tuple[str, ...]:
        """PV1-19 and PID-18."""
        return self.values("visit_numbers")

    @property
    def prior_patient_ids(self) -> tuple[str, ...]:
        """MRG-1.1: what the patient's ID was before a merge."""
        return self.values("prior_patient_ids")

    @property
    def order_control(self) -> str | None:
        """ORC-1."""
        return self._first("order_control")

    @property
    def order_status(self) -> str | None:
        """ORC-5."""
        return self._first("order_status")

    @property
    def placer_order_numbers(self) -> tuple[str, ...]:
        """ORC-2.1 and OBR-2.1."""
        return self.values("placer_order_numbers")

    @property
    def filler_order_numbers(self) -> tuple[str, ...]:
        """ORC-3.1 and OBR-3.1."""
        return self.values("filler_order_numbers")

    @property
    def accession_numbers(self) -> tuple[str, ...]:
        """IPC-1.1 and OBR-18."""
        return self.values("accession_numbers")

    @property
    def requested_procedure_ids(self) -> tuple[str, ...]:
        """IPC-2.1 and OBR-19."""
        return self.values("requested_procedure_ids")

    @property
    def scheduled_step_ids(self) -> tuple[str, ...]:
        """IPC-4.1 and OBR-20."""
        return self.values("scheduled_step_ids")

    @property
    def study_instance_uids(self) -> tuple[str, ...]:
        """IPC-3.1, ZDS-1.1, and observations coded 110180 (DCM, Study Instance UID)."""
        return self.values("study_instance_uids")

    @property
    def modalities(self) -> tuple[str, ...]:
        """IPC-5.1 and OBR-24."""
        return self.values("modalities")

    @property
    def scheduled_station_ae_titles(self) -> tuple[str, ...]:
        """IPC-9.1."""
        return self.values("scheduled_station_ae_titles")

    @property
    def scheduled_times(self) -> tuple[str, ...]:
        """TQ1-7, ORC-7.4 and OBR-36."""
        return self.values("scheduled_times")

    def _first(self, key: str) -> str | None:
        return first_of(self.found[_RANGES[key][0]])

    def __repr__(self) -> str:
        present = [key for key in PLACES if self.values(key)]
        return f"<JoinKeys: {', '.join(present) or 'none'}>"
