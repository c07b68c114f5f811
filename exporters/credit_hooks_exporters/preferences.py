"""Preference pairs of a run: repairs within it, and siblings in earlier runs of its group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from credit_hooks.failure.pairs import Attempt, PreferencePair, repair_pairs, sibling_pair
from credit_hooks.failure.symptoms import results_of, symptom_of
from credit_hooks.language import ENGLISH
from credit_hooks_exporters.examples import Case, Example, task_key
from credit_hooks_exporters.ids import digest, encode
from credit_hooks_exporters.seat import Turn, call_id
from credit_hooks_exporters.siblings import Candidate

__all__ = ["Preference", "preferences"]


class Preference(NamedTuple):
    """One pair at one prompt."""

    prompt: list[Turn]
    """What the author of the rejected message had before it; the same for siblings."""
    chosen: Turn
    """The better message."""
    rejected: Turn
    """The worse one."""
    tools: list[Any]
    """Tools of the author."""
    margin: float
    """Difference of the two rewards, > 0."""
    meta: dict[str, Any]
    """Columns of every format, and those of the rejected message."""
    message_ids: tuple[str, ...]
    """Messages of this run that it holds."""
    candidates: tuple[Candidate, ...]
    """Messages of earlier runs that it holds for the first time."""


def preferences(case: Case) -> Iterator[Preference]:
    """Pairs of a run in the order of its messages; repairs first. Remembers the run for its siblings to come."""
    threshold = case.options.threshold
    failed = _failed(case)
    group = case.run.trajectory.group_id
    examples: dict[tuple[str, str], Example] = {}
    candidates: dict[tuple[str, str], Candidate] = {}
    for example in case.examples(lambda reward: None if abs(reward) > threshold else "below_threshold"):
        attempt = _attempt(case, example, example.message.id in failed)
        examples[attempt.key] = example
        candidates[attempt.key] = Candidate(attempt, example.completion)
    attempts = [candidate.attempt for candidate in candidates.values()]
    for pair in repair_pairs(attempts, threshold=threshold):
        yield _preference(case, pair, examples[pair.rejected.key], candidates)
    if group is None:
        return
    scope = digest(group, task_key(case.run))
    for attempt in attempts:
        earlier = {found.attempt.key: found for found in case.siblings.at(scope, attempt)}
        found = sibling_pair(attempt, (other.attempt for other in earlier.values()), threshold=threshold)
        if found is not None:
            yield _preference(case, found, examples[attempt.key], earlier | candidates)
    case.siblings.add(scope, candidates.values())


def _preference(
    case: Case, pair: PreferencePair, at: Example, candidates: dict[tuple[str, str], Candidate]
) -> Preference:
    chosen, rejected = candidates[pair.chosen.key], candidates[pair.rejected.key]
    both = (chosen, rejected)
    earlier = tuple(found for found in both if found.attempt.key[0] != case.run_id and not found.paired)
    for found in both:
        found.paired = True
    other = pair.rejected if at.message.id == pair.chosen.key[1] else pair.chosen
    meta = case.meta(at, *other.key) | {
        "trajectory_id": pair.chosen.key[0],
        "message_id": pair.chosen.key[1],
        "reward": pair.chosen.reward,
        "rejected_run": pair.rejected.key[0],
        "rejected_id": pair.rejected.key[1],
        "rejected_reward": pair.rejected.reward,
        "evidence": pair.evidence,
    }
    own = tuple(found.attempt.key[1] for found in both if found.attempt.key[0] == case.run_id)
    better, worse = (_continuing(at.prompt, found.completion) for found in both)
    return Preference(at.prompt, better, worse, at.tools, pair.margin, meta, own, earlier)


def _continuing(prompt: list[Turn], completion: Turn) -> Turn:
    """A completion with its calls numbered as they go on after this prompt: a repair was written after more calls."""
    calls = completion.get("tool_calls")
    if not calls:
        return completion
    before = sum(len(turn.get("tool_calls", ())) for turn in prompt)
    return {**completion, "tool_calls": [{**call, "id": call_id(before + n)} for n, call in enumerate(calls)]}


def _attempt(case: Case, example: Example, failed: bool) -> Attempt:
    calls = sorted({call["function"]["name"] for call in example.completion.get("tool_calls", ())})
    return Attempt(
        key=(case.run_id, example.message.id),
        author=example.message.actor_id,
        prefix=digest(encode(example.prompt), encode(example.tools)),
        content=digest(encode({**example.completion, "tool_calls": _unnumbered(example.completion)})),
        form=encode([example.message.role, example.message.channel, calls]),
        reward=example.reward,
        failed=failed,
    )


def _unnumbered(completion: Turn) -> list[Any]:
    return [call["function"] for call in completion.get("tool_calls", ())]


def _failed(case: Case) -> frozenset[str]:
    """Messages with evidence against them: a hard error in what they had run, or the run's first error."""
    trajectory, credit = case.run.trajectory, case.run.credit
    kinds = [
        "unknown" if (actor := trajectory.actor_by_id.get(message.actor_id)) is None else actor.kind
        for message in trajectory.messages
    ]
    failed = set() if credit.first_error is None else {credit.first_error.message_id}
    for call, results in results_of(trajectory.messages, kinds).items():
        for result in results:
            message = trajectory.messages[result]
            step = trajectory.step_by_id.get(message.generated_by or message.step_id or "")
            if symptom_of(message, step, ENGLISH) is not None:
                failed.add(trajectory.messages[call].id)
    return frozenset(failed)
