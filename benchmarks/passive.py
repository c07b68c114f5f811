"""Credit from one trace on real runs that people labelled: the default, what anybody could do, and every ingredient.

    python benchmarks/passive.py [--trajectories FOLDER] [--ablations] [--gaming]

Runs are read in place: Who&When, TRAIL and tau-bench's retail failures, all of them failures with a labelled message. A
method is asked for its worst rewards. AUC: probability within a run that a labelled message is below another one; top-1
and top-3: that it is among the lowest, ties broken at random. Sign: that its reward is negative. Candidates are the
messages that can have contributed, and the labelled one, which may be none of them: then every method misses it.
*Actions*: calls of tau-bench's agents that change something, right if they are among the benchmark's expected actions;
AUC within runs that have both. Intervals: bootstrap of 2,000 draws of whole tasks. Tasks fall into two halves by their
hash; nothing is chosen here on the half that is called *other*, but the default's own constants were found in earlier
work, on an unknown part of the Who&When and TRAIL runs.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ranking import ABLATIONS, BASELINES, Method, auc, baseline, content, credited, in_top, is_selection, shown

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.siblings import SiblingConfig, SiblingIndex
from credit_hooks.credit.siblings.facts import content_key
from credit_hooks.trajectory import Message, Outcome, TextPart, ToolCallPart, Trajectory
from credit_hooks_adapters import read
from credit_hooks_adapters.annotations import read_annotations, with_labels

READ_ONLY = ("get_", "find_", "search_", "list_", "calculate", "think", "transfer")


class Labelled(NamedTuple):
    run: Trajectory
    targets: tuple[int, ...]
    candidates: tuple[int, ...]
    task: str


def labelled(runs: Sequence[Trajectory]) -> list[Labelled]:
    """Failed runs with a labelled first error; labels that contradict the record are kept, as in the data."""
    found = []
    for run in runs:
        place = {message.id: position for position, message in enumerate(run.messages)}
        failed = run if run.outcome is not None else run.with_outcome(Outcome(score=0.0, success=False))
        if failed.outcome is None or failed.outcome.score >= 0.5:
            continue
        players = content(failed).provenance.players
        listed = {place[message.id] for message in _players_of(failed, players)}
        targets = {
            place[label.target_id] for label in run.labels if label.name == "first_error" and label.target_id in place
        }
        if targets:
            task = content_key(run) or run.id
            found.append(Labelled(failed, tuple(sorted(targets)), tuple(sorted(listed | targets)), task))
    return found


def _players_of(run: Trajectory, players: np.ndarray) -> list[Message]:
    ordered = sorted(run.messages, key=lambda message: (message.index, message.id))
    return [message for message, player in zip(ordered, players, strict=True) if player]


def data(root: Path) -> dict[str, list[Labelled]]:
    trail = [
        run
        for folder in ("gaia", "swe_bench")
        for run in with_labels(
            read(root / "trail" / folder / "traces"), read_annotations([root / "trail" / folder / "labels"])
        )
    ]
    retail = read_annotations([root / "tau_retail" / "failure_labels.json"])
    sets = {
        "Who&When, generated": list(read(root / "whowhen" / "algorithm_generated")),
        "Who&When, hand-crafted": list(read(root / "whowhen" / "hand_crafted")),
        "TRAIL": trail,
        "tau-bench retail": list(with_labels(read(root / "tau_retail" / "runs.json"), retail)),
    }
    return {name: labelled(runs) for name, runs in sets.items()}


def scores(method: Method, cases: Sequence[Labelled]) -> list[tuple[float, ...]]:
    """AUC, top-1, top-3, and whether a labelled message has a negative reward, of each run."""
    result = []
    for case in cases:
        rewards = method(case.run)
        others = [c for c in case.candidates if c not in case.targets]
        area = auc([-rewards[t] for t in case.targets], [-rewards[o] for o in others]) if others else 0.5
        sign = float(any(rewards[target] < 0 for target in case.targets))
        result.append((area, *(in_top(rewards, case.targets, case.candidates, k) for k in (1, 3)), sign))
    return result


def table(methods: Mapping[str, Method], sets: Mapping[str, list[Labelled]]) -> None:
    for name, cases in sets.items():
        halves = {"all": cases, "other half": [case for case in cases if not is_selection(case.task)]}
        print(f"\n{name}: {len(cases)} runs, {len(halves['other half'])} in the other half")
        print(f"| method | AUC | top-1 | top-3 | sign | AUC, other half | top-1, other half |\n|---|{'---|' * 6}")
        for title, method in methods.items():
            cells = []
            for half, columns in (("all", (0, 1, 2, 3)), ("other half", (0, 1))):
                found = scores(method, halves[half])
                groups = [case.task for case in halves[half]]
                cells += [shown([row[column] for row in found], groups) for column in columns]
            print(f"| {title} | {' | '.join(cells)} |")


# --- tau-bench: actions -------------------------------------------------------------------------------------------


def actions_of(run: Trajectory) -> tuple[list[int], list[int]]:
    """Positions of messages whose calls change something: expected ones, and others."""
    info = run.meta.get("info")
    assert isinstance(info, dict)
    expected = {(a["name"], json.dumps(a["kwargs"], sort_keys=True)) for a in info["task"]["actions"]}  # type: ignore[index,call-overload]
    right, wrong = [], []
    for place, message in enumerate(run.messages):
        calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
        calls = [call for call in calls if not call.name.startswith(READ_ONLY)]
        if calls:
            good = all((call.name, json.dumps(call.arguments, sort_keys=True)) in expected for call in calls)
            (right if good else wrong).append(place)
    return right, wrong


def tau(methods: Mapping[str, Method], root: Path) -> None:
    airline, retail = list(read(root / "tau_airline")), list(read(root / "tau_retail" / "runs.json"))
    print("\ntau-bench, actions that change something, expected against others")
    print(f"| method | AUC, runs with both | sign right, failed | sign right, successful |\n|---|{'---|' * 3}")
    for title, method in methods.items():
        areas, tasks, signs = [], [], {0.0: ([], []), 1.0: ([], [])}
        for run in (*airline, *retail):
            right, wrong = actions_of(run)
            rewards = method(run)
            assert run.outcome is not None
            if right and wrong:
                areas.append(auc([rewards[m] for m in right], [rewards[m] for m in wrong]))
                tasks.append(run.group_id or run.id)
            hits = [rewards[m] > 0 for m in right] + [rewards[m] < 0 for m in wrong]
            values, groups = signs[run.outcome.score]
            values.extend(map(float, hits))
            groups.extend([run.group_id or run.id] * len(hits))
        print(f"| {title} | {shown(areas, tasks)} | {shown(*signs[0.0])} | {shown(*signs[1.0])} |")
    print(f"{len(areas)} runs have both kinds")
    siblings(airline)


def siblings(runs: Sequence[Trajectory]) -> None:
    """tau-bench airline has three trials of each task: does the gate open, and is the task's expectation any good?"""
    writes = {p.name for run in runs for m in run.messages for p in m.parts if isinstance(p, ToolCallPart)}
    actions = frozenset(name for name in writes if not name.startswith(READ_ONLY))
    for title, config in (("last number or entity", SiblingConfig()), ("actions", SiblingConfig(actions=actions))):
        index = SiblingIndex(siblings=config)
        for run in runs:
            index.add(run)
        gate = index.gate
        print(f"siblings by {title}: gate {gate.strength:.2f}, slope {gate.slope:.2f}, z {gate.z:.2f}; {gate.reason}")
    score = np.array([run.outcome.score for run in runs if run.outcome])
    expected = np.array([index.expected(run) or 0.0 for run in runs])
    others = (score.sum() - score) / (score.size - 1)
    brier = {name: float(((score - b) ** 2).mean()) for name, b in (("task", expected), ("other runs", others))}
    print(
        f"Brier score of P(success | task) {brier['task']:.3f}, of the mean of all other runs {brier['other runs']:.3f}"
    )


# --- Gaming -------------------------------------------------------------------------------------------------------


def gamed(run: Trajectory, player: str, added: Sequence[str]) -> Trajectory:
    """The run with messages of one agent added right before the last message."""
    extra = tuple(
        Message(id=f"gamed{k}", index=run.messages[-1].index, actor_id=player, parts=(TextPart(text=text),))
        for k, text in enumerate(added)
    )
    last = run.messages[-1].model_copy(update={"index": run.messages[-1].index + 1})
    fields = {name: getattr(run, name) for name in Trajectory.model_fields}
    return Trajectory.model_validate({**fields, "messages": (*run.messages[:-1], *extra, last), "steps": ()})


def gaming(sets: Mapping[str, list[Labelled]], *, report: bool) -> None:
    """What an agent gains by talking more, had the run succeeded: credit with the additions less credit before."""
    print(
        "\nGaming: gain of an agent's credit, of R - b = .5, by messages added before the last; runs taken as successes"
    )
    chosen = [case for case in sets["Who&When, generated"] if is_selection(case.task) != report]
    cases = [case.run.with_outcome(Outcome(score=1.0)) for case in chosen]
    plain = [gamed(run, run.messages[0].actor_id, ()) for run in cases]
    methods = {
        "default": CreditConfig(),
        "flow (training variant)": CreditConfig(method="flow"),
        "path mass": CreditConfig(method="provenance"),
    }
    print(f"{'other' if report else 'selection'} half: {len(plain)} runs")
    print(f"| method | 4 copies of the answer | 4 repeats of its own message | 4 fillers |\n|---|{'---|' * 3}")
    for title, config in methods.items():
        cells = []
        for kind in ("copies", "repeats", "filler"):
            gains, tasks = [], []
            for run in plain:
                player = run.messages[len(run.messages) // 2].actor_id
                own = (
                    next(m.text for m in reversed(run.messages[:-1]) if m.actor_id == player)
                    if any(m.actor_id == player for m in run.messages[:-1])
                    else ""
                )
                text = {"copies": run.messages[-1].text, "repeats": own, "filler": "Good point, let us go on."}[kind]
                before = assign_credit(run, config).agents[player]
                gains.append(assign_credit(gamed(run, player, [text] * 4), config).agents[player] - before)
                tasks.append(content_key(run) or run.id)
            cells.append(shown(gains, tasks))
        print(f"| {title} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "trajectories"
    parser.add_argument("--trajectories", type=Path, default=os.environ.get("CREDIT_HOOKS_TRAJECTORIES", beside))
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--gaming", action="store_true")
    options = parser.parse_args()
    root = Path(options.trajectories)
    if not (root / "whowhen").is_dir():
        print(f"skipped: no trajectories at {root}; set CREDIT_HOOKS_TRAJECTORIES")
        return
    sets = data(root)
    methods: dict[str, Method] = {"default": credited(CreditConfig())}
    methods["flow"] = credited(CreditConfig(method="flow"))
    methods |= {kind: baseline(kind) for kind in BASELINES}
    if options.ablations:
        methods = {"default": methods["default"], **ABLATIONS}
    if options.gaming:
        for report in (False, True):
            gaming(sets, report=report)
        return
    table(methods, sets)
    if not options.ablations:
        tau(methods, root)


if __name__ == "__main__":
    main()
