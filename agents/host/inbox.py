"""A lane's inbox: chunks in order, and the moments at which its partition is to be held and released."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from agents.host.fetching import Record

MOST_CHUNKS = 16
MOST_RECORDS = 20_000


class Inbox:
    """Never blocks the one who delivers: when it is full the partition is held, so that others go on.

    Args:
        hold: called once when the inbox has filled; what is under way may still be put.
        release: called once when it has drained to half.
    """

    __slots__ = ("_arrived", "_chunks", "_held", "_hold", "_records", "_release")

    def __init__(self, hold: Callable[[], None], release: Callable[[], None]) -> None:
        self._chunks: deque[Sequence[Record]] = deque()
        self._records = 0
        self._arrived = asyncio.Event()
        self._held = False
        self._hold = hold
        self._release = release

    def __len__(self) -> int:
        return len(self._chunks)

    def put(self, records: Sequence[Record]) -> None:
        self._chunks.append(records)
        self._records += len(records)
        self._arrived.set()
        if not self._held and (len(self._chunks) >= MOST_CHUNKS or self._records >= MOST_RECORDS):
            self._held = True
            self._hold()

    def take(self) -> Sequence[Record]:
        """The oldest chunk. Raises: IndexError when there is none."""
        records = self._chunks.popleft()
        self._records -= len(records)
        if self._held and len(self._chunks) <= MOST_CHUNKS // 2 and self._records <= MOST_RECORDS // 2:
            self._held = False
            self._release()
        return records

    async def wait(self, seconds: float) -> bool:
        """Wait for a chunk or `wake`; False when `seconds` passed without either."""
        if self._chunks:
            return True
        self._arrived.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def wake(self) -> None:
        """End a wait without a chunk."""
        self._arrived.set()
