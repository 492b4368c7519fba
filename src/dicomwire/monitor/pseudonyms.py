"""Keyed pseudonyms in place of what identifies a patient, such that records can still be joined (PS3.15 Annex E).

A pseudonym is HMAC-SHA256 (RFC 2104) of the kind and the normalized value, cut to 80 bits and written in base32 behind
the name of its kind: ``patient-mfrggzdfmztwq2lk``.  One key gives one pseudonym for one value, in whatever encoding,
padding or protocol it came: PID-3 of an order and Patient ID of its images agree.  Without the key nobody can try out
which value it was.
"""

from __future__ import annotations

import hmac
import os
from base64 import b32encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MIN_KEY_BYTES = 16
MAX_KEY_BYTES = 4096
BITS = 80
_MAX_CACHED = 8192
_MAX_CACHED_LENGTH = 128  # characters; values of the kinds here are shorter

_PADDING = " \0\t\r\n"


def read_key(path: str | os.PathLike[str]) -> bytes:
    """The key in a file: all its bytes but white space around them.

    Raises OSError, and ValueError for a file with less than 16 bytes or more than 4096.
    """
    with open(path, "rb") as file:
        key = file.read(MAX_KEY_BYTES + 1).strip()
    return _checked(key)


def _checked(key: bytes) -> bytes:
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ValueError(
            f"a key for pseudonyms has {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes, this one has "
            f"{'more' if len(key) > MAX_KEY_BYTES else len(key)}"
        )
    return key


def normal_identifier(text: str) -> str:
    """An identifier without the padding around it."""
    return text.strip(_PADDING)


def normal_name(text: str) -> str:
    """The first component group of a person name, in the order of PN, without case, padding and empty ends.

    HL7's XPN and PN have suffix and prefix in another order: :mod:`dicomwire.hl7.keys` gives names as PN.
    """
    group = next((group for group in text.split("=") if group.strip(_PADDING + "^")), "")
    parts = [" ".join(part.strip(_PADDING).split()) for part in group.split("^")]
    return "^".join(parts).rstrip("^").casefold()


def normal_date(text: str) -> str:
    """The day of a DA, a DT or an HL7 time stamp, as eight digits where there are as many."""
    digits = "".join(character for character in text if "0" <= character <= "9")
    return digits[:8] or text.strip(_PADDING)


_NORMAL: dict[str, Callable[[str], str]] = {
    "patient": normal_identifier,
    "name": normal_name,
    "birth": normal_date,
    "accession": normal_identifier,
    "order": normal_identifier,
    "visit": normal_identifier,
    "uid": normal_identifier,
}


class Pseudonyms:
    """Gives what stands in a record in place of identifying values.

    ``key``: bytes that are kept apart from the records; None makes a random one, and joins hold within this object.
    ``show_phi`` gives values as they are, without the padding.  ``hide_uids`` has pseudonyms for UIDs too, which
    otherwise stay, for they are what records are joined with.

    None stays None, and values without content stay "".
    """

    def __init__(self, key: bytes | None = None, *, show_phi: bool = False, hide_uids: bool = False) -> None:
        """Raises ValueError for a key of less than 16 bytes or more than 4096."""
        self._key = os.urandom(32) if key is None else _checked(bytes(key))
        self.show_phi = show_phi
        self.hide_uids = hide_uids
        self._cached: dict[tuple[str, str], str] = {}

    def patient_id(self, text: str | None) -> str | None:
        """For Patient ID (0010,0020) and PID-3."""
        return self._shown("patient", text)

    def patient_name(self, text: str | None) -> str | None:
        """For Patient's Name (0010,0010), and PID-5 in the order of PN."""
        return self._shown("name", text)

    def birth_date(self, text: str | None) -> str | None:
        """For Patient's Birth Date (0010,0030) and PID-7."""
        return self._shown("birth", text)

    def accession_number(self, text: str | None) -> str | None:
        """For Accession Number (0008,0050), OBR-18 and IPC-1."""
        return self._shown("accession", text)

    def order_number(self, text: str | None) -> str | None:
        """For placer and filler order numbers, requested procedure and scheduled step IDs: ORC-2, ORC-3, OBR-19 ..."""
        return self._shown("order", text)

    def visit_number(self, text: str | None) -> str | None:
        """For Admission ID (0038,0010), PV1-19 and PID-18."""
        return self._shown("visit", text)

    def uid(self, text: str | None) -> str | None:
        """For UIDs: as they are unless they are to be hidden."""
        if text is None or not self.hide_uids or self.show_phi:
            return text
        return self._shown("uid", text)

    def _shown(self, kind: str, text: str | None) -> str | None:
        if text is None:
            return None
        if self.show_phi:
            return text.strip(_PADDING)
        cached = self._cached.get((kind, text))
        if cached is None:
            value = _NORMAL[kind](text)
            cached = value and self._pseudonym(kind, value)
            if len(self._cached) >= _MAX_CACHED:
                self._cached.clear()
            if len(text) <= _MAX_CACHED_LENGTH:
                self._cached[kind, text] = cached
        return cached

    def _pseudonym(self, kind: str, value: str) -> str:
        message = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, message, "sha256")[: BITS // 8]
        return f"{kind}-{b32encode(digest).decode('ascii').lower()}"

    def __repr__(self) -> str:
        return f"<Pseudonyms{', PHI shown' if self.show_phi else ''}{', UIDs hidden' if self.hide_uids else ''}>"
