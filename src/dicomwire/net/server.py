"""Providers: a server listens, negotiates after its policy and hands requests to handlers (PS3.7, PS3.8)."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dicomwire.net.ae import UNCOMPRESSED, ApplicationEntity
from dicomwire.net.association import VERIFICATION, Association
from dicomwire.net.connection import set_options
from dicomwire.net.handlers import Handlers
from dicomwire.net.settings import DICOM_PORT, DICOM_TLS_PORT
from dicomwire.ul.association import Association as Machine
from dicomwire.ul.policy import NO_REASON, TEMPORARY_CONGESTION, AcceptorPolicy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from typing import Self

    from dicomwire.dimse.command import CommandField
    from dicomwire.net.association import Identify
    from dicomwire.net.connection import Connection
    from dicomwire.net.handlers import _Function
    from dicomwire.net.trace import Trace
    from dicomwire.ul.items import UserIdentityRQ
    from dicomwire.ul.pdu import AAssociateRJ, AAssociateRQ
    from dicomwire.ul.policy import IdentityAnswer, Roles

BACKLOG = 1024  # connections that the system completes before they are accepted

_log = logging.getLogger("dicomwire.net")


class Server:
    """A provider of services on one port.

        server = Server(ApplicationEntity("ARCHIVE"), port=11112)
        server.support(CTImageStorage, [ExplicitVRLittleEndian])

        @server.on(CommandField.C_STORE_RQ)
        async def store(request):
            ...
            return 0x0000

        async with server:
            await server.serve_forever()

    ae         title, limits and time-outs; a text is a title
    host       address to listen on; only this machine by default.  "0.0.0.0" for all of IPv4, "::" for these and IPv6
    port       11112, or 2762 with TLS; 0 lets the system choose, see `port` after the start
    policy     what is accepted of whom.  Verification and what `support` names are added; the called AE title is only
               checked when the policy has one
    identify   coroutine function that answers user identities, where the policy's plain one will not do
    tls        see `dicomwire.net.tls`
    trace      called for each connection; what it returns sees every PDU, see `dicomwire.net.trace`
    established   called with each association that was accepted.  An exception aborts it
    ended      called with each association whose connection is gone, also where none came about; `is_released` and
               `error` say how it ended
    associations   those that are established now

    Verification is answered without a handler.  A callable of the policy that fails rejects the association; errors are
    logged to "dicomwire.net" by their class, with a traceback at level DEBUG, and at level INFO each association that
    is accepted or over, by titles and addresses.
    """

    def __init__(
        self,
        ae: ApplicationEntity | str = "DICOMWIRE",
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        policy: AcceptorPolicy | None = None,
        identify: Identify | None = None,
        tls: ssl.SSLContext | None = None,
        reuse_port: bool = False,
        trace: Callable[[], Trace] | None = None,
        established: Callable[[Association], object] | None = None,
        ended: Callable[[Association], object] | None = None,
    ) -> None:
        self.ae = ApplicationEntity(ae) if isinstance(ae, str) else ae
        self.host = host
        self.handlers = Handlers()
        self._port = (DICOM_TLS_PORT if tls else DICOM_PORT) if port is None else port
        self._asked_policy = policy or AcceptorPolicy()
        self._supported = {VERIFICATION: UNCOMPRESSED, **self._asked_policy.supported}
        self._roles = dict(self._asked_policy.roles)
        self._policy: AcceptorPolicy | None = None
        self._tls = tls
        self._reuse_port = reuse_port
        self._trace = trace
        self._registry = _Registry(self.ae, identify, established, ended)
        self._listener: asyncio.Server | None = None
        self._stopped: asyncio.Future[None] | None = None

    @property
    def associations(self) -> frozenset[Association]:
        """The associations that are established now."""
        return frozenset(self._registry.associations)

    @property
    def port(self) -> int:
        """The port that it listens on, or will listen on."""
        if self._listener is not None and self._listener.sockets:
            port: int = self._listener.sockets[0].getsockname()[1]
            return port
        return self._port

    def support(
        self, abstract_syntax: str, transfer_syntaxes: Iterable[str] = UNCOMPRESSED, *, roles: Roles | None = None
    ) -> None:
        """Accept contexts of this abstract syntax; transfer syntaxes with the best first.

        `roles` is the most that requestors may be, where it is not SCU alone.  Before the start only.
        """
        self._supported[abstract_syntax] = tuple(transfer_syntaxes)
        if roles is not None:
            self._roles[abstract_syntax] = roles

    def on(self, command_field: CommandField) -> Callable[[_Function], _Function]:
        """Return a decorator that makes a function the handler of requests of this kind, see `Handlers`."""
        return self.handlers.on(command_field)

    # --- life

    async def start(self) -> None:
        """Listen, and accept associations from now on."""
        if self._listener is not None:
            raise RuntimeError("the server has been started")
        self._policy = self._effective_policy()
        loop = asyncio.get_running_loop()
        self._stopped = loop.create_future()
        of_tls = {"ssl": self._tls, "ssl_handshake_timeout": self.ae.timeouts.connect_s} if self._tls else {}
        options: dict[str, Any] = {"backlog": BACKLOG, "start_serving": False, **of_tls}
        if self.host == "::" and socket.has_dualstack_ipv6():
            # Event loops would keep IPv4 out.
            options["sock"] = socket.create_server(
                (self.host, self._port),
                family=socket.AF_INET6,
                backlog=BACKLOG,
                reuse_port=self._reuse_port,
                dualstack_ipv6=True,
            )
        else:
            options |= {"host": self.host, "port": self._port, "reuse_port": self._reuse_port or None}
        try:
            self._listener = await loop.create_server(lambda: self._accept(loop), **options)
        except BaseException:
            if "sock" in options:
                options["sock"].close()
            raise
        for listening in self._listener.sockets:
            with socket.socket(fileno=os.dup(listening.fileno())) as one:
                set_options(one)
        await self._listener.start_serving()
        self._registry.is_accepting = True

    async def stop(self) -> None:
        """Stop listening, abort the associations that are there, and return when they and their handlers have ended."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._registry.is_accepting = False
        listener.close()
        await asyncio.gather(*(association.terminate() for association in self._registry.connections))
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    async def serve_forever(self) -> None:
        """Serve until cancelled, or until `stop` is called elsewhere."""
        if self._listener is None:
            await self.start()
        assert self._stopped is not None
        await asyncio.shield(self._stopped)

    async def __aenter__(self) -> Self:
        if self._listener is None:
            await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- associations

    def _effective_policy(self) -> AcceptorPolicy:
        asked = self._asked_policy
        return dataclasses.replace(
            asked,
            identify=asked.identify if self._registry.identify is None else _answered_by_coroutine,
            supported=self._supported,
            roles=self._roles,
            screen=None if asked.screen is None else self._screen,
            max_pdu_length=self.ae.max_pdu_length,
            implementation_class_uid=self.ae.implementation_class_uid,
            implementation_version_name=self.ae.implementation_version_name,
        )

    def _screen(self, request: AAssociateRQ) -> AAssociateRJ | None:
        screen = self._asked_policy.screen
        assert screen is not None
        try:
            return screen(request)
        except Exception as error:  # noqa: BLE001  whatever it is, nobody is let in by it
            _log.error("screen: the callable raised %s", type(error).__name__, exc_info=_log.isEnabledFor(10))
            return NO_REASON

    def _accept(self, loop: asyncio.AbstractEventLoop) -> Connection:
        """Return the protocol of a new transport connection."""
        ae = self.ae
        assert self._policy is not None
        machine = Machine.acceptor(self._policy, max_control_length=ae.limits.control_length)
        association = Association(machine, loop, ae.timeouts, ae.limits, self.handlers, self._registry)
        return ae.connection(machine, association, loop, self._trace and self._trace())


class _Registry:
    """What a server has of associations, and what it is told by them: their `Owner`.

    A connection counts from its beginning: over TLS, after the handshake.
    """

    def __init__(
        self,
        ae: ApplicationEntity,
        identify: Identify | None,
        established: Callable[[Association], object] | None,
        ended: Callable[[Association], object] | None,
    ) -> None:
        self.identify = identify
        self.is_accepting = False
        self.connections: set[Association] = set()
        self.associations: set[Association] = set()
        self._ae = ae
        self._tell_established = established
        self._tell_ended = ended

    def connected(self, association: Association) -> bool:
        self.connections.add(association)
        return self.is_accepting and len(self.connections) <= self._ae.limits.connections

    def refuse(self) -> AAssociateRJ | None:
        return TEMPORARY_CONGESTION if len(self.associations) >= self._ae.limits.associations else None

    def established(self, association: Association) -> None:
        self.associations.add(association)
        if _log.isEnabledFor(logging.INFO):
            called, count = association.called_ae_title, len(association.contexts)
            _log.info("%s calls %r: accepted, %d contexts", _named(association), called, count)
        if self._tell_established is not None:
            self._tell_established(association)

    def ended(self, association: Association) -> None:
        self.connections.discard(association)
        self.associations.discard(association)
        if _log.isEnabledFor(logging.INFO):
            _log.info("%s: %s", _named(association), "released" if association.is_released else association.error)
        if self._tell_ended is not None:
            try:
                self._tell_ended(association)
            except Exception as error:  # noqa: BLE001  the association is over all the same
                _log.error("ended: the callable raised %s", type(error).__name__, exc_info=_log.isEnabledFor(10))


def _named(association: Association) -> str:
    """Return a peer as the log has it: what it calls itself, if it has said that, and where it is."""
    host, port = association.peer_address or ("", 0)
    title = association.peer_ae_title
    return f"{title!r} at {host} port {port}" if title else f"a peer at {host} port {port}"


def _answered_by_coroutine(asked: UserIdentityRQ) -> IdentityAnswer:
    raise AssertionError("the association answers user identities before it responds")
