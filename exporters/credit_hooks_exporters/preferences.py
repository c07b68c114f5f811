"""Preference pairs of a run: replays of it, repairs within it, and siblings in earlier runs of its group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from credit_hooks.failure.pairs import Attempt, PreferencePair, repair_pairs, replay_pair, sibling_pair, undesirable
from credit_hooks.failure.replacements import Replacement, replacements_of
from credit_hooks.failure.symptoms import results_of, symptom_of
from credit_hooks.language import ENGLISH
from credit_hooks.trajectory import BlobPart
from credit_hooks_exporters.examples import Case, Example, task_key
from credit_hooks_exporters.ids import digest, encode
from credit_hooks_exporters.seat import SeatedRun
from credit_hooks_exporters.siblings import Candidate
from credit_hooks_exporters.turns import Turn, call_id

__all__ = ["Preference", "preferences", "unpaired_failures"]


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


_Key: TypeAlias = tuple[str, str]


def preferences(case: Case) -> Iterator[Preference]:
    """Pairs of a run: by replays, by repairs, by siblings, each in the order of the messages.

    Remembers the run for its siblings to come.
    """
    for pair, example, candidates in _pairs(case):
        yield _preference(case, pair, example, candidates)


def unpaired_failures(case: Case) -> frozenset[str]:
    """Ids of messages with evidence of their own failure that no pair of this run, or with an earlier one, rejects."""
    pairs = [pair for pair, _, _ in _pairs(case)]
    _, candidates = _attempts(case)
    attempts = [candidate.attempt for candidate in candidates.values()]
    return frozenset(attempt.key[1] for attempt in undesirable(attempts, pairs, threshold=case.options.threshold))


def _attempts(case: Case) -> tuple[dict[_Key, Example], dict[_Key, Candidate]]:
    threshold = case.options.threshold
    failed = _failed(case)
    examples: dict[_Key, Example] = {}
    candidates: dict[_Key, Candidate] = {}
    for example in case.examples(lambda reward: None if abs(reward) > threshold else "below_threshold"):
        attempt = _attempt(case, example, example.message.id in failed)
        examples[attempt.key] = example
        candidates[attempt.key] = Candidate(attempt, example.completion)
    return examples, candidates


def _pairs(case: Case) -> Iterator[tuple[PreferencePair, Example, Mapping[_Key, Candidate]]]:
    """Each pair with the example whose prompt both sides answer, and the candidates that it is of."""
    threshold = case.options.threshold
    group = case.run.trajectory.group_id
    examples, candidates = _attempts(case)
    attempts = [candidate.attempt for candidate in candidates.values()]
    for pair, replayed in _replay_pairs(case, examples, candidates):
        at = pair.rejected if pair.rejected.key in examples else pair.chosen
        yield pair, examples[at.key], {**candidates, replayed.attempt.key: replayed}
    for pair in repair_pairs(attempts, threshold=threshold):
        yield pair, examples[pair.rejected.key], candidates
    if group is None:
        return
    scope = digest(group, task_key(case.run))
    for attempt in attempts:
        earlier = {found.attempt.key: found for found in case.siblings.at(scope, attempt)}
        found = sibling_pair(attempt, (other.attempt for other in earlier.values()), threshold=threshold)
        if found is not None:
            yield found, examples[attempt.key], earlier | candidates
    case.siblings.add(scope, candidates.values())


def _replay_pairs(
    case: Case, examples: Mapping[_Key, Example], candidates: Mapping[_Key, Candidate]
) -> Iterator[tuple[PreferencePair, Candidate]]:
    """Pairs of messages with what replays wrote in their place, at most one for each message: the widest."""
    best: dict[_Key, tuple[PreferencePair, Candidate]] = {}
    for number, replacement in enumerate(replacements_of(case.run.trajectory.labels)):
        key = (case.run_id, replacement.message_id)
        if key not in examples or not replacement.is_clear:
            continue
        replayed = _replayed(case, examples[key], replacement, number)
        if replayed is None:
            continue
        pair = replay_pair(candidates[key].attempt, replayed.attempt, threshold=case.options.threshold)
        if pair is not None and (key not in best or pair.margin > best[key][0].margin):
            best[key] = (pair, replayed)
    yield from (best[key] for key in examples if key in best)


def _replayed(case: Case, example: Example, replacement: Replacement, number: int) -> Candidate | None:
    """What a replay wrote, from the same seat as the message that it stands in for. None: nothing a model can learn."""
    trajectory = case.run.trajectory
    message = example.message.model_copy(update={"parts": replacement.parts})
    messages = tuple(message if other.id == message.id else other for other in trajectory.messages)
    seated = SeatedRun(trajectory.model_copy(update={"messages": messages}), case.seat)
    learnable = not seated.withheld(message) and not any(isinstance(part, BlobPart) for part in message.parts)
    completion = seated.view(message).completion
    if not learnable or not (completion["content"] or "tool_calls" in completion):
        return None
    written = Example(message, replacement.gain, example.prompt, completion, example.tools)
    attempt = _attempt(case, written, failed=False)
    # The kind of thing may differ: a call instead of a guess is what replays are there to find.
    return Candidate(replace(attempt, key=(case.run_id, f"{message.id}/replay{number}")), completion)


def _preference(case: Case, pair: PreferencePair, at: Example, candidates: Mapping[_Key, Candidate]) -> Preference:
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
    known = case.run.trajectory.message_by_id
    own = tuple(
        found.attempt.key[1] for found in both if found.attempt.key[0] == case.run_id and found.attempt.key[1] in known
    )
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
