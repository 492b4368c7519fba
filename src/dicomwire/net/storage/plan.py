"""Which contexts files need, and how many associations carry them (PS3.8 section 9.3.2.2)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomwire.errors import DicomWireError, UnsupportedError
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
    transfer syntax, so that accepting one is not refusing another."""

    contexts: tuple[ProposedContext, ...] = ()
    paths: list[StrPath] = field(default_factory=list)


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
            sop_class_uid, syntax = kind
            batch.contexts += (ProposedContext(2 * len(kinds) - 1, sop_class_uid, (syntax,)),)
        batch.paths.append(path)
    return plan


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
