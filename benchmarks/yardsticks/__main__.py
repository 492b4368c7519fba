"""The limits as a program.

    python -m benchmarks.yardsticks open|walk|memory|read|copy [-r N] FILE...
    python -m benchmarks.yardsticks store-send|store-receive --help
"""

import subprocess
import sys

from benchmarks.yardsticks import YardstickError, program, storage

if __name__ == "__main__":
    try:
        if sys.argv[1:] and sys.argv[1].startswith("store-"):
            sys.exit(storage.main(sys.argv[1:]))
        sys.exit(subprocess.call([str(program()), *sys.argv[1:]]))
    except YardstickError as error:
        sys.exit(str(error))
