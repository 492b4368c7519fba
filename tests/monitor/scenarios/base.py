"""What a scenario is: real traffic of loopback between two toolkits, and what these said of it themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.monitor.packets import Frame

RELEASED, ABORTED, REJECTED, RESET, FINISHED = "release", "abort", "reject", "rst", "fin"
Files = dict[str, Path]


@dataclass(frozen=True)
class Did:
    """An operation, as the ends know it; None where nobody said."""

    method: str
    status: int | None  # the last one; None without a response
    pending: int = 0
    sop_instance_uid: str | None = None
    data_set_size: int | None = None  # of the request


@dataclass
class Talk:
    """An association, as the ends know it."""

    called: str
    calling: str
    end: str = RELEASED
    by: str | None = None  # "client" or "server": who ended it
    code: tuple[int, ...] = ()  # result, source and reason of a rejection; source and reason of an abort
    did: list[Did] = field(default_factory=list)
    sent: tuple[int, int] | None = None  # bytes of the client, of the server


@dataclass
class Exchange:
    """An HL7 message and its acknowledgement."""

    control_id: str
    kind: str
    acknowledgement: str | None


@dataclass
class Scenario:
    """A recording with its truth."""

    name: str
    frames: list[Frame]
    ports: tuple[int, ...]
    talks: list[Talk] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


Making = Callable[[Path, Files], Scenario]
SCENARIOS: dict[str, Making] = {}


def scenario(make: Making) -> Making:
    """Lists a function that plays a scenario in a folder of its own, with pydicom's files at hand."""
    SCENARIOS[make.__name__] = make
    return make
