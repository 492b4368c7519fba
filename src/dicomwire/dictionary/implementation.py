"""How this implementation names itself, in files and in associations (PS3.7 section D.3.3.2)."""

from __future__ import annotations

from dicomwire.dictionary.uids import UID

IMPLEMENTATION_CLASS_UID = UID("2.25.271687221044942381496956265868568668763")
IMPLEMENTATION_VERSION_NAME = "DICOMWIRE_0.1"
