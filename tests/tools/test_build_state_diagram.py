"""The drawing in docs/association.md is the one that the table gives."""

import re

import pytest

from dicomwire.ul.state import TRANSITIONS, State

pytestmark = pytest.mark.sources


def test_the_page_has_the_fresh_drawing():
    from tools import build_state_diagram

    page = build_state_diagram.PAGE.read_text()
    assert build_state_diagram.replaced(page) == page, "python tools/build_state_diagram.py"
    changed = page.replace("STA1 --> STA4", "STA1 --> STA5")
    assert build_state_diagram.replaced(changed) == page


def test_the_drawing_has_every_cell_but_those_that_stay_in_sta13():
    """Read back as its readers do: an arrow of a state first, else one of the group."""
    from tools import build_state_diagram

    own, group = {}, {}
    for line in build_state_diagram.arrows():
        found = re.fullmatch(r" *(\w+) --> (STA\d+): EVT([\d, ]+) / (\w+)", line)
        if found:
            source, after, numbers, action = found.groups()
            for number in numbers.split(", "):
                places = group if source == "associated" else own
                places.setdefault((source, f"EVT{number}"), set()).add((action, after))
    drawn = {}
    for state, event in TRANSITIONS:
        cell = own.get((state, event))
        if cell is None and state in build_state_diagram.ASSOCIATED:
            cell = group.get(("associated", event))
        if cell is not None:
            drawn[state, event] = cell
    expected = {
        place: {(cell.action, after) for after in cell.next_states}
        for place, cell in TRANSITIONS.items()
        if place[0] is not State.STA13 or cell.next_states != (State.STA13,)
    }
    assert drawn == expected
