"""What annotators read from the environment: secrets are taken from there alone, and never shown."""

from __future__ import annotations

import os

from credit_hooks.errors import ConfigurationError

__all__ = ["captures_content", "required"]

_CONTENT_SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def required(variable: str) -> str:
    """The value of an environment variable that has to be set.

    Raises:
        ConfigurationError: it is not, or is empty.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigurationError(f"{variable} is not set: keys are read from the environment only")
    return value


def captures_content(option: bool | None) -> bool:
    """The option, else what the environment says of content on spans; a value that is none of its words means no."""
    if option is not None:
        return option
    return os.environ.get(_CONTENT_SWITCH, "").strip().upper() in ("SPAN_ONLY", "SPAN_AND_EVENT")
