"""`credit-hooks export`: once, or again and again beside a running application."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from credit_hooks.errors import ConfigurationError
from credit_hooks.ports import Manifest
from credit_hooks.store import RunStore

__all__ = ["export_all", "wording"]


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


def wording(manifest: Manifest) -> str:
    """A manifest in a line or two."""
    dropped = "".join(f", {count} left out ({reason})" for reason, count in sorted(manifest.dropped.items()))
    line = f"wrote {manifest.path}: {manifest.rows} rows of {manifest.runs} runs{dropped}"
    if manifest.reward is None or manifest.total is None:
        return line
    lost = sum(manifest.dropped_reward.values())
    return f"{line}\nrewards: {manifest.reward:+.3f} in rows, {lost:+.3f} left out, together {manifest.total:+.3f}"
