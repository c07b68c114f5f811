"""The features of `credit_hooks.failure.FEATURES`, computed from the evidence of one run.

A change of what a column means has to raise its version there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.evidence import Evidence
from credit_hooks.failure.features import FEATURES, FeatureTable
from credit_hooks.language import WORD

__all__ = ["step_features"]

Vector = NDArray[np.float64]

_LEAST_PRIOR = 1e-3
_TOOLS = ("tool", "environment")


def step_features(evidence: Evidence) -> FeatureTable:
    """Features of all messages of a run; O(length of the texts).

    Candidates are the messages that the answer rests on and, unlike for rewards, what the run was given, unless a
    human or the system wrote it: whoever labels failures may blame a plan that was handed to the team.
    """
    transcript, provenance = evidence.transcript, evidence.provenance
    kinds = transcript.kinds
    written = np.array([kind not in ("human", "system") for kind in kinds], bool)
    columns = {**_by_content(evidence), **_by_errors(evidence), **_by_place(evidence)}
    return FeatureTable(
        values=np.stack([columns[name] for name in FEATURES], axis=1),
        candidates=provenance.players | (provenance.inputs & written),
    )


def _by_content(evidence: Evidence) -> dict[str, Vector]:
    language, texts = evidence.config.language, evidence.texts
    stance, votes = evidence.stances
    flow = evidence.flow
    hedges = [min(len(language.hedge.findall(text)), 3) / 3.0 for text in texts]
    return {
        "novelty": np.log1p(_novelty(evidence)),
        "hedges": np.array(hedges),
        "length": np.log1p(np.array([len(text) for text in texts], np.float64)),
        "cue": evidence.cues.astype(np.float64),
        "calls": evidence.calls.astype(np.float64),
        "stance": stance * votes,
        "votes": votes.astype(np.float64),
        "states": evidence.states.astype(np.float64),
        "flow": np.zeros(len(texts)) if flow is None else flow,
    }


def _novelty(evidence: Evidence) -> Vector:
    """Numbers and entities that no player said before and the task does not name."""
    novelty = np.zeros(len(evidence.texts))
    seen = set(evidence.task_units)
    for m in evidence.players:
        new = {unit for unit in evidence.units[m] if evidence.rank[unit] > WORD} - seen
        novelty[m] = len(new)
        seen |= new
    return novelty


def _by_errors(evidence: Evidence) -> dict[str, Vector]:
    size = len(evidence.texts)
    unrepaired, repaired = np.zeros(size), np.zeros(size)
    author, symptoms, results = evidence.transcript.author, evidence.symptoms, evidence.results
    clean = [call for call, found in results.items() if not symptoms.keys() & set(found)]
    last_clean: dict[int, int] = {}
    for call in clean:
        last_clean[int(author[call])] = max(call, last_clean.get(int(author[call]), -1))
    for call, found in results.items():
        if symptoms.keys() & set(found):
            (repaired if last_clean.get(int(author[call]), -1) > call else unrepaired)[call] = 1.0
    shows = np.zeros(size)
    shows[list(symptoms)] = 1.0
    return {
        "error_unrepaired": unrepaired,
        "error_repaired": repaired,
        "after_error": np.concatenate([[0.0], shows[:-1]]),
        "error_before": (np.concatenate([[0.0], np.cumsum(shows)[:-1]]) > 0).astype(np.float64),
    }


def _by_place(evidence: Evidence) -> dict[str, Vector]:
    transcript, provenance = evidence.transcript, evidence.provenance
    size, kinds = len(evidence.texts), transcript.kinds
    tool = np.array([kind in _TOOLS for kind in kinds], np.float64)
    prior = np.log(np.maximum(evidence.blame, _LEAST_PRIOR))
    prior[~provenance.players] = prior[provenance.players].mean()  # not judged by the rules: neither up nor down
    first, last = np.zeros(size), np.zeros(size)
    own = np.flatnonzero(provenance.players & (tool == 0))
    first[own[:1]] = 1.0
    last[size - 1] = 1.0
    opening = np.zeros(size)
    _, first_of_each = np.unique(transcript.author, return_index=True)
    opening[first_of_each] = 1.0
    return {
        "given": provenance.inputs.astype(np.float64),
        "rules_prior": prior,
        "tool": tool,
        "orchestrator": np.array([kind == "orchestrator" for kind in kinds], np.float64),
        "human": np.array([kind == "human" for kind in kinds], np.float64),
        "place": np.log1p(np.arange(size, dtype=np.float64)),
        "first_of_team": first,
        "first_of_author": opening,
        "last": last,
    }
