"""Whether a folder may take a dataset: what others keep there, and datasets of other formats, are never replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from credit_hooks.errors import ConfigurationError

__all__ = ["check_folder"]

_LAYOUTS: Final = "credit_hooks.dataset/"
"""How the schema version of every manifest of ours begins."""


def check_folder(folder: Path, form: str) -> None:
    """Refuse a folder in which files could be lost.

    A folder may be missing, empty, a dataset of this format, or one whose first export was interrupted: that has the
    folder `.state` and no manifest yet. Hidden files do not count, as no file of a dataset is called like them.

    Raises:
        ConfigurationError: it holds files of others, or a dataset of another format.
    """
    if not folder.is_dir():
        return
    manifest = folder / "manifest.json"
    if manifest.exists():
        found = _format(manifest)
        if found is None:
            raise ConfigurationError(f"{manifest} is no manifest of an exported dataset: choose another folder")
        if found != form:
            raise ConfigurationError(f"{folder} holds a dataset of format {found}, not {form}: choose another folder")
        return
    if (folder / ".state").is_dir():
        return
    there = min((path.name for path in folder.iterdir() if not path.name.startswith(".")), default=None)
    if there is not None:
        raise ConfigurationError(
            f"{folder} holds files that are no dataset of ours, such as {there}: choose a new or an empty folder"
        )


def _format(manifest: Path) -> str | None:
    """The format that a manifest of ours states; None if it is not ours."""
    try:
        stated = json.loads(manifest.read_bytes())
    except ValueError:
        return None
    if not isinstance(stated, dict) or not str(stated.get("schema_version")).startswith(_LAYOUTS):
        return None
    found = stated.get("format")
    return found if isinstance(found, str) else None
