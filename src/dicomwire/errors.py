"""All exceptions that dicomwire raises on purpose, and the record of what it tolerated."""

from _dicomwire.errors import (
    DecodeError,
    Deviation,
    DicomWireError,
    ElementError,
    EncodeError,
    NestingError,
    PixelError,
    TruncatedError,
    UnsupportedError,
    ValueDecodeError,
)

__all__ = [
    "DecodeError",
    "Deviation",
    "DicomWireError",
    "ElementError",
    "EncodeError",
    "NestingError",
    "PixelError",
    "TruncatedError",
    "UnsupportedError",
    "ValueDecodeError",
]
