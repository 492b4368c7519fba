"""How this implementation names itself in files and associations, and the UIDs that it makes (PS3.5 chapter 9)."""

from __future__ import annotations

from dicomwire.dictionary.uids import UID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Derived from a UUID (PS3.5 section B.2).
IMPLEMENTATION_CLASS_UID = UID("2.25.271687221044942381496956265868568668763")
IMPLEMENTATION_VERSION_NAME = "DICOMWIRE_0.1"

_MOST = 64  # characters of a UID (PS3.5 section 9.1)


def generate_uid(prefix: str | None = None, entropy: Iterable[str] | None = None) -> UID:
    """Return a new UID: under 2.25 from a random UUID (PS3.5 section B.2), or ``prefix`` with random digits behind it.

    prefix      a root of your own with its last dot, "1.2.3."; ValueError where it is none, or leaves no room
    entropy     texts that alone decide on the UID: the same ones give the same, for pseudonyms
    """
    import hashlib
    import secrets

    if prefix is not None and (not prefix.endswith(".") or not UID(prefix[:-1]).is_valid or len(prefix) > _MOST - 10):
        raise ValueError("a prefix is a UID of at most 53 characters and a dot; PS3.5 9.1")
    if entropy is None:
        number = secrets.randbits(128)
    else:
        digest = hashlib.sha512()
        for text in entropy:
            data = text.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        number = int.from_bytes(digest.digest()[:16], "big")
    if prefix is None:
        version = number & ~(0xF << 76) & ~(0x3 << 62) | 0x4 << 76 | 0x2 << 62
        return UID(f"2.25.{version}")
    # The first digit is not 0, and as many follow as fit.
    digits = str(number % 10 ** min(_MOST - len(prefix), 38) or 1)
    return UID(prefix + digits)
