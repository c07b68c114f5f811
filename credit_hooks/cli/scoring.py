"""`credit-hooks score`: logs and traces to credited runs, and how well the first errors agree with labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from credit_hooks.cli.screen import SignedBar, amount, plain
from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Trajectory

__all__ = ["FIRST_ERROR", "Accuracy", "Agreement", "Tally", "credited"]

FIRST_ERROR = "first_error"
"""Name of the labels that say where a run first went wrong."""


def credited(
    trajectories: Iterable[Trajectory], config: CreditConfig, keep: Callable[[CreditedRun], None]
) -> Iterator[CreditedRun]:
    """Credit each trajectory and keep it, one at a time."""
    for trajectory in trajectories:
        run = CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, config))
        keep(run)
        yield run


class Accuracy(NamedTuple):
    """Share of labelled runs in which a method names the labelled message, and its author."""

    step: float
    """Exact message, 0 to 1."""
    agent: float
    """Author of that message, 0 to 1; over the runs whose label does not contradict the record."""


class _Labelled(NamedTuple):
    """What one labelled run says for the comparison."""

    authors: tuple[str, ...]
    """Actor id per message."""
    targets: frozenset[int]
    """Positions of the labelled messages."""
    consistent: bool
    """Whether the label's agent wrote the labelled message."""
    named: int | None
    """Position that our localiser names. None: it names none."""


class Agreement:
    """Compares first errors with labels, beside what needs no method: a random message, and always the same step."""

    def __init__(self) -> None:
        self._runs: list[_Labelled] = []
        self.untargeted = 0
        """Runs whose label names no message."""

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: CreditedRun) -> None:
        """Take a run into account if it carries a first-error label."""
        labels = [label for label in run.trajectory.labels if label.name == FIRST_ERROR]
        position = {message.id: place for place, message in enumerate(run.trajectory.messages)}
        targets = {label.target_id: label for label in labels if label.target == "message"}
        known = frozenset(position[target] for target in targets if target in position)
        if not known:
            self.untargeted += bool(labels)
            return
        error = run.credit.first_error
        self._runs.append(
            _Labelled(
                authors=tuple(message.actor_id for message in run.trajectory.messages),
                targets=known,
                consistent=not any(label.inconsistent for label in targets.values()),
                named=None if error is None else position.get(error.message_id),
            )
        )

    @property
    def consistent(self) -> int:
        """Labelled runs over which the accuracy of agents is counted."""
        return sum(run.consistent for run in self._runs)

    def ours(self) -> Accuracy:
        """Accuracy of `Credit.first_error`; a run without one counts as wrong."""
        return self._accuracy(lambda run: {} if run.named is None else {run.named: 1.0})

    def uniform(self) -> Accuracy:
        """Expected accuracy of naming a message at random."""
        return self._accuracy(lambda run: dict.fromkeys(range(len(run.authors)), 1.0 / len(run.authors)))

    def constant(self) -> tuple[int, Accuracy]:
        """The step that, named always, is right most often over these very runs; and its accuracy."""
        hits = Counter(place for run in self._runs for place in run.targets)
        step = min(hits, key=lambda place: (-hits[place], place))
        return step, self._accuracy(lambda run: {step: 1.0} if step < len(run.authors) else {})

    def _accuracy(self, guess: Callable[[_Labelled], dict[int, float]]) -> Accuracy:
        step = agent = 0.0
        for run in self._runs:
            blamed = {run.authors[place] for place in run.targets}
            for place, probability in guess(run).items():
                step += probability * (place in run.targets)
                agent += probability * (run.consistent and run.authors[place] in blamed)
        return Accuracy(step / len(self._runs), agent / self.consistent if self.consistent else 0.0)


class Tally:
    """What `score` says at its end."""

    def __init__(self) -> None:
        self.runs = 0
        """Runs read."""
        self.agreement = Agreement()
        """First errors against labels."""
        self._status: Counter[str] = Counter()
        self._credit: dict[str, float] = {}
        self._blamed: Counter[str] = Counter()
        self._present: Counter[str] = Counter()

    def add(self, run: CreditedRun) -> None:
        """Count a run; agents of the same name are one agent."""
        self.runs += 1
        self._status[run.credit.status] += 1
        self.agreement.add(run)
        names = {actor.id: actor.name for actor in run.trajectory.actors}
        for actor_id, value in run.credit.agents.items():
            name = names.get(actor_id, actor_id)
            self._credit[name] = self._credit.get(name, 0.0) + value
            self._present[name] += 1
        if run.credit.first_error is not None:
            self._blamed[names.get(run.credit.first_error.actor_id, run.credit.first_error.actor_id)] += 1

    def view(self) -> RenderableType:
        """Counts, agents by summed credit, accuracy where labels exist."""
        others = ", ".join(
            f"{count} {status}" for status, count in sorted(self._status.items()) if status != "credited"
        )
        line = f"{self.runs} runs, {self._status['credited']} credited" + (f", {others}" if others else "")
        parts: list[RenderableType] = [Text(line, style="bold")]
        if self._credit:
            parts += [Text(), self._agents()]
        if len(self.agreement):
            parts += [Text(), _accuracies(self.agreement)]
        return Group(*parts)

    def _agents(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("agent", no_wrap=True, overflow="ellipsis", max_width=40)
        for title in ("runs", "first errors", "summed credit"):
            table.add_column(title, justify="right")
        table.add_column("")
        largest = max(abs(value) for value in self._credit.values())
        ranked = sorted(self._credit.items(), key=lambda item: (item[1], item[0]))
        for name, value in ranked if len(ranked) <= 20 else [*ranked[:10], *ranked[-10:]]:
            bar = SignedBar(value, largest)
            table.add_row(plain(name), str(self._present[name]), str(self._blamed[name]), amount(value), bar)
        if len(ranked) > 20:
            table.caption = f"the 10 lowest and the 10 highest of {len(ranked)}"
        return table


def _accuracies(agreement: Agreement) -> Table:
    step, constant = agreement.constant()
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("first error against labels", no_wrap=True)
    table.add_column(f"step (of {len(agreement)})", justify="right")
    table.add_column(f"agent (of {agreement.consistent})", justify="right")
    rows = {
        "credit-hooks": agreement.ours(),
        "uniform random message": agreement.uniform(),
        f"constant step (#{step}, chosen on these runs)": constant,
    }
    for name, accuracy in rows.items():
        agent = f"{accuracy.agent:.2f}" if agreement.consistent else "-"
        table.add_row(name, f"{accuracy.step:.2f}", agent)
    if agreement.untargeted:
        table.caption = f"left out: {agreement.untargeted} runs whose label names no message"
    return table
