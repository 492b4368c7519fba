"""Which contexts files need, and how many associations carry them (PS3.8 section 9.3.2.2)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.errors import DicomWireError, UnsupportedError
from dicomwire.file import can_reencode
from dicomwire.net.storage.decoding import can_decode
from dicomwire.net.storage.source import glance
from dicomwire.ul.items import ProposedContext
from dicomwire.ul.policy import MAX_CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dicomwire.dictionary import UID

    StrPath = str | os.PathLike[str]


@dataclass(slots=True)
class Batch:
    """Files that one association can carry, and the contexts to propose in it: one for each pair of SOP class and
    transfer syntax, so that accepting one is not refusing another, and for files that can be encoded anew one with what
    every peer has to take (PS3.5 section 10.1)."""

    contexts: tuple[ProposedContext, ...] = ()
    paths: list[StrPath] = field(default_factory=list)

    def propose(self, sop_class_uid: UID, transfer_syntaxes: tuple[UID, ...]) -> None:
        """Add a context."""
        self.contexts += (ProposedContext(2 * len(self.contexts) + 1, sop_class_uid, transfer_syntaxes),)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be sent, and why.  `is_foreign` when it does not look like an instance, or is a DICOMDIR."""

    path: StrPath
    reason: str
    is_foreign: bool = False


@dataclass(slots=True)
class Plan:
    """Files in batches, and those that cannot be sent."""

    batches: list[Batch]
    unreadable: list[Unreadable]


def contexts_for(paths: Iterable[StrPath], *, max_contexts: int = MAX_CONTEXTS) -> Plan:
    """Look at the first bytes of each file and return what to propose for them.

    Files that need more than `max_contexts` contexts make further batches.  Within a batch they keep their order.
    Where there is room, Explicit and Implicit VR Little Endian are proposed besides, to encode files anew in.
    """
    plan = Plan([], [])
    batch_of: dict[tuple[UID, UID], Batch] = {}
    kinds: list[tuple[UID, UID]] = []  # of the newest batch
    for path in paths:
        try:
            kind = glance(path)
        except DicomWireError as error:
            plan.unreadable.append(Unreadable(path, str(error), _is_foreign(path, error)))
            continue
        except OSError as error:
            plan.unreadable.append(Unreadable(path, error.strerror or type(error).__name__))
            continue
        batch = batch_of.get(kind)
        if batch is None:
            if not plan.batches or len(kinds) == max_contexts:
                plan.batches.append(Batch())
                kinds = []
            batch = batch_of[kind] = plan.batches[-1]
            kinds.append(kind)
            batch.propose(kind[0], (kind[1],))
        batch.paths.append(path)
    for batch in plan.batches:
        _propose_others(batch, max_contexts)
    return plan


def _propose_others(batch: Batch, max_contexts: int) -> None:
    """Propose, as far as there is room, what files can be encoded anew in for a peer that does not take their own."""
    proposed: dict[UID, set[UID]] = {}
    for context in batch.contexts:
        proposed.setdefault(context.abstract_syntax, set()).update(context.transfer_syntaxes)
    for sop_class_uid, syntaxes in proposed.items():
        if len(batch.contexts) == max_contexts:
            return
        others = [
            syntax
            for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
            if syntax not in syntaxes and any(can_reencode(own, syntax) or can_decode(own, syntax) for own in syntaxes)
        ]
        if others:
            batch.propose(sop_class_uid, tuple(others))


def _is_foreign(path: StrPath, error: DicomWireError) -> bool:
    if isinstance(error, UnsupportedError):
        return True
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] != b"DICM"
    except OSError:
        return False


def walk(paths: Iterable[StrPath]) -> Iterator[str]:
    """Yield the files of paths; of folders all regular ones below, in order of name.  OSError for what is not there."""
    for path in paths:
        if not os.path.isdir(path):
            os.stat(path)
            yield os.fspath(path)
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            yield from filter(os.path.isfile, (os.path.join(folder, name) for name in sorted(names)))
