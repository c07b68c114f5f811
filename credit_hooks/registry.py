"""Adapters, exporters and annotators by name: found by entry point when asked for, never imported by the core itself.

A package registers its own in its `pyproject.toml`::

    [project.entry-points."credit_hooks.adapters"]
    mydialect = "my_package.my_module:ADAPTER"
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeAlias, TypeVar

from credit_hooks.errors import ConfigurationError, UnknownDialectError
from credit_hooks.ports import Adapter, Exporter, LogAdapter, RunExporter

__all__ = [
    "ADAPTERS",
    "ANNOTATORS",
    "EXPORTERS",
    "AnyAdapter",
    "adapter",
    "adapters",
    "annotator",
    "exporter",
    "exporters",
]

ADAPTERS: Final = "credit_hooks.adapters"
ANNOTATORS: Final = "credit_hooks.annotators"
EXPORTERS: Final = "credit_hooks.exporters"

AnyAdapter: TypeAlias = Adapter | LogAdapter
"""A dialect of spans, or of logs without spans."""

_Part = TypeVar("_Part")


def adapters() -> dict[str, AnyAdapter]:
    """All dialects that can be loaded, by name, sorted; one that cannot is left out with a warning."""
    return _load_all(ADAPTERS, adapter)


def exporters() -> dict[str, Exporter]:
    """All formats that can be loaded, by name, sorted; one that cannot is left out with a warning."""
    return _load_all(EXPORTERS, exporter)


def adapter(name: str) -> AnyAdapter:
    """The adapter of a dialect.

    Raises:
        UnknownDialectError: nobody registered it; names those that are.
        ConfigurationError: it is registered but cannot be used.
    """
    points = _points(ADAPTERS)
    if name not in points:
        raise UnknownDialectError(f"no dialect {name!r}; known dialects: {', '.join(points) or 'none'}")
    found = _load(points[name])
    if isinstance(found, Adapter | LogAdapter):
        return found
    raise ConfigurationError(f"{_described(points[name])} is no credit_hooks.ports.Adapter or LogAdapter")


def exporter(name: str) -> Exporter:
    """The exporter of a format.

    Raises:
        ConfigurationError: nobody registered it, or it cannot be used.
    """
    points = _points(EXPORTERS)
    if name not in points:
        raise ConfigurationError(f"no export format {name!r}; known formats: {', '.join(points) or 'none'}")
    found = _load(points[name])
    if isinstance(found, Exporter):
        return found
    raise ConfigurationError(f"{_described(points[name])} is no credit_hooks.ports.Exporter")


def annotator(name: str) -> Callable[..., RunExporter]:
    """The class of a tracing backend's annotator; made without arguments it takes its settings from the environment.

    Raises:
        ConfigurationError: nobody registered it, or it cannot be used.
    """
    points = _points(ANNOTATORS)
    if name not in points:
        raise ConfigurationError(f"no annotator {name!r}; known annotators: {', '.join(points) or 'none'}")
    found = _load(points[name])
    if isinstance(found, type) and callable(getattr(found, "export", None)):
        return found
    raise ConfigurationError(
        f"{_described(points[name])} is no class with the method of credit_hooks.ports.RunExporter"
    )


def _load_all(group: str, load: Callable[[str], _Part]) -> dict[str, _Part]:
    loaded: dict[str, _Part] = {}
    for name in _points(group):
        try:
            loaded[name] = load(name)
        except ConfigurationError as error:
            warnings.warn(f"left out: {error}", RuntimeWarning, stacklevel=3)
    return loaded


def _points(group: str) -> dict[str, EntryPoint]:
    """Entry points by name, sorted. Of two under one name the first on the import path counts, as for modules."""
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        points.setdefault(point.name, point)
    return dict(sorted(points.items()))


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{_described(point)} cannot be loaded: {error}") from error


def _described(point: EntryPoint) -> str:
    owner = "" if point.dist is None else f", registered by {point.dist.name} {point.dist.version},"
    return f"{point.name} = {point.value!r} in {point.group}{owner}"
