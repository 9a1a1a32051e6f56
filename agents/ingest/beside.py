"""Questions to the broker that can wait, asked beside the loop that must not."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic


class Beside:
    """Named tasks, each at most once at a time."""

    def __init__(self, done: Callable[[], None]) -> None:
        """Start without tasks; `done` is called when one has ended."""
        self._done = done
        self._tasks: dict[str, asyncio.Future[None]] = {}
        self._next_at: dict[str, float] = {}

    def every(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` if it does not run and `seconds` have passed since it was last begun."""
        now = monotonic()
        if now >= self._next_at.get(name, 0.0) and name not in self._tasks:
            self._next_at[name] = now + seconds
            self.run(name, work())

    def run(self, name: str, work: Awaitable[None]) -> None:
        """Run `work` now."""
        self._tasks[name] = asyncio.ensure_future(work)
        self._tasks[name].add_done_callback(lambda _: self._done())

    def check(self) -> None:
        """Raises: whatever a task that has ended raised."""
        for name, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[name]
                task.result()

    def at_once(self) -> None:
        """Let everything that comes every so often come now."""
        self._next_at.clear()

    async def stop(self) -> None:
        """Cancel what runs."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
