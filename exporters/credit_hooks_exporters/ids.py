"""Ids of credits and rows: the same input gives the same id, on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from credit_hooks.rewards import Credit

__all__ = ["canonical", "credit_id", "digest", "encode", "row_id"]

encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""Compact JSON text of a value, keys in their own order."""


def canonical(value: Any) -> bytes:
    """Compact JSON with sorted keys, as UTF-8; half a surrogate pair becomes a question mark."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def digest(*texts: str) -> str:
    """SHA-256 of several texts, in hex."""
    return hashlib.sha256("\x1f".join(texts).encode("utf-8", "replace")).hexdigest()


def credit_id(credit: Credit) -> str:
    """Which credit a reward is from; scoring a run again gives another."""
    return hashlib.sha256(canonical(credit.model_dump(mode="json"))).hexdigest()[:16]


def row_id(trajectory_id: str, message_ids: Sequence[str], kind: str, credit: str, view: str) -> str:
    """Id of a row: which messages of which run, as what, by which credit, seen how."""
    return hashlib.sha256(canonical([trajectory_id, *message_ids, kind, credit, view])).hexdigest()
