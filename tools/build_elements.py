"""Make dictionary/_keywords.py (keyword -> tag, loaded with dicomwire) and _elements.py (all columns)."""

from __future__ import annotations

from tables_common import Element, Source, SourceError, header, table_text


def build_keywords(source: Source) -> str:
    """Return the text of _keywords.py.

    Keywords and tags are two texts, not one with both in each line: this module is part of every start of
    dicomwire, and reading it takes half the time this way.
    """
    tags = {element.keyword: tag for tag, element in source.elements.items() if element.keyword}
    keywords = [*tags, *(element.keyword for element in source.repeaters.values())]
    if len(set(keywords)) != len(keywords) or not all(word.isidentifier() for word in keywords):
        raise SourceError("keywords are not unique identifiers")
    if len(tags) != sum(1 for element in source.elements.values() if element.keyword):
        raise SourceError("two elements have one keyword")
    digits = [f"{tag:08X}" for tag in tags.values()]
    lines = [" ".join(digits[start : start + 12]) for start in range(0, len(digits), 12)]
    repeaters = "".join(f'    "{element.keyword}": "{mask}",\n' for mask, element in source.repeaters.items())
    return f'''\
{header(source, "Keywords of data elements and their tags (PS3.6 chapters 6 to 9, PS3.7 Annex E).")}\
# ruff: noqa: E501
"""Keyword -> tag: keywords as one text, their tags in the same order as another (see _elements.py)."""

from struct import unpack as _unpack

_KEYWORDS = {table_text(list(tags))}

_TAGS = {table_text(lines)}

KEYWORD_TO_TAG: dict[str, int] = dict(
    zip(_KEYWORDS.split(), _unpack(">{len(tags)}I", bytes.fromhex(_TAGS)), strict=True)
)
del _KEYWORDS, _TAGS

# Repeating groups and elements have no single tag: an x stands for any hexadecimal digit (PS3.5 section 7.6).
REPEATER_KEYWORD_TO_MASK: dict[str, str] = {{
{repeaters}}}
'''


def build_elements(source: Source) -> str:
    """Return the text of _elements.py."""

    def row(tag: str, element: Element) -> str:
        text = f"{tag}|{element.vr}|{element.vm}|{'R' * element.retired}|{element.keyword}|{element.name}"
        if text.count("|") != 5:
            raise SourceError(f"{tag} has a column separator in its text")
        return text

    elements = [row(f"{tag:08X}", element) for tag, element in source.elements.items()]
    repeaters = [row(mask, element) for mask, element in source.repeaters.items()]
    return f'''\
{header(source, "Data elements (PS3.6 chapters 6 to 9) and command elements (PS3.7 Annex E).")}\
# ruff: noqa: E501
"""Tag -> (VR, VM, name, retired, keyword), a row a line: tag, VR, VM, R for retired, keyword, name.

Rows are split when asked for, so that reading the table takes about a millisecond.
"""

from struct import unpack as _unpack

Entry = tuple[str, str, str, bool, str]

_LINES = {table_text(elements)}.split("\\n")

ELEMENT_ROWS: dict[int, str] = dict(
    zip(_unpack(">{len(elements)}I", bytes.fromhex("".join([s[:8] for s in _LINES]))), _LINES, strict=True)
)
del _LINES

# Repeating groups and elements: an x stands for any hexadecimal digit (PS3.5 section 7.6).
REPEATER_ROWS: dict[str, str] = {{
    line[:8]: line
    for line in {table_text(repeaters)}.split("\\n")
}}


def split_row(row: str) -> Entry:
    """Return the columns of a row after its tag."""
    _, vr, vm, retired, keyword, name = row.split("|")
    return vr, vm, name, retired == "R", keyword
'''
