"""Laws that every way of assigning credit keeps (`CREDIT_LAWS`), and trajectories to try them on.

A law takes a function like :func:`credit_hooks.credit.assign_credit` and a trajectory, and raises `AssertionError`
where it is broken::

    @pytest.mark.parametrize("law", CREDIT_LAWS, ids=lambda law: law.__name__)
    @given(trajectory=trajectories())
    def test_my_method(law, trajectory):
        law(my_assign_credit, trajectory)

Without hypothesis: `check_credit(my_assign_credit, my_trajectories)`. Sums are held to 1e-12, which is what exact
methods reach; what is promised to users is 1e-9.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from credit_hooks.rewards import Credit
from credit_hooks.trajectory import (
    Actor,
    ActorKind,
    DataPart,
    Message,
    Outcome,
    Part,
    ReadSet,
    Step,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Trajectory,
)

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["CREDIT_LAWS", "AssignCredit", "CreditLaw", "check_credit", "trajectories"]

AssignCredit: TypeAlias = Callable[[Trajectory], Credit]
CreditLaw: TypeAlias = Callable[[AssignCredit, Trajectory], None]

TOLERANCE: Final = 1e-12


def credit_is_conserved(assign: AssignCredit, trajectory: Trajectory) -> None:
    """Rewards sum to R - b, those of an agent to its credit, and the cells of C[t, i] to R - b.

    Where nobody contributed a message, failed steps count as their agents' messages do; what is unassigned is stated.
    """
    credit = _credited(assign, trajectory)
    if credit is None:
        return
    assert credit.outcome is not None
    assert credit.baseline is not None
    _close(credit.total, credit.outcome - credit.baseline, "the total is not R - b")
    by_agent: dict[str, list[float]] = defaultdict(list)
    for reward in credit.messages:
        _expect(reward.reward is not None, f"message {reward.message_id!r} has no reward")
        by_agent[reward.actor_id].append(reward.reward or 0.0)
    # Of equal ids the step that sorts first counts, so that the order of listing decides nothing.
    step_by_id = {
        step.id: step for step in sorted(trajectory.steps, key=lambda step: step.model_dump_json(), reverse=True)
    }
    for step_id, value in credit.steps.items():
        _expect(step_id in step_by_id, f"{step_id!r} is blamed and no step of the run")
        by_agent[step_by_id[step_id].actor_id or ""].append(value)
    given_out = credit.total - credit.unassigned
    _close(math.fsum(value for own in by_agent.values() for value in own), given_out, "rewards do not sum to R - b")
    _expect(by_agent.keys() <= credit.agents.keys(), "an author has no agent credit")
    for actor_id, value in credit.agents.items():
        _close(math.fsum(by_agent[actor_id]), value, f"rewards of {actor_id!r} do not sum to its credit")
    if credit.turns:
        _close(math.fsum(cell.credit for cell in credit.turns), given_out, "turns do not sum to R - b")


def every_message_is_scored_in_order(assign: AssignCredit, trajectory: Trajectory) -> None:
    """One reward per message, under its own id and author, in the trajectory's order."""
    credit = _credited(assign, trajectory)
    if credit is not None:
        listed = [(message.id, message.actor_id) for message in trajectory.messages]
        _expect(
            [(r.message_id, r.actor_id) for r in credit.messages] == listed, "rewards are not those of the messages"
        )


def rewards_are_bounded(assign: AssignCredit, trajectory: Trajectory) -> None:
    """Every reward is a finite number in [-1, 1]."""
    credit = assign(trajectory)
    for value in [*(reward.reward for reward in credit.messages), *credit.steps.values(), credit.unassigned]:
        _expect(value is None or (math.isfinite(value) and -1.0 <= value <= 1.0), f"a reward is {value}")


def null_players_get_exactly_zero(assign: AssignCredit, trajectory: Trajectory) -> None:
    """A message that nobody reads earns exactly 0.0 and changes nobody else's reward; so does an agent that is silent.

    Its index is the last, and the answer is stated, so that it is no part of what happened before.
    """
    if trajectory.answer_message is None:
        return
    answer = trajectory.answer_message.id
    stated = trajectory.model_copy(update={"answer_id": answer, "status": "ok"})
    last = max(message.index for message in trajectory.messages) + 1
    unread = Message(id=_fresh(trajectory), index=last, actor_id=_fresh(trajectory), parts=(TextPart(text="It is 7."),))
    silent = Actor(id=f"{unread.actor_id}-silent", name="silent")
    more = {"messages": (*stated.messages, unread), "actors": (*stated.actors, silent)}
    before, after = _credited(assign, stated), _credited(assign, stated.model_copy(update=more))
    if before is None or after is None:
        return
    _expect(after.messages[-1].reward == 0.0, f"an unread message earned {after.messages[-1].reward}")
    _expect(after.agents.get(silent.id, 0.0) == 0.0, "a silent agent earned something")
    for old, new in zip(before.messages, after.messages, strict=False):
        _close(old.reward or 0.0, new.reward or 0.0, "an unread message changed another's reward")


def names_do_not_matter(assign: AssignCredit, trajectory: Trajectory) -> None:
    """Renaming messages, steps and actors renames the rewards and changes none of them (anonymity, symmetry)."""
    before, after = assign(trajectory), assign(_renamed(trajectory))
    _expect(before.status == after.status, "renaming changed the status")
    _expect(
        [reward.reward for reward in before.messages] == [reward.reward for reward in after.messages],
        "renaming changed rewards",
    )


def equal_outcomes_earn_nothing(assign: AssignCredit, trajectory: Trajectory) -> None:
    """Where R = b there is nothing to distribute: every reward is 0.0, and no message pays for another."""
    if trajectory.outcome is None:
        return
    score = trajectory.outcome.score
    even = trajectory.with_outcome(trajectory.outcome.model_copy(update={"baseline": score}))
    _expect(all(not reward.reward for reward in assign(even).messages), "a run that ended as expected earned something")


def the_sign_of_the_total_is_kept(assign: AssignCredit, trajectory: Trajectory) -> None:
    """A run above its baseline has a message with a positive reward, a run below it one with a negative reward.

    Where nobody contributed one, the failed steps have it, or it is unassigned.
    """
    credit = _credited(assign, trajectory)
    if credit is None or not credit.total:
        return
    carried = [*(reward.reward or 0.0 for reward in credit.messages), *credit.steps.values(), credit.unassigned]
    best = max(value * math.copysign(1.0, credit.total) for value in carried)
    _expect(best > 0.0, f"nobody shares the sign of the total {credit.total}")


def order_of_listing_does_not_matter(assign: AssignCredit, trajectory: Trajectory) -> None:
    """Permuting steps, actors and messages in the lists changes no bit of any reward."""
    shuffle = random.Random(len(trajectory.messages)).sample  # noqa: S311 - a fixed permutation, not a secret

    def permuted(items: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(shuffle(list(items), len(items)))

    base = trajectory.model_copy(update={"answer_id": trajectory.answer_id or _last_id(trajectory)})
    other = base.model_copy(
        update={
            "messages": permuted(base.messages),
            "steps": permuted(base.steps),
            "actors": permuted(base.actors),
        }
    )
    before, after = assign(base), assign(other)
    _expect(_without_messages(before) == _without_messages(after), "the order of listing changed the credit")
    _expect(
        sorted(reward.model_dump_json() for reward in before.messages)
        == sorted(reward.model_dump_json() for reward in after.messages),
        "the order of listing changed rewards",
    )


def same_run_same_bytes(assign: AssignCredit, trajectory: Trajectory) -> None:
    """Crediting twice, and a copy that was written to JSON and read back, gives equal bytes."""
    first = assign(trajectory).model_dump_json()
    _expect(assign(trajectory).model_dump_json() == first, "a second call gave another credit")
    copy = Trajectory.model_validate_json(trajectory.model_dump_json())
    _expect(assign(copy).model_dump_json() == first, "the run read back from JSON got another credit")


def without_an_outcome_nothing_is_assigned(assign: AssignCredit, trajectory: Trajectory) -> None:
    """No outcome: status `no_outcome`, and no reward that looks like a score."""
    credit = assign(trajectory.with_outcome(None))
    _expect(credit.status != "credited", "a run without an outcome was credited")
    _expect(all(reward.reward is None for reward in credit.messages), "a run without an outcome has rewards")
    _expect(credit.total == 0.0 and credit.first_error is None, "a run without an outcome has a total or a first error")


CREDIT_LAWS: Final[tuple[CreditLaw, ...]] = (
    credit_is_conserved,
    every_message_is_scored_in_order,
    rewards_are_bounded,
    null_players_get_exactly_zero,
    names_do_not_matter,
    equal_outcomes_earn_nothing,
    the_sign_of_the_total_is_kept,
    order_of_listing_does_not_matter,
    same_run_same_bytes,
    without_an_outcome_nothing_is_assigned,
)


def check_credit(assign: AssignCredit, samples: Iterable[Trajectory]) -> None:
    """Hold every law on every sample.

    Raises:
        AssertionError: a law is broken; its name is in the notes.
    """
    for trajectory in samples:
        for law in CREDIT_LAWS:
            try:
                law(assign, trajectory)
            except AssertionError as error:
                error.add_note(f"law {law.__name__}, trajectory {trajectory.id!r}")
                raise


# --- Trajectories -------------------------------------------------------------------------------------------------

_AGENTS: Final[Mapping[str, ActorKind]] = {
    "planner": "orchestrator",
    "ada": "agent",
    "bob": "agent",
    "shell": "tool",
    "user": "human",
}
_ROLES: Final[Mapping[str, str]] = {"shell": "tool", "user": "user"}
_SENTENCES: Final = (
    "We need 17 apples and 25 pears.",
    "The sum is 42.",
    "Therefore the answer is 42.",
    "I assume it is likely 41, so the answer is 41.",
    "That is wrong, the final answer is 7.",
    "Ask Seattle for Total_Count.",
    "```python\nprint(17 + 25)\n```",
    "Traceback (most recent call last):\nValueError: no",
    "exitcode: 1 (execution failed)",
    "TERMINATE",
    "",
    "42",
)


def trajectories(*, odd: bool = False, max_messages: int = 9) -> SearchStrategy[Trajectory]:
    """Small runs of five actors: conversations, tool calls, writes of state, delta read sets, any outcome.

    Args:
        odd: Also what only broken sources yield: repeated ids and indexes, unknown authors and steps, reads of the
            future, cycles of bases.
        max_messages: Longest run.

    Raises:
        ModuleNotFoundError: hypothesis is not installed.
    """
    from hypothesis import strategies as st

    @st.composite
    def build(draw: Any) -> Trajectory:
        messages: list[Message] = []
        steps: list[Step] = []
        for i in range(draw(st.integers(0 if odd else 1, max_messages))):
            actor_id = draw(st.sampled_from([*_AGENTS, "stranger"] if odd else list(_AGENTS)))
            step_id = f"s{draw(st.integers(0, 9)) if odd else i}"
            wrote = draw(st.booleans()) or (i > 0 and not odd)
            if wrote:
                steps.append(draw(_step(st, step_id, actor_id, messages, steps, odd)))
            messages.append(
                Message(
                    id=f"m{draw(st.integers(0, 4)) if odd else i}",
                    index=draw(st.integers(0, 4)) if odd else i,
                    actor_id=actor_id,
                    step_id=step_id if wrote or odd else None,
                    role=_ROLES.get(actor_id, "assistant"),
                    parts=draw(_parts(st, i)),
                )
            )
        run: Trajectory = draw(_run(st, messages, steps))
        return run

    return build()


def _step(
    st: Any, step_id: str, actor_id: str, messages: Sequence[Message], steps: Sequence[Step], odd: bool
) -> SearchStrategy[Step]:
    """A step that reads some of what was written, by itself or on top of what another step had read."""
    ids = [message.id for message in messages] + (["m0", "m3", "nowhere"] if odd else [])
    bases = [step.id for step in steps] + (["s5", "s0"] if odd else [])
    some = st.lists(st.sampled_from(ids), max_size=3, unique=True).map(tuple) if ids else st.just(())
    reads = st.builds(
        ReadSet, base=st.none() | st.sampled_from(bases) if bases else st.none(), new=some, dropped=st.just(()) | some
    )
    times = st.none() | st.tuples(st.integers(0, 20), st.integers(0, 5))
    status = st.sampled_from(["ok", "error"])

    def build(reads: ReadSet, time: tuple[int, int] | None, status: Any) -> Step:
        start, end = (None, None) if time is None else (time[0], sum(time))
        return Step(id=step_id, actor_id=actor_id, kind="agent", reads=reads, status=status, start_ns=start, end_ns=end)

    strategy: SearchStrategy[Step] = st.builds(build, reads, times, status)
    return strategy


def _run(st: Any, messages: Sequence[Message], steps: Sequence[Step]) -> SearchStrategy[Trajectory]:
    """A run of these messages and steps with any outcome."""
    outcome = st.builds(
        Outcome, score=st.floats(0, 1), success=st.none() | st.booleans(), baseline=st.none() | st.floats(0, 1)
    )
    strategy: SearchStrategy[Trajectory] = st.builds(
        Trajectory,
        id=st.just("run"),
        messages=st.just(tuple(messages)),
        steps=st.just(tuple(steps)),
        actors=st.just(tuple(Actor(id=name, name=name, kind=kind) for name, kind in _AGENTS.items())),
        answer_id=st.none() | st.sampled_from([m.id for m in messages]) if messages else st.none(),
        outcome=outcome,
        status=st.sampled_from(["ok", "error", "unknown"]),
        task=st.none() | st.just("How many apples and pears?"),
    )
    return strategy


def _parts(st: Any, index: int) -> SearchStrategy[tuple[Part, ...]]:
    call = f"c{index}"
    before = f"c{index - 1}"
    sentences = st.lists(st.sampled_from(_SENTENCES), min_size=1, max_size=3).map(" ".join)
    texts = sentences | st.text(max_size=30)
    strategy: SearchStrategy[tuple[Part, ...]] = st.one_of(
        texts.map(lambda text: (TextPart(text=text),)),
        texts.map(lambda text: (TextPart(text=text), ToolCallPart(id=call, name="run", arguments={"x": 1}))),
        st.sampled_from([None, "", "42", "HTTP 503"]).map(lambda r: (ToolResultPart(id=before, name="run", result=r),)),
        st.integers(0, 50).map(lambda value: (DataPart(name="count", value=value),)),
        st.just(()),
    )
    return strategy


def _renamed(trajectory: Trajectory) -> Trajectory:
    """The same run under other names, which sort the other way round; indexes are kept."""
    opposite = str.maketrans("0123456789abcdef", "fedcba9876543210")

    def new(name: str | None) -> str | None:
        return None if name is None else name.encode("utf-8", "surrogatepass").hex().translate(opposite) + "g"

    def ids(names: Iterable[str]) -> list[str | None]:
        return [new(name) for name in names]

    data = trajectory.model_dump()
    for actor in data["actors"]:
        actor.update(id=new(actor["id"]), parent_id=new(actor["parent_id"]))
    for message in data["messages"]:
        message.update({key: new(message[key]) for key in ("id", "actor_id", "step_id", "generated_by")})
    for step in data["steps"]:
        step.update({key: new(step[key]) for key in ("id", "parent_id", "actor_id")})
        step.update({key: ids(step[key]) for key in ("output_message_ids", "scheduled_by")})
        reads = step["reads"]
        step["reads"] = {"base": new(reads["base"]), "new": ids(reads["new"]), "dropped": ids(reads["dropped"])}
    data["answer_id"] = new(data["answer_id"])
    return Trajectory.model_validate(data)


def _credited(assign: AssignCredit, trajectory: Trajectory) -> Credit | None:
    credit = assign(trajectory)
    return credit if credit.status == "credited" else None


def _without_messages(credit: Credit) -> dict[str, Any]:
    return credit.model_dump(exclude={"messages"})


def _last_id(trajectory: Trajectory) -> str | None:
    return None if trajectory.answer_message is None else trajectory.answer_message.id


def _fresh(trajectory: Trajectory) -> str:
    return "unread-" + max((message.id for message in trajectory.messages), key=len)


def _close(actual: float, expected: float, complaint: str) -> None:
    _expect(abs(actual - expected) <= TOLERANCE, f"{complaint}: {actual!r}, not {expected!r}")


def _expect(condition: bool, complaint: str) -> None:
    if not condition:
        raise AssertionError(complaint)
