"""`python -m benchmarks.yardsticks open|walk|memory|read|copy [-r N] FILE...`: the limits as a program."""

import subprocess
import sys

from benchmarks.yardsticks import program

sys.exit(subprocess.call([str(program()), *sys.argv[1:]]))
