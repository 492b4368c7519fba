"""Draws the state machine of docs/association.md from src/dicomwire/ul/state.py.

    python tools/build_state_diagram.py            rewrite what stands between the marks
    python tools/build_state_diagram.py --check    exit status 1 if that would change something

An arrow's label is events and action.  The aborts that the associated states have in common are arrows of their group;
cells that stay in STA13 are not drawn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from dicomwire.ul.state import TRANSITIONS, Action, Event, State

PAGE = Path(__file__).resolve().parent.parent / "docs" / "association.md"
BEGIN, END = "<!-- begin: tools/build_state_diagram.py -->", "<!-- end -->"

# Drawn once for the states that have them in common.
ABORTS = {Action.AA_1, Action.AA_3, Action.AA_4, Action.AA_8}
ASSOCIATED = [State[f"STA{number}"] for number in (3, 5, 6, 7, 8, 9, 10, 11, 12)]


def numbers(events: Iterable[Event]) -> str:
    """Return "EVT3, 4, 6" for events in the order of the table."""
    found = sorted({int(event.removeprefix("EVT")) for event in events})
    return "EVT" + ", ".join(map(str, found))


def described(state: State) -> str:
    """Return a state's line; Mermaid's descriptions end at a second colon."""
    return f"{state}: {state} {state.meaning.replace(':', ',')}"


def arrows() -> list[str]:
    """Return the lines of the diagram, in the order of the table."""
    labels: dict[tuple[State, State, Action], list[Event]] = {}
    shared: dict[tuple[Action, State], list[Event]] = {}
    for (state, event), cell in TRANSITIONS.items():
        for after in cell.next_states:
            if state in ASSOCIATED and cell.action in ABORTS:
                shared.setdefault((cell.action, after), []).append(event)
            elif not state == after == State.STA13:
                labels.setdefault((state, after, cell.action), []).append(event)
    lines = [f"    {described(state)}" for state in State if state not in ASSOCIATED]
    lines.append("    state associated {")
    lines += [f"        {described(state)}" for state in ASSOCIATED]
    inner, outer = [], []
    for (state, after, action), events in labels.items():
        line = f"{state} --> {after}: {numbers(events)} / {action}"
        (inner if state in ASSOCIATED and after in ASSOCIATED else outer).append(line)
    lines += [f"        {line}" for line in inner]
    lines.append("    }")
    lines.append("    [*] --> STA1")
    lines += [f"    {line}" for line in outer]
    lines += [f"    associated --> {after}: {numbers(events)} / {action}" for (action, after), events in shared.items()]
    return lines


def drawing() -> str:
    """Return what stands between the marks: the diagram, and the meaning of events and actions."""
    lines = ["```mermaid", "stateDiagram-v2", *arrows(), "```", "", "| event | |", "|---|---|"]
    lines += [f"| {event} | {event.meaning} |" for event in Event]
    lines += ["", "| action | | next state |", "|---|---|---|"]
    after = {cell.action: cell.next_states for cell in TRANSITIONS.values()}
    lines += [f"| {action} | {action.meaning} | {' or '.join(after[action])} |" for action in Action]
    return "\n".join(lines)


def replaced(page: str) -> str:
    """Return the page with a fresh drawing between the marks."""
    before, found, rest = page.partition(BEGIN)
    _, ended, behind = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f"{PAGE}: marks {BEGIN} and {END} expected")
    return f"{before}{BEGIN}\n{drawing()}\n{END}{behind}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    page = PAGE.read_text()
    fresh = replaced(page)
    if not parser.parse_args().check:
        PAGE.write_text(fresh)
        return 0
    return 0 if fresh == page else 1


if __name__ == "__main__":
    sys.exit(main())
