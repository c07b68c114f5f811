"""OpenTelemetry instrumentors: credit for programs that are not changed, by `opentelemetry-instrument python app.py`.

Registered under the entry point group `opentelemetry_instrumentor`. Loading them imports no framework, and next to
nothing of ours: capture is installed when the program itself has imported its framework. Needs
`pip install 'credit-hooks[auto]'`; configured by environment variables (docs/zero-code.md).
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Collection, Mapping
from typing import Any

from credit_hooks.errors import MissingExtraError

try:
    import wrapt
    from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined, unused-ignore]
except ImportError as error:
    raise MissingExtraError("credit_hooks.instrumentor", "auto") from error

__all__ = ["AutoGenInstrumentor", "LangGraphInstrumentor"]

logger = logging.getLogger("credit_hooks")

_warned: set[str] = set()


class _FrameworkInstrumentor(BaseInstrumentor):  # type: ignore[misc, unused-ignore]  # untyped in some releases
    """Installs the capture of one framework once all that a program imports of it is complete."""

    _room: str
    """Our package for the framework, with `install` and `uninstall`."""
    _packages: tuple[str, ...]
    """Packages of the framework, one of which every program that uses it imports."""
    _requires: str

    _options: Mapping[str, Any] | None = None
    """Options to install with. None: switched off."""
    _complete: frozenset[str] = frozenset()
    _watching = False
    _capture: Any = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The framework's distribution and versions."""
        return (self._requires,)

    @property
    def capture(self) -> Any:
        """What captures runs now, with `flush`, `last`, `runs` and `score`. None: the framework is not in use yet."""
        return self._capture

    def _instrument(self, **options: Any) -> None:
        self._options = _known(options)
        if self._watching:
            self._install()
            return
        self._watching = True
        for package in self._packages:
            wrapt.register_post_import_hook(self._imported, package)

    def _imported(self, module: Any) -> None:
        self._complete |= {module.__name__}
        self._install()

    def _install(self) -> None:
        """Install capture, unless a package of the framework is still being imported: its own hook comes later."""
        if self._options is None or self._capture is not None or not self._complete:
            return
        if any(package in sys.modules and package not in self._complete for package in self._packages):
            return
        options, self._options = self._options, None  # ours imports more of the framework, whose hooks come back here
        try:
            found = _from_environment(replays=options.get("replay") is not None)
            self._capture = importlib.import_module(self._room).install(**{**found, **options})
        except Exception:
            # The one guard at this edge: whatever fails here would fail as the program's own import.
            logger.warning("credit-hooks: %s could not be installed; nothing is captured", self._room, exc_info=True)

    def _uninstrument(self, **_: Any) -> None:
        self._options = None
        if self._capture is not None:
            self._capture = None
            importlib.import_module(self._room).uninstall()


class LangGraphInstrumentor(_FrameworkInstrumentor):
    """Captures and credits every run of a LangGraph graph, as `credit_hooks.langgraph.install` does."""

    _room = "credit_hooks.langgraph"
    _packages = ("langgraph.graph", "langgraph.func")
    _requires = "langgraph >= 1.0, < 2"


class AutoGenInstrumentor(_FrameworkInstrumentor):
    """Captures and credits every run of an AutoGen team or agent, as `credit_hooks.autogen.install` does."""

    _room = "credit_hooks.autogen"
    _packages = ("autogen_agentchat.agents", "autogen_agentchat.teams")
    _requires = "autogen-agentchat >= 0.7, < 0.8"


def _known(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options given in code are checked at once; without any, nothing of ours needs to be loaded yet."""
    if options:
        from credit_hooks.options import check_names

        check_names(options)
    return options


def _from_environment(*, replays: bool) -> Mapping[str, Any]:
    from credit_hooks.environment import read_environment

    found = read_environment(os.environ, replays=replays)
    for problem in found.problems:
        if problem not in _warned:  # two frameworks read the same variables
            _warned.add(problem)
            logger.warning("credit-hooks: %s", problem)
    return found.options
