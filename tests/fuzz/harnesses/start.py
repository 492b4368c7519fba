"""Any bytes at the start of a file are classed without reading behind them, and every offset found is inside; in C."""

from tests.fuzz import seeds
from tests.fuzz.harness import Harness

HARNESS = Harness("start", lambda: [file[:600] for file in seeds.files()], None, seeds.TRICKY, 1024)
