"""Teams that count, in which one agent adds ten too many."""

import asyncio
import itertools

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import HandoffMessage, TextMessage
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from team_cases.kit import ScriptedClient, agent

from credit_hooks.autogen import Replay, capture_of, instrument
from credit_hooks.credit import CreditConfig
from credit_hooks.failure import ProbeNoise

SURE = CreditConfig(probe_noise=ProbeNoise(1.0, 0.0))
STEPS = 6
NAMES = [f"step{i}" for i in range(STEPS)]


def number(shown):
    """The last number that was said, of prompts and of messages."""
    return next(int(m.content) for m in reversed(shown) if isinstance(m.content, str) and m.content.isdigit())


def adds(amount):
    return lambda shown: str(number(shown) + amount)


def stronger(turn):
    return str(number(turn.messages) + 1)


def right():
    return ScriptedClient(adds(1))


def amounts(fault):
    """What the agent of each step adds: that of step `fault` ten too many."""
    return {name: 11 if i == fault else 1 for i, name in enumerate(NAMES)}


class Bare(BaseChatAgent):
    """An agent of a class of one's own, which hands over by itself, and thinks by a model."""

    def __init__(self, name, reply, target=None):
        super().__init__(name, name)
        self.brain, self.target = ScriptedClient(reply), target
        self.heard = []

    @property
    def produced_message_types(self):
        return (TextMessage, HandoffMessage)

    async def on_messages(self, messages, cancellation_token):
        self.heard += [message.to_model_message() for message in messages]
        said = (await self.brain.create(self.heard)).content
        if self.target is None:
            return Response(chat_message=TextMessage(content=said, source=self.name))
        return Response(chat_message=HandoffMessage(content=said, source=self.name, target=self.target))

    async def on_reset(self, cancellation_token):
        self.heard.clear()


def round_robin(fault):
    return RoundRobinGroupChat([agent(n, adds(k)) for n, k in amounts(fault).items()], max_turns=STEPS)


def graph_flow(fault):
    members = [agent(n, adds(k)) for n, k in amounts(fault).items()]
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    for one, other in itertools.pairwise(members):
        builder.add_edge(one, other)
    return GraphFlow(members, graph=builder.build())


def swarm(fault):
    following = dict(itertools.pairwise(NAMES))
    return Swarm([Bare(n, adds(k), following.get(n)) for n, k in amounts(fault).items()], max_turns=STEPS)


def selector(fault):
    def choose(shown):
        return NAMES[sum(f"step{i}:" in str(shown[-1].content) for i in range(STEPS))]

    members = [agent(n, adds(k)) for n, k in amounts(fault).items()]
    return SelectorGroupChat(
        members,
        model_client=ScriptedClient(choose),
        selector_prompt="{history}",
        max_turns=STEPS,
    )


def own_classes(fault):
    return RoundRobinGroupChat([Bare(n, adds(k)) for n, k in amounts(fault).items()], max_turns=STEPS)


def inner_teams(fault):
    """Two teams of three, one after the other."""
    members = [agent(n, adds(k)) for n, k in amounts(fault).items()]
    halves = [RoundRobinGroupChat(members[i : i + 3], max_turns=3, name=f"half{i}") for i in (0, 3)]
    return RoundRobinGroupChat(halves, max_turns=2)


TEAMS = [round_robin, graph_flow, swarm, selector, own_classes, inner_teams]


def captured(build, *, answer=str(STEPS), task="0", runs=1, credit=SURE, **options):
    """The capture of a team that has run."""
    replay = Replay(build, **options)
    team = instrument(build(), evaluate=lambda run: run.answer == answer, credit=credit, replay=replay)

    async def main():
        for _ in range(runs):
            await team.run(task=task)

    asyncio.run(main())
    capture = capture_of(team)
    assert capture.flush(60)
    assert capture.failures == []
    return capture
