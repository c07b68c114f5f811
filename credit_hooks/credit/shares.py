"""The methods: each says what share of R - b every message gets. Shares sum to 1 and are 0.0 for null players."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.exact import shapley
from credit_hooks.credit.ingredients import stances_with_ingredients
from credit_hooks.credit.path import PathGame, path_owen, path_shapley, reachability_table
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.reader_vote import reader_vote_owen, reader_vote_shapley, reader_vote_value
from credit_hooks.credit.transcript import Transcript

__all__ = ["Problem", "Shares", "flow_shares", "path_mass_shares", "reachability_shares", "reader_vote_shares"]

_DAMPING = 0.8  # weight of all that a message read against .2 of its own
_PATH_NODES = 32  # exact to rounding for this damping, see `path_shapley`
_OWEN_CELLS = 12_000_000  # nodes x coalitions x quadrature nodes: about 0.15 s
_REACHABILITY_AGENTS = 20
_ECHO = 0.1  # vote of a supporter who adds nothing to those before it
_BLAME_MIX = 0.5  # part of the base share in a failure that flow may take, at full evidence

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """A run, as the methods see it."""

    transcript: Transcript
    provenance: Provenance
    evidence: Evidence
    config: CreditConfig
    failed: bool
    """Whether the total is negative."""
    total: float = 0.0
    """R - b."""
    baseline: float = 0.5
    """b."""


@dataclass(frozen=True)
class Shares:
    """What a method found."""

    share: Vector
    """Share of R - b per message, shape (M,), sum 1, signed."""
    method: str
    evidence: float | None = None
    """w. None: the method does not use content."""
    conviction: float | None = None
    """v(N). None: as for `evidence`."""
    low_evidence: bool = False
    """Whether content was asked for and said nothing."""
    notes: tuple[str, ...] = ()
    parts: Mapping[str, Vector] = field(default_factory=dict)
    """What the shares are made of, by symbol, each of shape (M,): see :mod:`credit_hooks.credit.explanation`."""


def reader_vote_shares(problem: Problem) -> Shares:
    """Reader vote by the weight w of the votes, the base share p for the rest: w phi + (1 - w v(N)) p."""
    evidence, config = problem.evidence, problem.config
    votes, w = _votes(problem)
    stance = evidence.stances[0] if problem.failed else stances_with_ingredients(evidence)
    author = problem.transcript.author
    phi = reader_vote_owen(votes, stance, author) if config.level == "owen" else reader_vote_shapley(votes, stance)
    flow = evidence.flow
    notes: tuple[str, ...] = ()
    if problem.failed:
        blame = evidence.blame
        mix = 0.0 if flow is None else _BLAME_MIX * w
        base = blame if flow is None else (1.0 - mix) * blame + mix * flow
    elif flow is not None:
        base = flow
    else:
        base = path_mass_shares(problem).share
        notes = ("no message carries a unit of the answer: shares come from provenance",)
    share = w * phi + (1.0 - w * phi.sum()) * base
    parts = {"q": votes, "s": stance, "phi": phi, "p": base}
    if flow is not None:
        parts["flow"] = flow
    if problem.failed:
        parts["blame"] = evidence.blame
    return Shares(share, f"reader_vote.{config.level}", w, reader_vote_value(votes, stance), notes=notes, parts=parts)


def _votes(problem: Problem) -> tuple[Vector, float]:
    """Vote weights q of mean 1 among voters, shape (M,), and the gate w: who votes, before echoes count less."""
    evidence = problem.evidence
    stance, votes = evidence.stances
    voting = votes & evidence.states
    if problem.failed:
        voting = voting & evidence.cues
    q = voting.astype(np.float64)
    w = min(1.0, float(q.sum()) / max(1, int(evidence.states.sum())))
    supported: set[int] = set()
    for m in np.flatnonzero(votes & evidence.states & (stance >= 0.5)).tolist():
        echo = bool(supported) if problem.failed else int(problem.transcript.author[m]) in supported
        if echo:
            q[m] *= _ECHO
        supported.add(int(problem.transcript.author[m]))
    return (q / q[q > 0].mean() if w else q), w


def flow_shares(problem: Problem) -> Shares:
    """Damped flow of the answer's numbers and entities: never of mixed signs, and hard to raise by repetition."""
    flow = problem.evidence.damped_flow
    if flow is not None:
        return Shares(flow, "flow")
    found = path_mass_shares(problem)
    note = "no message carries a number or an entity of the answer: shares come from provenance"
    return Shares(found.share, f"provenance_only.{found.method}", low_evidence=True, notes=(note, *found.notes))


def path_mass_shares(problem: Problem) -> Shares:
    """Path mass in the provenance graph: exact per message, never negative."""
    game, of = _path_game(problem)
    level = problem.config.level
    notes: tuple[str, ...] = ()
    values: Vector | None = None
    if level == "owen":
        author = problem.transcript.author
        unions = np.array([author[of[node]] if of[node] >= 0 else 0 for node in range(len(of))], np.intp)
        values = path_owen(game, unions, max_nodes=_PATH_NODES, max_cells=_OWEN_CELLS)
        if values is None:
            level = "shapley"
            notes = ("the Owen value of the path game would take too long here: messages are players of their own",)
    if values is None:
        values = path_shapley(game, max_nodes=_PATH_NODES)
    share = np.zeros(len(problem.transcript.messages))
    for node, position in enumerate(of):
        if position >= 0:
            share[position] = values[node]
    return Shares(share / share.sum(), f"path_mass.{level}", notes=notes)


def reachability_shares(problem: Problem) -> Shares:
    """Exact agent Shapley values of reachability, shared among the messages of an agent by their path mass."""
    game, of = _path_game(problem)
    author, provenance = problem.transcript.author, problem.provenance
    agents = sorted({int(author[position]) for position in of if position >= 0})
    mass = path_mass_shares(problem)
    if len(agents) > _REACHABILITY_AGENTS:
        note = f"{len(agents)} agents are too many for reachability over all coalitions: path mass instead"
        return Shares(mass.share, mass.method, notes=(*mass.notes, note))
    number = {agent: k for k, agent in enumerate(agents)}
    player = np.array([number[int(author[p])] if p >= 0 else -1 for p in of], np.intp)
    sinks = np.flatnonzero(game.sinks).tolist()
    values = shapley(reachability_table(game.sources, player, sinks, len(agents)))
    share = mass.share.copy()
    for agent, value in zip(agents, values, strict=True):
        mine = provenance.players & (author == agent)
        part = share[mine].sum()
        # At the far end of a very long chain the path mass of an agent may be too small for a float.
        share[mine] = value * (share[mine] / part if part > 0 else 1.0 / mine.sum())
    return Shares(share / share.sum(), "reachability.shapley", notes=mass.notes)


def _path_game(problem: Problem) -> tuple[PathGame, list[int]]:
    """The path-mass game of the answer's ancestors, and the message of each of its nodes (-1: a read set).

    A message brings .2 of its own and .8 from what it read, in equal parts; one that read no player's message brings 1.
    """
    provenance = problem.provenance
    messages = len(problem.transcript.messages)
    node_of: dict[int, int] = {}
    count: list[int] = []  # players' messages in a read set, with repetition
    of: list[int] = []
    sources: list[tuple[int, ...]] = []
    weights: list[tuple[float, ...]] = []
    own: list[float] = []
    for node in provenance.order:
        is_message = node < messages
        if is_message and not provenance.players[node]:
            continue
        read = tuple(node_of[source] for source in provenance.sources[node] if source in node_of)
        available = sum(1 if of[source] >= 0 else count[source] for source in read)
        node_of[node] = len(of)
        of.append(node if is_message else -1)
        count.append(available)
        if is_message:
            sources.append(read if available else ())
            own.append(1.0 - _DAMPING if available else 1.0)
            weights.append((_DAMPING / max(available, 1),) * len(sources[-1]))
        else:
            sources.append(read)
            own.append(0.0)
            weights.append((1.0,) * len(read))
    targets = [node_of[target] for target in provenance.targets if target in node_of]
    sinks = np.zeros(len(of))
    sinks[targets] = 1.0 / len(targets) if targets else 0.0
    is_move = np.array([position >= 0 for position in of], bool)
    return PathGame(np.array(own), sources, weights, is_move, sinks), of
