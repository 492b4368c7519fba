"""Make every generated table of the standard: `make tables`.

Usage: build_tables.py [--check] [--output DIR]. With --check nothing is written and the exit status is 1 when
a committed table differs from a fresh one.  --output writes the same tree below another folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build_elements
import build_iods
import build_private
import build_stub
import build_tagindex
import build_uids
from tables_common import CEXT, DICTIONARY, ROOT, Source, SourceError

TABLES: dict[str, Callable[[Source], str]] = {
    f"{CEXT}/_tagindex.h": build_tagindex.build,
    f"{CEXT}/_dataset_attributes.pyi": build_stub.build,
    f"{DICTIONARY}/_keywords.py": build_elements.build_keywords,
    f"{DICTIONARY}/_elements.py": build_elements.build_elements,
    f"{DICTIONARY}/_private.py": build_private.build,
    f"{DICTIONARY}/_uids.py": build_uids.build,
    f"{DICTIONARY}/_iods.json": build_iods.build,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Generate the tables of the standard.")
    parser.add_argument("--check", action="store_true", help="compare with the files and write nothing")
    parser.add_argument(
        "--output", type=Path, default=ROOT, metavar="DIR", help="root of the tree to write or check"
    )
    options = parser.parse_args(arguments)
    try:
        source = Source()
        texts = {path: build(source) for path, build in TABLES.items()}
    except SourceError as error:
        print(f"build_tables: {error}", file=sys.stderr)
        return 2
    stale = 0
    for path, text in texts.items():
        target = options.output / path
        data = text.encode("utf-8")
        if options.check:
            if not target.is_file() or target.read_bytes() != data:
                print(f"{path}: differs from what `make tables` would write")
                stale += 1
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            print(f"{path}: {len(data):,} bytes")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
