"""PS3.15 table E.1-1: what happens to an attribute, and how its Type decides between several actions."""

from __future__ import annotations

from functools import lru_cache

from dicomwire.dictionary import iod_for_sop_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.dictionary.iods import IOD, ModuleAttribute

UNKNOWN = "?"  # the Type of an attribute that no table places

_STRICTEST = ("1", "1C", "2", "2C", "3", "")
_entries: dict[str, ProfileEntry] = {}
_masked: list[tuple[int, int, ProfileEntry]] = []


class ProfileEntry:
    """A row of the table.

    basic      action of the basic profile: D, Z, X, U, Z/D, X/Z, X/D, X/Z/D or X/Z/U*
    options    K or C, by the name of the option that changes it
    """

    __slots__ = ("basic", "options")

    def __init__(self, basic: str, options: dict[str, str]) -> None:
        self.basic = basic
        self.options = options

    def __repr__(self) -> str:
        words = [self.basic, *(f"{name}={action}" for name, action in self.options.items())]
        return f"<ProfileEntry {' '.join(words)}>"


def profile_entry(tag: int) -> ProfileEntry | None:
    """The row of an attribute, None for one that the table leaves alone; private attributes are not in it."""
    if not _entries:
        _load()
    found = _entries.get(f"{tag:08X}")
    if found is None:
        for mask, wanted, entry in _masked:
            if tag & mask == wanted:
                return entry
    return found


def entries() -> dict[str, ProfileEntry]:
    """All rows, by eight digits with an x for any digit."""
    if not _entries:
        _load()
    return dict(_entries)


def _load() -> None:
    import json
    from os import path

    with open(path.join(path.dirname(__file__), "_profile.json"), encoding="utf-8") as file:
        table = json.load(file)["attributes"]
    for tag, text in table.items():
        basic, *words = text.split(" ")
        entry = ProfileEntry(basic, dict(word.split("=") for word in words))
        _entries[tag] = entry
        if "x" in tag:
            mask = int("".join("0" if digit == "x" else "F" for digit in tag), 16)
            _masked.append((mask, int(tag.replace("x", "0"), 16), entry))


def resolved(action: str, type_: str) -> str:
    """A single action: of a combined one the first that leaves an object of its IOD valid (PS3.15 section E.3).

    ``type_``: Type of the attribute where it stands, UNKNOWN if nobody knows: then what is there stays valid whatever
    it is.  U* keeps a sequence and replaces the UIDs in it.
    """
    needs_value, needs_element = type_ in ("1", "1C", UNKNOWN), type_ in ("1", "1C", "2", "2C", UNKNOWN)
    if action == "Z/D":
        return "D" if needs_value else "Z"
    if action == "X/Z":
        return "Z" if needs_element else "X"
    if action == "X/D":
        return "D" if needs_value else "X"
    if action == "X/Z/D":
        return "D" if needs_value else "Z" if needs_element else "X"
    if action == "X/Z/U*":
        return "U*" if needs_value else "Z" if needs_element else "X"
    return action


class Types:
    """Types of attributes in objects of a SOP Class, nested ones too (PS3.3)."""

    def __init__(self, sop_class_uid: str) -> None:
        self._iod: IOD | None = iod_for_sop_class(sop_class_uid)
        self._known: dict[tuple[int, ...], str] = {}
        self._levels: dict[tuple[int, ...], list[tuple[ModuleAttribute, ...]] | None] = {}

    def of(self, path: tuple[int, ...]) -> str:
        """Type of the attribute at a path of tags: "1" to "3"; "3" for one that its place does not have."""
        found = self._known.get(path)
        if found is None:
            found = self._known[path] = self._find(path)
        return found

    def _find(self, path: tuple[int, ...]) -> str:
        if self._iod is None:
            return UNKNOWN
        if len(path) == 1:
            return _top_level(self._iod.key, self._iod).get(path[0], "3")
        level = self._level(path[:-1])
        if level is None:
            return UNKNOWN
        types = [one.type for group in level for one in group if one.tag == path[-1]]
        return min(types, key=_STRICTEST.index) if types else "3"

    def _level(self, path: tuple[int, ...]) -> list[tuple[ModuleAttribute, ...]] | None:
        """The lists of attributes that items at a path may have; None where the tables have no such sequence."""
        if path in self._levels:
            return self._levels[path]
        assert self._iod is not None
        around = [use.module.attributes for use in self._iod.modules] if len(path) == 1 else self._level(path[:-1])
        found = [one.attributes for group in around or () for one in group if one.tag == path[-1] and one.attributes]
        self._levels[path] = found or None
        return self._levels[path]


@lru_cache(maxsize=64)
def _top_level(key: str, iod: IOD) -> dict[int, str]:
    return {int(tag): type_ for tag, type_ in iod.attribute_types().items()}
