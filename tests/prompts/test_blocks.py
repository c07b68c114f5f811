"""Blocks and tasks: a version changes with any byte, and an edit changes one block's bytes only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts import PromptBlock, PromptSet, Task
from credit_hooks.prompts.tasks import split

texts = st.text(st.characters(), max_size=20)


@given(st.lists(texts, min_size=1, max_size=5), st.data())
def test_an_edit_changes_the_bytes_of_its_block_alone(contents, data):
    before = PromptSet([PromptBlock(role=f"r{n}", text=text) for n, text in enumerate(contents)])
    role, text = data.draw(st.sampled_from([*before])), data.draw(texts)
    after = before.with_texts({role: text})
    assert after[role] == text
    assert [after.block(other) for other in before if other != role] == [before.block(o) for o in before if o != role]
    assert (after.version == before.version) == (before[role] == text) == (after == before)
    assert after.with_texts({role: before[role]}) == before


def test_what_tells_blocks_apart_is_checked():
    block = PromptBlock(role="a", text="x")
    with pytest.raises(ConfigurationError, match="nothing to improve"):
        PromptSet([])
    with pytest.raises(ConfigurationError, match="two prompt blocks are called 'a'"):
        PromptSet([block, block])
    with pytest.raises(KeyError):
        PromptSet([block]).with_texts({"b": "y"})


@given(st.integers(2, 40), st.floats(0.05, 0.95), st.integers(0, 5))
def test_a_split_has_each_task_once_and_is_always_the_same(count, share, seed):
    tasks = [Task(id=str(n), input=n) for n in range(count)]
    try:
        parts = split(tasks, share, seed)
    except ConfigurationError:
        assert round(count * share) == count
        return
    assert sorted(task.input for task in (*parts.train, *parts.held_out)) == list(range(count))
    assert parts == split(tasks, share, seed)


def test_tasks_that_are_in_both_parts_are_refused():
    task = Task(id="same", input="x")
    for tasks, held_out, said in (([task], [task], "there twice"), ([], [task], "0 tasks"), ([task], 1.5, "a share")):
        with pytest.raises(ConfigurationError, match=said):
            split(tasks, held_out, 0)
