"""How long an application entity waits and how much it takes: numbers that every association of it shares."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PDU_LENGTH = 131_072  # bytes of a P-DATA-TF that we offer to take; larger ones gain nothing measurable
MESSAGE_LIMIT = 1 << 30  # bytes of a data set that is collected in memory for a handler
DICOM_PORT, DICOM_TLS_PORT = 11112, 2762


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait for what may never come; None waits for ever.

    connect_s   for the transport connection, TLS included
    artim_s     the ARTIM timer (PS3.8 section 9.1.4): for the first PDU of a requestor, and for the peer to close; also
                for the answer to our own A-ASSOCIATE-RQ and A-RELEASE-RQ
    dimse_s     for the next response to a request, and for the rest of a message that has begun
    idle_s      for anything at all on an accepted association
    """

    connect_s: float | None = 10.0
    artim_s: float = 30.0
    dimse_s: float | None = 60.0
    idle_s: float | None = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken from peers.

    associations      of a server at once; further requests are rejected as "temporary congestion"
    control_length    bytes of an A-ASSOCIATE PDU
    message_length    bytes of a data set that is collected in memory; longer ones abort the association
    """

    associations: int = 1000
    control_length: int = 1 << 20
    message_length: int = MESSAGE_LIMIT
