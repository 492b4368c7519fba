"""Real traffic between real toolkits, with what these said of it: importing this fills `SCENARIOS`."""

from tests.monitor.scenarios import dcmtk, own, raw
from tests.monitor.scenarios.base import SCENARIOS, Did, Exchange, Scenario, Talk

__all__ = ["SCENARIOS", "Did", "Exchange", "Scenario", "Talk", "dcmtk", "own", "raw"]
