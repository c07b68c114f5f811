"""What messages are made of: tagged parts, one discriminated union."""

from __future__ import annotations

import json
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

__all__ = [
    "BlobPart",
    "DataPart",
    "FrozenModel",
    "Part",
    "ReasoningPart",
    "TextPart",
    "ToolCallPart",
    "ToolResultPart",
    "WithheldPart",
    "part_text",
]


class FrozenModel(BaseModel):
    """Data that is never changed; unknown fields and numbers that are none are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class TextPart(FrozenModel):
    """Plain text."""

    type: Literal["text"] = "text"
    text: str
    """The text. Empty is not the same as absent: a message without content has no parts."""


class ReasoningPart(FrozenModel):
    """Reasoning that the model wrote for itself."""

    type: Literal["reasoning"] = "reasoning"
    text: str
    """The reasoning text."""


class DataPart(FrozenModel):
    """A structured value, such as what a node wrote to a state channel that holds no messages."""

    type: Literal["data"] = "data"
    name: str | None = None
    """The channel or field the value was written to. None: the value stood alone."""
    value: JsonValue
    """The value as JSON. Objects that JSON cannot express are kept as their `repr`."""


class BlobPart(FrozenModel):
    """An image, audio or file, by reference. Bytes are never kept inline."""

    type: Literal["blob"] = "blob"
    mime_type: str | None = None
    """Media type. None: not stated by the source."""
    uri: str | None = None
    """Where the content is. None: it was inline in the source and was dropped."""
    sha256: str | None = None
    """Digest of the content. None: unknown."""
    size: int | None = None
    """Length in bytes. None: unknown."""


class ToolCallPart(FrozenModel):
    """A request to run a tool."""

    type: Literal["tool_call"] = "tool_call"
    id: str | None = None
    """Call id that the result refers to. None: the source has none."""
    name: str
    """Tool name."""
    arguments: JsonValue = None
    """Arguments. A string where the source's arguments could not be parsed as JSON."""


class ToolResultPart(FrozenModel):
    """What a tool returned."""

    type: Literal["tool_result"] = "tool_result"
    id: str | None = None
    """The call it answers. None: the source has none."""
    name: str | None = None
    """Tool name. None: not stated."""
    result: JsonValue = None
    """The result, text or JSON."""
    is_error: bool | None = None
    """True if the tool failed. None: not stated."""


class WithheldPart(FrozenModel):
    """Content that the source kept private. Never treated as content."""

    type: Literal["withheld"] = "withheld"
    sha256: str | None = None
    """Digest of the withheld content. None: not stated."""
    length: int | None = None
    """Length of the withheld content in characters. None: not stated."""


Part: TypeAlias = Annotated[
    TextPart | ReasoningPart | DataPart | BlobPart | ToolCallPart | ToolResultPart | WithheldPart,
    Field(discriminator="type"),
]


def part_text(part: Part) -> str:
    """What a part states to those who read the message; empty for reasoning, tool calls, media and what is withheld."""
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, ToolResultPart):
        return _json_text(part.result)
    if isinstance(part, DataPart):
        return f"{part.name}: {_json_text(part.value)}" if part.name else _json_text(part.value)
    return ""


def _json_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
