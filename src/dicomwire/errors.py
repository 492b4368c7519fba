"""All exceptions that dicomwire raises on purpose, and the record of what it tolerated."""

from _dicomwire.errors import (
    AssociationAborted,
    AssociationRejected,
    DecodeError,
    Deviation,
    DicomWireError,
    ElementError,
    EncodeError,
    LocalProtocolError,
    NestingError,
    PixelError,
    ProtocolError,
    RemoteProtocolError,
    ServiceError,
    TruncatedError,
    UnsupportedError,
    ValueDecodeError,
)

__all__ = [
    "AssociationAborted",
    "AssociationRejected",
    "DecodeError",
    "Deviation",
    "DicomWireError",
    "ElementError",
    "EncodeError",
    "LocalProtocolError",
    "NestingError",
    "PixelError",
    "ProtocolError",
    "RemoteProtocolError",
    "ServiceError",
    "TruncatedError",
    "UnsupportedError",
    "ValueDecodeError",
]
