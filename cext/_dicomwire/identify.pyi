"""Which instance a data set is.  The docstring is in identify.pyx."""

from typing_extensions import Buffer

def leading_uids(data: Buffer, explicit_vr: bool, little_endian: bool) -> tuple[bytes, bytes] | None: ...
