"""The state table against the one of another implementation, and against itself."""

import re

from dicomwire.ul.state import TRANSITIONS, Action, Event, State
from tests.support import missing

# What leads out of the last state, STA13.
CLOSING = {Action.AA_2, Action.AR_5}


def test_every_cell_is_pynetdicoms():
    try:
        from pynetdicom import fsm
    except ImportError:
        missing("pynetdicom is not installed")
    ours = {
        (event.replace("EVT", "Evt"), state.replace("STA", "Sta")): (
            cell.action.replace("_", "-"),
            tuple(next_state.replace("STA", "Sta") for next_state in cell.next_states),
        )
        for (state, event), cell in TRANSITIONS.items()
    }
    theirs = {}
    for place, action in fsm.TRANSITION_TABLE.items():
        next_states = fsm.ACTIONS[action][2]
        theirs[place] = (action, (next_states,) if isinstance(next_states, str) else tuple(next_states))
    assert ours == theirs


def test_labels_are_the_standards_and_complete():
    assert [str(state) for state in State] == [f"STA{number}" for number in range(1, 14)]
    assert [str(event) for event in Event] == [f"EVT{number}" for number in range(1, 20)]
    assert [str(action) for action in Action] == (
        [f"AE_{number}" for number in range(1, 9)]
        + ["DT_1", "DT_2"]
        + [f"AR_{number}" for number in range(1, 11)]
        + [f"AA_{number}" for number in range(1, 9)]
    )
    for label in [*State, *Event, *Action]:
        assert label.meaning
        assert not re.search(r"[A-Z]{3}\d", label.meaning)


def test_cells_stand_in_the_order_of_table_9_10():
    order = [(list(Event).index(event), list(State).index(state)) for state, event in TRANSITIONS]
    assert order == sorted(order)


def test_an_action_leads_to_the_same_states_wherever_it_stands():
    states = {}
    for cell in TRANSITIONS.values():
        assert states.setdefault(cell.action, cell.next_states) == cell.next_states
    assert set(states) == set(Action)
    assert {action for action, after in states.items() if len(after) == 2} == {Action.AE_6, Action.AR_8}


def test_every_state_is_reached_and_left():
    reached = {state for cell in TRANSITIONS.values() for state in cell.next_states}
    assert reached == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State)
    out_of_13 = {cell.action for (state, _), cell in TRANSITIONS.items() if state is State.STA13}
    assert {action for action in out_of_13 if action not in CLOSING} == {Action.AA_6, Action.AA_7}


def test_labels_hash_as_their_text():
    # Every step looks up a pair of labels; the hash of plain Enum members is a Python function.
    assert type(State.STA6).__hash__ is str.__hash__
    assert TRANSITIONS["STA6", "EVT10"].action is Action.DT_2
