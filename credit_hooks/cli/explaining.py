"""A credit taken apart as text and tables: the run's way from its outcome to its rewards, or one message's."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from credit_hooks.cli.screen import amount, plain
from credit_hooks.cli.tables import bare_table
from credit_hooks.credit.explanation import CreditExplanation, MessageExplanation
from credit_hooks.errors import ConfigurationError, EvaluationError
from credit_hooks.replay import recompute
from credit_hooks.replayed import ReplayRecord
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Trajectory

__all__ = ["find_message", "message_view", "run_explanation"]

_SHOWN = 24
"""Coalitions listed; `--json` has all of them."""


def run_explanation(run: CreditedRun, explanation: CreditExplanation) -> RenderableType:
    """All of a run."""
    blocks: list[RenderableType] = [*_outcome(explanation), Text(), _messages(run.trajectory, explanation)]
    if explanation.credit.replay is not None:
        return Group(*blocks, Text(), *_replay(explanation.credit.replay))
    return Group(*blocks, Text(), _check(explanation))


def message_view(run: CreditedRun, explanation: CreditExplanation, message: MessageExplanation) -> RenderableType:
    """One message, from the run's outcome to its reward, a line each."""
    total = explanation.credit.total
    blocks: list[RenderableType] = [*_outcome(explanation), Text()]
    blocks.append(plain(f"message #{message.index} {message.message_id} by {_name(run.trajectory, message.actor_id)}"))
    if message.standing != "player":
        blocks.append(Text(f"  {message.standing}: it cannot have contributed, so its reward is 0"))
    for symbol, value in message.parts.items():
        blocks.append(plain(f"  {symbol:<6} {value:+.6f}  {explanation.symbols[symbol]}"))
    if explanation.formula:
        blocks.append(Text(f"  share  {message.share:+.6f}  {explanation.formula}"))
        blocks.append(Text(f"  total x share = {total:+.6f} x {message.share:+.6f} = {total * message.share:+.6f}"))
    if abs(message.shift) > 1e-15:
        blocks.append(Text(f"  projection into [-1, 1] added {message.shift:+.6f}"))
    if message.first_error is not None:
        blocks.append(Text(f"  P(first error is here) = {message.first_error:.4f}"))
    if explanation.credit.replay is not None:
        blocks += _comparisons(explanation.credit.replay, message.message_id)
    reward = "none" if message.reward is None else f"{message.reward:+.6f}"
    blocks.append(Text(f"  reward {reward}", style="bold"))
    replay = explanation.credit.replay
    return Group(*blocks, Text(), _check(explanation) if replay is None else Text(_recomputed(replay)))


def find_message(explanation: CreditExplanation, wanted: str) -> MessageExplanation:
    """The message of that index, id, or start of an id.

    Raises:
        ConfigurationError: there is none, or several.
    """
    messages = explanation.messages
    exact = [m for m in messages if m.message_id == wanted]
    found = exact or [m for m in messages if wanted.lstrip("#") == str(m.index)]
    found = found or [m for m in messages if m.message_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    indices = [m.index for m in messages]
    span = f"messages {min(indices)} to {max(indices)}" if indices else "no messages"
    if found:
        raise ConfigurationError(f"{len(found)} messages start with {wanted!r}: give more of the id, or its number")
    raise ConfigurationError(f"no message is called {wanted!r}; the run has {span}")


def _outcome(explanation: CreditExplanation) -> Iterator[Text]:
    credit = explanation.credit
    if credit.outcome is None or credit.baseline is None:
        yield Text(f"outcome unknown, not credited ({credit.status})")
    else:
        yield Text(f"R - b = {credit.outcome:.4f} - {credit.baseline:.4f} = {credit.total:+.4f}, by {credit.method}")
    if explanation.formula:
        yield plain(f"  {explanation.formula}")
    if credit.evidence is not None:
        yield Text(f"  w = {credit.evidence:.4f}, weight of the votes against the base share")
    if credit.conviction is not None:
        yield Text(f"  v(N) = {credit.conviction:.4f}, how firmly a reader of all messages holds the conclusion")
    if credit.settings:
        yield plain("  settings: " + ", ".join(f"{name}={value}" for name, value in credit.settings.items()))
    for note in credit.notes:
        yield plain(f"  {note}")


def _messages(trajectory: Trajectory, explanation: CreditExplanation) -> Table:
    table = bare_table()
    table.add_column("#", justify="right")
    table.add_column("author", no_wrap=True, overflow="ellipsis", max_width=18)
    for symbol in explanation.symbols:
        table.add_column(symbol, justify="right")
    if explanation.formula:
        table.add_column("share", justify="right")
    table.add_column("reward", justify="right")
    if any(message.first_error is not None for message in explanation.messages):
        table.add_column("P(first error)", justify="right")
    table.add_column("")
    for message in explanation.messages:
        cells: list[RenderableType] = [str(message.index), plain(_name(trajectory, message.actor_id))]
        cells += [f"{message.parts[symbol]:.3f}" for symbol in explanation.symbols]
        cells += [f"{message.share:+.3f}"] if explanation.formula else []
        cells.append(amount(message.reward))
        if len(table.columns) == len(cells) + 2:
            cells.append("" if message.first_error is None else f"{message.first_error:.3f}")
        table.add_row(*cells, "" if message.standing == "player" else Text(message.standing, style="dim"))
    return table


def _replay(record: ReplayRecord) -> Iterator[RenderableType]:
    low, high = record.ends
    yield Text(
        f"replays: {len(record.coalitions)} coalitions, {record.costs.system_runs} system runs, "
        f"{record.costs.model_calls} model calls ({record.costs.model_calls_saved} saved), stopped: {record.stopped}"
    )
    yield plain(
        f"  masked players say: {record.substitute}; v(nobody) = {low:.4f} ({record.empty_is}), v(all) = {high:.4f}"
    )
    players = bare_table()
    for name in ("player", "author", "messages", "value", "std err"):
        players.add_column(name, justify="right" if name in ("player", "value", "std err") else "left")
    for number, player in enumerate(record.players):
        error = "" if player.std_err is None else f"{player.std_err:.4f}"
        ids = ", ".join(player.message_ids[:3]) + (", ..." if len(player.message_ids) > 3 else "")
        players.add_row(str(number), plain(player.actor_id), plain(ids), f"{player.value:+.4f}", error)
    yield players
    for coalition, value in list(zip(record.coalitions, record.values, strict=False))[:_SHOWN]:
        yield Text(f"  v({_members(coalition, len(record.players))}) = {'failed' if value is None else f'{value:.4f}'}")
    if len(record.values) > _SHOWN:
        yield Text(f"  and {len(record.values) - _SHOWN} more: --json lists them")
    yield Text(f"  {_recomputed(record)}")


def _comparisons(record: ReplayRecord, message_id: str) -> Iterator[Text]:
    """Coalitions that differ in the message's player alone: what it added, as it was seen."""
    mine = next((k for k, player in enumerate(record.players) if message_id in player.message_ids), None)
    if mine is None:
        return
    full = (1 << len(record.players)) - 1
    values = {int(coalition, 16): value for coalition, value in zip(record.coalitions, record.values, strict=False)}
    values = {0: record.ends[0], full: record.ends[1], **values}
    for without, value in sorted(values.items()):
        added = values.get(without | 1 << mine)
        if without & 1 << mine or value is None or added is None:
            continue
        members = _members(format(without, "x"), len(record.players))
        yield Text(f"  joining {members}: {value:.4f} -> {added:.4f}, {added - value:+.4f}")


def _members(coalition: str, players: int) -> str:
    bits = int(coalition, 16)
    return "{" + " ".join(str(k) for k in range(players) if bits >> k & 1) + "}"


def _recomputed(record: ReplayRecord) -> str:
    try:
        again = recompute(record)
    except EvaluationError as error:
        return f"not reproduced: {error}"
    same = [float(value) for value in again.values] == [player.value for player in record.players]
    return "values computed again from these coalitions: " + ("equal to the last bit" if same else "they DIFFER")


def _check(explanation: CreditExplanation) -> Text:
    if explanation.reproduced:
        return Text("computed again from the stored run: equal to the last bit", style="dim")
    word = "not tried" if explanation.reproduced is None else "NOT REPRODUCED"
    return plain(f"{word}: {explanation.reason}", "dim" if explanation.reproduced is None else "bold")


def _name(trajectory: Trajectory, actor_id: str) -> str:
    actor = trajectory.actor_by_id.get(actor_id)
    return actor_id if actor is None else actor.name
