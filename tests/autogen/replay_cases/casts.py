"""AutoGen teams whose agents are deterministic models, also with some turns silent from the start."""

import hashlib
import itertools
import threading
from collections import Counter

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent, SocietyOfMindAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import HandoffMessage, TextMessage
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool
from autogen_core.models import UserMessage
from team_cases.kit import ScriptedClient, call
from team_cases.teams import _ledger as ledger


def digest(*said):
    return hashlib.sha256("|".join(said).encode()).hexdigest()


def shown(message):
    """What a model is shown, as text."""
    content = message.content
    if isinstance(content, str):
        return f"{type(message).__name__}:{content}"
    return f"{type(message).__name__}:" + ",".join(str(getattr(item, "content", item)) for item in content)


def score(run):
    """A number that is another one for every answer."""
    return int(digest(run.answer)[:8], 16) / 0xFFFFFFFF


class Cast:
    """Makes the agents of a team. An agent's model says a digest of all that it reads.

    Args:
        silent: (agent, turn) that say nothing: what brute force builds in, and replay has to find.
    """

    def __init__(self, silent=()):
        self.silent = frozenset(silent)
        self.calls = Counter()
        """Model calls by agent."""
        self.lock = threading.Lock()

    def count(self, name):
        with self.lock:
            self.calls[name] += 1

    def client(self, name, reply=None):
        turn = Counter()

        def say(messages):
            which = turn[name]
            turn[name] += 1
            if (name, which) in self.silent:
                return ""
            self.count(name)
            return (reply or self.said)(name, messages)

        return ScriptedClient(say)

    @staticmethod
    def said(name, messages):
        return f"{name} {digest(name, *map(shown, messages))[:8]}"

    def agent(self, name, reply=None, **options):
        options.setdefault("system_message", None)
        return AssistantAgent(name, model_client=self.client(name, reply), description=name, **options)


class Custom(BaseChatAgent):
    """An agent of one's own: a history of its own, a model under a name of its own. It hands over to `target`."""

    def __init__(self, name, cast, target=None):
        super().__init__(name, name)
        self.heard, self.brain, self.target = [], cast.client(name), target

    @property
    def produced_message_types(self):
        return (TextMessage, HandoffMessage)

    async def on_messages(self, messages, cancellation_token):
        self.heard += [message.to_model_message() for message in messages]
        said = (await self.brain.create(self.heard)).content
        if self.target is not None:
            return Response(chat_message=HandoffMessage(content=said, source=self.name, target=self.target))
        return Response(chat_message=TextMessage(content=said, source=self.name))

    async def on_reset(self, cancellation_token):
        self.heard.clear()


def chain(cast, letters="abcd"):
    return RoundRobinGroupChat([cast.agent(name) for name in letters], max_turns=len(letters))


def rounds(cast, letters="ab", count=2):
    return RoundRobinGroupChat([cast.agent(name) for name in letters], max_turns=len(letters) * count)


def selector(cast):
    """Whoever the digest of the conversation says speaks next: another course after every change."""

    def choose(name, messages):
        return "abc"[int(digest(*map(shown, messages))[:4], 16) % 3]

    manager = cast.client("manager", choose)
    members = [cast.agent(name) for name in "abc"]
    return SelectorGroupChat(members, model_client=manager, allow_repeated_speaker=True, max_turns=4)


def star(cast, letters="abcd"):
    """All but the last speak side by side, the last reads all."""
    members = [cast.agent(name) for name in letters]
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    for member in members[:-1]:
        builder.add_edge(member, members[-1])
    return GraphFlow(members, graph=builder.build())


def swarm(cast, letters="abc"):
    """Each hands over to the next with a digest of all it reads."""
    following = dict(itertools.pairwise(letters))
    members = [Custom(name, cast, following.get(name)) for name in letters]
    return Swarm(members, max_turns=len(letters))


def fan_out(cast):
    a, b, c, d = members = [cast.agent(name) for name in "abcd"]
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d).add_edge(c, d)
    return GraphFlow(members, graph=builder.build())


def nested(cast):
    inner = RoundRobinGroupChat([cast.agent("x"), cast.agent("y")], max_turns=2, name="inner")
    return RoundRobinGroupChat([inner, cast.agent("b")], max_turns=2)


def society(cast):
    inner = RoundRobinGroupChat([cast.agent("x"), cast.agent("y")], max_turns=2, name="inner")
    mind = SocietyOfMindAgent("mind", team=inner, model_client=cast.client("mind"))
    return RoundRobinGroupChat([mind, cast.agent("b")], max_turns=2)


def custom(cast):
    return RoundRobinGroupChat([cast.agent("a"), Custom("b", cast), cast.agent("c")], max_turns=4)


def magentic(cast):
    """An orchestrator that asks a, then b, and whose last word depends on all that was said."""

    def conduct(name, messages):
        asked = messages[-1].content
        if "pure JSON" not in asked:
            return cast.said(name, messages)
        speakers = [message.source for message in messages if isinstance(message, UserMessage)]
        if "b" in speakers:
            return ledger(True, "b", "")
        return ledger(False, "b", "do b") if "a" in speakers else ledger(False, "a", "do a")

    members = [cast.agent("a"), cast.agent("b")]
    return MagenticOneGroupChat(members, model_client=cast.client("manager", conduct))


TEAMS = {
    "chain": (chain, [(name, 0) for name in "abcd"]),
    "rounds": (rounds, [(name, turn) for turn in range(2) for name in "ab"]),
    "star": (star, [(name, 0) for name in "abcd"]),
    "fan out and join": (fan_out, [(name, 0) for name in "abcd"]),
    "swarm": (swarm, [(name, 0) for name in "abc"]),
    "magentic one": (magentic, [("a", 0), ("b", 0)]),
    "nested": (nested, [("x", 0), ("y", 0), ("b", 0)]),
    "custom": (custom, [("a", 0), ("b", 0), ("c", 0), ("a", 1)]),
}
"""Name to (what builds it, its turns in order)."""


def helped(cast):
    """An agent that asks another one as a tool."""

    def ask(name, messages):
        if type(messages[-1]).__name__ == "FunctionExecutionResultMessage":
            return cast.said(name, messages)
        return [call("helper", task=shown(messages[-1]))]

    helper = AgentTool(cast.agent("helper"))
    a = cast.agent("a", ask, tools=[helper], reflect_on_tool_use=True)
    return RoundRobinGroupChat([cast.agent("p"), a], max_turns=2)
