"""`ArithmeticChatModel`: a deterministic chat model that runs here, reads the messages it is given, and calculates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from credit_hooks.demo.skills import Reply, Scene, skill_for

__all__ = ["ArithmeticChatModel"]


class ArithmeticChatModel(BaseChatModel):
    """Small and competent: word problems with arithmetic, and the instructions of the demo's agents.

    It has no memory and no randomness. The reply is a function of the messages and of the tools that are bound: it
    calls `calculator` only where that tool is offered, and works with what the tool returned.
    """

    @property
    def _llm_type(self) -> str:
        return "arithmetic"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": "arithmetic"}

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer these tools to the model."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        scene = Scene(messages)
        offered = {tool["function"]["name"] for tool in kwargs.get("tools", ())}
        reply = skill_for(scene)(scene)
        if reply.calculations and "calculator" not in offered:
            reply = Reply("I would need a calculator for this.")
        return ChatResult(generations=[ChatGeneration(message=_message(reply, scene))])


def _message(reply: Reply, scene: Scene) -> AIMessage:
    done = len(scene.calculations(scene.name))
    calls = [
        tool_call(name="calculator", args={"expression": expression}, id=f"{scene.name}-{done + number}")
        for number, expression in enumerate(reply.calculations, start=1)
    ]
    return AIMessage(content=reply.text, tool_calls=calls)
