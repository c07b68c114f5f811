import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.shares import Problem, path_mass_shares
from credit_hooks.credit.transcript import Transcript
from credit_hooks.trajectory import Actor, DataPart, Message, Outcome, ReadSet, Step, TextPart, Trajectory


def players(run, relation="consumed"):
    transcript = Transcript.of(run)
    found = Provenance.of(transcript, relation)
    return [transcript.messages[m].id for m in np.flatnonzero(found.players)]


def notes(run):
    return Provenance.of(Transcript.of(run), "consumed").notes


def ancestors(run, message_id):
    """By the trajectory's own, resolved parents."""
    found, todo = set(), [message_id]
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo += run.parents(current)
    return found


@st.composite
def layered(draw):
    """Every message has a step of its own; read sets are deltas of earlier ones and drop some of what they had."""
    count = draw(st.integers(1, 12))
    messages, steps = [], []
    for i in range(count):
        base = draw(st.none() | st.sampled_from([step.id for step in steps])) if steps else None
        step = Step(id=f"s{i}", reads=ReadSet(base=base))
        known = set() if base is None else set(Trajectory(id="", steps=(*steps, step)).reads(f"s{i}"))
        pool = [m.id for m in messages]
        new = draw(st.lists(st.sampled_from(pool), max_size=2, unique=True)) if pool else []
        dropped = draw(st.lists(st.sampled_from(sorted(known)), max_size=2, unique=True)) if known else []
        reads = ReadSet(base=base, new=tuple(m for m in new if m not in known), dropped=tuple(dropped))
        steps.append(Step(id=f"s{i}", reads=reads))
        actor, part = draw(st.sampled_from("abc")), DataPart(value=i)
        messages.append(Message(id=f"m{i}", index=i, actor_id=actor, step_id=f"s{i}", parts=(part,)))
    return Trajectory(id="run", messages=tuple(messages), steps=tuple(steps), outcome=Outcome(score=1.0))


@given(layered())
def test_players_are_the_ancestors_of_the_answer(run):
    assert set(players(run)) == ancestors(run, run.messages[-1].id)


@given(layered())
def test_shared_read_sets_give_the_same_path_mass_as_resolved_parents(run):
    resolved = run.model_copy(
        update={"steps": tuple(Step(id=step.id, reads=ReadSet(new=run.reads(step.id))) for step in run.steps)}
    )

    def share(of):
        transcript = Transcript.of(of)
        provenance = Provenance.of(transcript, "consumed")
        config = CreditConfig(level="shapley")
        return path_mass_shares(
            Problem(transcript, provenance, Evidence(transcript, provenance, config), config, False)
        )

    np.testing.assert_allclose(share(run).share, share(resolved).share, rtol=0, atol=1e-12)


def test_the_graph_of_a_team_that_reads_everything_stays_linear():
    count = 300
    messages = tuple(Message(id=f"m{i}", index=i, actor_id="a", step_id=f"s{i}") for i in range(count))
    steps = tuple(
        Step(id=f"s{i}", reads=ReadSet(base=f"s{i - 1}" if i else None, new=(f"m{i - 1}",) if i else ()))
        for i in range(count)
    )
    found = Provenance.of(Transcript.of(Trajectory(id="r", messages=messages, steps=steps)), "consumed")
    assert found.players.all()
    assert sum(map(len, found.sources)) < 3 * count


def two_relations():
    """The author could see m0 and m1, its model was given m1 only, and m2's step caused its step to run."""
    messages = [Message(id=f"m{i}", index=i, actor_id="a", step_id=f"s{i}") for i in range(3)]
    messages.append(Message(id="m3", index=3, actor_id="b", step_id="s3", generated_by="chat"))
    steps = [Step(id=f"s{i}", output_message_ids=(f"m{i}",)) for i in range(3)]
    steps.append(Step(id="s3", reads=ReadSet(new=("m0", "m1"))))
    steps.append(Step(id="chat", kind="chat", reads=ReadSet(new=("m1",)), scheduled_by=("s2",)))
    return Trajectory(id="r", messages=tuple(messages), steps=tuple(steps))


@pytest.mark.parametrize(
    ("relation", "expected"),
    [("consumed", ["m1", "m3"]), ("visible", ["m0", "m1", "m3"]), ("scheduled", ["m1", "m2", "m3"])],
)
def test_the_relation_says_which_reads_count(relation, expected):
    assert players(two_relations(), relation) == expected


def test_a_model_that_was_given_nothing_of_the_run_leaves_what_its_node_saw():
    run = two_relations()
    blind = [Step(id="chat", kind="chat") if step.id == "chat" else step for step in run.steps]
    assert players(run.model_copy(update={"steps": tuple(blind)})) == ["m0", "m1", "m3"]


def test_without_provenance_everything_is_taken_as_read_and_it_says_so(run_of, said):
    run = run_of(*(said(by, "word", None) for by in ("user", "ada", "bob", "user", "ada")))
    assert players(run) == ["m1", "m2", "m3", "m4"]
    assert any("no provenance" in note for note in notes(run))


def test_what_was_there_before_the_first_step_is_an_input(run_of, said):
    run = run_of(said("user", "Earlier question", None), said("ada", "Earlier answer", None), said("ada", "x", (0, 1)))
    assert players(run) == ["m2"]


def test_who_repeats_the_task_first_gives_an_input(run_of, said):
    run = run_of(said("ada", "# Task\nAdd two  numbers.", ()), said("bob", "Done.", (0,)), task="Add two numbers.")
    assert players(run) == ["m1"]


def test_a_human_in_the_loop_contributes(run_of, said):
    run = run_of(
        said("user", "Go", None), said("ada", "Sure?", (0,)), said("user", "Yes", ()), said("ada", "Ok", (1, 2))
    )
    assert players(run) == ["m1", "m2", "m3"]


def test_all_that_the_last_step_wrote_is_the_answer(run_of, said):
    run = run_of(said("ada", "left", (), "s"), said("bob", "elsewhere", ()), said("ada", "right", (), "s"))
    assert players(run) == ["m0", "m2"]
    assert players(run.model_copy(update={"answer_id": "m1"})) == ["m1"]


def test_where_a_run_crashed_the_failing_steps_had_read_the_answer(run_of, said):
    run = run_of(said("ada", "left", ()), said("bob", "right", ()), status="error")
    join = Step(id="join", status="error", reads=ReadSet(new=("m0", "m1")))
    assert players(run.model_copy(update={"steps": (*run.steps, join)})) == ["m0", "m1"]


def test_cycles_are_cut_and_it_says_so(run_of, said):
    run = run_of(said("ada", "a", (1,)), said("bob", "b", (0,)))
    assert players(run) == ["m0", "m1"]
    assert any("cycle" in note for note in notes(run))


def test_cycles_of_bases_end():
    steps = (Step(id="s0", reads=ReadSet(base="s1", new=("m0",))), Step(id="s1", reads=ReadSet(base="s0")))
    messages = tuple(Message(id=f"m{i}", index=i, actor_id="a", step_id=f"s{i}") for i in range(2))
    assert players(Trajectory(id="r", messages=messages, steps=steps)) == ["m0", "m1"]


def test_nothing_but_inputs_leads_to_the_answer(run_of, said):
    run = run_of(said("user", "Hello?", None), said("user", "Anybody?", None), score=0.0)
    credit = assign_credit(run)
    assert [reward.reward for reward in credit.messages] == [0.0, 0.0]
    assert (credit.total, credit.unassigned, credit.agents) == (-0.5, -0.5, {"user": 0.0})
    assert "it is unassigned" in credit.notes[-1]


def test_an_actor_of_unknown_kind_is_what_its_messages_are():
    message = Message(id="m0", index=0, actor_id="who", role="user", parts=(TextPart(text="hi"),))
    run = Trajectory(id="r", messages=(message,), actors=(Actor(id="who", name="who", kind="unknown"),))
    assert Transcript.of(run).kinds == ("human",)


def test_path_mass_of_a_known_graph(run_of, said):
    # c reads a and b: y = .2 c + .4 ac + .4 bc, whose Shapley values are .2, .2 and .6.
    run = run_of(*(said(by, (DataPart(value=1),), reads) for by, reads in (("a", ()), ("b", ()), ("c", (0, 1)))))
    assert [reward.reward for reward in assign_credit(run).messages] == pytest.approx([0.1, 0.1, 0.3], abs=1e-12)
