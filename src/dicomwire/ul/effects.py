"""What an association asks of its driver: effects, and the primitives that it indicates to its user (PS3.8 chapter 7).

A driver performs effects in the order in which they come.  `Send` and `Data` hold buffers of others: those of `Send`
are to stay as they are until they are written, the views of `Data` die when the caller uses its receive buffer again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomwire.ul.codes import AbortReason, AbortSource

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from _dicomwire.pdu import PDVRun
    from dicomwire.ul.negotiation import Negotiated
    from dicomwire.ul.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ


# --- primitives


@dataclass(slots=True)
class AssociateIndication:
    """A peer asks for an association; answer with `respond`, `accept` or `reject`."""

    request: AAssociateRQ


@dataclass(slots=True)
class AssociateConfirmation:
    """The peer has accepted; `negotiated` says what."""

    accept: AAssociateAC
    negotiated: Negotiated


@dataclass(slots=True)
class Rejected:
    """The peer has rejected the association, which is over."""

    reject: AAssociateRJ


@dataclass(slots=True)
class ReleaseIndication:
    """The peer asks for release; answer with `respond_release`.  In a collision both sides have asked."""

    collision: bool = False


@dataclass(slots=True)
class ReleaseConfirmation:
    """The peer has agreed to the release that was asked for here."""


@dataclass(slots=True)
class Aborted:
    """The association is over.

    `by_provider` is False when the peer's user aborted.  `source` is None when no A-ABORT was received: the transport
    connection was lost, or `is_local`: this side found a violation and has sent an A-ABORT with `reason`.  `message`
    says in words what happened.
    """

    source: AbortSource | None
    reason: AbortReason
    by_provider: bool
    message: str
    is_local: bool = False


Primitive = (
    AssociateIndication | AssociateConfirmation | Rejected | ReleaseIndication | ReleaseConfirmation | Aborted
)


# --- effects


@dataclass(slots=True)
class Connect:
    """Open a transport connection, then call `transport_connected`, or `transport_closed` if that fails."""


@dataclass(slots=True)
class Send:
    """Write these buffers, one behind the other."""

    buffers: Sequence[Buffer]


@dataclass(slots=True)
class StartARTIM:
    """Start the ARTIM timer, from the beginning if it runs; when it is over, call `artim_expired`."""


@dataclass(slots=True)
class StopARTIM:
    """Stop the ARTIM timer if it runs."""


@dataclass(slots=True)
class CloseTransport:
    """Close the transport connection, once what was sent before has been written.  The association is over."""


@dataclass(slots=True)
class Indicate:
    """Hand the primitive to the user."""

    primitive: Primitive


@dataclass(slots=True)
class Data:
    """P-DATA indication: a piece of the command or of the data set of a message."""

    run: PDVRun


Effect = Connect | Send | StartARTIM | StopARTIM | CloseTransport | Indicate | Data
