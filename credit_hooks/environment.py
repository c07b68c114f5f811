"""Capture options from environment variables, for programs that are traced without being changed (docs/zero-code.md).

A variable with a value that cannot work is a sentence in `problems`, and its option stays at the default: the program
that is traced is never refused a start.
"""

from __future__ import annotations

import difflib
import importlib
import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from credit_hooks.credit import CreditConfig
from credit_hooks.encode import EncodingLimits
from credit_hooks.errors import ConfigurationError
from credit_hooks.options import CaptureOptions
from credit_hooks.store import store_path

__all__ = ["VARIABLES", "EnvironmentOptions", "read_environment"]

logger = logging.getLogger("credit_hooks")

_PREFIX: Final = "CREDIT_HOOKS_"


class EnvironmentOptions(NamedTuple):
    """What the environment says."""

    options: CaptureOptions
    problems: tuple[str, ...]
    """One sentence for each variable that cannot work, naming it."""


def read_environment(environ: Mapping[str, str], *, replays: bool = False) -> EnvironmentOptions:
    """The options that `CREDIT_HOOKS_*` variables give; an empty variable counts as unset.

    Args:
        environ: The environment.
        replays: Whether `replay=` is given in code: no variable can, and credit by replay needs it.
    """
    options: dict[str, Any] = {}
    limits: dict[str, int] = {}
    problems: list[str] = []
    for name, value in environ.items():
        if not name.startswith(_PREFIX) or not value.strip():
            continue
        known = VARIABLES.get(name)
        if known is None:
            close = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.85)
            problems += [f"{name} is no variable of credit-hooks; did you mean {found}?" for found in close]
            continue
        option, read = known
        try:
            read_value = read(name, value.strip())
            if option == "credit" and read_value.method == "replay" and not replays:
                raise ConfigurationError("method 'replay' needs replay=, which only the program itself can give")
            (limits if option in _LIMITS else options)[option] = read_value
        except ValueError as error:
            problems.append(f"{name}={value!r} is left out: {error}")
    if limits:
        options["limits"] = EncodingLimits(**limits)
    return EnvironmentOptions(CaptureOptions(**options), tuple(problems))  # type: ignore[typeddict-item]


# --- Values -------------------------------------------------------------------------------------------------------


def _count(_: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError("it is a whole number of at least 0")
    return number


def _seconds(_: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError("it is a number of seconds, at least 0")
    return number


def _baseline(_: str, value: str) -> float | str:
    if value in ("running", "group"):
        return value
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError("it is a number from 0 to 1, 'running' or 'group'")
    return number


def _delivery(_: str, value: str) -> str:
    if value not in ("span", "event"):
        raise ValueError("it is 'span' or 'event'")
    return value


def _store(_: str, value: str) -> Path:
    path = store_path(value)
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"the folder {path.absolute().parent} does not exist")
    return path


def _credit(_: str, value: str) -> CreditConfig:
    try:
        fields = json.loads(value)
        return CreditConfig(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"it is a JSON object of the fields of CreditConfig ({error})") from error


def _function(name: str, value: str) -> _Named:
    return _Named(name, value)


def _exporters(name: str, value: str) -> list[_NamedExporter]:
    return [_NamedExporter(_Named(name, one.strip())) for one in value.split(",") if one.strip()]


class _Named:
    """An object of the user's, `module:name`, imported when it is first needed: by then the program has started.

    What cannot be imported is told once, and stands for nothing from then on.
    """

    def __init__(self, variable: str, value: str) -> None:
        module, colon, name = value.partition(":")
        if not colon or not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
            raise ValueError("it is written module:function, as in myapp.judge:evaluate")
        self._variable = variable
        self._value = value
        self._module, self._name = module, name
        self._found: Any = None
        self._tried = False

    @property
    def found(self) -> Any:
        """The object. None: there is none."""
        if not self._tried:
            self._found = self._import()
            self._tried = True
        return self._found

    def _import(self) -> Any:
        try:
            # The program itself is not imported: that would run it again.
            found: Any = (
                sys.modules["__main__"] if self._module == _program() else importlib.import_module(self._module)
            )
            for part in self._name.split("."):
                found = getattr(found, part)
        except Exception as error:  # noqa: BLE001 - the module is the user's: whatever it raises costs its verdicts only
            problem = f"{type(error).__name__}: {error}"
            logger.warning("credit-hooks: %s=%s cannot be used: %s", self._variable, self._value, problem)
            return None
        if callable(found) or hasattr(found, "export"):
            return found
        logger.warning("credit-hooks: %s=%s cannot be used: it is no function", self._variable, self._value)
        return None

    def __call__(self, argument: Any) -> Any:
        """Call it. None, where there is none: no verdict."""
        return None if self.found is None else self.found(argument)


class _NamedExporter:
    """An exporter of the user's, or a class that makes one without arguments."""

    def __init__(self, named: _Named) -> None:
        self._named = named
        self._made: Any = None

    def export(self, run: Any) -> None:
        """Hand a run on."""
        if self._made is None:
            found = self._named.found
            self._made = found() if isinstance(found, type) else found
        if self._made is not None:
            self._made.export(run)


def _program() -> str:
    """Name of the program that runs, as a module: by its arguments, as its file is not stated once it has ended."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)  # of `python -m`
    return getattr(spec, "name", None) or Path((sys.argv or [""])[0]).stem


Reader = Callable[[str, str], Any]

_LIMITS: Final = ("max_message_chars", "max_prompt_chars")
_READERS: Final[Mapping[str, Reader]] = {
    "evaluate": _function,
    "credit": _credit,
    "baseline": _baseline,
    "store": _store,
    "exporters": _exporters,
    "on_credit": _function,
    "reward_delivery": _delivery,
    "evaluate_timeout": _seconds,
    "max_held_spans": _count,
    "max_hold_seconds": _seconds,
    "max_spans_per_run": _count,
    "max_active_runs": _count,
    "max_queue": _count,
    "max_runs": _count,
    **dict.fromkeys(_LIMITS, _count),
}
VARIABLES: Final[Mapping[str, tuple[str, Reader]]] = {
    f"{_PREFIX}{option.upper()}": (option, read) for option, read in _READERS.items()
}
"""Variable to the option it sets, and how its value is read."""
