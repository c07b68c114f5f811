import numpy as np
import pytest

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.temporal import turns_of
from credit_hooks.credit.transcript import Transcript
from credit_hooks.failure import expected_step_potential
from credit_hooks.trajectory import Message, Step, Trajectory


def turns(run):
    transcript = Transcript.of(run)
    return turns_of(transcript, Provenance.of(transcript, "consumed")).tolist()


def test_steps_whose_times_overlap_are_one_turn(run_of, said):
    run = run_of(
        said("user", "Go", None),
        said("a", "one", (0,), at=(0, 10)),
        said("b", "two", (0, 1), at=(10, 20)),
        said("c", "three", (0, 1), at=(12, 30)),
        said("d", "four", (0, 1), at=(25, 40)),
        said("e", "five", (0, 1, 2, 3, 4), at=(40, 50)),
    )
    assert turns(run) == [0, 0, 1, 1, 1, 2]


def test_without_times_the_read_sets_say_what_ran_side_by_side(run_of, said):
    run = run_of(
        said("user", "Go", None),
        said("a", "one", (0,)),
        said("b", "two", (0, 1)),
        said("c", "three", (0, 1)),
        said("d", "four", (0, 1, 2, 3)),
    )
    assert turns(run) == [0, 0, 1, 1, 2]


def test_one_missing_time_makes_the_read_sets_decide(run_of, said):
    run = run_of(said("a", "one", (), at=(0, 10)), said("b", "two", (0,)), said("c", "three", (1,), at=(5, 9)))
    assert turns(run) == [0, 1, 2]


def test_a_subgraph_does_not_tie_its_steps_together():
    steps = [Step(id="outer", kind="agent", start_ns=0, end_ns=50)]
    steps += [Step(id=f"s{i}", parent_id="outer", start_ns=10 * i, end_ns=10 * i + 9) for i in range(3)]
    messages = [Message(id=f"m{i}", index=i, actor_id="a", step_id=f"s{i}") for i in range(3)]
    messages.append(Message(id="m3", index=3, actor_id="team", step_id="outer"))
    assert turns(Trajectory(id="r", messages=tuple(messages), steps=tuple(steps))) == [0, 1, 2, 3]


def test_instants_at_the_same_time_are_one_turn(run_of, said):
    run = run_of(said("a", "x", (), at=(5, 5)), said("b", "y", (), at=(5, 5)), said("c", "z", (0, 1), at=(6, 6)))
    assert turns(run) == [0, 0, 1]


def failed_run(run_of, said):
    return run_of(
        said("user", "How many?", None),
        said("a", "I assume 17 and 24 of Total_Count.", (0,)),
        said("b", "So the answer is 41.", (0, 1)),
        said("c", "The final answer is 41.", (0, 1, 2)),
        score=0.25,
    )


def test_turns_split_what_agents_earned(run_of, said):
    credit = assign_credit(failed_run(run_of, said))
    by_agent = dict.fromkeys(credit.agents, 0.0)
    for cell in credit.turns:
        by_agent[cell.actor_id] += cell.credit
    assert by_agent == pytest.approx(credit.agents, abs=1e-12)
    assert [cell.turn for cell in credit.turns] == [0, 1, 2]


def test_expected_step_turns_split_the_growth_of_the_potential(run_of, said):
    credit = assign_credit(failed_run(run_of, said), CreditConfig(potential="expected_step"))
    probability = dict(credit.first_error.candidates)
    assert sum(cell.credit for cell in credit.turns) == pytest.approx(-0.25, abs=1e-12)
    for cell in credit.turns:
        assert cell.credit == pytest.approx(-0.25 * probability[f"m{cell.turn + 1}"], abs=1e-12)


def test_the_potential_telescopes_from_the_baseline_to_the_outcome():
    probability, turn = np.array([0.2, 0.1, 0.4, 0.3]), np.array([0, 1, 1, 3])
    potential = expected_step_potential(probability, turn, outcome=0.1, baseline=0.6)
    assert potential.tolist() == pytest.approx([0.6, 0.5, 0.25, 0.25, 0.1], abs=1e-15)
    assert potential[-1] - potential[0] == pytest.approx(-0.5, abs=1e-15)
