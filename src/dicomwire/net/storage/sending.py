"""Many files to one peer: over several associations at once, and as many in a row as their contexts need."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dicomwire.errors import AssociationAborted, AssociationRejected, DicomWireError
from dicomwire.net.storage.outgoing import MOST_UNDER_WAY, Outgoing, Sent, Waiting, said
from dicomwire.net.storage.user import c_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dicomwire.net.ae import Associating
    from dicomwire.net.association import Association
    from dicomwire.net.storage.plan import Batch
    from dicomwire.ul.items import ProposedContext

    Associate = Callable[[Sequence[ProposedContext]], Associating]

ATTEMPTS = 3  # associations in a row that end without any file sent, before the rest is given up


async def send_files(
    batches: Sequence[Batch], associate: Associate, *, associations: int = 1, report: Callable[[Sent], object]
) -> None:
    """Send the files of a plan and report each one, in whatever order they are done.

    associate     makes an association that proposes contexts: `lambda contexts: ae.associate(host, port,
                  contexts=contexts)`
    associations  how many at once; the files of a batch are shared out as they are sent

    When an association ends before its time, the file that was under way is reported as failed and the next one is sent
    over a new association; after three in a row that sent nothing, all that is left is reported as failed.  When this
    is cancelled, associations are released once the file under way is answered, and those that are being asked for are
    given up.
    """
    for batch in batches:
        await _Batch(batch, associate, report).send(associations)


class _Batch:
    """The files of a batch on their way, and who sends them."""

    def __init__(self, batch: Batch, associate: Associate, report: Callable[[Sent], object]) -> None:
        self._contexts = batch.contexts
        self._waiting = Waiting(batch.paths)
        self._associate = associate
        self._report = report
        self._why = "not sent"
        self._asking: set[asyncio.Task[None]] = set()  # whoever waits for an association

    async def send(self, associations: int) -> None:
        workers = [asyncio.create_task(self._work()) for _ in range(max(1, min(associations, len(self._waiting))))]
        try:
            await asyncio.wait(workers)
        except asyncio.CancelledError:
            self._waiting.is_stopped = True
            self._waiting.clear()
            for worker in self._asking:
                worker.cancel()
            await asyncio.wait(workers)
            raise
        for worker in workers:
            worker.result()
        while self._waiting:  # everyone gave up
            self._report(Sent(self._waiting.popleft(), None, self._why))

    async def _work(self) -> None:
        """Take files as long as there are any; a new association after one that ended.

        A rejection is for this worker alone: the peer may take fewer associations than were asked for.
        """
        failures = 0
        while self._waiting and failures < ATTEMPTS:
            try:
                association = await self._ask()
            except AssociationRejected as error:
                self._why = said(error)
                return
            except OSError as error:
                self._why = f"no connection: {said(error)}"
                return
            except AssociationAborted as error:
                self._why = said(error)
                failures += 1
                continue
            sent = await _send_over(association, self._waiting, self._report)
            if association.error is not None:
                self._why = said(association.error)
            failures = 0 if sent else failures + 1

    async def _ask(self) -> Association:
        task = asyncio.current_task()
        assert task is not None
        self._asking.add(task)
        try:
            return await self._associate(self._contexts)
        finally:
            self._asking.discard(task)


async def _send_over(association: Association, waiting: Waiting, report: Callable[[Sent], object]) -> int:
    """Send files until there are none or the association is over; return how many were answered."""
    assert association.negotiated is not None
    if association.is_sound and association.connection.is_lendable:
        answered = await Outgoing(association, waiting, report).send()
    else:
        window = min(association.negotiated.max_operations_invoked or MOST_UNDER_WAY, max(1, len(waiting)))
        counts = await asyncio.gather(*(_one_by_one(association, waiting, report) for _ in range(window)))
        answered = sum(counts)
    if association.is_established:
        try:
            await association.release()
        except DicomWireError:
            # All files were answered: how the association ended changes nothing about them.
            await association.terminate()
    else:
        await association.terminate()
    return answered


async def _one_by_one(association: Association, waiting: Waiting, report: Callable[[Sent], object]) -> int:
    """Send files in the event loop: over TLS, say; where the window has room others do the same beside this."""
    answered = 0
    while waiting and association.is_established:
        path = waiting.popleft()
        try:
            answer = await c_store(association, path)
        except (DicomWireError, OSError) as error:
            report(Sent(path, None, said(error)))
            continue
        answered += 1
        report(Sent(path, answer.status, answer.message.error_comment))
    return answered
