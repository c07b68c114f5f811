"""What the comparison of runs has to know of one run: small, so that a store of many fits into memory."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from credit_hooks.credit.baseline import task_key
from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.siblings.conclusions import conclusions
from credit_hooks.credit.transcript import Transcript
from credit_hooks.trajectory import Trajectory

__all__ = ["RunFacts", "content_key", "prompt_digests"]


class RunFacts(NamedTuple):
    """One run with a known outcome."""

    run_id: str
    task: str | None
    """What runs of the same task share. None: the run states no task."""
    score: float
    """R in [0, 1]."""
    success: bool
    """As the outcome says, else whether R is at least .5."""
    ends: frozenset[str]
    """Conclusions that the run ended in: the last one stated, or all actions taken."""
    last: str | None
    """The last conclusion. None: it has none."""
    prompts: tuple[tuple[str, str], ...]
    """(actor id, digest of its prompt), by actor."""

    @classmethod
    def of(cls, trajectory: Trajectory, config: CreditConfig, actions: frozenset[str]) -> RunFacts | None:
        """Facts of a run. None: it has no outcome or no messages, or more of them than the configuration allows."""
        outcome = trajectory.outcome
        if outcome is None or not trajectory.messages or len(trajectory.messages) > config.max_messages:
            return None
        transcript = Transcript.of(trajectory)
        provenance = Provenance.of(transcript, config.relation)
        found = [c for c in conclusions(Evidence(transcript, provenance, config), actions) if c is not None]
        return cls(
            run_id=trajectory.id,
            task=content_key(trajectory),
            score=outcome.score,
            success=outcome.score >= 0.5 if outcome.success is None else outcome.success,
            ends=frozenset(found if actions else found[-1:]),
            last=found[-1] if found else None,
            prompts=prompt_digests(trajectory),
        )


def content_key(trajectory: Trajectory) -> str | None:
    """The task of a run: group id, else a hash of the task's content, else the task's id. None: none is stated.

    Content goes before the id, as numbers of tasks repeat between data sets that one store may hold.
    """
    if trajectory.group_id is not None:
        return f"group:{trajectory.group_id}"
    text = " ".join((trajectory.task or _opening(trajectory)).split())
    if text:
        return f"text:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return task_key(trajectory)


def _opening(trajectory: Trajectory) -> str:
    """What people said before anybody else wrote: the task, where it is not stated apart."""
    kinds = {actor.id: actor.kind for actor in trajectory.actors}
    said: list[str] = []
    for message in sorted(trajectory.messages, key=lambda message: (message.index, message.id)):
        kind = kinds.get(message.actor_id, "unknown")
        if kind == "human" or (kind == "unknown" and message.role == "user"):
            said.append(message.text)
        elif kind != "system" and message.role != "system":
            break
    return "\n".join(said)


def prompt_digests(trajectory: Trajectory) -> tuple[tuple[str, str], ...]:
    """(actor id, first 16 hex digits of the SHA-256 of its prompt) of all actors that state one, by actor id."""
    prompts = {actor.id: actor.system_prompt for actor in trajectory.actors if actor.system_prompt is not None}
    return tuple(
        (actor, hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16])
        for actor, prompt in sorted(prompts.items())
    )
