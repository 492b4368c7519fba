"""Make dictionary/_uids.py: the registered UIDs (PS3.6 Annex A)."""

from __future__ import annotations

from tables_common import Source, SourceError, header, table_text


def build(source: Source) -> str:
    """Return the text of _uids.py."""
    rows = []
    for uid, entry in source.uids.items():
        row = f"{uid}|{entry.type}|{'R' * entry.retired}|{entry.keyword}|{entry.info}|{entry.name}"
        if row.count("|") != 5:
            raise SourceError(f"UID {uid} has a column separator in its text")
        rows.append(row)
    return f'''\
{header(source, "Registered UIDs: transfer syntaxes, SOP classes, well-known instances (PS3.6 Annex A).")}\
# ruff: noqa: E501
"""UID -> (name, type, info, retired, keyword), columns UID, type, R for retired, keyword, info, name."""

Entry = tuple[str, str, str, bool, str]


def _entry(row: str) -> tuple[str, Entry]:
    uid, type_, retired, keyword, info, name = row.split("|")
    return uid, (name, type_, info, retired == "R", keyword)


UIDS: dict[str, Entry] = dict(
    _entry(row)
    for row in {table_text(rows)}.split("\\n")
)

KEYWORD_TO_UID: dict[str, str] = {{entry[4]: uid for uid, entry in UIDS.items() if entry[4]}}
'''
