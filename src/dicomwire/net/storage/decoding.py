"""Instances whose pixel data are compressed, for peers that take them uncompressed only (PS3.5 Annexes A.1 to A.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _dicomwire.part10 import dcmread
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.file import iter_data_set
from dicomwire.file.instance_file import file_meta_information

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

DECODED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


def can_decode(own: str, target: str) -> bool:
    """Return whether pixel data may be decoded for another transfer syntax; whether there is a codec turns out."""
    known = UID(own).transfer_syntax
    return known is not None and known.encapsulated and target in DECODED


def decoded(
    pieces: Iterable[Buffer], sop_class_uid: UID, sop_instance_uid: UID, own: UID, target: UID
) -> Iterator[bytes]:
    """Yield a data set with its pixel data decoded, piece by piece; all of it is in memory, and its pixels are too.

    At the call UnsupportedError where no codec is there, or one fails, DecodeError as of `dcmread`.
    """
    meta = file_meta_information(sop_class_uid, sop_instance_uid, own)
    data_set = dcmread(b"".join((meta, *pieces)))
    if "PixelData" in data_set:
        try:
            data_set.decompress()
        except (PixelError, UnsupportedError) as error:
            raise UnsupportedError(
                f"the peer takes no {own.name}, and the pixel data cannot be decoded for it: {error}",
                what="transfer syntax",
            ) from error
    return iter_data_set(data_set, transfer_syntax=target)
