"""What outlasts a run: who wrote what, and which messages an agent's model context is made of."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from credit_hooks.autogen.messages import message_id
from credit_hooks.record import MessageRecord, RunRecord, StepRecord
from credit_hooks.trajectory import ActorKind

if TYPE_CHECKING:
    from credit_hooks.autogen.run import TeamRun

__all__ = ["MAX_SEEN", "AgentMemory", "Authors", "Entry"]

_MAX_AUTHORS = 20_000
MAX_SEEN = 2_000
"""Most messages of before a run that are kept for one agent, and for one manager."""
_MAX_ENTRIES = 10_000


class Authors:
    """Who wrote a message of an earlier run of any team of this capture. Ids and names only; bounded."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, str, ActorKind]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, own_id: str) -> tuple[str, str, ActorKind] | None:
        """Actor id, name and kind of a message's author. None: not known."""
        return self._known.get(own_id)

    def remember(self, run: RunRecord) -> None:
        """Note a run's messages at its end."""
        with self._lock:
            for message in run.messages:
                own_id = message_id(message.source)
                if own_id is not None:
                    self._known[own_id] = (message.author.id, message.author.name, message.author.kind)
            while len(self._known) > _MAX_AUTHORS:
                self._known.popitem(last=False)


class Entry:
    """The messages that something in a model context stands for; filled when they are written, which may be later."""

    __slots__ = ("messages",)

    def __init__(self, messages: Iterable[Any] = ()) -> None:
        self.messages = list(messages)


class AgentMemory:
    """What an agent has been given and has said since it was last reset, as objects of AutoGen."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        """Messages of before the current run."""
        self.entries: OrderedDict[int, tuple[Any, Entry]] = OrderedDict()
        """What its model context holds, by identity; the objects are kept alive, so identities stay unique."""
        self.run: TeamRun | None = None
        """The run that the following is of."""
        self.last: StepRecord | None = None
        """Its last turn."""
        self.visible: dict[MessageRecord, None] = {}
        """What it has read, or written and can read."""
        self.unread: list[MessageRecord] = []
        """What it wrote last, and no step has read yet."""
        self.prompt: list[Any] = []
        """What its model was last shown."""
        self.chat: StepRecord | None = None
        """The step that showed it. None: not all of it was known, or the last call was another run's."""
        self.shown: tuple[Any, ...] = ()

    def begin(self, run: TeamRun) -> None:
        """Turn to a run."""
        if self.run is not run:
            self._keep_seen()
            self.run = run
            self._forget_steps()

    def forget(self) -> None:
        """The agent was reset."""
        self.seen.clear()
        self.entries.clear()
        self._forget_steps()

    def _forget_steps(self) -> None:
        self.last = None
        self.visible = {}
        self.unread = []
        self.prompt = []
        self.chat = None
        self.shown = ()

    def leave(self, run: TeamRun) -> None:
        """A run is over: keep its messages as they are, and nothing of its record."""
        if self.run is run:
            self._keep_seen()
            self.run = None
            self._forget_steps()

    def _keep_seen(self) -> None:
        if self.visible:  # it includes what was seen before
            self.seen = [record.source for record in self.visible][-MAX_SEEN:]

    def note(self, item: Any, entry: Entry) -> None:
        """Something was added to the model context that stands for these messages."""
        self.entries[id(item)] = (item, entry)
        while len(self.entries) > _MAX_ENTRIES:
            self.entries.popitem(last=False)

    def entry(self, item: Any) -> Entry | None:
        """What an object of the model context stands for. None: not known."""
        found = self.entries.get(id(item))
        return None if found is None else found[1]
