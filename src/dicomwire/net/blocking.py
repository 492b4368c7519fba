"""Associations for scripts without asyncio, under the names and with the arguments that pynetdicom's users know.

    ae = AE(ae_title="WORKSTATION")
    ae.add_requested_context("1.2.840.10008.1.1")
    assoc = ae.associate("127.0.0.1", 11112)
    if assoc.is_established:
        status = assoc.send_c_echo()
        assoc.release()

An event loop in a thread of its own does the work, one for each AE, from its first use until the AE, its associations
and its servers are gone; any thread may call.  As scripts expect, `associate` and the requests do not raise when the
peer refuses: they return an association that is not established, and a status that is empty.  Handlers run in threads
and may block.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from _dicomwire.part10 import dcmread
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CEchoRQ, CStoreRQ
from dicomwire.errors import (
    AssociationAborted,
    AssociationRejected,
    DecodeError,
    DicomWireError,
    LocalProtocolError,
    UnsupportedError,
)
from dicomwire.file.instance_file import file_meta_information
from dicomwire.net import evt
from dicomwire.net.ae import ApplicationEntity
from dicomwire.net.association import VERIFICATION
from dicomwire.net.association import Association as AsyncAssociation
from dicomwire.net.evt import EVT_ABORTED, EVT_C_ECHO, EVT_C_STORE, EVT_ESTABLISHED, EVT_RELEASED, Event
from dicomwire.net.server import Server
from dicomwire.net.settings import Limits, Timeouts
from dicomwire.net.storage.sop_classes import storage_sop_classes
from dicomwire.net.threads import LoopThread
from dicomwire.ul.items import (
    ProposedContext,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)
from dicomwire.ul.policy import AcceptorPolicy, Roles

if TYPE_CHECKING:
    import ssl

    from _dicomwire.dataset import DataSet
    from dicomwire.dimse.message import Request as RequestMessage
    from dicomwire.net.handlers import Request
    from dicomwire.net.invoking import Answer
    from dicomwire.net.storage.source import StorageSource
    from dicomwire.ul.negotiation import AcceptedContext

    ExtendedNegotiation = (
        RoleSelection | UserIdentityRQ | SOPClassExtendedNegotiation | SOPClassCommonExtendedNegotiation
    )
    EventHandler = tuple["Event", Callable[..., Any]] | tuple["Event", Callable[..., Any], Sequence[Any]]

__all__ = [
    "AE",
    "EVT_ABORTED",
    "EVT_C_ECHO",
    "EVT_C_STORE",
    "EVT_ESTABLISHED",
    "EVT_RELEASED",
    "AllStoragePresentationContexts",
    "Association",
    "Event",
    "Occurrence",
    "Party",
    "PresentationContext",
    "StatusSet",
    "ThreadedServer",
    "VerificationPresentationContexts",
    "build_context",
    "build_role",
    "evt",
]

NEVER_S = 365 * 86400.0  # what scripts that set a time-out to None mean, where there has to be one

_log = logging.getLogger("dicomwire.net")

DEFAULT_TRANSFER_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What a handler is called with: the event, the association, and the request with its data set where there is one.

    `dataset`, `file_meta` and `encoded_dataset` are for EVT_C_STORE, whose handler returns a status: a number, or an
    object with an attribute `Status`.  `request` has its elements by keyword too, `AffectedSOPInstanceUID` say.
    """

    event: Event
    assoc: Association
    request: RequestMessage[Any] | None = None
    context: AcceptedContext | None = None
    data: bytes | None = field(default=None, repr=False)
    timestamp: datetime = field(default_factory=datetime.now)

    @property
    def message_id(self) -> int | None:
        """Message ID of the request, None for what is no request."""
        return None if self.request is None else self.request.message_id

    def encoded_dataset(self, include_meta: bool = True) -> bytes:
        """Return the data set as it came; with `include_meta` as a file with preamble and File Meta Information."""
        assert self.data is not None
        return self._meta() + self.data if include_meta else self.data

    @property
    def dataset(self) -> DataSet:
        """The data set that came, read lazily, with File Meta Information."""
        return dcmread(self.encoded_dataset())

    @property
    def file_meta(self) -> DataSet:
        """File Meta Information for the data set that came (PS3.10 section 7.1)."""
        return dcmread(self._meta() + (self.data or b""), stop_at=0x00080000).file_meta

    def _meta(self) -> bytes:
        request, context = self.request, self.context
        assert isinstance(request, CStoreRQ)
        assert context is not None
        association = self.assoc._association
        title = association.calling_ae_title if association is not None else ""
        return file_meta_information(
            request.affected_sop_class_uid, request.affected_sop_instance_uid, context.transfer_syntax, title
        )


class StatusSet:
    """The status of a response: `Status`, and `ErrorComment` where the peer sent one.  Without a response it is empty.

    An empty one is false, and has no attribute `Status`.
    """

    __slots__ = ("ErrorComment", "Status")

    Status: int
    ErrorComment: str

    def __init__(self, status: int | None = None, error_comment: str | None = None) -> None:
        if status is not None:
            self.Status = status
        if error_comment is not None:
            self.ErrorComment = error_comment

    def __bool__(self) -> bool:
        return hasattr(self, "Status")

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.__slots__ and hasattr(self, keyword)

    def __repr__(self) -> str:
        return f"<StatusSet {self.Status:04X}H>" if self else "<StatusSet, no response>"


@dataclass(frozen=True, slots=True)
class PresentationContext:
    """An abstract syntax with transfer syntaxes, proposed or supported."""

    abstract_syntax: UID
    transfer_syntax: tuple[UID, ...]
    roles: Roles | None = None


def build_context(abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None) -> PresentationContext:
    """Return a context for `requested_contexts` or `supported_contexts`; without transfer syntaxes the uncompressed."""
    if transfer_syntax is None:
        syntaxes: Iterable[str] = DEFAULT_TRANSFER_SYNTAXES
    else:
        syntaxes = (transfer_syntax,) if isinstance(transfer_syntax, str) else transfer_syntax
    return PresentationContext(UID(abstract_syntax), tuple(map(UID, syntaxes)))


AllStoragePresentationContexts = [build_context(uid) for uid in storage_sop_classes()]
VerificationPresentationContexts = [build_context(VERIFICATION)]


def build_role(uid: str, scu_role: bool = False, scp_role: bool = False) -> RoleSelection:
    """Return a role selection for `ext_neg`."""
    return RoleSelection(UID(uid), scu_role, scp_role)


class Party(NamedTuple):
    """One side of an association: its AE title, and its end of the connection while there is one."""

    ae_title: str
    address: str
    port: int


# What pynetdicom has besides: whoever asks for it learns where it is to be had.
_ELSEWHERE = ("send_c_find", "send_c_get", "send_c_move", "send_n_")


class Association:
    """An association of a script."""

    def __init__(
        self,
        ae: AE,
        loop: LoopThread,
        association: AsyncAssociation | None = None,
        proposed: Sequence[PresentationContext] = (),
    ) -> None:
        self.ae = ae
        self._proposed = tuple(proposed)
        self._error: DicomWireError | OSError | None = None
        self._loop = loop
        self._association = association

    @property
    def is_established(self) -> bool:
        """True while requests can be sent."""
        return self._association is not None and self._association.is_established

    @property
    def is_rejected(self) -> bool:
        """True when the peer rejected it."""
        return isinstance(self.error, AssociationRejected)

    @property
    def is_aborted(self) -> bool:
        """True when it was aborted, by whichever side, or the connection was lost or never made."""
        return self.error is not None and not self.is_rejected

    @property
    def is_released(self) -> bool:
        """True when it was released."""
        return self._association is not None and self._association.is_released

    @property
    def accepted_contexts(self) -> list[AcceptedContext]:
        """The presentation contexts that can be used."""
        negotiated = self._association.negotiated if self._association is not None else None
        return list(negotiated.contexts.values()) if negotiated is not None else []

    @property
    def rejected_contexts(self) -> list[PresentationContext]:
        """The presentation contexts that were proposed here, and cannot be used."""
        if self._association is None:
            return []
        accepted = self._association.contexts
        return [context for number, context in enumerate(self._proposed) if 2 * number + 1 not in accepted]

    @property
    def requestor(self) -> Party:
        """Who asked for the association; AE title "" when it never came to be."""
        return self._party(is_requestor=True)

    @property
    def acceptor(self) -> Party:
        """Who was asked for the association; AE title "" when it never came to be."""
        return self._party(is_requestor=False)

    def _party(self, *, is_requestor: bool) -> Party:
        association = self._association
        if association is None:
            return Party("", "", 0)
        is_ours = association.is_requestor == is_requestor
        title = association.calling_ae_title if is_requestor else association.called_ae_title
        address = (association.own_address if is_ours else association.peer_address) or ("", 0)
        return Party(title, *address)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            hint = ": dicomwire.net sends any request, see docs/network.md" if name.startswith(_ELSEWHERE) else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    @property
    def error(self) -> DicomWireError | OSError | None:
        """Why it is not established, or no longer; None while it is, and after a release."""
        if self._error is None and self._association is not None:
            return self._association.error
        return self._error

    def send_c_echo(self, msg_id: int = 1) -> StatusSet:
        """Send C-ECHO-RQ and return the peer's status, empty when there was no answer.

        RuntimeError when the association is not established, ValueError when verification was not accepted.
        """
        return self._send(CEchoRQ(message_id=msg_id, affected_sop_class_uid=VERIFICATION))

    def send_c_store(
        self,
        dataset: StorageSource,
        msg_id: int = 1,
        priority: int = 2,
        originator_aet: str | None = None,
        originator_id: int | None = None,
    ) -> StatusSet:
        """Send C-STORE-RQ with an instance and return the peer's status, empty when there was no answer.

        dataset     path, bytes of a file, binary stream, or a data set that was read; sent as it is encoded
        priority    0 medium, 1 high, 2 low
        originator_aet, originator_id    of the C-MOVE that this is a part of

        RuntimeError when the association is not established, ValueError when no context was accepted for the SOP class
        and transfer syntax, or the file cannot be read as DICOM.
        """
        association = self._established()
        return self._answered(
            association.c_store(
                dataset,
                message_id=msg_id,
                priority=priority,
                move_originator_ae_title=originator_aet,
                move_originator_message_id=originator_id,
            )
        )

    def _send(self, message: RequestMessage[Any]) -> StatusSet:
        return self._answered(self._established().request(message))

    def _established(self) -> AsyncAssociation:
        association = self._association
        if association is None or not association.is_established:
            raise RuntimeError("the association is not established")
        return association

    def _answered(self, request: Coroutine[Any, Any, Answer]) -> StatusSet:
        try:
            answer = self._loop.call(request)
        except (LocalProtocolError, UnsupportedError) as error:
            raise ValueError(str(error)) from error
        except DecodeError:
            raise
        except DicomWireError as error:
            self._error = error
            return StatusSet()
        return StatusSet(answer.message.status, answer.message.error_comment)

    def release(self) -> None:
        """Release the association; nothing happens when it is over."""
        if self.is_established and self._association is not None:
            try:
                self._loop.call(self._association.release())
            except DicomWireError as error:
                self._error = error

    def abort(self) -> None:
        """Abort the association; nothing happens when it is over."""
        if self._association is not None:
            self._loop.call(self._association.terminate())

    def __enter__(self) -> Association:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()


class ThreadedServer:
    """A server that was started by `AE.start_server`; `shutdown` ends it."""

    def __init__(self, ae: AE, server: Server, loop: LoopThread) -> None:
        self._ae = ae
        self._server = server
        self._loop = loop
        self._stopped = threading.Event()

    @property
    def server_address(self) -> tuple[str, int]:
        """Address and port that it listens on."""
        return self._server.host, self._server.port

    @property
    def active_associations(self) -> list[Association]:
        """The associations that are there now."""
        return [Association(self._ae, self._loop, association) for association in self._server.associations]

    def shutdown(self) -> None:
        """Stop listening and abort what associations there are."""
        self._loop.call(self._server.stop())
        self._stopped.set()

    def wait(self) -> None:
        """Return when `shutdown` was called."""
        self._stopped.wait()

    def __enter__(self) -> ThreadedServer:
        return self

    def __exit__(self, *rest: object) -> None:
        self.shutdown()


class AE:
    """An application entity for scripts.

    Time-outs in seconds, None for none: `connection_timeout` (TCP), `acse_timeout` (association and release),
    `dimse_timeout` (each response), `network_timeout` (silence on an accepted association).
    """

    def __init__(self, ae_title: str = "DICOMWIRE") -> None:
        self.ae_title = ae_title
        self.connection_timeout: float | None = None
        self.acse_timeout: float | None = 30
        self.dimse_timeout: float | None = 30
        self.network_timeout: float | None = 60
        self.maximum_pdu_size = 16382
        self.maximum_associations = 10
        self.require_called_aet = False
        self.require_calling_aet: list[str] = []
        self.requested_contexts: list[PresentationContext] = []
        self.supported_contexts: list[PresentationContext] = []
        self._loop = LoopThread()
        self._servers: list[ThreadedServer] = []

    def add_requested_context(self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None) -> None:
        """Propose a context in associations that are asked for."""
        self.requested_contexts.append(build_context(abstract_syntax, transfer_syntax))

    def add_supported_context(
        self,
        abstract_syntax: str,
        transfer_syntax: str | Iterable[str] | None = None,
        scu_role: bool | None = None,
        scp_role: bool | None = None,
    ) -> None:
        """Accept a context in servers that are started afterwards; roles are the most that a requestor may be."""
        context = build_context(abstract_syntax, transfer_syntax)
        if scu_role is not None or scp_role is not None:
            context = replace(context, roles=Roles(bool(scu_role), bool(scp_role)))
        self.supported_contexts.append(context)

    def associate(
        self,
        addr: str,
        port: int,
        contexts: Sequence[PresentationContext] | None = None,
        ae_title: str = "ANY-SCP",
        max_pdu: int | None = None,
        ext_neg: Sequence[ExtendedNegotiation] | None = None,
        bind_address: tuple[str, int] | None = None,
        tls_args: tuple[ssl.SSLContext, str | None] | None = None,
        evt_handlers: Sequence[EventHandler] | None = None,
    ) -> Association:
        """Ask for an association and return it; look at `is_established`.

        contexts    instead of `requested_contexts`
        max_pdu     instead of `maximum_pdu_size`
        ext_neg     role selections (`build_role`), user identity, extended negotiations
        tls_args    SSL context and host name, the latter None for `addr`
        evt_handlers    for EVT_ESTABLISHED, EVT_RELEASED and EVT_ABORTED: see `start_server`
        """
        wanted = self.requested_contexts if contexts is None else contexts
        if not wanted:
            raise RuntimeError("no presentation contexts requested: see add_requested_context")
        ae = self._entity(self.maximum_pdu_size if max_pdu is None else max_pdu)
        items = list(ext_neg or ())
        bound = _Bound(self, self._loop, evt_handlers)
        association = Association(self, self._loop, proposed=wanted)
        request = ae.associate(
            addr,
            port,
            called_ae_title=ae_title,
            contexts=[
                ProposedContext(2 * index + 1, context.abstract_syntax, context.transfer_syntax)
                for index, context in enumerate(wanted)
            ],
            roles={item.sop_class_uid: Roles(item.scu, item.scp) for item in items if isinstance(item, RoleSelection)},
            user_identity=next((item for item in items if isinstance(item, UserIdentityRQ)), None),
            extended_negotiations=[
                item
                for item in items
                if isinstance(item, (SOPClassExtendedNegotiation, SOPClassCommonExtendedNegotiation))
            ],
            tls=tls_args[0] if tls_args else None,
            server_host_name=tls_args[1] if tls_args else None,
            local_address=bind_address,
        )

        async def establish() -> AsyncAssociation:
            established = await request
            self._loop.watch(established)
            bound.follow(established)
            return established

        try:
            association._association = self._loop.call(establish())
        except (AssociationRejected, AssociationAborted, OSError) as error:
            association._error = error
        return association

    def start_server(
        self,
        address: tuple[str, int],
        block: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: Sequence[EventHandler] | None = None,
        ae_title: str | None = None,
        contexts: Sequence[PresentationContext] | None = None,
    ) -> ThreadedServer | None:
        """Listen on an address; with `block` until `shutdown` or an interrupt, else in the background.

        evt_handlers    (event, function) or (event, function, arguments); the function is called with an Occurrence.
                        A handler of EVT_C_ECHO returns the status; without one, success is answered
        contexts        instead of `supported_contexts`
        """
        host, port = address
        bound = _Bound(self, self._loop, evt_handlers)
        ae = self._entity(self.maximum_pdu_size, ae_title)
        server = Server(
            ae,
            host=host or "0.0.0.0",
            port=port,
            policy=AcceptorPolicy(
                ae_title=ae.title if self.require_called_aet else None,
                calling_ae_titles=self.require_calling_aet or None,
            ),
            tls=ssl_context,
            established=lambda association: bound.tell(Event.ESTABLISHED, association),
            ended=bound.tell_end,
        )
        for context in self.supported_contexts if contexts is None else contexts:
            server.support(context.abstract_syntax, context.transfer_syntax, roles=context.roles)
        bound.register(server)
        running = ThreadedServer(self, server, self._loop)
        self._servers.append(running)  # before anybody can connect, and then call `shutdown`
        try:
            self._loop.call(server.start())
        except BaseException:
            self._servers.remove(running)
            raise
        if not block:
            return running
        try:
            running.wait()
        finally:
            running.shutdown()
        return None

    def shutdown(self) -> None:
        """End all servers of this application entity."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.shutdown()

    def _entity(self, max_pdu_length: int, title: str | None = None) -> ApplicationEntity:
        return ApplicationEntity(
            title or self.ae_title,
            max_pdu_length=max_pdu_length,
            timeouts=Timeouts(
                connect_s=self.connection_timeout,
                artim_s=NEVER_S if self.acse_timeout is None else self.acse_timeout,
                dimse_s=self.dimse_timeout,
                idle_s=self.network_timeout,
            ),
            limits=Limits(associations=self.maximum_associations),
        )


class _Bound:
    """The handlers of a script, called in threads."""

    def __init__(self, ae: AE, loop: LoopThread, handlers: Sequence[EventHandler] | None) -> None:
        self._ae = ae
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._functions: dict[Event, tuple[Callable[..., Any], Sequence[Any]]] = {}
        for event, function, *more in handlers or ():
            self._functions[event] = function, more[0] if more else ()

    def register(self, server: Server) -> None:
        """Have the server answer requests by those handlers that are for requests."""
        for event in self._functions:
            if isinstance(event.value, CommandField):
                server.on(event.value)(self._handler(event))

    def _handler(self, event: Event) -> Callable[[Request], Coroutine[Any, Any, Any]]:
        async def handle(request: Request) -> Any:
            status = await self._call(event, request.association, request.message, request.context, request.data)
            return getattr(status, "Status", status)

        return handle

    async def _call(
        self,
        event: Event,
        association: AsyncAssociation,
        message: RequestMessage[Any] | None = None,
        context: AcceptedContext | None = None,
        data: bytes | None = None,
    ) -> Any:
        function, more = self._functions[event]
        occurrence = Occurrence(event, Association(self._ae, self._loop, association), message, context, data)
        return await asyncio.get_running_loop().run_in_executor(None, function, occurrence, *more)

    def tell(self, event: Event, association: AsyncAssociation) -> None:
        """Call the handler of something that happened, if there is one."""
        if event in self._functions:
            task = asyncio.get_running_loop().create_task(self._tell(event, association))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def tell_end(self, association: AsyncAssociation) -> None:
        """Call the handler for the end of an association, if it was one."""
        if association.negotiated is not None:
            self.tell(Event.RELEASED if association.is_released else Event.ABORTED, association)

    def follow(self, association: AsyncAssociation) -> None:
        """Call the handlers for an association that was asked for here."""
        self.tell(Event.ESTABLISHED, association)
        if Event.RELEASED in self._functions or Event.ABORTED in self._functions:
            task = asyncio.get_running_loop().create_task(self._await_end(association))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _await_end(self, association: AsyncAssociation) -> None:
        await association.closed()
        self.tell_end(association)

    async def _tell(self, event: Event, association: AsyncAssociation) -> None:
        try:
            await self._call(event, association)
        except Exception as error:  # noqa: BLE001  the handler's, whatever it is
            _log.error("%s: the handler raised %s", event, type(error).__name__, exc_info=_log.isEnabledFor(10))
