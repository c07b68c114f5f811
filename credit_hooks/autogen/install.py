"""Attaches capture to one team or agent, or to all of them in the process."""

from __future__ import annotations

import functools
import weakref
from typing import Any, TypeVar, Unpack

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.teams import BaseGroupChat

from credit_hooks.autogen import wrappers
from credit_hooks.autogen.capture import TeamCapture
from credit_hooks.options import CaptureOptions

__all__ = ["capture_of", "detach", "install", "instrument", "uninstall"]

R = TypeVar("R")

_attached: dict[int, tuple[Any, TeamCapture]] = {}
_installed: TeamCapture | None = None
_originals: list[tuple[type, str, Any]] = []


def instrument(runner: R, **options: Unpack[CaptureOptions]) -> R:
    """Capture, credit and store every run of a team or agent from now on; the same object is returned.

    Calling it again on the same object replaces the capture.

    Args:
        runner: A team or agent, not running.
        options: See :class:`credit_hooks.options.CaptureOptions`.

    Raises:
        ConfigurationError: an option is unknown or cannot work.
    """
    capture = TeamCapture(**options)
    detach(runner)
    capture.attach(runner)
    key = id(runner)
    _attached[key] = (weakref.ref(runner, lambda _: _attached.pop(key, None)), capture)
    return runner


def capture_of(runner: Any) -> TeamCapture | None:
    """The capture that :func:`instrument` attached, for `flush`, `last`, `runs` and `score`. None: there is none."""
    found = _attached.get(id(runner))
    return found[1] if found is not None and found[0]() is runner else None


def detach(runner: Any) -> TeamCapture | None:
    """Undo :func:`instrument`; everything is as before.

    Returns:
        The capture, with the runs so far. None: there was none.
    """
    capture = capture_of(runner)
    if capture is not None:
        capture.detach()
        del _attached[id(runner)]
    return capture


def install(**options: Unpack[CaptureOptions]) -> TeamCapture:
    """Capture every team and agent of the process when its next run starts.

    Those that :func:`instrument` was called on keep their own capture. Calling it again replaces the capture.

    Args:
        options: See :class:`credit_hooks.options.CaptureOptions`.

    Returns:
        The capture, for `flush`, `last`, `runs` and `score`.
    """
    global _installed
    capture = TeamCapture(**options)
    if _installed is not None:
        _installed.detach()
    _installed = capture
    if not _originals:
        for owner, name, wrap in (
            (BaseGroupChat, "run_stream", wrappers.run_stream),
            (BaseChatAgent, "run_stream", wrappers.run_stream),
            (BaseChatAgent, "run", wrappers.run),
        ):
            original = owner.__dict__[name]
            _originals.append((owner, name, original))
            setattr(owner, name, _on_first_run(original, wrap))
    return capture


def uninstall(timeout: float = 30.0) -> TeamCapture | None:
    """Stop capturing, and put everything back. Waits for finished runs to be credited.

    Returns:
        The capture that was installed. None: none was.
    """
    global _installed
    capture, _installed = _installed, None
    for owner, name, original in _originals:
        setattr(owner, name, original)
    _originals.clear()
    if capture is not None:
        capture.detach()
        capture.flush(timeout)
    return capture


def _on_first_run(original: Any, wrap: Any) -> Any:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = original.__get__(self)
        capture = _installed
        if capture is None or capture_of(self) is not None:
            return bound(*args, **kwargs)
        return wrap(capture, self, bound)(*args, **kwargs)

    return method
