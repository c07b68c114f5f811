"""Credit for an AutoGen team: one added line. Runs without network; needs `pip install 'credit-hooks[autogen]'`."""

import asyncio
from collections.abc import Sequence

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from credit_hooks.autogen import capture_of, instrument


class Says(BaseChatAgent):
    """Stands in for an AssistantAgent with a model."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, name)
        self._text = text

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=TextMessage(content=self._text, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        pass


async def main() -> None:
    planner = Says("planner", "Add the wagons of both trains: 12 + 30.")
    solver = Says("solver", "12 + 30 = 42. The answer is 42.")
    team = RoundRobinGroupChat([planner, solver], max_turns=2)

    team = instrument(team, evaluate=lambda run: "42" in run.answer)  # the one added line

    await team.run(task="Two trains leave with 12 and 30 wagons. How many wagons are there?")

    capture = capture_of(team)
    assert capture is not None
    capture.flush()
    assert capture.last is not None
    for name, credit in capture.last.credit.agents.items():
        print(f"{name:8} {credit:+.3f}")


if __name__ == "__main__":
    asyncio.run(main())
