"""Records that belong together: C-MOVE and C-GET with their C-STOREs; orders and reports of HL7, worklist, steps,
images and commitment by study.

A C-STORE that comes over another connection names who asked for it: an AE title and a message ID, which are used again
and again.  Of the C-MOVEs that fit, those count that are open or ended not long before; among several the one whose
destination is the called AE title, and of these the latest.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _dicomwire.record import Transaction
    from dicomwire.monitor.associations import Facts
    from dicomwire.monitor.hl7_record import HL7Record

MOST_STUDIES = 10_000
MOST_MOVES = 2_000
MOST_KEYS = 64
"""Of each kind, of one study."""
MOVE_AFTER_NS = 60_000_000_000
"""A C-STORE may be seen so long after the final response of its C-MOVE: servers answer before they send, too."""

_PERFORMED_STEP = ("1.2.840.10008.3.1.2.3.3", "1.2.840.10008.3.1.2.3.4", "1.2.840.10008.3.1.2.3.5")
_COMMITMENT = ("1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2")


@dataclass
class Retrieve:
    """A C-MOVE or C-GET under way."""

    facts: Facts
    side: int
    message_id: int
    destination: str | None
    time_ns: int
    ended_ns: int | None = None
    stored: dict[str, int] = field(default_factory=dict)


@dataclass
class Study:
    """What was seen of a study: how many records of which kind, when, and whom they name."""

    study_instance_uid: str | None
    accession_number: str | None = None
    first_ns: dict[str, int] = field(default_factory=dict)
    last_ns: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    patient_ids: set[str] = field(default_factory=set)
    accession_numbers: set[str] = field(default_factory=set)
    study_instance_uids: set[str] = field(default_factory=set)
    step_statuses: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {
            "study_instance_uid": self.study_instance_uid,
            "accession_number": self.accession_number,
            "first_ns": dict(self.first_ns),
            "last_ns": dict(self.last_ns),
            "counts": dict(self.counts),
            "patient_ids": sorted(self.patient_ids),
            "accession_numbers": sorted(self.accession_numbers),
            "study_instance_uids": sorted(self.study_instance_uids),
            "step_statuses": list(self.step_statuses),
            "conflicts": self.conflicts,
        }

    @property
    def conflicts(self) -> list[str]:
        """Which identifiers differ between the records of the study."""
        found = []
        if len(self.patient_ids) > 1:
            found.append("patient_id")
        if len(self.accession_numbers) > 1:
            found.append("accession_number")
        if len(self.study_instance_uids) > 1:
            found.append("study_instance_uid")
        return found


class Joiner:
    """Links the records of a run.  What it remembers is bounded: the studies and retrieves seen last."""

    def __init__(self, *, most_studies: int = MOST_STUDIES, most_moves: int = MOST_MOVES) -> None:
        self._most_studies = most_studies
        self._retrieves: deque[Retrieve] = deque(maxlen=most_moves)
        self._by_originator: dict[tuple[str, int], list[Retrieve]] = {}
        self._most_moves = most_moves
        self.studies: OrderedDict[str, Study] = OrderedDict()
        self._by_accession: OrderedDict[str, Study] = OrderedDict()
        self._commitments: OrderedDict[str, int] = OrderedDict()

    # ---------------------------------------------------------------------------------------------------- retrieves

    def begin_retrieve(self, facts: Facts, side: int, message_id: int, destination: bytes | None, time_ns: int) -> None:
        """A C-MOVE-RQ was seen."""
        title = facts.calling_ae_title if side == facts.requestor else facts.called_ae_title
        if title is None:
            return
        retrieve = Retrieve(
            facts, side, message_id, destination.decode("latin-1").strip(" \0") if destination else None, time_ns
        )
        if len(self._retrieves) == self._most_moves:
            self._forget(self._retrieves.popleft())
        self._retrieves.append(retrieve)
        self._by_originator.setdefault((title, message_id), []).append(retrieve)

    def _forget(self, retrieve: Retrieve) -> None:
        title = (
            retrieve.facts.calling_ae_title
            if retrieve.side == retrieve.facts.requestor
            else retrieve.facts.called_ae_title
        )
        key = title or "", retrieve.message_id
        left = [one for one in self._by_originator.get(key, ()) if one is not retrieve]
        if left:
            self._by_originator[key] = left
        else:
            self._by_originator.pop(key, None)

    def _retrieve_of(self, store: Transaction) -> Retrieve | None:
        originator = store.move_originator
        if originator is None:
            return None
        time_ns = store.time_ns
        fitting = [
            one
            for one in self._by_originator.get((originator["ae_title"] or "", originator["message_id"]), ())
            if time_ns is None
            or (one.time_ns <= time_ns and (one.ended_ns is None or time_ns - one.ended_ns <= MOVE_AFTER_NS))
        ]
        called = store.called_ae_title
        to_here = [one for one in fitting if one.destination == called]
        return max(to_here or fitting, key=lambda one: one.time_ns, default=None)

    # -------------------------------------------------------------------------------------------------------- records

    def join(self, record: Any) -> None:
        """Take a record, in the order in which they come, and link it to those before it."""
        if record.record == "hl7":
            self._see_order(record)
        if record.record != "transaction":
            return
        method = record.method
        if method == "C-STORE":
            if record.is_sub_operation:
                self._join_store(record)
            self._see(record, "image")
        elif method in ("C-MOVE", "C-GET"):
            self._end_retrieve(record)
        elif method == "C-FIND":
            if record.answers:
                for answer in record.answers:
                    self._note(
                        "worklist",
                        record.time_ns,
                        answer.get("study_instance_uid"),
                        answer.get("accession_number"),
                        answer.get("patient_id"),
                    )
        elif method.startswith("N-"):
            self._join_normalized(record)

    def _join_store(self, store: Transaction) -> None:
        if store.is_get_sub_operation:
            store.parent = {"association": store.association, "message_id": store.parent_message_id}
            return
        retrieve = self._retrieve_of(store)
        if retrieve is None:
            return
        store.parent = {"association": retrieve.facts.association, "message_id": retrieve.message_id}
        category = store.status_category or "none"
        retrieve.stored[category] = retrieve.stored.get(category, 0) + 1

    def _end_retrieve(self, record: Transaction) -> None:
        if record.method != "C-MOVE":
            return
        for retrieve in reversed(self._retrieves):
            if retrieve.facts.association == record.association and retrieve.message_id == record.message_id:
                if retrieve.ended_ns is None:
                    retrieve.ended_ns = record.end_ns
                    record.stored = retrieve.stored
                return

    def _join_normalized(self, record: Transaction) -> None:
        sop_class = record.sop_class_uid
        if sop_class in _PERFORMED_STEP:
            for item in record.scheduled or ({},):
                study = self._note(
                    "step",
                    record.time_ns,
                    item.get("study_instance_uid"),
                    item.get("accession_number"),
                    record.patient_id,
                )
                if study is not None and record.step_status and len(study.step_statuses) < MOST_KEYS:
                    study.step_statuses.append(record.step_status)
        elif sop_class in _COMMITMENT:
            uid = record.transaction_uid
            if uid is None:
                return
            if record.method == "N-ACTION":
                self._commitments[uid] = record.time_ns or 0
                if len(self._commitments) > self._most_studies:
                    self._commitments.popitem(last=False)
            elif record.method == "N-EVENT-REPORT" and uid in self._commitments:
                asked = self._commitments.pop(uid)
                if record.time_ns is not None:
                    record.time_since_request_ns = record.time_ns - asked

    def _see_order(self, record: HL7Record) -> None:
        """Studies that an order, or a report, names; one of several without a UID or number of its own has the last."""
        kind = "report" if (record.msg_type or "").startswith("ORU") else "order"
        uids: list[str | None] = [*record.study_instance_uids] or [None]
        accessions: list[str | None] = [*record.accession_numbers] or [None]
        for number in range(max(len(uids), len(accessions))):
            uid, accession = uids[min(number, len(uids) - 1)], accessions[min(number, len(accessions) - 1)]
            self._note(kind, record.time_ns, uid, accession, record.patient_id)

    def _see(self, record: Transaction, kind: str) -> None:
        self._note(kind, record.time_ns, record.study_instance_uid, record.accession_number, record.patient_id)

    def _note(
        self, kind: str, time_ns: int | None, study_uid: str | None, accession: str | None, patient_id: str | None
    ) -> Study | None:
        """Count a record of a study, found by its UID, else by its accession number."""
        study = self.studies.get(study_uid) if study_uid else None
        if study is None and accession:
            study = self._by_accession.get(accession)
        if study is None:
            if not study_uid and not accession:
                return None
            study = Study(study_uid or None, accession or None)
        if study_uid:
            if len(study.study_instance_uids) < MOST_KEYS:
                study.study_instance_uids.add(study_uid)
            if study.study_instance_uid is None:
                study.study_instance_uid = study_uid
            if study.study_instance_uid == study_uid:
                self._keep(self.studies, study_uid, study)
        if accession:
            study.accession_number = study.accession_number or accession
            self._keep(self._by_accession, accession, study)
            if len(study.accession_numbers) < MOST_KEYS:
                study.accession_numbers.add(accession)
        if patient_id and len(study.patient_ids) < MOST_KEYS:
            study.patient_ids.add(patient_id)
        study.counts[kind] = study.counts.get(kind, 0) + 1
        if time_ns is not None:
            study.first_ns.setdefault(kind, time_ns)
            study.last_ns[kind] = max(time_ns, study.last_ns.get(kind, time_ns))
        return study

    def _keep(self, table: OrderedDict[str, Study], key: str, study: Study) -> None:
        table[key] = study
        table.move_to_end(key)
        if len(table) > self._most_studies:
            table.popitem(last=False)
