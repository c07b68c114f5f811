"""What nodes are given is copied, and what was added for a retry is taken out of what they return."""

import copy

import pytest

pytest.importorskip("langgraph.graph", reason="LangGraph is not installed: pip install 'credit-hooks[langgraph]'")

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from credit_hooks.langgraph.node_values import cleaned, copied

KEYS = st.sampled_from(["messages", "notes", "critique"])
STATES = st.dictionaries(KEYS, st.lists(st.integers(), max_size=3) | st.text(max_size=3) | st.none())


@given(STATES)
def test_copies_are_equal_and_share_no_list(state):
    made = copied(state)
    assert made == state
    assert all(made[key] is not value for key, value in state.items() if isinstance(value, list))


@given(STATES, st.lists(st.builds(HumanMessage, st.text(max_size=3)), max_size=3), st.integers(0, 3))
def test_what_was_added_is_taken_out_and_nothing_else(state, added, at):
    own = state.get("messages") or []
    own = own if isinstance(own, list) else [own]
    returned = {**state, "messages": [*own[:at], *added, *own[at:]]}
    kept = copy.deepcopy(returned)
    assert cleaned(returned, added, state) == {**state, "messages": own}
    assert returned == kept, "the user's object is as it was"
    assert cleaned(returned, [], state) is returned
