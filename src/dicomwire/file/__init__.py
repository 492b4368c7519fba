"""Files and data sets as they are written: changed, made, or in other transfer syntaxes."""

from dicomwire.file.reencoding import can_reencode, reencode, reencode_buffer
from dicomwire.file.writer import data_set_bytes, dcmwrite, file_bytes, iter_data_set, iter_file

__all__ = [
    "can_reencode",
    "data_set_bytes",
    "dcmwrite",
    "file_bytes",
    "iter_data_set",
    "iter_file",
    "reencode",
    "reencode_buffer",
]
