"""Runs to which nobody contributed a message: all that leads to their end is what they were given.

A run that fails at its first model call has no message but its input. The input is not to blame, so the agents whose
steps failed are; where no step says who it was, nobody is, and the credit says how much that leaves unassigned.
"""

from __future__ import annotations

from collections.abc import Mapping

from credit_hooks.credit.transcript import Transcript
from credit_hooks.rewards import Credit, Reward, TurnCredit
from credit_hooks.trajectory import Step

__all__ = ["silent_credit"]


def silent_credit(transcript: Transcript, credit: Credit) -> Credit:
    """Credit of a run without contributions: every message gets 0.0.

    A loss is shared equally by the innermost agent steps that failed; a gain, and a loss that no step accounts for, is
    unassigned. Sum over agents + unassigned = R - b.

    Args:
        transcript: The run.
        credit: Its outcome, baseline, total and notes.
    """
    failed = _failed_steps(transcript) if credit.total < 0 else {}
    share = credit.total / len(failed) if failed else 0.0
    agents = dict.fromkeys(transcript.actors, 0.0)
    agents |= dict.fromkeys(sorted(a.id for a in transcript.trajectory.actors if a.kind == "agent"), 0.0)
    for actor_id in failed.values():
        agents[actor_id] = agents.get(actor_id, 0.0) + share
    blamed = ", ".join(sorted(set(failed.values())))
    left = "nobody earned it" if credit.total > 0 else "no step of an agent failed"
    said = f"{credit.total:+.3f} is carried by failed steps of {blamed}" if failed else f"{left}: it is unassigned"
    notes = (*credit.notes, f"nothing but what the run was given leads to its end; {said}") if credit.total else ()
    return credit.model_copy(
        update={
            "method": "failed_steps" if failed else "unassigned",
            "agents": agents,
            "messages": tuple(
                Reward(message_id=message.id, actor_id=message.actor_id, reward=0.0)
                for message in transcript.trajectory.messages
            ),
            "steps": dict.fromkeys(failed, share),
            "unassigned": 0.0 if failed else credit.total,
            "turns": tuple(
                TurnCredit(turn=0, actor_id=actor_id, credit=value) for actor_id, value in agents.items() if value
            ),
            "low_evidence": True,
            "notes": notes or credit.notes,
        }
    )


def _failed_steps(transcript: Transcript) -> Mapping[str, str]:
    """Agent of each step that failed with no step inside it that did; of agents' turns if there are any."""
    given = {"human", "system"}
    kinds = {actor.id: actor.kind for actor in transcript.trajectory.actors}
    failed = {
        step_id: step
        for step_id, step in transcript.steps.items()
        if step.status == "error"
        and step.kind != "workflow"
        and step.actor_id is not None
        and kinds.get(step.actor_id) not in given
    }
    turns = {step_id: step for step_id, step in failed.items() if step.kind == "agent"} or failed
    around = {outer for step in turns.values() for outer in _around(step, transcript.steps)}
    innermost = sorted(turns.keys() - around, key=lambda step_id: (turns[step_id].start_ns or 0, step_id))
    return {step_id: str(turns[step_id].actor_id) for step_id in innermost}


def _around(step: Step, steps: Mapping[str, Step]) -> set[str]:
    """Ids of the steps that a step is inside of. Foreign data may name itself as parent."""
    found: set[str] = set()
    parent = step.parent_id
    while parent is not None and parent not in found and parent in steps:
        found.add(parent)
        parent = steps[parent].parent_id
    return found - {step.id}
