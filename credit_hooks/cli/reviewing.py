"""`credit-hooks review`: the queue of runs whose first error is uncertain, and the talk with whoever looks at them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from credit_hooks.cli.screen import plain
from credit_hooks.errors import DamagedRunError
from credit_hooks.failure.evidence_labels import FIRST_ERROR, first_error_of
from credit_hooks.report.text import headline, one_line, printable
from credit_hooks.rewards import CreditedRun, FirstError
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Label, Message
from credit_hooks.triage.queue import TRIAGE

__all__ = ["SOURCE", "Review", "queue"]

SOURCE: Final = "credit-hooks review"
"""Source of the labels that a review gives."""

_AROUND: Final = 3
_FEW: Final = 24  # messages that are listed without gaps
_HELP: Final = (
    "Enter: confirm   NUMBER [reason]: it was this message   n [reason]: in none of them\n"
    "s NUMBER: show a message in full   l: list all messages   t: the whole task\n"
    "k: skip, ask again another time   q: quit; what was labelled is kept"
)


class Waiting(NamedTuple):
    """A run that somebody should look at."""

    confidence: float
    """How sure its first error is."""
    run_id: str
    """Which run."""


def queue(store: RunStore, *, below: float, on_error: Callable[[str], None], queued: bool = False) -> list[Waiting]:
    """Failed runs without a first-error label whose first error has a probability below `below`, the unsurest first.

    With `queued`, only runs of which triage has queued a turn. A run that is damaged is reported and left out.
    """
    found: list[Waiting] = []
    for summary in store.list():
        if summary.first_error_index is None:
            continue
        try:
            run = store.get(summary.id)
        except DamagedRunError as error:
            on_error(str(error))
            continue
        error_ = run.credit.first_error
        if error_ is None or first_error_of(run.trajectory.labels) is not None or error_.probability >= below:
            continue
        if queued and not any(label.name == TRIAGE for label in run.trajectory.labels):
            continue
        found.append(Waiting(error_.probability if error_.confidence is None else error_.confidence, summary.id))
    return sorted(found)


class Review:
    """Asks a person about one run after the other; every answer is stored at once, so that quitting loses nothing.

    Args:
        store: Where the runs are and the labels go.
        annotator: Who answers.
        screen: Where to show.
        read: The next line that was typed; None at the end of the input.
    """

    def __init__(self, store: RunStore, *, annotator: str, screen: Console, read: Callable[[str], str | None]) -> None:
        self._store = store
        self._annotator = annotator
        self._screen = screen
        self._read = read
        self.labelled = 0
        """Runs that were answered."""
        self.skipped = 0
        """Runs that were skipped."""

    def run(self, waiting: Iterable[Waiting]) -> None:
        """Go through the queue until it or the input ends, or the person quits."""
        todo = list(waiting)
        for number, item in enumerate(todo, start=1):
            run = self._store.get(item.run_id)
            if run.credit.first_error is None or first_error_of(run.trajectory.labels) is not None:
                continue  # somebody else was faster
            self._show(run, f"{number} of {len(todo)}")
            if not self._ask(run, run.credit.first_error):
                return

    def _ask(self, run: CreditedRun, suggested: FirstError) -> bool:
        """Until the run is labelled or skipped. False: quit."""
        messages = _by_index(run)
        while True:
            line = self._read(f"first error [{suggested.index}]: ")
            if line is None:
                return False
            word, _, rest = line.strip().partition(" ")
            match word.lower():
                case "":
                    self._label(run, suggested, messages[suggested.index], rest)
                    return True
                case "n":
                    self._label(run, suggested, None, rest)
                    return True
                case "k":
                    self.skipped += 1
                    return True
                case "q":
                    return False
                case "l":
                    self._screen.print(_listing(run, set(messages)))
                case "t":
                    self._screen.print(plain(run.trajectory.task or "(the source states no task)"))
                case "s" if (found := _named(rest, messages)) is not None:
                    self._screen.print(plain(f"#{found.index} {_author(run, found)}\n{_full(found)}"))
                case number if (found := _named(number, messages)) is not None:
                    self._label(run, suggested, found, rest)
                    return True
                case _:
                    known = f"{min(messages)} to {max(messages)}"
                    self._screen.print(
                        plain(f"{line.strip()!r} is neither a message ({known}) nor a command:\n{_HELP}")
                    )

    def _label(self, run: CreditedRun, suggested: FirstError, chosen: Message | None, reason: str) -> None:
        label = Label(
            target="message",
            target_id=None if chosen is None else chosen.id,
            name=FIRST_ERROR,
            value={"suggested": suggested.message_id, "probability": suggested.probability, "rule": suggested.rule},
            reason=reason.strip() or None,
            annotator=self._annotator,
            timestamp=time.time_ns(),
            source=SOURCE,
        )
        self._store.add_label(run.trajectory.id, label)
        self.labelled += 1
        if chosen is None:
            said = "no message of this run"
        else:
            moved = "confirmed" if chosen.id == suggested.message_id else "moved"
            said = f"{moved}: #{chosen.index} {_author(run, chosen)}"
        self._screen.print(plain(f"  kept: {said}", "bold"))

    def _show(self, run: CreditedRun, place: str) -> None:
        trajectory, error = run.trajectory, run.credit.first_error
        assert error is not None
        self._screen.print()
        self._screen.print(plain(f"run {trajectory.id}", "bold") + plain(f"   {place}", "dim"))
        self._screen.print(plain(_shortened(trajectory.task or "(the source states no task)", 300)))
        if (ended := _ended(run)) is not None:
            self._screen.print(plain(ended, "dim"))
        messages = {message.id: message for message in trajectory.messages}
        near = {candidate for candidate, _ in error.candidates[:5]} | {error.message_id}
        shown = {
            message.index
            for message in trajectory.messages
            if len(messages) <= _FEW
            or any(abs(message.index - messages[other].index) <= _AROUND for other in near if other in messages)
        }
        self._screen.print(_listing(run, shown))
        self._screen.print(plain(_HELP, "dim"))


def _ended(run: CreditedRun) -> str | None:
    """How the run ended, on one line; the reviewer may know the right answer, as credit must not."""
    outcome = run.trajectory.outcome
    if outcome is None:
        return None
    said = [f"outcome {outcome.score:.2f}"]
    said += [f"answered: {one_line(outcome.answer, 80)}"] if outcome.answer else []
    said += [f"expected: {one_line(outcome.expected, 80)}"] if outcome.expected else []
    return "   ".join(said)


def _listing(run: CreditedRun, shown: set[int]) -> Table:
    """Messages, one per line, with their probability; gaps are counted."""
    error = run.credit.first_error
    probability = {} if error is None else dict(error.candidates)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0), expand=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, min_width=4)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=22)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    hidden = 0
    for message in sorted(run.trajectory.messages, key=lambda message: message.index):
        if message.index not in shown:
            hidden += 1
            continue
        if hidden:
            table.add_row("", "", "", Text(f"({hidden} messages)", style="dim"))
        hidden = 0
        chance = probability.get(message.id)
        first = error is not None and message.id == error.message_id
        table.add_row(
            Text(f"{'>' if first else ' '} #{message.index}", style="bold" if first else ""),
            Text("" if chance is None else f"{100 * chance:.0f}%"),
            plain(_author(run, message)),
            plain(headline(message, 200), "bold" if first else ""),
        )
    if hidden:
        table.add_row("", "", "", Text(f"({hidden} messages)", style="dim"))
    return table


def _by_index(run: CreditedRun) -> dict[int, Message]:
    """Messages by the number they are shown with; the first of equal numbers."""
    return {message.index: message for message in reversed(run.trajectory.messages)}


def _named(word: str, messages: dict[int, Message]) -> Message | None:
    digits = word.strip().removeprefix("#")
    return messages.get(int(digits)) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _author(run: CreditedRun, message: Message) -> str:
    actor = run.trajectory.actor_by_id.get(message.actor_id)
    return message.actor_id if actor is None else actor.name


def _full(message: Message) -> str:
    return printable(message.text) if message.text else headline(message, 4_000)


def _shortened(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…  (t: all of it)"
