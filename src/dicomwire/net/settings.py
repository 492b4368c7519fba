"""How long an application entity waits and how much it takes: numbers that every association of it shares."""

from __future__ import annotations

from dataclasses import dataclass, fields

from dicomwire.ul.policy import DEFAULT_MAX_PDU_LENGTH

MAX_PDU_LENGTH = DEFAULT_MAX_PDU_LENGTH  # of a P-DATA-TF that we offer to take; longer ones gain nothing measurable
MESSAGE_LIMIT = 1 << 30  # bytes of a data set that is collected in memory for a handler
DICOM_PORT, DICOM_TLS_PORT = 11112, 2762
CLOSING_S = 2.0  # for a peer to close after our A-ABORT, where somebody waits for that here


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait for what may never come; None waits for ever.

    connect_s   for the transport connection, TLS included
    artim_s     the ARTIM timer (PS3.8 section 9.1.4): for the first PDU of a requestor, and for the peer to close; also
                for the answer to our own A-ASSOCIATE-RQ and A-RELEASE-RQ, and for the answer to a user identity
    dimse_s     for the next response to a request; for the next piece of a message that has begun, and for the whole
                of a command; for the peer to take anything of what waits to be sent
    idle_s      for anything at all on an accepted association, while no handler is at work
    """

    connect_s: float | None = 10.0
    artim_s: float = 30.0
    dimse_s: float | None = 60.0
    idle_s: float | None = 300.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None and item.name == "artim_s":
                raise ValueError("artim_s: a number of seconds expected, the ARTIM timer always runs; PS3.8 9.1.4")
            if value is not None and not value > 0:
                raise ValueError(f"{item.name}: a number of seconds above 0 expected, found {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken from peers.

    associations      of a server at once; further requests are rejected as "temporary congestion"
    connections       of a server at once, those without an association included; further ones are closed
    control_length    bytes of an A-ASSOCIATE PDU
    message_length    bytes of a data set that is collected in memory.  A request with a longer one is answered by
                      status A700H, Out of Resources; a response with a longer one aborts the association
    """

    associations: int = 1000
    connections: int = 4000
    control_length: int = 1 << 20
    message_length: int = MESSAGE_LIMIT
