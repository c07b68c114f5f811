"""Any value of a user's state as JSON. It may refer to itself, print anything, or fail to; nothing is raised."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

__all__ = ["CYCLE", "as_json"]

CYCLE = "<refers to itself>"
"""What stands where a value is part of itself."""

_MAX_DEPTH = 20


def as_json(value: Any) -> Any:
    """The value as JSON data: containers by their items, models by their fields, all else as printed."""
    return _json(value, ())


def _json(value: Any, around: tuple[int, ...]) -> Any:
    """`around` are the ids of the containers that it is inside of."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else repr(value)
    if id(value) in around:
        return CYCLE
    if len(around) > _MAX_DEPTH:
        return "..."
    inside = (*around, id(value))
    if isinstance(value, Mapping):
        return {str(key): _json(item, inside) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [_json(item, inside) for item in sorted(value, key=repr)]
    if isinstance(value, list | tuple):
        return [_json(item, inside) for item in value]
    if isinstance(value, BaseModel):
        return _json(_dumped(value), inside)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _json({field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}, inside)
    return _printed(value)


def _dumped(model: BaseModel) -> dict[str, Any]:
    try:
        return model.model_dump()
    except Exception:  # noqa: BLE001 - a user's serializer may fail, as may a model that refers to itself
        return {name: getattr(model, name, None) for name in type(model).model_fields}


def _printed(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a user's object may fail to print; the run must not notice
        return f"<unprintable {type(value).__name__}: {type(error).__name__}>"
