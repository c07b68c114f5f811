"""Methods replaced on single objects, and put back."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Patches", "reference"]


class _Patch(NamedTuple):
    of: Callable[[], Any]
    name: str
    was_own: bool
    before: Any
    after: Callable[[], Any]


class Patches:
    """Replaces attributes of objects, never of classes. Holds no object alive."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], _Patch] = {}

    def set(self, target: Any, name: str, make: Callable[[Any], Any]) -> bool:
        """Replace `target.name` by `make(target.name)`, once; False where that cannot be, or was done.

        What is no function, such as a mock that a test asks later what it was called with, is left alone.
        """
        key = (id(target), name)
        known = self._made.get(key)
        original = getattr(target, name, None)
        if not inspect.isroutine(original) or (known is not None and known.of() is target):
            return False
        own = getattr(target, "__dict__", {})
        was_own, before = name in own, own.get(name)
        after = make(original)
        try:
            setattr(target, name, after)
        except (AttributeError, TypeError, ValueError):
            return False
        if own.get(name) is not after:  # a slot or a descriptor: there is nothing to delete
            was_own, before = True, original
        # The replacement refers to its target, and would keep it alive.
        self._made[key] = _Patch(
            reference(target, lambda: self._made.pop(key, None)), name, was_own, before, reference(after)
        )
        return True

    def restore(self) -> None:
        """Put everything back, newest first. What somebody else has replaced since stays as it is."""
        for patch in reversed(list(self._made.values())):
            target = patch.of()
            if target is None or getattr(target, patch.name, None) is not patch.after():
                continue
            if patch.was_own:
                setattr(target, patch.name, patch.before)
            else:
                delattr(target, patch.name)
        self._made.clear()


def reference(target: Any, gone: Callable[[], Any] | None = None) -> Callable[[], Any]:
    """A reference that keeps nothing alive, where the object allows for it; `gone` is called when it has died."""
    try:
        return weakref.ref(target, None if gone is None else lambda _: gone())
    except TypeError:
        return lambda: target
