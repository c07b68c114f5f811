"""Frozen prompts: one plain text file per block, and a manifest that says what they are. Read back to the byte.

::

    prompts/
        manifest.json       version, and role, kind, agents, file and SHA-256 of every block
        reader.txt          the text, as UTF-8, with nothing added
        solver.txt
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from credit_hooks.errors import ConfigurationError
from credit_hooks.parts import FrozenModel
from credit_hooks.prompts.blocks import BlockKind, PromptBlock, PromptSet
from credit_hooks.prompts.collect import PROMPTS_KEY
from credit_hooks.rewards import CreditedRun

__all__ = ["MANIFEST", "freeze", "prompts_of", "thaw"]

MANIFEST: Final = "manifest.json"
"""Name of the manifest in the folder."""


class _Entry(FrozenModel):
    role: str = Field(min_length=1)
    kind: BlockKind
    agents: tuple[str, ...] = ()
    file: str
    sha256: str


class _Manifest(FrozenModel):
    format: Literal["credit-hooks prompts"] = "credit-hooks prompts"
    schema_version: Literal[1] = 1
    prompts: str
    """Version of all of them together, as runs in the store carry it."""
    source: str | None = None
    """Where they come from. None: not stated."""
    blocks: tuple[_Entry, ...]


def freeze(
    prompts: PromptSet, folder: str | os.PathLike[str], *, source: str | None = None, overwrite: bool = False
) -> Path:
    """Write prompts as plain files; the manifest last, so that an interrupted write is seen as one.

    What was frozen there before is replaced; files of others stay.

    Args:
        prompts: The prompts.
        folder: Where; made when missing.
        source: Where they come from, such as a run's id, for the manifest.
        overwrite: Whether files may be replaced that were edited since they were frozen, or that were never ours.

    Returns:
        The manifest.

    Raises:
        ConfigurationError: a text cannot be written as UTF-8, or a file would be lost. Nothing was written.
        OSError: the folder cannot be written.
    """
    root = Path(folder)
    contents = {block.role: _encoded(block) for block in prompts.blocks}
    names = _names([block.role for block in prompts.blocks])
    before = _frozen_before(root)
    if not overwrite:
        _check_nothing_is_lost(root, {names[role]: content for role, content in contents.items()}, before)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries = []
    for block in prompts.blocks:
        _replace(root / names[block.role], contents[block.role])
        digest = hashlib.sha256(contents[block.role]).hexdigest()
        entries.append(
            _Entry(role=block.role, kind=block.kind, agents=block.agents, file=names[block.role], sha256=digest)
        )
    manifest = _Manifest(prompts=prompts.version, source=source, blocks=tuple(entries))
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    _replace(root / MANIFEST, text.encode())
    for name in before.keys() - set(names.values()):
        if _digest(root / name) == before[name] or overwrite:
            (root / name).unlink(missing_ok=True)
    return root / MANIFEST


def thaw(folder: str | os.PathLike[str], *, edited: bool = False) -> PromptSet:
    """The prompts of a folder, as they were frozen.

    Args:
        folder: Where they are.
        edited: Whether texts may differ from what was frozen: edited by hand, they are prompts of another version.

    Raises:
        ConfigurationError: the folder, its manifest or a file is missing, cannot be read, or was edited.
    """
    root = Path(folder)
    try:
        manifest = _Manifest.model_validate_json((root / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ConfigurationError(f"{root} holds no frozen prompts: there is no {MANIFEST}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigurationError(f"{root / MANIFEST} cannot be read: {first['loc']}: {first['msg']}") from None
    return PromptSet([_thawed(root, entry, edited) for entry in manifest.blocks])


def prompts_of(run: CreditedRun) -> PromptSet:
    """The prompts that a run was made with, or that an optimisation ended with, as the store keeps them.

    Raises:
        ConfigurationError: the run carries none; those of :func:`credit_hooks.prompts.optimize` do.
    """
    note = run.trajectory.meta.get(PROMPTS_KEY)
    found = note if isinstance(note, Mapping) else {}
    result = found.get("result")
    blocks = result.get("after") if isinstance(result, Mapping) else found.get("blocks")
    if not isinstance(blocks, Sequence) or isinstance(blocks, str) or not blocks:
        raise ConfigurationError(
            f"run {run.trajectory.id} carries no prompts: take an optimisation, or a run that one has made"
        )
    try:
        return PromptSet([_block(block) for block in blocks])
    except (ValidationError, ConfigurationError) as error:
        raise ConfigurationError(f"the prompts of run {run.trajectory.id} cannot be read") from error


def _block(stated: object) -> PromptBlock:
    """A block as runs and optimisations state it; what else they say of it is left."""
    known = stated if isinstance(stated, Mapping) else {}
    return PromptBlock.model_validate({key: known[key] for key in PromptBlock.model_fields if key in known})


def _encoded(block: PromptBlock) -> bytes:
    try:
        return block.text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"the prompt of {block.role!r} holds half a surrogate pair: no text file can"
        ) from None


def _names(roles: Sequence[str]) -> dict[str, str]:
    """A file name for every role, the same for the same roles; no two are alike, also where case does not count."""
    names: dict[str, str] = {}
    taken = {MANIFEST}
    for role in roles:
        plain = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in role)[:60] or "_"
        name = f"{plain}.txt"
        if name.casefold() in taken or plain.casefold() in _RESERVED:
            name = f"{plain}-{hashlib.sha256(role.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}.txt"
        taken.add(name.casefold())
        names[role] = name
    return names


_RESERVED: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))]
)
"""Names that are no files on Windows."""


def _frozen_before(root: Path) -> dict[str, str]:
    """File to SHA-256 of what the folder's manifest states; empty if there is none that can be read."""
    try:
        manifest = _Manifest.model_validate_json((root / MANIFEST).read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}
    return {entry.file: entry.sha256 for entry in manifest.blocks if _is_plain(entry.file)}


def _check_nothing_is_lost(root: Path, contents: Mapping[str, bytes], before: Mapping[str, str]) -> None:
    if (root / MANIFEST).exists() and not before:
        raise ConfigurationError(f"{root / MANIFEST} is no manifest of frozen prompts: choose another folder")
    for name, content in contents.items():
        there = _digest(root / name)
        if there not in (None, before.get(name), hashlib.sha256(content).hexdigest()):
            why = "was edited since it was frozen" if name in before else "was there before"
            raise ConfigurationError(f"{root / name} {why}: move it, or allow it to be overwritten")


def _thawed(root: Path, entry: _Entry, edited: bool) -> PromptBlock:
    if not _is_plain(entry.file):
        raise ConfigurationError(f"{root / MANIFEST} names {entry.file!r}, which is no file of its folder")
    path = root / entry.file
    try:
        content = path.read_bytes()
        text = content.decode()
    except FileNotFoundError:
        raise ConfigurationError(f"the prompt of {entry.role!r} is missing: {path}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the prompt of {entry.role!r} is no UTF-8 text: {path}") from None
    if not edited and hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ConfigurationError(f"{path} was edited since it was frozen: pass edited=True to take it as it is")
    return PromptBlock(role=entry.role, text=text, kind=entry.kind, agents=entry.agents)


def _is_plain(name: str) -> bool:
    return name not in ("", ".", "..", MANIFEST) and not set(name) & set("/\\:\0")


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _replace(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
