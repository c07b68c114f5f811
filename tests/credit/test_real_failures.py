"""Who&When: failures nobody here wrote, labelled with the agent and step that erred. Read in place, never copied."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from credit_hooks.credit import assign_credit
from credit_hooks.testing.credit_laws import check_credit
from credit_hooks.trajectory import Actor, Message, Outcome, TextPart, Trajectory

ROOT = Path(os.environ.get("CREDIT_HOOKS_TRAJECTORIES", Path(__file__).parents[2] / ".." / "shared" / "trajectories"))
FOLDER = ROOT / "whowhen"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no real trajectories at {FOLDER}")


def author(entry):
    return entry.get("name") or entry["role"].partition(" (")[0]


def kind(name):
    return {"Computer_terminal": "tool", "Orchestrator": "orchestrator", "human": "human"}.get(name, "agent")


def failures(folder):
    """(trajectory, labelled step); without provenance, as the logs have none."""
    for path in sorted((FOLDER / folder).glob("*.json"), key=lambda path: path.name):
        log = json.loads(path.read_text())
        names = dict.fromkeys(map(author, log["history"]))
        messages = tuple(
            Message(id=f"m{i}", index=i, actor_id=author(entry), parts=(TextPart(text=entry["content"]),))
            for i, entry in enumerate(log["history"])
        )
        run = Trajectory(
            id=path.stem,
            task=log["question"],
            messages=messages,
            actors=tuple(Actor(id=name, name=name, kind=kind(name)) for name in names),
            outcome=Outcome(score=0.0, success=False),
        )
        yield run, int(log["mistake_step"])


def accuracy(folder):
    """How often the worst-credited message is the labelled one, and is among the worst three; and by chance."""
    hits = []
    for run, label in failures(folder):
        rewards = np.array([reward.reward for reward in assign_credit(run).messages])
        worst, players = np.argsort(rewards, kind="stable"), np.count_nonzero(rewards)
        hits.append((worst[0] == label, label in worst[:3], 1 / players, min(3, players) / players))
    return np.mean(hits, axis=0)


@pytest.mark.parametrize(
    ("folder", "first", "three"), [("algorithm_generated", 0.32, 0.70), ("hand_crafted", 0.2, 0.3)]
)
def test_the_worst_credited_message_is_often_the_labelled_one(folder, first, three):
    top_1, top_3, chance_1, chance_3 = accuracy(folder)
    assert top_1 >= first > 2 * chance_1
    assert top_3 >= three > 1.5 * chance_3


def test_the_laws_hold_on_real_failures():
    runs = [run for run, _ in failures("algorithm_generated")]
    check_credit(assign_credit, sorted(runs, key=lambda run: len(run.messages))[-8:])
