"""Attribute values of unknown quality, read as what they should be. Nothing here raises on any input.

Backends flatten lists to JSON strings, turn integers into floats or strings, cut JSON in the middle and put bytes, None
and nested dicts where a string belongs. These readers take what can be taken and give None for the rest.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

__all__ = ["REDACTED", "identifiers", "integer", "integers", "json_value", "number", "parse_json", "text", "texts"]

REDACTED = "__REDACTED__"
"""What OpenInference writes where content was hidden."""

_MAX_DEPTH = 64
_MAX_BITS = 4096  # Python refuses to print the decimal digits of much larger ones

_repr = reprlib.Repr()  # survives a __repr__ that raises, and bounds the length
_repr.maxother = _repr.maxstring = _repr.maxlong = 1000


def text(value: Any) -> str | None:
    """A string that is valid Unicode, lone surrogates replaced. None: not a string."""
    if not isinstance(value, str):
        return None
    plain = value if type(value) is str else str.__str__(value)
    if plain.isascii():  # a flag that CPython keeps: most values need not be encoded to know that they can be
        return plain
    try:
        plain.encode()
    except UnicodeEncodeError:
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain


def integer(value: Any) -> int | None:
    """An int, also from an integral float or a decimal string. None: anything else, bools included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and len(value) <= 20:
        try:
            return int(value)
        except ValueError:
            return None
    return None


def number(value: Any) -> float | None:
    """A finite float. None: anything else, bools and strings included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def texts(value: Any) -> list[str | None]:
    """A list of strings, position by position; entries of another type are None."""
    return [text(item) for item in _items(value)]


def identifiers(value: Any) -> tuple[str, ...]:
    """The non-empty strings of a list, in order."""
    return tuple(item for item in texts(value) if item)


def integers(value: Any) -> list[int | None]:
    """A list of ints, position by position; entries of another type are None."""
    return [integer(item) for item in _items(value)]


def _items(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and value.startswith("["):
        parsed = parse_json(value)
        return parsed if isinstance(parsed, list) else []
    return [] if value is None or value == "" else [value]


def parse_json(value: Any) -> Any:
    """The JSON document in a string. None: not a string, cut, nested too deep, or the document `null`."""
    if not isinstance(value, str):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def json_value(value: Any, *, _depth: int = 0) -> JsonValue:
    """Any value as JSON: tuples as lists, keys as strings, what JSON cannot express as its bounded `repr`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _MAX_BITS else hex(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if _depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {_key(key): json_value(item, _depth=_depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [json_value(item, _depth=_depth + 1) for item in value]
    return text(_repr.repr(value))


def _key(key: Any) -> str:
    return text(key) or "" if isinstance(key, str) else text(_repr.repr(key)) or ""
