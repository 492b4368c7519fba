"""De-identification: the Basic Application Confidentiality Profile and its options (PS3.15 Annex E).

Text that is burned into pixel data, and faces that can be made of them, are not touched unless the caller's own
functions do it.
"""

from __future__ import annotations

from dicomwire.deid.engine import Deidentifier, Options, Outcome
from dicomwire.deid.profile import ProfileEntry, profile_entry

__all__ = ["Deidentifier", "Options", "Outcome", "ProfileEntry", "profile_entry"]
