"""The configuration file of `credit-hooks optimize`."""

from __future__ import annotations

import inspect
import json
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from credit_hooks.errors import ConfigurationError, MissingExtraError
from credit_hooks.prompts import Budget, Gate, Task, TaskEvaluator, Team
from credit_hooks.prompts.critic import Critic, as_critic

__all__ = ["OptimizeConfig", "Parts", "load_config", "load_parts"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Options(_Strict):
    """Arguments of :func:`credit_hooks.prompts.optimize`, by the same names."""

    held_out: float = 0.5
    name: str = "default"
    width: int | None = None
    evidence_tasks: int = 16
    max_attempts: int | None = None
    patience: int = 3
    critic_timeout: float = 120.0
    seed: int = 0


class OptimizeConfig(_Strict):
    """A configuration file. Paths are relative to its folder, where modules are looked for too."""

    team: str
    """`module:object`: a team, or a function that makes one."""
    tasks: str
    """A file of JSON lines with `id`, `input`, `expected`; or `module:object`: tasks, or a function that makes them."""
    evaluate: str
    """`module:function` of a finished run and its task."""
    critic: str | None = None
    """`module:object`: a function, a model or client, or a class of critics. None: `model` says it."""
    model: str | None = None
    """`provider:name` of a chat model, as LangChain's `init_chat_model` takes it."""
    model_options: dict[str, Any] = {}
    """Options of that model, such as temperature, base_url or streaming."""
    held_out_tasks: str | None = None
    """As `tasks`: those that decide. None: `held_out` is their share of `tasks`."""
    store: Path = Path("runs.db")
    """Keeps every run; the same file goes on where an optimisation was interrupted."""
    report: Path = Path("optimization.html")
    """The page to write."""
    prompts: Path | None = None
    """Folder for the resulting prompts, one text file per block. None: none is written."""
    budget: Budget
    """Hard limits."""
    options: Options = Field(default_factory=Options)
    """How to go about it."""
    gate: Gate = Gate()
    """When an edit is kept."""


class Parts(NamedTuple):
    """What a configuration names, loaded."""

    team: Team
    tasks: list[Task]
    held_out: float | list[Task]
    evaluate: TaskEvaluator
    critic: Critic


def load_config(path: Path) -> OptimizeConfig:
    """Read a configuration file; its paths become absolute.

    Raises:
        ConfigurationError: it is no TOML, or a key is missing, unknown or of the wrong kind; the message names it.
        OSError: it cannot be read.
    """
    try:
        config = OptimizeConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML file: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if (config.critic is None) == (config.model is None):
        raise ConfigurationError(f"{path}: name either a critic or a model")
    folder = path.absolute().parent
    paths = {name: folder / value for name in ("store", "report", "prompts") if (value := getattr(config, name))}
    return config.model_copy(update=paths)


def load_parts(config: OptimizeConfig, folder: Path, model: str | None = None) -> Parts:
    """Import what a configuration names; `model` takes the place of its critic.

    Raises:
        ConfigurationError: something cannot be found, or is not what it should be.
    """
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    team = _team(config.team)
    name = config.model if model is None else model
    critic = chat_model(name, config.model_options) if name is not None else _load(config.critic or "")
    return Parts(
        team=team,
        tasks=_tasks(config.tasks, folder),
        held_out=config.options.held_out if config.held_out_tasks is None else _tasks(config.held_out_tasks, folder),
        evaluate=_load(config.evaluate),
        critic=as_critic(critic() if inspect.isclass(critic) else critic),
    )


def _team(reference: str) -> Team:
    found = _load(reference)
    if callable(found) and not isinstance(found, Team):
        try:
            found = found()
        except TypeError as error:
            raise ConfigurationError(f"team = {reference!r} cannot be called without arguments: {error}") from error
    if not isinstance(found, Team):
        raise ConfigurationError(f"team = {reference!r} is a {type(found).__name__}, not a credit_hooks.prompts.Team")
    return found


def chat_model(name: str, options: dict[str, Any]) -> Any:
    """A chat model of LangChain by name.

    Raises:
        ConfigurationError: its package or key is missing, or it cannot be made.
    """
    try:
        init = import_module("langchain.chat_models").init_chat_model
    except ModuleNotFoundError as error:
        raise MissingExtraError("a chat model by name", "demo") from error
    try:
        return init(name, **options)
    except Exception as error:  # whatever a provider's package raises
        raise ConfigurationError(f"the model {name!r} cannot be used: {type(error).__name__}: {error}") from error


def _load(reference: str) -> Any:
    module, colon, name = reference.partition(":")
    if not colon or not module or not name:
        raise ConfigurationError(f"{reference!r} is no module:object")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{reference}: no module {error.name!r} beside the configuration or installed"
        ) from error
    except AttributeError as error:
        raise ConfigurationError(f"{reference}: {error}") from error


def _tasks(reference: str, folder: Path) -> list[Task]:
    path = folder / reference
    if path.is_file():
        return [_task(line, f"{path}:{number}") for number, line in enumerate(_lines(path), start=1)]
    if ":" not in reference:
        raise ConfigurationError(f"tasks: no file {path}")
    found = _load(reference)
    found = list(found() if callable(found) else found)
    if not all(isinstance(task, Task) for task in found):
        raise ConfigurationError(f"{reference} holds something that is no credit_hooks.prompts.Task")
    return found


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _task(line: str, where: str) -> Task:
    try:
        return Task.model_validate(json.loads(line))
    except (ValidationError, ValueError) as error:
        raise ConfigurationError(f"{where}: no task: {str(error).splitlines()[0]}") from error
