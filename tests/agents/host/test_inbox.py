from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from agents.host.fetching import Record
from agents.host.inbox import MOST_CHUNKS, MOST_RECORDS, Inbox


def chunk(records: int) -> Sequence[Record]:
    return cast("Sequence[Record]", [None] * records)


def test_chunks_come_out_in_order() -> None:
    async def main() -> None:
        inbox = Inbox(lambda: None, lambda: None)
        inbox.put(chunk(1))
        inbox.put(chunk(2))
        assert [len(inbox.take()), len(inbox.take()), len(inbox)] == [1, 2, 0]

    asyncio.run(main())


def _asked(put: list[int], take: int) -> list[str]:
    asked: list[str] = []

    async def main() -> None:
        inbox = Inbox(lambda: asked.append("hold"), lambda: asked.append("release"))
        for records in put:
            inbox.put(chunk(records))
        for _ in range(take):
            inbox.take()

    asyncio.run(main())
    return asked


def test_it_holds_at_the_limit_of_chunks_and_releases_at_half() -> None:
    assert _asked([1] * (MOST_CHUNKS - 1), 0) == []
    assert _asked([1] * (MOST_CHUNKS + 3), 0) == ["hold"]
    assert _asked([1] * MOST_CHUNKS, MOST_CHUNKS // 2 - 1) == ["hold"]
    assert _asked([1] * MOST_CHUNKS, MOST_CHUNKS // 2) == ["hold", "release"]


def test_it_holds_at_the_limit_of_records_and_releases_at_half() -> None:
    half = MOST_RECORDS // 2
    assert _asked([half, half - 1], 0) == []
    assert _asked([half, half], 0) == ["hold"]
    assert _asked([half, half], 1) == ["hold", "release"]


def test_waiting_ends_with_a_chunk_a_wake_or_the_time() -> None:
    async def main() -> None:
        inbox = Inbox(lambda: None, lambda: None)
        loop: Any = asyncio.get_running_loop()
        assert not await inbox.wait(0.01)
        loop.call_later(0.01, inbox.wake)
        assert await inbox.wait(5)
        loop.call_later(0.01, inbox.put, chunk(1))
        assert await inbox.wait(5)
        assert await inbox.wait(0)

    asyncio.run(main())
