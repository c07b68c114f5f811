"""`credit-hooks export`: once, or again and again beside a running application."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from credit_hooks.cli.screen import progress_screen, screen
from credit_hooks.errors import ConfigurationError, DamagedRunError
from credit_hooks.ports import Manifest
from credit_hooks.store import RunStore

__all__ = ["damage", "export_all", "shares", "standard_output", "strangers", "wording"]


def export_all(
    exporters: Any,
    store: Path,
    form: str,
    output: Path,
    options: Mapping[str, Any],
    *,
    follow: float | None,
    progress: Callable[[int, int], None],
) -> Iterator[Manifest]:
    """What was written: once, or with `follow` after every change until Ctrl-C.

    Args:
        exporters: The package credit_hooks_exporters, which the core does not import.
        store: The run store.
        form: Name of the format.
        output: A file or a folder.
        options: `since`, `splits` and those of the format.
        follow: Seconds between two looks at the store. None: once.
        progress: Called with (runs done, runs in all, 0 if unknown).

    Raises:
        ConfigurationError: an option cannot work.
    """
    with RunStore(store, read_only=True) as opened:
        if follow is None:
            yield exporters.export(opened, form, output, progress=progress, **options)
            return
        if output.suffix:
            raise ConfigurationError(f"--follow needs a folder, and {output} is a file")
        rest = {name: value for name, value in options.items() if name != "since"}
        yield from exporters.follow(opened, form, output, interval=follow, progress=progress, **rest)


@contextmanager
def standard_output(output: Path, *, follow: bool) -> Iterator[tuple[Path, Console]]:
    """Where to write, and where to say so: for `-` a file that is copied to standard output once it is complete.

    Raises:
        ConfigurationError: standard output is no folder, which `follow` needs.
    """
    if str(output) != "-":
        yield output, screen()
        return
    if follow:
        raise ConfigurationError("--follow needs a folder, and - is standard output")
    with TemporaryDirectory(prefix="credit-hooks-") as folder:  # readable by its owner alone
        path = Path(folder) / "runs.jsonl"
        yield path, progress_screen()
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


def damage(run_ids: Sequence[str], store: Path) -> str:
    """What could not be read, in a line."""
    named = ", ".join(run_ids[:5]) + (f" and {len(run_ids) - 5} more" if len(run_ids) > 5 else "")
    runs = "1 run" if len(run_ids) == 1 else f"{len(run_ids)} runs"
    return f"left out {runs} of {store} that cannot be read: {named}; credit-hooks show RUN says why"


def shares(given: Sequence[str]) -> dict[str, float]:
    """Shares of splits, typed as `name=number`.

    Raises:
        ConfigurationError: one is not of this form.
    """
    found: dict[str, float] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigurationError(f"--split {pair!r} is no name=value, such as train=0.9")
        try:
            found[name] = float(value)
        except ValueError:
            raise ConfigurationError(
                f"--split {pair!r}: {value!r} is no share of the tasks, which is a number above 0 and at most 1, "
                "such as train=0.9"
            ) from None
    return found


def strangers(asked: str | Sequence[str] | None, store: Path) -> str | None:
    """That no message is by some of these agents, and which agents there are. None: all of them wrote something."""
    wanted = {asked} if isinstance(asked, str) else set(asked or ())
    if not wanted:
        return None
    known: set[str] = set()
    agents: set[str] = set()
    with RunStore(store, read_only=True) as opened:
        for summary in opened.list():
            try:
                trajectory = opened.get(summary.id).trajectory
            except DamagedRunError:  # the export has named it
                continue
            writers = {message.actor_id for message in trajectory.messages}
            for actor in (actor for actor in trajectory.actors if actor.id in writers):
                known |= {actor.id, actor.name}
                agents |= {actor.name} if actor.kind == "agent" else set()
    missing = sorted(wanted - known)
    if not missing:
        return None
    there = ", ".join(sorted(agents)[:20]) + (f" and {len(agents) - 20} more" if len(agents) > 20 else "")
    return f"no message in {store} is by an agent {' or '.join(missing)}; agents there: {there or 'none'}"


def wording(manifest: Manifest, output: Path) -> str:
    """A manifest in a line or two; `output` is what the user called it."""
    dropped = "".join(f", {count} left out ({reason})" for reason, count in sorted(manifest.dropped.items()))
    line = f"wrote {output}: {manifest.rows} rows of {manifest.runs} runs{dropped}"
    if manifest.reward is None or manifest.total is None:
        return line
    lost = sum(manifest.dropped_reward.values())
    return f"{line}\nrewards: {manifest.reward:+.3f} in rows, {lost:+.3f} left out, together {manifest.total:+.3f}"
