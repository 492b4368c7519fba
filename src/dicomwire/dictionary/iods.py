"""Which attributes an object of a SOP class has: SOP class -> IOD -> modules -> attributes and Types (PS3.3).

The tables are read when the first IOD is asked for, and each module's attributes when they are looked at.
"""

from __future__ import annotations

from dicomwire.dictionary.tags import Tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class ModuleAttribute:
    """One attribute of a module, or of the items of a sequence in it.

    tag    Tag; in a repeating group the first one, (6000,3000) for (60xx,3000)
    type   "1", "1C", "2", "2C", "3" (PS3.5 section 7.4), "" where the standard gives none
    """

    __slots__ = ("_items", "repeats", "tag", "type")

    def __init__(self, tag: Tag, type_: str, repeats: bool, items: int) -> None:
        self.tag = tag
        self.type = type_
        self.repeats = repeats
        self._items = items

    @property
    def keyword(self) -> str:
        """The keyword of the attribute."""
        return self.tag.keyword

    @property
    def attributes(self) -> tuple[ModuleAttribute, ...]:
        """The attributes of the items when this is a sequence, else ()."""
        return _attributes(self._items)

    def __repr__(self) -> str:
        return f"<ModuleAttribute {self.tag} {self.keyword} type {self.type or 'none'}>"


class Module:
    """A module of PS3.3 Annex C, such as "general-study"; without attributes where the source has none."""

    __slots__ = ("_items", "key")

    def __init__(self, key: str, items: int) -> None:
        self.key = key
        self._items = items

    @property
    def attributes(self) -> tuple[ModuleAttribute, ...]:
        """The attributes at the top level, in the standard's order."""
        return _attributes(self._items)

    def walk(self) -> Iterator[tuple[tuple[Tag, ...], ModuleAttribute]]:
        """Yield (tags of the sequences around it, attribute) for attributes at every depth, parents first."""
        todo: list[tuple[tuple[Tag, ...], ModuleAttribute]]
        todo = [((), attribute) for attribute in reversed(self.attributes)]
        while todo:
            path, attribute = todo.pop()
            yield path, attribute
            inner = (*path, attribute.tag)
            todo.extend((inner, nested) for nested in reversed(attribute.attributes))

    def __repr__(self) -> str:
        return f"<Module {self.key}>"


class ModuleUse:
    """How an IOD uses a module: usage "M", "C" or "U", and the information entity that it describes."""

    __slots__ = ("information_entity", "module", "usage")

    def __init__(self, module: Module, usage: str, information_entity: str) -> None:
        self.module = module
        self.usage = usage
        self.information_entity = information_entity

    def __repr__(self) -> str:
        return f"<ModuleUse {self.module.key} {self.usage} {self.information_entity}>"


class IOD:
    """An information object definition of PS3.3 Annex A, such as "ct-image"."""

    __slots__ = ("key", "modules")

    def __init__(self, key: str, modules: tuple[ModuleUse, ...]) -> None:
        self.key = key
        self.modules = modules

    def attribute_types(self) -> dict[Tag, str]:
        """Return the Types of the attributes at the top level; the strictest where several modules have one.

        Only mandatory modules count with their own Type; a Type 1 or 2 attribute of a conditional or user
        optional module is "1C" or "2C", because it is there only if the module is.
        """
        order = {"1": 0, "1C": 1, "2": 2, "2C": 3, "3": 4, "": 5}
        types: dict[Tag, str] = {}
        for use in self.modules:
            for attribute in use.module.attributes:
                type_ = attribute.type
                if use.usage != "M" and type_ in ("1", "2"):
                    type_ += "C"
                if order[type_] < order.get(types.get(attribute.tag, ""), 5) or attribute.tag not in types:
                    types[attribute.tag] = type_
        return types

    def __repr__(self) -> str:
        return f"<IOD {self.key}, {len(self.modules)} modules>"


def iod_for_sop_class(uid: str) -> IOD | None:
    """Return the IOD of a storage SOP class, None when the tables have none."""
    key = _table()["sop_classes"].get(uid)
    return None if key is None else iod(key)


def iod(key: str) -> IOD:
    """Return an IOD by its key, such as "ct-image".  KeyError when there is none."""
    known = _iods.get(key)
    if known is None:
        uses = tuple(ModuleUse(module(name), usage, entity) for name, usage, entity in _table()["iods"][key])
        known = _iods[key] = IOD(key, uses)
    return known


def module(key: str) -> Module:
    """Return a module by its key, such as "general-study".  KeyError when neither IODs nor tables have it."""
    known = _modules.get(key)
    if known is None:
        table = _table()
        items = table["modules"].get(key)
        if items is None:
            if not any(key == use[0] for uses in table["iods"].values() for use in uses):
                raise KeyError(key)
            items = 0
        known = _modules[key] = Module(key, items)
    return known


def sop_class_uids() -> list[str]:
    """Return the UIDs of all SOP classes that have an IOD."""
    return list(_table()["sop_classes"])


_iods: dict[str, IOD] = {}
_modules: dict[str, Module] = {}
_attribute_lists: dict[int, tuple[ModuleAttribute, ...]] = {0: ()}
_loaded: dict[str, Any] = {}


def _table() -> dict[str, Any]:
    if not _loaded:
        import json
        from os import path

        with open(path.join(path.dirname(__file__), "_iods.json"), encoding="utf-8") as file:
            _loaded.update(json.load(file))
    return _loaded


def _attributes(number: int) -> tuple[ModuleAttribute, ...]:
    """Return the attribute list with this number, made once and shared: equal lists have one number."""
    known = _attribute_lists.get(number)
    if known is None:
        made = []
        for field in _table()["attributes"][number].split(" "):
            mask, type_, *items = field.split(":")
            tag = Tag(int(mask.replace("x", "0"), 16))
            made.append(ModuleAttribute(tag, type_, "x" in mask, int(items[0]) if items else 0))
        known = _attribute_lists[number] = tuple(made)
    return known
