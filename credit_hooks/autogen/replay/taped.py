"""Models, workbenches, memories and executors that ask the tape first.

They stand in a fresh team's attributes; what they stand for is not written to, as it may be the user's own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage, RequestUsage
from autogen_core.tools import StaticStreamWorkbench, StaticWorkbench, TextResultContent, ToolResult, Workbench

from credit_hooks.autogen import names
from credit_hooks.autogen.replay.index import Outcome
from credit_hooks.autogen.replay.rules import Repeat
from credit_hooks.errors import ReplayStoppedError

if TYPE_CHECKING:
    from credit_hooks.autogen.replay.course import ReplayCourse
    from credit_hooks.autogen.replay.seated import Seated

__all__ = ["TapedClient", "TapedExecutor", "TapedMemory", "tape_workbench"]


class _Taped:
    """What all of them share: whatever is not taped is the original's."""

    def __init__(self, original: Any, course: ReplayCourse, path: str, seat: Seated | None = None) -> None:
        self.__dict__.update(_original=original, _course=course, _path=path, _seat=seat)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._original, name)


class TapedClient(_Taped, ChatCompletionClient):
    """A model client."""

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        """The recorded reply to this prompt, else a live one."""
        return (await self._reply(messages, options)).result  # type: ignore[no-any-return]

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        """The same, in the parts in which it came."""
        outcome = await self._reply(messages, options, streamed=True)
        for chunk in outcome.chunks:
            yield chunk
        yield outcome.result

    async def _reply(self, messages: Sequence[LLMMessage], options: dict[str, Any], streamed: bool = False) -> Outcome:
        voice, speaker = (self._course.manager_voice(), None) if self._seat is None else self._seat.now()
        client = self._original if speaker is None else speaker

        async def live() -> Outcome:
            if not streamed:
                return Outcome(await client.create(messages, **options))
            parts = [part async for part in client.create_stream(messages, **options)]
            return Outcome(parts[-1] if parts else None, tuple(parts[:-1]))

        outcome: Outcome = await self._course.ask("model", f"{voice}{self._path}", (list(messages), options), live)
        if self._seat is not None and outcome.result is not None and not isinstance(outcome.result.content, str):
            self._seat.calls_tools([call.name for call in outcome.result.content])
        return outcome

    async def close(self) -> None:
        """Nothing: the original may be the user's."""

    def actual_usage(self) -> RequestUsage:
        """The original's."""
        return self._original.actual_usage()  # type: ignore[no-any-return]

    def total_usage(self) -> RequestUsage:
        """The original's."""
        return self._original.total_usage()  # type: ignore[no-any-return]

    def count_tokens(self, messages: Sequence[LLMMessage], **options: Any) -> int:
        """As the original counts."""
        return self._original.count_tokens(messages, **options)  # type: ignore[no-any-return]

    def remaining_tokens(self, messages: Sequence[LLMMessage], **options: Any) -> int:
        """As the original counts."""
        return self._original.remaining_tokens(messages, **options)  # type: ignore[no-any-return]

    @property
    def capabilities(self) -> Any:
        """The original's."""
        return self._original.capabilities

    @property
    def model_info(self) -> Any:
        """The original's."""
        return self._original.model_info


class _TapedTools(_Taped):
    """The taped part of a workbench."""

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: Any = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """The recorded result, else what the rules allow."""

        async def live() -> Outcome:
            options = {"arguments": arguments, "cancellation_token": cancellation_token, "call_id": call_id}
            if not isinstance(self._original, StaticWorkbench):
                self._course.started[id(self._original)] = self._original
            return Outcome(await self._original.call_tool(name, **options))

        return (await self._call(name, arguments, live)).result  # type: ignore[no-any-return]

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: Any = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        """The same, with whatever came before the result."""
        options = {"arguments": arguments, "cancellation_token": cancellation_token, "call_id": call_id}
        tool = names.tool_named(self._original, name)
        silent = self._seat.silenced_tool() if self._seat is not None else None
        if silent is None and names.task_runner(tool) is not None:  # agents inside are taped themselves
            async for item in self._original.call_tool_stream(name, **options):
                yield item
            return

        async def live() -> Outcome:
            items = [item async for item in self._original.call_tool_stream(name, **options)]
            return Outcome(items[-1] if items else None, tuple(items[:-1]))

        outcome = await self._call(name, arguments, live)
        for item in outcome.chunks:
            yield item
        yield outcome.result

    async def _call(self, name: str, arguments: Any, live: Any) -> Outcome:
        silent = self._seat.silenced_tool() if self._seat is not None else None
        if silent is not None:
            return Outcome(ToolResult(name=name, result=[TextResultContent(content=silent)]))
        tool = names.tool_named(self._original, name)
        rule: Repeat = self._course.rules.of(name, tool)
        if tool is None and isinstance(self._original, StaticWorkbench):
            rule = "repeat"  # there is no such tool, and the model is told so
        try:
            outcome: Outcome = await self._course.ask("tool", self._path, (name, dict(arguments or {})), live, rule)
        except ReplayStoppedError as error:  # raised here, the agent would wait for its tools for ever
            return Outcome(ToolResult(name=name, result=[TextResultContent(content=str(error))], is_error=True))
        return outcome


class _TapedStatic(_TapedTools, StaticStreamWorkbench):
    """A fixed set of tools. AutoGen streams from those of its own class only."""

    async def list_tools(self) -> Any:
        """The tools."""
        return await self._original.list_tools()


class _TapedWorkbench(_TapedTools, Workbench):
    """Any other workbench, such as of an MCP server: not started unless a tool is called live."""

    async def list_tools(self) -> Any:
        """The tools as recorded."""

        async def live() -> Outcome:
            self._course.started[id(self._original)] = self._original
            return Outcome(await self._original.list_tools())

        return (await self._course.ask("tools", self._path, (), live)).result

    async def start(self) -> None:
        """Nothing: it starts when it is needed."""

    async def stop(self) -> None:
        """Nothing: the original may be the user's."""

    async def reset(self) -> None:
        """Nothing: the same."""

    async def save_state(self) -> Mapping[str, Any]:
        """Nothing is kept."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing is kept."""


def tape_workbench(original: Any, course: ReplayCourse, path: str, seat: Seated) -> Any:
    """A workbench that asks the tape first."""
    kind = _TapedStatic if isinstance(original, StaticStreamWorkbench) else _TapedWorkbench
    return kind(original, course, path, seat)


class TapedMemory(_Taped):
    """What an agent looks up before it thinks: pinned with what it adds to the model context."""

    async def update_context(self, model_context: Any) -> Any:
        """The recorded look-up, else a live one."""
        before = list(names.context_messages(model_context))
        was_live = False

        async def live() -> Outcome:
            nonlocal was_live
            was_live = True
            result = await self._original.update_context(model_context)
            return Outcome(result, tuple(names.context_messages(model_context)[len(before) :]))

        outcome: Outcome = await self._course.ask("memory", self._path, (before,), live)
        if not was_live:
            for message in outcome.chunks:
                await model_context.add_message(message)
        return outcome.result


class TapedExecutor(_Taped):
    """What runs code: as a tool named `code_executor`."""

    async def execute_code_blocks(self, code_blocks: Any, cancellation_token: Any) -> Any:
        """The recorded result, else what the rules allow."""

        async def live() -> Outcome:
            return Outcome(await self._original.execute_code_blocks(code_blocks, cancellation_token))

        rule = self._course.rules.of("code_executor", self._original)
        return (await self._course.ask("executor", self._path, (code_blocks,), live, rule)).result
