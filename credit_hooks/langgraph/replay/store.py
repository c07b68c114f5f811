"""A store that replays may write to: what they put stays with them, the user's store is read only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph.store.base import BaseStore, GetOp, Item, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp
from langgraph.store.memory import InMemoryStore

__all__ = ["OverlayStore"]

_MORE = 1_000
"""Items asked of the user's store beyond those wanted, to make up for such as were overwritten."""


class OverlayStore(BaseStore):
    """Reads through to the user's store, writes to memory. One for each replay."""

    def __init__(self, beneath: BaseStore) -> None:
        self._beneath = beneath
        self._above = InMemoryStore()
        self._touched: set[tuple[tuple[str, ...], str]] = set()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations in order."""
        return [self._one(op, self._beneath.batch([_wider(op)])[0] if _reads(op) else None) for op in ops]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations in order."""
        found = []
        for op in ops:
            beneath = (await self._beneath.abatch([_wider(op)]))[0] if _reads(op) else None
            found.append(self._one(op, beneath))
        return found

    def _one(self, op: Op, beneath: Any) -> Result:
        if isinstance(op, PutOp):
            self._touched.add((op.namespace, op.key))
            return self._above.batch([op])[0]
        if isinstance(op, GetOp):
            if (op.namespace, op.key) not in self._touched:
                return beneath  # type: ignore[no-any-return]
            return self._above.batch([op])[0]
        if isinstance(op, SearchOp):
            return self._search(op, beneath)
        own = self._above.batch([op])[0]
        names = sorted({*map(tuple, beneath), *map(tuple, own)})  # type: ignore[arg-type]
        return names[op.offset : op.offset + op.limit]

    def _search(self, op: SearchOp, beneath: list[SearchItem]) -> list[SearchItem]:
        own: Any = self._above.batch([op._replace(offset=0)])[0]
        kept = [item for item in beneath if not self._is_touched(item)]
        return [*own, *kept][op.offset : op.offset + op.limit]

    def _is_touched(self, item: Item) -> bool:
        return (tuple(item.namespace), item.key) in self._touched


def _reads(op: Op) -> bool:
    return not isinstance(op, PutOp)


def _wider(op: Op) -> Op:
    if isinstance(op, (SearchOp, ListNamespacesOp)):
        return op._replace(limit=op.offset + op.limit + _MORE, offset=0)
    return op
