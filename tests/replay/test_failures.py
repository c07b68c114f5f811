"""When the engine itself gets into trouble: credit is conserved, and says what happened."""

import itertools
import threading
import time

import pytest
from made_up_team import Agent, MadeUpSystem, Team, counting, score, scored, trajectory_of

from credit_hooks.credit import CreditConfig
from credit_hooks.errors import ConfigurationError, ReplayStoppedError
from credit_hooks.replay import ReplayLimits, counterfactual, recompute, replay_credit
from credit_hooks.trajectory import Actor, Outcome, ReadSet, Trajectory


def credit_of(system, *, evaluate=score, limits=None, trajectory=None, **config):
    config = CreditConfig(**{"method": "replay", "budget": 100, **config})
    trajectory = trajectory or scored(system, evaluate)
    credit = replay_credit(trajectory, system, evaluate, config, limits or ReplayLimits(parallel=2))
    assert sum(reward.reward for reward in credit.messages) + credit.unassigned == pytest.approx(credit.total, abs=1e-9)
    assert sum(credit.agents.values()) + credit.unassigned == pytest.approx(credit.total, abs=1e-9)
    assert credit.total == credit.outcome - credit.baseline
    if credit.replay is not None:
        again = recompute(credit.replay).values.tolist()
        assert again == [player.value for player in credit.replay.players]
    return credit


def team_whose_last(says):
    return Team([counting("a", (), 3), counting("b", (0,), 5), Agent("c", says, (0, 1))])


def first_is_fine(then):
    """A function of texts that works when the run is recorded, and does something else when it is run live again."""
    first = []

    def says(texts):
        if not first:
            first.append(texts)
            return "7"
        return then(texts)

    return says


def broken(texts):
    raise ConnectionError("no such host")


def test_live_calls_that_raise_leave_their_coalitions_out():
    credit = credit_of(MadeUpSystem(team_whose_last(first_is_fine(broken))))
    assert credit.method == "replay.owen"
    failed = sum(value is None for value in credit.replay.values)
    assert 0 < failed < len(credit.replay.values)
    assert set(credit.replay.failures.values()) == {"the replay raised ConnectionError: no such host"}
    assert any("had no finite value" in note for note in credit.notes)
    assert all(reward.std_err > 0.0 for reward in credit.messages)


def test_live_calls_that_hang_are_given_up():
    hanging = threading.Event()
    limits = ReplayLimits(run_seconds=0.3, max_seconds=3.0, parallel=4)
    credit = credit_of(MadeUpSystem(team_whose_last(first_is_fine(lambda texts: hanging.wait(30)))), limits=limits)
    hanging.set()
    assert credit.method == "replay.owen"
    assert all("took longer than" in reason or "given up" in reason for reason in credit.replay.failures.values())


def test_an_engine_whose_every_replay_fails_stops_soon():
    class Broken(MadeUpSystem):
        async def run(self, intervention, meter):
            if intervention.masked:
                raise ConnectionError("no such host")
            return await super().run(intervention, meter)

    system = Broken(Team([counting(name, (), 2) for name in "abcdef"]))
    credit = credit_of(system)
    assert credit.replay.stopped == "failed"
    assert "none of the first" in credit.replay.cut_short
    assert any("no outcome" in note for note in credit.notes)


def test_a_budget_of_one_says_that_little_is_known():
    credit = credit_of(MadeUpSystem(team_whose_last(lambda texts: "7")), budget=1)
    assert credit.replay.coalitions == ()
    assert all(reward.std_err == 1.0 or reward.std_err > 0.0 for reward in credit.messages)


@pytest.mark.parametrize("limit", [{"max_calls": 2}, {"max_tokens": 15}, {"max_seconds": 0.0}])
def test_limits_end_the_replays(limit):
    system = MadeUpSystem(Team([counting(name, range(i), 2 + i) for i, name in enumerate("abcde")]))
    credit = credit_of(system, limits=ReplayLimits(parallel=1, **limit))
    assert any(next(iter(limit)) in note for note in credit.notes)
    if credit.replay is not None:
        assert credit.replay.costs.live_calls <= 2


def test_an_evaluator_that_raises_or_does_not_know_leaves_coalitions_out():
    def evaluate(run):
        if not run.messages[0].text:
            raise KeyError("answer")
        return None if not run.messages[1].text else score(run)

    credit = credit_of(MadeUpSystem(team_whose_last(lambda texts: "7")), evaluate=evaluate)
    assert credit.replay is not None
    assert {reason[:20] for reason in credit.replay.failures.values()} == {
        "the evaluator raised",
        "the evaluator does n",
    }


def test_a_system_that_does_not_repeat_is_refused():
    class Clock(MadeUpSystem):
        def key(self, turn, texts):
            return f"{super().key(turn, texts)} {time.monotonic_ns()}"

    credit = credit_of(Clock(team_whose_last(lambda texts: "7")))
    assert credit.replay is None
    assert credit.method.startswith(("reader_vote", "provenance"))
    assert "not replayed: the unchanged replay is not the run" in credit.notes[0]


def test_an_evaluator_that_contradicts_itself_is_refused():
    verdicts = itertools.count()
    system = MadeUpSystem(team_whose_last(lambda texts: "7"))
    credit = credit_of(system, evaluate=lambda run: 1.0 if next(verdicts) == 0 else 0.0)
    assert "the evaluator says 0 of the unchanged replay, the run had 1" in credit.notes[0]


def test_agents_whose_replies_vary_are_found_out():
    numbers = itertools.count(1)
    credit = credit_of(MadeUpSystem(team_whose_last(lambda texts: str(next(numbers)))))
    assert credit.replay.noise > 0.0
    assert all(reward.std_err > 0.0 for reward in credit.messages)
    assert any("replies vary" in note for note in credit.notes)


def test_replies_that_vary_without_consequence_are_told_only():
    numbers = itertools.count(1)
    says = first_is_fine(lambda texts: f"{next(numbers)} and 7")
    credit = credit_of(MadeUpSystem(team_whose_last(says)), evaluate=lambda run: "7" in run.answer)
    assert (credit.replay.noise, credit.replay.stopped) == (None, "exact")
    assert any("replies vary" in note for note in credit.notes)


def test_an_agent_that_never_spoke_gets_nothing():
    system = MadeUpSystem(team_whose_last(lambda texts: "7"))
    trajectory = scored(system, score)
    trajectory = trajectory.model_copy(update={"actors": (*trajectory.actors, Actor(id="mute", name="mute"))})
    credit = credit_of(system, trajectory=trajectory)
    assert credit.agents["mute"] == 0.0
    assert credit.method == "replay.owen"


def test_a_run_without_messages_has_no_credit():
    system = MadeUpSystem(team_whose_last(lambda texts: "7"))
    empty = Trajectory(id="run", outcome=Outcome(score=1.0))
    credit = replay_credit(empty, system, score, CreditConfig(method="replay"), ReplayLimits())
    assert (credit.status, credit.messages) == ("no_messages", ())


def test_a_run_whose_messages_cannot_be_masked_is_credited_otherwise():
    system = MadeUpSystem(team_whose_last(lambda texts: "7"))
    system.players = []
    credit = credit_of(system)
    assert credit.notes[0] == "not replayed: no message can be masked"


def test_of_equal_ids_the_first_message_is_credited():
    system = MadeUpSystem(team_whose_last(lambda texts: "7"))
    trajectory = scored(system, score)
    twice = trajectory.messages[0].model_copy(update={"index": 3})
    credit = credit_of(system, trajectory=trajectory.model_copy(update={"messages": (*trajectory.messages, twice)}))
    assert credit.method == "replay.owen"
    assert credit.messages[3].reward == 0.0


def test_cycles_of_foreign_data_do_no_harm():
    system = MadeUpSystem(team_whose_last(lambda texts: "7"))
    trajectory = scored(system, score)
    steps = tuple(
        step.model_copy(update={"reads": ReadSet(base=trajectory.steps[i - 1].id, new=("m2", "m0", "nobody"))})
        for i, step in enumerate(trajectory.steps)
    )
    credit = credit_of(system, trajectory=trajectory.model_copy(update={"steps": steps}))
    assert credit.replay.stopped == "exact"


def test_hung_replays_do_not_keep_the_credit_waiting():
    """The coroutine itself blocks its event loop: its thread is given up."""

    class Blocking(MadeUpSystem):
        async def run(self, intervention, meter):
            threading.Event().wait(3)

    system = Blocking(team_whose_last(lambda texts: "7"))
    credit = credit_of(system, limits=ReplayLimits(max_seconds=0.1, run_seconds=0.1))
    assert "not replayed: the replays did not end within" in credit.notes[0]


# --- Counterfactuals --------------------------------------------------------------------------------------------------


def what_if(message_id, text, team=None, evaluate=score):
    system = MadeUpSystem(team or team_whose_last(lambda texts: str(int(texts["1"] or 0) + 1)))
    return counterfactual(system, scored(system, score), message_id, text, evaluate=evaluate, limits=ReplayLimits())


def test_a_counterfactual_runs_what_the_change_reaches():
    found = what_if("m1", "40")
    assert found.run.answer == "41"
    assert (found.live_calls, found.pinned_calls) == (1, 1)
    assert found.difference == found.outcome.score - found.observed.score


def test_a_counterfactual_needs_no_evaluator():
    found = what_if("m1", "40", evaluate=None)
    assert (found.run.answer, found.outcome, found.difference) == ("41", None, None)


def test_a_counterfactual_of_an_unknown_message_is_refused():
    with pytest.raises(ConfigurationError, match="run run has no message 'm9'"):
        what_if("m9", "40")


def test_a_counterfactual_that_fails_says_why():
    with pytest.raises(ReplayStoppedError, match="ConnectionError: no such host"):
        what_if("m1", "40", team_whose_last(first_is_fine(broken)))


@pytest.mark.parametrize(
    ("name", "value"), [("max_calls", -1), ("max_seconds", float("nan")), ("run_seconds", float("inf"))]
)
def test_limits_that_cannot_work_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} is a number of at least 0"):
        ReplayLimits(**{name: value})
    with pytest.raises(ConfigurationError, match="parallel is at least 1"):
        ReplayLimits(parallel=0)


def test_a_trajectory_of_the_team_is_a_trajectory():
    assert trajectory_of(team_whose_last(str), ["1", "2", "3"]).answer == "3"
