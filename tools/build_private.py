"""Make dictionary/_private.py: the elements of private creators, one text for each creator."""

from __future__ import annotations

from tables_common import Source, SourceError, header, table_text

# Spellings in the source that differ from those of PS3.6.
_VR_SPELLING = {"OB_OW": "OB or OW"}


def build(source: Source) -> str:
    """Return the text of _private.py."""
    creators = []
    count = 0
    for creator, elements in sorted(source.private.items()):
        rows = []
        for mask, (vr, vm, name, retired) in sorted(elements.items()):
            if "|" in mask + vr + vm or "\n" in name or retired:
                raise SourceError(f"private element {creator!r} {mask} has an unexpected form")
            rows.append(f"{mask}|{_VR_SPELLING.get(vr, vr)}|{vm}|{name}")
        creators.append(f"    {creator!r}: {table_text(rows)},\n")
        count += len(rows)
    title = f"{count} private elements of {len(creators)} private creators, from GDCM (BSD licence)."
    return f'''\
{header(source, title)}\
# ruff: noqa: E501
"""Private creator -> its elements: a row a line, columns mask, VR, VM, name.

In a mask of eight digits, ggggeeee, an x stands for any hexadecimal digit; the block number of a private
element, the upper half of the element number, is usually xx (PS3.5 section 7.8.1).
"""

CREATORS: dict[str, str] = {{
{"".join(creators)}}}
'''
