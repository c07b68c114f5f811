"""Prompts as blocks: one per role, one per aggregation protocol; and a version of all of them together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal, TypeAlias

from pydantic import Field

from credit_hooks.errors import ConfigurationError
from credit_hooks.parts import FrozenModel

__all__ = ["BlockKind", "PromptBlock", "PromptSet"]

BlockKind: TypeAlias = Literal["role", "aggregation"]


class PromptBlock(FrozenModel):
    """A prompt that can be rewritten on its own."""

    role: str = Field(min_length=1)
    """Unique name, by default that of the agent it instructs."""
    text: str
    """The prompt."""
    kind: BlockKind = "role"
    """What one agent does, or how the work of several is put together."""
    agents: tuple[str, ...] = ()
    """Names or ids of the agents it instructs, where they are not called as the role is. Empty: the role's."""

    @property
    def instructs(self) -> tuple[str, ...]:
        """Names or ids of the agents that follow it."""
        return self.agents or (self.role,)

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


class PromptSet(Mapping[str, str]):
    """One version of all prompts of a team: role to text. Frozen; equal where all blocks are.

    Raises:
        ConfigurationError: there is no block, or two have the same role.
    """

    def __init__(self, blocks: Sequence[PromptBlock]) -> None:
        self.blocks = tuple(blocks)
        """The blocks, in the order the team declares them."""
        roles = [block.role for block in self.blocks]
        if not roles:
            raise ConfigurationError(
                "a team without prompt blocks has nothing to improve: declare PromptBlock(role, text)"
            )
        for role in roles:
            if roles.count(role) > 1:
                raise ConfigurationError(f"two prompt blocks are called {role!r}: roles tell blocks apart")

    def __getitem__(self, role: str) -> str:
        return self._by_role[role].text

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_role)

    def __len__(self) -> int:
        return len(self.blocks)

    def __hash__(self) -> int:
        return hash(self.blocks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PromptSet) and self.blocks == other.blocks

    def __repr__(self) -> str:
        return f"PromptSet({self.version[:8]}: {', '.join(self)})"

    def block(self, role: str) -> PromptBlock:
        """The block of a role.

        Raises:
            KeyError: there is none.
        """
        return self._by_role[role]

    def of_kind(self, kind: BlockKind) -> tuple[PromptBlock, ...]:
        """Blocks of one kind."""
        return tuple(block for block in self.blocks if block.kind == kind)

    def with_texts(self, texts: Mapping[str, str]) -> PromptSet:
        """A version in which these blocks say something else, and all others the same bytes as before.

        Raises:
            KeyError: a role is unknown.
        """
        for role in texts:
            self.block(role)
        return PromptSet(
            [
                block.model_copy(update={"text": texts[block.role]}) if block.role in texts else block
                for block in self.blocks
            ]
        )

    @cached_property
    def version(self) -> str:
        """64 hex digits that change with any byte of any block."""
        parts = (f"{block.role}\x1f{block.kind}\x1f{block.digest}" for block in self.blocks)
        return hashlib.sha256("\x1e".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def _by_role(self) -> dict[str, PromptBlock]:
        return {block.role: block for block in self.blocks}
