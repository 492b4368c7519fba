"""Application entities: their title, how long they wait, and the associations that they ask for (PS3.8 section 7.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from _dicomwire.pdu import PDUReader
from dicomwire.dictionary import UID
from dicomwire.dictionary.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.errors import AssociationAborted
from dicomwire.net.association import VERIFICATION, Association
from dicomwire.net.connection import Connection, receive_buffer_of
from dicomwire.net.settings import DICOM_PORT, MAX_PDU_LENGTH, Limits, Timeouts
from dicomwire.ul.association import Association as Machine
from dicomwire.ul.items import (
    AsynchronousOperationsWindow,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    ProposedContext,
    RoleSelection,
    SubItem,
    UserIdentityRQ,
    UserInformation,
)
from dicomwire.ul.negotiation import plan_contexts
from dicomwire.ul.pdu import AAssociateRQ
from dicomwire.ul.policy import check_maximum_length

if TYPE_CHECKING:
    import ssl

    from dicomwire.net.handlers import Handlers
    from dicomwire.net.trace import Trace
    from dicomwire.ul.items import SOPClassCommonExtendedNegotiation, SOPClassExtendedNegotiation
    from dicomwire.ul.policy import Roles

    Context = str | tuple[str, str | Iterable[str]] | ProposedContext

UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


class ApplicationEntity:
    """An application entity: its title, what it announces of itself, its time-outs and limits.

    title             AE title, 1 to 16 characters; upper and lower case differ
    max_pdu_length    longest P-DATA-TF that it takes, in bytes behind the PDU header; 0: any
    timeouts, limits  see `dicomwire.net.settings`

    One object serves any number of associations, also in several event loops.
    """

    def __init__(
        self,
        title: str = "DICOMWIRE",
        *,
        max_pdu_length: int = MAX_PDU_LENGTH,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        implementation_class_uid: str = IMPLEMENTATION_CLASS_UID,
        implementation_version_name: str = IMPLEMENTATION_VERSION_NAME,
    ) -> None:
        check_maximum_length(max_pdu_length)
        self.title = title
        self.max_pdu_length = max_pdu_length
        self.timeouts = timeouts or Timeouts()
        self.limits = limits or Limits()
        self.implementation_class_uid = implementation_class_uid
        self.implementation_version_name = implementation_version_name

    def __repr__(self) -> str:
        return f"<ApplicationEntity {self.title!r}>"

    def associate(
        self,
        host: str,
        port: int = DICOM_PORT,
        *,
        called_ae_title: str = "ANY-SCP",
        contexts: Iterable[Context] = (VERIFICATION,),
        roles: Mapping[str, Roles] | None = None,
        user_identity: UserIdentityRQ | None = None,
        asynchronous_operations_window: tuple[int, int] | None = None,
        extended_negotiations: Sequence[SOPClassExtendedNegotiation | SOPClassCommonExtendedNegotiation] = (),
        handlers: Handlers | None = None,
        tls: ssl.SSLContext | None = None,
        server_host_name: str | None = None,
        local_address: tuple[str, int] | None = None,
        trace: Trace | None = None,
    ) -> Associating:
        """Ask for an association: `async with ae.associate(...) as association`, or `await` it and release it by hand.

        contexts        abstract syntaxes (in Explicit and Implicit VR Little Endian), pairs of an abstract syntax and
                        the transfer syntaxes that will be sent, or whole proposed contexts
        roles           SCU and SCP roles to propose for SOP classes, where they are not the usual ones
        asynchronous_operations_window    operations (invoked, performed) at once to ask for; None: do not negotiate
        handlers        answers to requests that the peer may make in the SCP role
        tls             for DICOM over TLS, see `dicomwire.net.tls`; port 2762 is usual
        server_host_name   what the peer's certificate must name, where that is not `host`
        trace           sees every PDU, see `dicomwire.net.trace`

        Raises AssociationRejected, AssociationAborted, and OSError when there is no transport connection (TimeoutError
        among them).  At the end of the block the association is released; with an exception on its way it is aborted.
        """
        items: list[SubItem] = [
            MaximumLength(self.max_pdu_length),
            ImplementationClassUID(UID(self.implementation_class_uid)),
        ]
        if asynchronous_operations_window is not None:
            items.append(AsynchronousOperationsWindow(*asynchronous_operations_window))
        items += [RoleSelection(UID(uid), role.scu, role.scp) for uid, role in (roles or {}).items()]
        items.append(ImplementationVersionName(self.implementation_version_name))
        items += extended_negotiations
        if user_identity is not None:
            items.append(user_identity)
        request = AAssociateRQ(called_ae_title, self.title, proposed(contexts), UserInformation(tuple(items)))
        # What may not be asked, or cannot be encoded, is an error of this call and not of the connection.
        machine = Machine.requestor(request, max_control_length=self.limits.control_length)
        return Associating(self, machine, (host, port), handlers, (tls, server_host_name), local_address, trace)

    def connection(
        self, machine: Machine, association: Association, loop: asyncio.AbstractEventLoop, trace: Trace | None
    ) -> Connection:
        """Return a connection for an association, attached to it."""
        reader = PDUReader(max_control_length=self.limits.control_length, max_pdu_length=self.max_pdu_length)
        connection = Connection(
            machine, association, reader, receive_buffer_of(loop), loop, self.timeouts.artim_s, trace
        )
        association.attach(connection)
        return connection


AE = ApplicationEntity


def proposed(contexts: Iterable[Context]) -> tuple[ProposedContext, ...]:
    """Return the contexts to propose; whole ones keep their ID, others are planned.  LocalProtocolError above 128."""
    whole: list[ProposedContext] = []
    wanted: list[tuple[str, str | Iterable[str]]] = []
    for context in contexts:
        if isinstance(context, ProposedContext):
            whole.append(context)
        else:
            wanted.append((context, UNCOMPRESSED) if isinstance(context, str) else context)
    if whole and wanted:
        raise TypeError("contexts: either whole proposed contexts or abstract syntaxes to plan for, not both")
    return tuple(whole) or plan_contexts(wanted, with_default=False)


class Associating:
    """An association that is being asked for: await it, or enter it, once."""

    __slots__ = ("_ae", "_association", "_handlers", "_local_address", "_machine", "_peer", "_tls", "_trace")

    def __init__(
        self,
        ae: ApplicationEntity,
        machine: Machine,
        peer: tuple[str, int],
        handlers: Handlers | None,
        tls: tuple[ssl.SSLContext | None, str | None],
        local_address: tuple[str, int] | None,
        trace: Trace | None,
    ) -> None:
        self._ae = ae
        self._machine = machine
        self._peer = peer
        self._handlers = handlers
        self._tls = tls
        self._local_address = local_address
        self._trace = trace
        self._association: Association | None = None

    def __await__(self) -> Generator[object, None, Association]:
        return self._establish().__await__()

    async def __aenter__(self) -> Association:
        self._association = await self._establish()
        return self._association

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        association, self._association = self._association, None
        assert association is not None
        if error is not None:
            await association.terminate()
        elif association.is_established:
            await association.release()
        else:
            await association.terminate()  # it has ended; its connection and its handlers may not have

    async def _establish(self) -> Association:
        loop = asyncio.get_running_loop()
        timeouts, machine = self._ae.timeouts, self._machine
        machine.connect()
        association = Association(machine, loop, timeouts, self._ae.limits, self._handlers)
        connection = self._ae.connection(machine, association, loop, self._trace)
        host, port = self._peer
        tls, server_host_name = self._tls
        try:
            async with asyncio.timeout(timeouts.connect_s):
                await loop.create_connection(
                    lambda: connection,
                    host,
                    port,
                    ssl=tls,
                    server_hostname=server_host_name,
                    local_addr=self._local_address,
                )
        except TimeoutError:
            raise TimeoutError(f"no transport connection to {host} port {port} within {timeouts.connect_s} s") from None
        try:
            async with asyncio.timeout(timeouts.artim_s):
                await association.opened()
        except TimeoutError:
            await association.terminate()
            raise AssociationAborted(f"no answer to A-ASSOCIATE-RQ within {timeouts.artim_s} s") from None
        except BaseException:
            await association.terminate()
            raise
        return association
