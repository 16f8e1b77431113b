import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.errors import ParameterError
from napari_petlut.plugin.editing.history import DEFAULT_STEPS, History


@given(st.lists(st.sampled_from(["edit", "undo", "redo"]), max_size=60))
def test_undo_and_redo_follow_a_plain_list_of_states(commands):
    history, states, here, now = History(), [0], 0, 0
    for count, command in enumerate(commands, start=1):
        if command == "edit":
            history.push(now)
            now = count
            states[here + 1 :] = [now]
            here += 1
        elif command == "undo":
            back = history.undo(now)
            here = max(here - 1, 0)
            now = now if back is None else back
        else:
            forth = history.redo(now)
            here = min(here + 1, len(states) - 1)
            now = now if forth is None else forth
        assert now == states[here]
        assert (history.undo_steps, history.redo_steps) == (here, len(states) - 1 - here)


def test_at_least_a_hundred_steps_are_kept_and_the_oldest_is_forgotten():
    assert DEFAULT_STEPS >= 100
    history = History(steps=100)
    for state in range(150):
        history.push(state)
    undone = [history.undo(150 - k) for k in range(100)]
    assert undone == list(range(149, 49, -1))
    assert history.undo(50) is None


def test_a_history_without_room_is_refused():
    with pytest.raises(ParameterError, match="at least 1 step"):
        History(steps=0)
