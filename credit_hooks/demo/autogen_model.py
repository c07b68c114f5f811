"""`LangChainClient`: a LangChain chat model as a model client of AutoGen, so that one model plays in both teams."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from langchain_core import messages as lc
from langchain_core.language_models import BaseChatModel
from langchain_core.messages.tool import tool_call

__all__ = ["LangChainClient"]

_INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=False,
    family=ModelFamily.UNKNOWN,
    structured_output=False,
    multiple_system_messages=False,
)


class LangChainClient(ChatCompletionClient):  # type: ignore[misc, unused-ignore]  # unknown where it is missing
    """Asks a LangChain chat model. Teammates' messages are shown to it as assistants' messages with their names."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model
        self._spent = RequestUsage(prompt_tokens=0, completion_tokens=0)

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Any = "auto",
        json_output: Any = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """The model's answer to the messages, tools offered."""
        schemas = [tool.schema if isinstance(tool, Tool) else tool for tool in tools]
        offered = [{"type": "function", "function": dict(schema)} for schema in schemas]
        model = self._model.bind_tools(offered) if offered else self._model
        answer = await model.ainvoke([shown for message in messages for shown in _shown(message)])
        calls = [
            FunctionCall(id=c["id"] or "", name=c["name"], arguments=json.dumps(c["args"])) for c in answer.tool_calls
        ]
        usage = answer.usage_metadata
        return CreateResult(
            finish_reason="function_calls" if calls else "stop",
            content=calls or answer.text,
            thought=answer.text or None if calls else None,
            usage=RequestUsage(
                prompt_tokens=usage["input_tokens"] if usage else 0,
                completion_tokens=usage["output_tokens"] if usage else 0,
            ),
            cached=False,
        )

    async def create_stream(self, messages: Sequence[LLMMessage], **options: Any) -> AsyncGenerator[CreateResult, None]:
        """The answer, in one piece."""
        yield await self.create(messages, **options)

    async def close(self) -> None:
        """Nothing is held open."""

    def actual_usage(self) -> RequestUsage:
        """Not counted here."""
        return self._spent

    def total_usage(self) -> RequestUsage:
        """Not counted here."""
        return self._spent

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Not counted here."""
        return 0

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Not counted here."""
        return 0

    @property
    def capabilities(self) -> ModelInfo:  # type: ignore[override, unused-ignore]  # deprecated upstream, still abstract
        """As `model_info`."""
        return _INFO

    @property
    def model_info(self) -> ModelInfo:
        """What AutoGen may ask of it."""
        return _INFO


def _shown(message: LLMMessage) -> list[lc.BaseMessage]:
    if isinstance(message, SystemMessage):
        return [lc.SystemMessage(message.content)]
    if isinstance(message, FunctionExecutionResultMessage):
        return [_result(result) for result in message.content]
    if isinstance(message, UserMessage):
        said = message.content if isinstance(message.content, str) else str(message.content)
        return [lc.HumanMessage(said) if message.source == "user" else lc.AIMessage(said, name=message.source)]
    return [_own(message)]


def _result(result: Any) -> lc.ToolMessage:
    status: Any = "error" if result.is_error else "success"
    return lc.ToolMessage(result.content, tool_call_id=result.call_id, name=result.name, status=status)


def _own(message: AssistantMessage) -> lc.AIMessage:
    if isinstance(message.content, str):
        return lc.AIMessage(message.content, name=message.source)
    calls = [tool_call(name=call.name, args=json.loads(call.arguments), id=call.id) for call in message.content]
    return lc.AIMessage(message.thought or "", name=message.source, tool_calls=calls)
