"""Tools that a model was offered, in whatever form its provider takes them, as GenAI tool definitions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool

from credit_hooks.langgraph.plain import as_json

__all__ = ["tool_definitions"]


def tool_definitions(offered: Iterable[Any]) -> str:
    """JSON of `gen_ai.tool.definitions`: `[{"type", "name", "description", "parameters"}, ...]`.

    Args:
        offered: Tools as they were bound to a model: dicts in the form of OpenAI, Anthropic or Google, or LangChain's
            own tools, functions and schemas. One that says nothing of itself is named after its type.
    """
    definitions = [definition for tool in offered for definition in _definitions(tool)]
    return json.dumps(definitions, ensure_ascii=False, separators=(",", ":"))


def _definitions(tool: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(tool, Mapping):
        yield _definition(_described(tool))
    elif isinstance(declared := tool.get("function_declarations"), list | tuple):
        for function in declared:
            yield _definition(function if isinstance(function, Mapping) else _described(function))
    else:
        yield _definition(tool)


def _definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    stated: Mapping[str, Any] = function if isinstance(function, Mapping) else tool
    kind = str(tool.get("type") or "function")
    schema = stated.get("parameters", stated.get("input_schema"))
    definition = {
        "type": kind,
        "name": str(stated.get("name") or kind),
        "description": stated.get("description"),
        "parameters": None if schema is None else as_json(schema),
    }
    return {key: value for key, value in definition.items() if value is not None}


def _described(tool: Any) -> Mapping[str, Any]:
    try:
        return convert_to_openai_tool(tool)
    except Exception:  # noqa: BLE001 - a user's tool may fail to describe itself in any way; its name is kept
        return {"name": getattr(tool, "name", None) or getattr(tool, "__name__", None) or type(tool).__name__}
