"""Files and data sets as they are written: re-encoding in other transfer syntaxes."""

from dicomwire.file.reencoding import can_reencode, reencode, reencode_buffer

__all__ = ["can_reencode", "reencode", "reencode_buffer"]
