"""Sending: one task for each line that has something to do, so that a dead target delays nobody else.

An attempt is logged before it is made and after it. Tries in quick succession are stamina's; what still fails goes back
to the desk with a later instant, and an endpoint that goes on failing is rested by its circuit breaker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import stamina

from agents.notifier.breaker import Breaker
from agents.notifier.config import RetryTable
from agents.notifier.metrics import NotifierMetrics
from agents.notifier.outcome import DeliveryError, PermanentError, TransientError
from agents.notifier.parcel import Parcel, Sender
from streams.delivery import sending
from streams.delivery.case import Message
from streams.delivery.desk import Desk
from streams.delivery.entries import Entry
from streams.delivery.people import Line

log = logging.getLogger("ebb.notifier")
Record = Callable[[list[Entry]], Awaitable[None]]
_MAY_HAVE_ARRIVED: Final = frozenset({"timeout", "disconnected", "broken_answer"})
"""What says that the answer is missing, not that nothing was taken."""


class Dispatcher:
    """See the module.

    Args:
        senders: how each line is reached.
        render: makes the parcel of a message.
        record: makes rows durable; returns when they are.
        failed: called when a task ends in an error of ours; expected to end the process.
        passing: called with the name of each step passed (agents/host/failpoints.py).
    """

    def __init__(
        self,
        desk: Desk,
        senders: Mapping[Line, Sender],
        *,
        render: Callable[[Message], Parcel],
        record: Record,
        retry: RetryTable,
        metrics: NotifierMetrics,
        failed: Callable[[str, BaseException], None],
        passing: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._desk = desk
        self._senders = senders
        self._render = render
        self._record = record
        self._retry = retry
        self._metrics = metrics
        self._failed = failed
        self._passing = passing
        self._clock = clock
        self._tasks: dict[Line, asyncio.Task[None]] = {}
        self._breakers: dict[str, Breaker] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._closing = False

    def now_ms(self) -> int:
        """The instant, in milliseconds UTC."""
        return int(self._clock() * 1_000)

    def pump(self) -> None:
        """Start a task for each line that has something to do and whose endpoint is not resting."""
        for line in sending.due_lines(self._desk, self.now_ms()):
            if line not in self._tasks and not self._closing:
                task = asyncio.get_running_loop().create_task(self._work(line), name=f"line-{line[1]}")
                self._tasks[line] = task
                task.add_done_callback(partial(self._ended, line))

    async def close(self, patience_s: float = 5.0) -> None:
        """Let attempts under way end; those that take longer are cut off and made again by the next owner."""
        self._closing = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=patience_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def resting(self) -> list[str]:
        """Endpoints whose breaker is open."""
        return sorted(name for name, breaker in self._breakers.items() if breaker.open_until is not None)

    def _ended(self, line: Line, task: asyncio.Task[None]) -> None:
        self._tasks.pop(line, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed("a delivery ended in an error of ours", error)

    async def _work(self, line: Line) -> None:
        sender = self._senders[line]
        endpoint = sender.endpoint
        breaker = self._breakers.setdefault(endpoint, Breaker(self._retry.breaker()))
        slot = self._slots.setdefault(endpoint, asyncio.Semaphore(self._retry.at_a_time))
        async with slot:
            while not self._closing and breaker.allows(time.monotonic()):
                try:
                    if not await self._deliver(line, sender, breaker):
                        breaker.release()
                        return
                except TransientError:
                    return
                finally:
                    self._metrics.resting.labels(endpoint).set(breaker.open_until is not None)
        if not self._closing:
            # The endpoint rests: look again when it has rested, without asking each time we are pumped.
            await asyncio.sleep(min(1.0, breaker.waits_until(time.monotonic()) - time.monotonic()))

    async def _deliver(self, line: Line, sender: Sender, breaker: Breaker) -> bool:
        """Deliver the next message of a line, with a few tries. Returns: whether there was one.

        Raises: TransientError when it has to be tried later.
        """
        tries = stamina.retry_context(
            on=self._soon_again,
            attempts=self._retry.attempts,
            timeout=None,
            wait_initial=self._retry.wait_initial_s,
            wait_max=self._retry.wait_max_s,
            wait_jitter=self._retry.wait_initial_s,
        )
        async for attempt in tries:
            with attempt:
                taken = sending.take(self._desk, line, self.now_ms())
                await self._record(taken.rows)
                if taken.message is None:
                    return False
                last = attempt.num >= self._retry.attempts or self._closing
                await self._try(line, sender, breaker, taken.message, last)
        return True

    async def _try(self, line: Line, sender: Sender, breaker: Breaker, message: Message, last: bool) -> None:
        self._passing("notifier_before_send")
        started = time.monotonic()
        outcome: sending.Retry | sending.Failed | None = None
        error: DeliveryError | None = None
        try:
            await sender.send(self._rendered(message))
        except PermanentError as caught:
            outcome = sending.Failed(caught.reason)
            log.error("a %s message was given up: %s", line[1], caught.reason)
        except TransientError as caught:
            error = caught
        self._metrics.send_seconds.labels(line[1]).observe(time.monotonic() - started)
        if error is None:
            breaker.succeeded()
            if outcome is None:
                self._passing("notifier_after_send")
        else:
            breaker.failed(time.monotonic())
            if error.reason in _MAY_HAVE_ARRIVED:
                self._metrics.unknown.labels(line[1]).inc()
            wait_s = self._later_s(error, breaker) if last or not self._soon_again(error) else 0.0
            outcome = sending.Retry(error.reason, self.now_ms() + int(wait_s * 1_000))
            log.warning("a %s message was not accepted: %s, attempt %d", line[1], error.reason, message.attempt)
        await self._record(sending.finish(self._desk, line, outcome, self.now_ms()))
        self._passing("notifier_after_outcome")
        if error is not None:
            raise error

    def _rendered(self, message: Message) -> Parcel:
        """Raises: PermanentError when it cannot be rendered: one message must not stop all others, again and again."""
        try:
            return self._render(message)
        except Exception as error:
            log.exception("a message could not be rendered")
            raise PermanentError("not_rendered") from error

    def _soon_again(self, error: Exception) -> bool:
        """Whether it is worth waiting for, here and now."""
        if not isinstance(error, TransientError) or self._closing:
            return False
        return error.retry_after_s is None

    def _later_s(self, error: DeliveryError, breaker: Breaker) -> float:
        if isinstance(error, TransientError) and error.retry_after_s is not None:
            return error.retry_after_s
        now = time.monotonic()
        return max(breaker.waits_until(now) - now, self._retry.wait_initial_s)
