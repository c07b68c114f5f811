"""Who erred first, and when: failure logs that others labelled, and faults injected into a team that is run again.

    python benchmarks/failures.py            # all of it, some minutes; needs credit-hooks[langgraph]
    python benchmarks/failures.py --quick    # fewer injected faults

Scoring is strict: the labelled step itself, by index, never by text; the labelled agent by its exact name. A run for
which a method names nothing counts as wrong. Intervals are 95% bootstrap intervals over questions (2,000 resamples,
percentiles). What is fitted is fitted without the question that is scored, its penalty and scales included.

The Who&When logs are looked for in $CREDIT_HOOKS_TRAJECTORIES/whowhen or ../shared/trajectories/whowhen.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from injected import TEAMS, measure
from injected_graph import measure_on_langgraph
from numpy.typing import NDArray

from credit_hooks.credit import CreditConfig, assign_credit, fit_localiser
from credit_hooks.credit.config import DEFAULT_BASELINE
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.step_features import step_features
from credit_hooks.credit.transcript import Transcript
from credit_hooks.failure import FEATURES, FeatureTable, Localiser, first_error_of
from credit_hooks.trajectory import Trajectory
from credit_hooks_adapters import read

ROOT = Path(os.environ.get("CREDIT_HOOKS_TRAJECTORIES", Path(__file__).parents[2] / "shared" / "trajectories"))
METRICS = ("agent", "exact step", "within 1", "within 3", "among 3")
RESAMPLES = 2_000

Ranking = Sequence[int]
"""Steps, the most suspect first; possibly none."""


@dataclass(frozen=True, eq=False)
class Case:
    """One labelled failure."""

    run: Trajectory
    step: int
    agent: str

    @property
    def question(self) -> str:
        return self.run.task_id or self.run.id


def cases(folder: str) -> list[Case]:
    found = []
    for run in read([ROOT / "whowhen" / folder], "whowhen"):
        label = first_error_of(run.labels)
        assert label is not None
        assert isinstance(label.value, dict)
        found.append(Case(run, int(str(label.value["step"])), str(label.value["agent"])))
    return found


def scored(case: Case, ranking: Ranking) -> list[float]:
    if not ranking:
        return [0.0] * len(METRICS)
    first, messages = ranking[0], case.run.messages
    off = abs(first - case.step)
    agent = first < len(messages) and messages[first].actor_id == case.agent
    return [float(hit) for hit in (agent, off == 0, off <= 1, off <= 3, case.step in ranking[:3])]


def at_random(case: Case) -> list[float]:
    """Expected scores of naming any message with equal probability."""
    size = len(case.run.messages)
    each = np.mean([scored(case, [step]) for step in range(size)], axis=0).tolist()
    return [*each[:-1], min(3, size) / size * (case.step < size)]


# --- methods that need no labels ----------------------------------------------------------------------------------


def most_talkative(case: Case) -> Ranking:
    """The messages of the agent who wrote the most characters, the longest first."""
    spoken: Counter[str] = Counter()
    for message in case.run.messages:
        spoken[message.actor_id] += len(message.text)
    who = max(spoken, key=lambda actor: (spoken[actor], actor))
    own = [message for message in case.run.messages if message.actor_id == who]
    return [message.index for message in sorted(own, key=lambda message: (-len(message.text), message.index))]


def first_marker(case: Case) -> Ranking:
    """The messages whose results show a hard error, in order: traceback, exit code, HTTP error, timeout."""
    evidence = evidence_of(case)
    caller = {result: call for call, results in evidence.results.items() for result in results}
    return list(dict.fromkeys(caller.get(symptom, symptom) for symptom in sorted(evidence.symptoms)))


def evidence_of(case: Case) -> Evidence:
    transcript, config = Transcript.of(case.run), CreditConfig()
    return Evidence(transcript, Provenance.of(transcript, config.relation), config)


def by_credit(case: Case, localiser: Localiser | None = None) -> Ranking:
    """What `Credit.first_error` names, and its runners-up."""
    error = assign_credit(case.run, CreditConfig(baseline=DEFAULT_BASELINE, localiser=localiser)).first_error
    place = {message.id: message.index for message in case.run.messages}
    return [] if error is None else [place[message_id] for message_id, _ in error.candidates]


# --- methods that are fitted, without the question that is scored ---------------------------------------------------


def constant(train: Sequence[Case]) -> Callable[[Case], Ranking]:
    usual = Counter(case.step for case in train)
    ranking = sorted(usual, key=lambda step: (-usual[step], step))[:3]
    return lambda case: ranking


def localiser(train: Sequence[Case]) -> Callable[[Case], Ranking]:
    fitted = fit_localiser([case.run for case in train], folds=0)
    return lambda case: by_credit(case, fitted)


def unaided(train: Sequence[Case]) -> Callable[[Case], Ranking]:
    """The localiser without the features that carry what the rules were told by these labels."""
    fitted = Localiser.fit([bare(case) for case in train], [case.step for case in train], folds=0)

    def ranking(case: Case) -> Ranking:
        return np.argsort(-fitted.probability(bare(case)), kind="stable")[:10].tolist()

    return ranking


@functools.cache
def bare(case: Case) -> FeatureTable:
    table = step_features(evidence_of(case))
    values = table.values.copy()
    values[:, [list(FEATURES).index(name) for name in ("rules_prior", "hedges")]] = 0.0
    return FeatureTable(values, table.candidates)


def held_out(fit: Callable[[Sequence[Case]], Callable[[Case], Ranking]], all_: Sequence[Case]) -> list[list[float]]:
    scores = []
    for case in all_:
        method = fit([other for other in all_ if other.question != case.question])
        scores.append(scored(case, method(case)))
    return scores


# --- tables ---------------------------------------------------------------------------------------------------------


def intervals(scores: list[list[float]], questions: Sequence[str]) -> Iterator[str]:
    """Mean [low, high] of each metric, whole questions resampled."""
    table = np.array(scores)
    of = {question: np.array([q == question for q in questions]) for question in dict.fromkeys(questions)}
    sums = np.array([table[rows].sum(axis=0) for rows in of.values()])
    sizes = np.array([rows.sum() for rows in of.values()])
    draws = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means: NDArray[np.float64] = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)[:, None]
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    for mean, bottom, top in zip(table.mean(axis=0), low, high, strict=True):
        yield f"{mean:.2f} [{bottom:.2f}, {top:.2f}]"


def print_table(title: str, rows: dict[str, list[list[float]]], questions: Sequence[str]) -> None:
    print(f"\n| {title} | " + " | ".join(METRICS) + " |\n|---|" + "---:|" * len(METRICS))
    for name, scores in rows.items():
        print(f"| {name} | " + " | ".join(intervals(scores, questions)) + " |")


def logs(folder: str, others: Sequence[Case]) -> list[Case]:
    found = cases(folder)
    plain: dict[str, Callable[[Case], Ranking]] = {
        "most talkative agent": most_talkative,
        "first error marker": first_marker,
        "rules, the default (in-sample: chosen while looking at these labels)": by_credit,
    }
    rows = {"uniform random": [at_random(case) for case in found], "constant step": held_out(constant, found)}
    rows |= {name: [scored(case, method(case)) for case in found] for name, method in plain.items()}
    if len(found) > 20:
        rows["localiser, fitted on the other questions"] = held_out(localiser, found)
        rows["the same without the features `rules_prior` and `hedges`"] = held_out(unaided, found)
    if others:
        foreign = localiser(others)
        rows["localiser, fitted on the other team"] = [scored(case, foreign(case)) for case in found]
    print_table(f"{folder.replace('_', ' ')}, {len(found)} logs", rows, [case.question for case in found])
    return found


def second_opinion(found: Sequence[Case]) -> None:
    """How often two annotators of the same logs name the same step: what a method can at most be held to."""
    path = ROOT / "whowhen" / "hand_crafted_second_annotator.json"
    by_question = {case.question: case for case in found}
    pairs = []
    for other in json.loads(path.read_text()):
        case, cause = by_question.get(other["trajectory_id"]), other["root_cause"]["failure_id"]
        step = next((f["step_number"] - 1 for f in other["failures"] if f["failure_id"] == cause), None)
        if case is not None and step is not None:
            pairs.append((case, step))
    if pairs:
        hits = np.mean([scored(case, [step])[1:4] for case, step in pairs], axis=0)
        print(
            f"\nA second annotator names the same step in {hits[0]:.2f} of {len(pairs)} of these logs, "
            f"one within 1 in {hits[1]:.2f}, within 3 in {hits[2]:.2f}."
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer injected faults")
    quick = parser.parse_args().quick
    if (ROOT / "whowhen").is_dir():
        generated = logs("algorithm_generated", [])
        crafted = logs("hand_crafted", generated)
        second_opinion(crafted)
    else:
        print(f"no Who&When logs at {ROOT / 'whowhen'}: set CREDIT_HOOKS_TRAJECTORIES")
    print("\nInjected faults, T = 32")
    for team in TEAMS:
        measure(team, runs=60 if quick else 400)
    measure_on_langgraph(10 if quick else 60)


if __name__ == "__main__":
    main()
