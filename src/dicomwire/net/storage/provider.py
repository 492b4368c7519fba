"""Storage provider: C-STORE to files (PS3.4 Annex B, level 2: everything that was sent is kept).

    server = Server("ARCHIVE", port=11112)
    storage = Storage("/data/incoming", template="{StudyInstanceUID}/{SOPInstanceUID}.dcm", fsync=True)
    storage.register(server)
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import os
import threading
from collections.abc import Awaitable
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from _dicomwire.cstore import store_request
from _dicomwire.deposit import LATER, NEW, REPLACES, Place
from dicomwire.dictionary import UID
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CStoreRQ
from dicomwire.dimse.status import PROCESSING_FAILURE, SUCCESS, StatusKind, kind_of
from dicomwire.errors import ServiceError
from dicomwire.file.instance_file import FOLDER_MODE, Duplicates, FileWriter, meta_around_instance
from dicomwire.net.handlers import Handlers, Look
from dicomwire.net.server import Server
from dicomwire.net.storage.header import PIXELS, SOP_INSTANCE_UID, header_at_once, rules_of
from dicomwire.net.storage.naming import UID_ONLY, Template
from dicomwire.net.storage.receiving import FIRST_STAYS, Arriving, Receiving, Stored, ask_about, value_in
from dicomwire.net.storage.sop_classes import (
    STORAGE_SERVICE_CLASS,
    storage_sop_classes,
    storage_transfer_syntaxes,
)
from dicomwire.net.workers import THREADS, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _dicomwire.deposit import Deposit
    from dicomwire.dimse.message import CommandMessage
    from dicomwire.net.association import Association
    from dicomwire.net.handlers import Request
    from dicomwire.ul.items import SOPClassCommonExtendedNegotiation, SOPClassExtendedNegotiation
    from dicomwire.ul.negotiation import AcceptedContext

    OnHeader = Callable[[Arriving], int | None]
    OnStored = Callable[[Stored], int | Awaitable[int | None] | None]

_log = logging.getLogger("dicomwire.net.storage")

MOST_SHARED = 10_000  # names that are remembered
KEPT_AS_SENT = bytes((2, 0, 3, 0, 0, 0))  # level 2 (full), signature level 3 (preserved), no coercion of elements


class Storage:
    """What a storage provider does with instances.  One object serves any number of associations and servers.

    folder        where files go; None: nothing is written, instances are only counted, digested and handed on
    template      names of files below the folder, see `dicomwire.net.storage.naming`.  Values are made safe.
    duplicates    "keep", "replace", "refuse" or "number", see `Duplicates`
    fsync         answer when file and name are on the disk, so that nothing acknowledged is lost by a power failure
    digest        name of a hash of `hashlib` over all bytes of the file
    checks        whether SOP Class and SOP Instance UID of the data set must be those of the command.  Data sets in
                  transfer syntaxes that are not known are not looked into
    max_length    longest file in bytes; longer ones are answered by A700H, Out of Resources.  0: any
    on_header     called with an `Arriving` before the pixel data come.  It may return a status: a failure (0124H, Not
                  Authorized, say) refuses the instance, and nothing is written.  It must not block.
    on_stored     plain or coroutine function, called with a `Stored` when the file has its name and before the answer
                  is sent.  It may return the status: B000H, say, or a failure.  Upon a failure, and when it raises, a
                  new file is removed; one that has replaced another stays, and so does one that was there before.
    sop_classes   abstract syntaxes besides those of the standard, private ones say
    transfer_syntaxes   what to accept, the best first, instead of all that are known
    threads       how many may receive and write beside the event loop, for all associations together; they call
                  `on_header` and `on_stored`.  0: all is done in the event loop, which a slow disk holds up

    Files are written under a hidden temporary name in their folder, with mode 0600, and renamed when they are complete.
    The answers: A700H for a full disk and for limits, A900H for UIDs that are not the command's, C000H for bytes that
    are no data set, 0111H for refused duplicates, 0117H for UIDs of more than 64 characters.  After each of them the
    association goes on.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        *,
        template: str = UID_ONLY,
        duplicates: str | Duplicates = Duplicates.KEEP,
        fsync: bool = False,
        digest: str | None = None,
        checks: bool = True,
        max_length: int = 0,
        on_header: OnHeader | None = None,
        on_stored: OnStored | None = None,
        sop_classes: Iterable[str] = (),
        transfer_syntaxes: Iterable[str] | None = None,
        threads: int = THREADS,
    ) -> None:
        self.folder = None if folder is None else os.path.abspath(folder)
        self.template = Template(template)
        self.duplicates = Duplicates(duplicates)
        self.fsync = fsync
        self.digest = digest
        self.checks = checks
        self.max_length = max_length
        self.on_header = on_header
        self.on_stored = on_stored
        self.sop_classes = (*storage_sop_classes(), *map(UID, sop_classes))
        self.transfer_syntaxes = tuple(map(UID, transfer_syntaxes or storage_transfer_syntaxes()))
        # Whether the writing has to wait for the header, and how much of it is read.
        self.keeps_header = on_header is not None or (folder is not None and bool(self.template.keywords))
        self.header_until = PIXELS if on_header is not None else self._last_tag() + 1
        self.workers = Workers(threads) if threads else None
        self.looks = self.keeps_header or digest is not None
        self._place = lru_cache(256)(self._place_of)
        # Names that more than one instance has come for, the latest last: an answer may stand for a file of another's.
        self._shared: dict[str, None] = {}
        self._sharing = threading.Lock()
        if digest is not None:
            hashlib.new(digest).hexdigest()
        if self.folder is not None:
            os.makedirs(self.folder, FOLDER_MODE, exist_ok=True)

    def _last_tag(self) -> int:
        return max((SOP_INSTANCE_UID, *self.template.keywords.values()))

    def register(self, target: Server | Handlers) -> None:
        """Answer C-STORE-RQ by a server, in contexts of all storage SOP classes, or by the handlers of a requestor."""
        handlers = target
        if isinstance(target, Server):
            handlers = target.handlers
            for sop_class in self.sop_classes:
                target.support(sop_class, self.transfer_syntaxes)
        assert isinstance(handlers, Handlers)
        handlers.on(CommandField.C_STORE_RQ)(self._store)
        handlers.receive(CommandField.C_STORE_RQ)(self._receive)
        if self.workers is not None:
            handlers.perform_in_threads(CommandField.C_STORE_RQ, self._store_here, self.workers, self)

    def unlisted(
        self, abstract_syntax: UID, common: SOPClassCommonExtendedNegotiation | None
    ) -> tuple[UID, ...] | None:
        """For `AcceptorPolicy.unlisted`: take a SOP class that nobody registered if the requestor says it is stored."""
        is_storage = common is not None and common.service_class_uid == STORAGE_SERVICE_CLASS
        return self.transfer_syntaxes if is_storage else None

    def extended_negotiation(self, asked: SOPClassExtendedNegotiation) -> bytes | None:
        """For `AcceptorPolicy.extended_negotiation`: tell requestors who ask that all is kept as it was sent.

        The Service-class-application-information of storage SOP classes (PS3.4 section B.3.1); None for others.
        """
        return KEPT_AS_SENT if asked.sop_class_uid in self.sop_classes else None

    # --- one instance

    def _receive(self, association: Association, context_id: int, command: CommandMessage) -> Receiving:
        assert isinstance(command, CStoreRQ)
        return Receiving(self, association, command, association.contexts[context_id])

    def _store(self, request: Request) -> int | Awaitable[int]:
        """Perform a request in the event loop."""
        return self._store_synced(request) if self.fsync else self._store_here(request)

    def _store_here(self, request: Request) -> int | Awaitable[int]:
        receiving = cast(Receiving, request.sink)
        receiving.commit()
        return self._told(receiving)

    # --- one instance that is as usual, in a thread: see `Deposits`

    def place(self, association: Association, context: AcceptedContext) -> Place | None:
        """Return where instances of a context go, None where each needs a sink; names of the data set are empty."""
        return self._place_with(association, context, ("",) * len(self.template.keywords))

    def look(
        self, association: Association, context: AcceptedContext, place: Place, command: bytes, beginning: memoryview
    ) -> Look | None:
        """Read the header, where it is wanted, and ask `on_header`; None where it has not come as usual, and at once.

        ServiceError when the instance is refused.
        """
        chosen: Place | None = place
        header = None
        if self.keeps_header:
            request = store_request(command)
            if request is None or request[1] != context.abstract_syntax:
                return None
            syntax = context.transfer_syntax
            header = header_at_once(beginning, syntax, request[1], request[2], self.header_until, self.checks)
            if header is None:
                return None
            if self.on_header is not None:
                ask_about(self.on_header, Arriving(association, command, context, header))
            if self.template.keywords:
                values = tuple([value_in(header, field) for field in self.template.keywords])
                chosen = self._place_with(association, context, values)
        return Look(chosen, header, hashlib.new(self.digest) if self.digest is not None else None)

    def _place_with(
        self, association: Association, context: AcceptedContext, values: tuple[str, ...]
    ) -> Place | None:
        return self._place(
            context.abstract_syntax,
            context.transfer_syntax,
            association.calling_ae_title,
            association.called_ae_title,
            values,
        )

    def _place_of(
        self, sop_class: str, transfer_syntax: str, calling: str, called: str, of_data_set: tuple[str, ...]
    ) -> Place | None:
        values = {
            "SOPClassUID": sop_class,
            "TransferSyntaxUID": transfer_syntax,
            "CallingAETitle": calling,
            "CalledAETitle": called,
            **dict(zip(self.template.keywords, of_data_set, strict=True)),
        }
        names = self.template.around_instance(values.__getitem__)
        rules = rules_of(transfer_syntax)
        if names is None or (rules.is_deflated and self.checks):
            return None
        naming = REPLACES if self.duplicates is Duplicates.REPLACE else NEW
        if self.fsync:
            naming = LATER
        try:
            return Place(
                sop_class.encode("ascii"),
                *meta_around_instance(sop_class, transfer_syntax, calling),
                None if self.folder is None else os.fsencode(f"{self.folder}/{names[0]}"),
                os.fsencode(names[1]),
                naming=naming,
                is_looked_for=self.duplicates in FIRST_STAYS,
                checks=self.checks and rules.is_known,
                explicit_vr=rules.explicit_vr,
                little_endian=rules.little_endian,
                max_length=self.max_length,
            )
        except ValueError:  # titles and UIDs that are not ASCII, or too long: a sink answers them
            return None

    def stored(
        self, association: Association, context: AcceptedContext, deposit: Deposit, look: Look | None
    ) -> int | Awaitable[int]:
        """Tell the user of an instance that has its name, and return the status to answer."""
        if self.on_stored is None:
            return SUCCESS
        stored = Stored(association, deposit.command, context, None, deposit.size)
        if self.folder is not None:
            stored.path, stored.has_replaced = deposit.path, deposit.has_replaced
        if look is not None:
            stored.header = look.header
            if look.digest is not None:
                stored.digest = look.digest.hexdigest()
        return self._outcome(stored)

    def go_on(
        self,
        association: Association,
        message: CStoreRQ,
        context: AcceptedContext,
        look: Look | None,
        begun: tuple[Deposit, int] | None = None,
    ) -> Receiving:
        """Return a sink that goes on with what is known of an instance, and with what a deposit has begun."""
        if begun is None:
            return Receiving(self, association, message, context, look)
        deposit, size = begun
        file = deposit.hand_over()
        taken = (None if file is None else FileWriter.of(*file), size)
        return Receiving(self, association, message, context, look, taken)

    async def _store_synced(self, request: Request) -> int:
        """Wait for the disk in a thread, beside other associations."""
        receiving = cast(Receiving, request.sink)
        await asyncio.get_running_loop().run_in_executor(None, receiving.commit)
        status = self._told(receiving)
        return await status if inspect.isawaitable(status) else status

    def _told(self, receiving: Receiving) -> int | Awaitable[int]:
        """Tell the user of an instance, and return the status to answer."""
        if self.on_stored is None:
            return SUCCESS
        return self._outcome(receiving.stored())

    def _outcome(self, stored: Stored) -> int | Awaitable[int]:
        assert self.on_stored is not None
        if stored.is_duplicate or stored.has_replaced:
            self._share(stored.path)
        try:
            status = self.on_stored(stored)
            return self._awaited(stored, status) if inspect.isawaitable(status) else self._final(stored, status)
        except Exception:
            self._refuse(stored)
            raise

    async def _awaited(self, stored: Stored, awaited: Awaitable[int | None]) -> int:
        try:
            return self._final(stored, await awaited)
        except Exception:  # not when the association has ended: nothing says that the instance is not wanted
            self._refuse(stored)
            raise

    def _final(self, stored: Stored, status: int | None) -> int:
        if status is None:
            return SUCCESS
        status = int(status)
        if kind_of(status) not in (StatusKind.SUCCESS, StatusKind.WARNING):
            self._refuse(stored)
        return status

    # --- files that are refused after all

    def _share(self, path: str | None) -> None:
        """Keep a file from being removed by whoever it is new for: ServiceError when that has happened."""
        if path is None:
            return
        with self._sharing:
            if not os.path.lexists(path):
                raise ServiceError("the file that was there is gone", status=PROCESSING_FAILURE)
            self._shared.pop(path, None)
            self._shared[path] = None
            if len(self._shared) > MOST_SHARED:
                del self._shared[next(iter(self._shared))]

    def _refuse(self, stored: Stored) -> None:
        """Remove a file that is refused, unless another instance of its name was answered, or is about to be."""
        path = stored.path
        if path is None or stored.is_duplicate or stored.has_replaced:
            return
        with self._sharing:
            if path in self._shared:
                return
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass  # the handler has taken it
            except OSError as error:
                _log.error("a refused file is left behind: %s", error.strerror)
