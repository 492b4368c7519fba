"""Values in place of those that identify: UIDs and pseudonyms keyed by a secret, shifted dates, dummies."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date, timedelta

from dicomwire.errors import EncodeError

LEAST_KEY = 16  # bytes
MOST_SHIFT = 3650  # days
_WELL_KNOWN = "1.2.840.10008."  # UIDs of the standard, which identify nobody

_DUMMIES: dict[str, object] = {
    "AE": "ANONYMIZED", "AS": "000Y", "AT": 0, "CS": "ANONYMIZED", "DA": "19000101", "DS": "0", "DT": "19000101000000",
    "FD": 0.0, "FL": 0.0, "IS": "0", "LO": "ANONYMIZED", "LT": "ANONYMIZED", "PN": "ANONYMIZED", "SH": "ANONYMIZED",
    "SL": 0, "SS": 0, "ST": "ANONYMIZED", "SV": 0, "TM": "000000", "UC": "ANONYMIZED", "UL": 0, "UR": "urn:anonymized",
    "US": 0, "UT": "ANONYMIZED", "UV": 0,
    "OB": b"\0\0", "OD": bytes(8), "OF": bytes(4), "OL": bytes(4), "OV": bytes(8), "OW": b"\0\0", "UN": b"\0\0",
}  # fmt: skip


def dummy(vr: str) -> object:
    """A value of a VR that says nothing."""
    return _DUMMIES[vr]


class Pseudonyms:
    """What is made of values by a secret: the same from the same key, and nothing that leads back without it."""

    def __init__(self, key: bytes) -> None:
        if len(key) < LEAST_KEY:
            raise EncodeError(f"a key of {len(key)} bytes, expected {LEAST_KEY} at least")
        self._key = bytes(key)
        self._uids: dict[str, str] = {}

    def _digest(self, purpose: str, value: str) -> bytes:
        message = purpose.encode("ascii") + b"\0" + value.encode("utf-8", "surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).digest()

    def uid(self, uid: str) -> str:
        """A UID under 2.25 in place of another one (PS3.5 Annex B.2); UIDs of the standard stay."""
        uid = uid.strip(" \0")
        if not uid or uid.startswith(_WELL_KNOWN):
            return uid
        found = self._uids.get(uid)
        if found is None:
            if len(self._uids) > 100_000:
                self._uids.clear()
            number = int.from_bytes(self._digest("uid", uid)[:16], "big")
            # As a UUID of version 8, so that it is one that UUIDs provide for.
            number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62
            found = self._uids[uid] = f"2.25.{number}"
        return found

    def patient(self, patient_id: str, issuer: str) -> str:
        """A pseudonym of 13 characters for a patient."""
        return "P" + self._digest("patient", f"{issuer}\0{patient_id}")[:6].hex().upper()

    def shift_days(self, patient_id: str, issuer: str) -> int:
        """Days by which the dates of a patient move: 1 to MOST_SHIFT, backwards."""
        number = int.from_bytes(self._digest("dates", f"{issuer}\0{patient_id}")[:8], "big")
        return -(1 + number % MOST_SHIFT)


def shifted(text: str, vr: str, days: int) -> str | None:
    """A DA or DT moved by some days, the time of day as it was; None for what is no whole date (PS3.5 section 6.2)."""
    text = text.strip(" \0")
    digits = text.replace(".", "") if vr == "DA" and len(text) == 10 else text
    if not (digits[:8].isascii() and digits[:8].isdigit() and len(digits) >= 8) or (vr == "DA" and len(digits) != 8):
        return None
    try:
        moved = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04}{moved.month:02}{moved.day:02}{digits[8:]}"
