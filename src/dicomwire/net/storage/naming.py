"""Names of stored files: templates of folders, and text from the network made safe for them.

Whatever a peer sends as a UID or as another value, the result is a path below the storage folder: no separators, no
"..", nothing hidden.  Two different values never give the same name, so that nobody writes over what others stored.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from dicomwire.dictionary import tag_for_keyword
from dicomwire.file.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable

UID_ONLY = "{SOPInstanceUID}.dcm"
BY_SERIES = "{StudyInstanceUID}/{SeriesInstanceUID}/{SOPInstanceUID}.dcm"
FROM_COMMAND = ("SOPInstanceUID", "SOPClassUID", "TransferSyntaxUID", "CallingAETitle", "CalledAETitle")
"""Fields whose values are there before the data set: of the command, its context, and the association."""


class Template:
    """A path below the storage folder with fields: "{StudyInstanceUID}/{SOPInstanceUID}.dcm".

    Fields are keywords of elements of the data set, or names of FROM_COMMAND.  ValueError for a template that could
    leave the folder, for a field that is neither, and for one that does not tell instances apart.

    keywords   the fields that the data set has to give, with their tags
    """

    __slots__ = ("_ending", "_parts", "keywords", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.keywords: dict[str, int] = {}
        self._parts: list[tuple[str, str | None]] = []
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"template {text!r}: {error}") from None
        for literal, field, form, conversion in parsed:
            if form or conversion:
                raise ValueError(f"template {text!r}: fields are names alone, as {{SOPInstanceUID}}")
            if field is not None and field not in FROM_COMMAND:
                tag = tag_for_keyword(field)
                if tag is None:
                    raise ValueError(f"template {text!r}: {field!r} is neither a keyword nor one of {FROM_COMMAND}")
                self.keywords[field] = int(tag)
            self._parts.append((literal, field))
        if "SOPInstanceUID" not in [field for _, field in self._parts]:
            raise ValueError(f"template {text!r}: without {{SOPInstanceUID}} instances would have the same name")
        # The usual one, made thousands of times in a second: a name of the UID alone.
        uid_alone = len(self._parts) == 2 and self._parts[0] == ("", "SOPInstanceUID") and self._parts[1][1] is None
        self._ending = self._parts[1][0] if uid_alone else None
        literals = "".join(literal + ("x" if field is not None else "") for literal, field in self._parts)
        for name in literals.split("/"):
            if not name or name.startswith(".") or "\0" in name:
                raise ValueError(f"template {text!r}: a path below the folder, of names that are not hidden, expected")

    def path(self, value_of: Callable[[str], str]) -> str:
        """Return the path, relative to the storage folder, with the values that the callable gives for the fields."""
        if self._ending is not None:
            return safe_name(value_of("SOPInstanceUID")) + self._ending
        return "".join(
            literal if field is None else literal + safe_name(value_of(field)) for literal, field in self._parts
        )

    def around_instance(self, value_of: Callable[[str], str]) -> tuple[str, str] | None:
        """Return what is in front of and behind the UID of an instance, where that is a safe name, in its path.

        None where it occurs more than once.
        """
        if sum(field == "SOPInstanceUID" for _, field in self._parts) != 1:
            return None
        sides = ["", ""]
        side = 0
        for literal, field in self._parts:
            sides[side] += literal
            if field == "SOPInstanceUID":
                side = 1
            elif field is not None:
                sides[side] += safe_name(value_of(field))
        return sides[0], sides[1]

    def __repr__(self) -> str:
        return f"Template({self.text!r})"
