"""Instances taken off the wire as Part 10 files (PS3.10 section 7), when asked.

A file has its name only when its data set is complete.  One whose stream has a gap, or that ended early, keeps what
there is under a name that says so: ``1.2.3.incomplete``; where bytes are missing in the middle, zeros take their place,
so that what follows stands where it was.  Nothing is ever written over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dicomwire.file.instance_file import Duplicates, FileWriter, file_meta_information
from dicomwire.file.names import safe_name

if TYPE_CHECKING:
    from dicomwire.monitor.associations import Facts

PIECE = 1 << 18  # bytes that are written at a time
INCOMPLETE = ".incomplete"
LONGEST_HOLE = 1 << 30  # bytes of zeros for what is missing in one place; more than that ends the file

_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_ZEROS = bytes(1 << 16)


class Extractor:
    """Opens a file for each C-STORE that has a data set.

    ``files`` counts those that are complete, ``incomplete`` those that are not, ``skipped`` data sets of which no file
    was made: whose transfer syntax is not known, or whose UIDs do not make a file.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.files = self.incomplete = self.skipped = 0

    def open(
        self, facts: Facts, side: int, context_id: int, message_id: int, sop_class: bytes, instance: bytes
    ) -> Extraction | None:
        """Begin a file; None for a data set that no file can be made of."""
        syntax = facts.transfer_syntax(context_id)
        uid = instance.decode("ascii", "replace").strip(" \0")
        title = facts.calling_ae_title if side == facts.requestor else facts.called_ae_title
        if syntax is None or not uid:
            self.skipped += 1
            return None
        try:
            head = file_meta_information(
                sop_class.decode("ascii").strip(" \0"), uid, syntax, (title or "").encode("ascii").decode()
            )
        except (UnicodeError, ValueError):
            self.skipped += 1
            return None
        return Extraction(self, f"{self.folder}/{safe_name(uid)}", head)


class Extraction:
    """A file in the making."""

    def __init__(self, extractor: Extractor, stem: str, head: bytes) -> None:
        self._extractor = extractor
        self._stem = stem
        self._held = bytearray(head)
        self._writer = FileWriter(f"{stem}.dcm")
        self._is_broken = False

    def write(self, data: bytes) -> None:
        """Take the next bytes of the data set."""
        if self._is_broken:
            return
        self._held += data
        if len(self._held) >= PIECE:
            self._flush()

    def skip(self, length: int) -> None:
        """Put zeros in the place of bytes that are missing."""
        if length > LONGEST_HOLE:
            self._is_broken = True
            return
        while length > 0 and not self._is_broken:
            self.write(_ZEROS[: min(length, len(_ZEROS))])
            length -= len(_ZEROS)

    def _flush(self) -> None:
        try:
            self._writer.write([bytes(self._held)])
        except OSError:
            self._writer.discard()
            self._is_broken = True
            raise
        finally:
            self._held.clear()

    def close(self, is_complete: bool) -> None:
        """Give the file its name."""
        if self._is_broken:
            self._writer.discard()
            self._extractor.incomplete += 1
            return
        self._flush()
        if not is_complete:
            self._writer.path = f"{self._stem}{INCOMPLETE}"
            self._extractor.incomplete += 1
        try:
            self._writer.commit(Duplicates.NUMBER)
        except OSError:
            self._writer.discard()
            raise
        if is_complete:
            self._extractor.files += 1
