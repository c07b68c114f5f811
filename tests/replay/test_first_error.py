"""Laws of finding the first error by replay, on made-up teams: budget, labels, rewards and what is kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_team import Agent, MadeUpSystem, Team, scored

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.errors import ReplayRefusedError
from credit_hooks.failure import PROBE, ProbeNoise
from credit_hooks.replay import ReplayLimits, Search, locate_error
from credit_hooks.rewards import CreditedRun

SURE = CreditConfig(probe_noise=ProbeNoise(1.0, 0.0))
LIMITS = ReplayLimits(parallel=1)


class RedoSystem(MadeUpSystem):
    """Turns can be done anew by a corrector, a function of (turn, texts)."""

    def turn_from(self, message_id):
        return message_id

    def check_speaker(self, by):
        assert callable(by)

    def text(self, turn, texts, intervention, meter):
        redo = intervention.redo
        start = None if redo is None else int(redo.message_id[1:])
        anew = redo is not None and (turn == start if redo.only else turn >= start)
        if not anew:
            return super().text(turn, texts, intervention, meter)
        meter.before_live()
        if redo.by is not None:
            return redo.by(turn, texts)
        return self.team.speak(turn, texts)


def faulty(steps, faults):
    """A chain in which each says one more than it heard, and at each fault ten more than that."""

    def agent(turn):
        def says(texts):
            return str(int(next(iter(texts.values()), "0")) + (11 if turn in faults else 1))

        return Agent(f"a{turn % 3}", says, (turn - 1,) if turn else ())

    return Team([agent(turn) for turn in range(steps)])


def right(turn, texts):
    return str(int(texts[turn - 1] if turn else "0") + 1)


def failed(system, steps):
    def evaluate(run):
        return run.answer == str(steps)

    trajectory = scored(system, evaluate)
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, SURE)), evaluate


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(2, 12), st.integers(0, 12))
def test_the_budget_the_labels_and_the_rewards_are_kept(data, steps, budget):
    fault = data.draw(st.integers(0, steps - 1))
    system = RedoSystem(faulty(steps, {fault}))
    run, evaluate = failed(system, steps)
    found = locate_error(run, system, evaluate, SURE, LIMITS, Search(budget=budget, correction=right))
    assert found.bisection.calls <= budget
    assert found.costs.system_runs == 1 + found.bisection.calls + 1
    labels = [label for label in found.run.trajectory.labels if label.name == PROBE]
    assert [label.value for label in labels] == [answer.success for answer in found.bisection.observations]
    for label in labels:
        assert label.value == float(int(label.target_id[1:]) <= fault)
    assert found.run.credit.messages == run.credit.messages
    assert found.run.trajectory.messages == run.trajectory.messages
    assert assign_credit(found.run.trajectory, SURE).first_error == found.first_error
    if budget >= 8:
        assert found.first_error.message_id == f"m{fault}"
        assert [one.parts[0].text for one in found.replacements] == [str(fault + 1)]


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), st.integers(0, 7))
def test_a_team_that_repeats_itself_is_refused_after_two_runs(steps, fault):
    system = RedoSystem(faulty(steps, {fault % steps}))
    run, evaluate = failed(system, steps)
    with pytest.raises(ReplayRefusedError, match="very same"):
        locate_error(run, system, evaluate, SURE, LIMITS, Search())
    assert system.runs == 3  # unchanged, and twice anew


def test_of_two_errors_the_first_is_found_and_correcting_it_alone_is_not_enough():
    """Every probe that keeps one of them fails: they point at the first, which is the earliest that has to be right."""
    system = RedoSystem(faulty(8, {2, 5}))
    run, evaluate = failed(system, 8)
    found = locate_error(run, system, evaluate, SURE, LIMITS, Search(budget=16, correction=right))
    assert found.first_error.message_id == "m2"
    assert [one.outcome for one in found.replacements] == [0.0]  # the other one is still there


def test_a_system_that_cannot_do_turns_anew_is_refused():
    system = MadeUpSystem(faulty(3, {1}))
    run, evaluate = failed(system, 3)
    with pytest.raises(ReplayRefusedError, match="cannot be done anew"):
        locate_error(run, system, evaluate, SURE, LIMITS, Search(correction=right))
