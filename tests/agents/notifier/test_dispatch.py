"""The dispatcher with real receivers of bad character and a log in memory: what is tried again, and when."""

import asyncio
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agents.notifier.channels.webhook import WebhookSender
from agents.notifier.config import RetryTable
from agents.notifier.dispatch import Dispatcher
from agents.notifier.metrics import NotifierMetrics
from agents.notifier.parcel import Parcel
from agents.notifier.threads import in_thread
from streams.delivery.case import Message
from streams.delivery.desk import Desk
from streams.delivery.entries import Entry
from streams.delivery.people import Directory, Recipient, Way
from streams.delivery.policy import Policy
from tests.agents.notifier.harness import KEY_ONE, now_ms, record, until
from tests.agents.notifier.peers import Receiver, drop, expired_certificate, hang

HERE = (ipaddress.ip_network("127.0.0.0/8"),)
RETRY = RetryTable(attempts=2, wait_initial_s=0.02, wait_max_s=0.05, failures=3, rest_s=0.2, rest_max_s=0.4)


class Bench:
    """A desk with one machine for each receiver, and its dispatcher.

    Attributes:
        rows: the log, in order.
    """

    def __init__(self, tls: tuple[Path, Path], timeout_s: float, peers: dict[str, Receiver]) -> None:
        people = [Recipient(id=name, ways=(Way("webhook", "each"),), programs=frozenset("*"),
                            audiences=frozenset({"coordinator"})) for name in peers]  # fmt: skip
        self.rows: list[Entry] = []
        self.desk = Desk(Directory(people, {}), Policy())
        self.metrics = NotifierMetrics()
        self._keys = 0
        trust = ssl.create_default_context(cafile=str(tls[0]))
        self.dispatcher = Dispatcher(
            self.desk,
            {
                (name, "webhook"): WebhookSender(
                    peer.url,
                    lambda: [KEY_ONE],
                    allowed=frozenset({peer.host}),
                    trusted=HERE,
                    tls=trust,
                    timeout_s=timeout_s,
                )
                for name, peer in peers.items()
            },
            render=self._render,
            record=self._record,
            retry=RETRY,
            metrics=self.metrics,
            failed=self._failed,
            passing=lambda _: None,
        )

    def feed(self, *names: str) -> None:
        for name in names:
            one = record(name, at_ms=now_ms(), delivery="now", severity="high")
            self.rows += self.desk.decide(one, 0, self._keys, now_ms())
            self._keys += 1

    async def pump(self, condition: Callable[[], Any]) -> None:
        def step() -> Any:
            self.dispatcher.pump()
            return condition()

        await until(step, 30)

    def states(self, name: str) -> list[tuple[str, str | None]]:
        """States and reasons of a recipient's rows, in order."""
        return [(row.state, row.reason) for row in self.rows if row.recipient == name]

    def unknown(self) -> float:
        return float(self.metrics.unknown.labels("webhook")._value.get())

    async def _record(self, rows: list[Entry]) -> None:
        self.rows += rows

    def _render(self, message: Message) -> Parcel:
        return Parcel(message_id=message.message_id, recipient=message.line[0], body=b"{}")

    def _failed(self, why: str, error: BaseException) -> None:
        raise AssertionError(why) from error


@asynccontextmanager
async def bench(
    tls: tuple[Path, Path], *names: str, timeout_s: float = 5.0, certificate: Path | None = None
) -> AsyncIterator[tuple[Bench, dict[str, Receiver]]]:
    peers = {name: Receiver(certificate if name == "bad" and certificate else tls[1]) for name in names}
    for peer in peers.values():
        await peer.start()
    made = Bench(tls, timeout_s, peers)
    try:
        yield made, peers
    finally:
        await made.dispatcher.close(0.1)
        for peer in peers.values():
            await peer.stop()


async def test_a_server_error_is_tried_again_under_the_same_id(tls: tuple[Path, Path]) -> None:
    async with bench(tls, "hook") as (it, peers):
        peer = peers["hook"]
        peer.behave = lambda _request, _body: 500 if len(peer.requests) <= 3 else None
        it.feed("a", "b")
        await it.pump(lambda: len(peer.taken) == 2)
        ids = [headers["webhook-id"] for headers, _ in peer.requests]
        assert ids == ["a/0/webhook/hook"] * 4 + ["b/0/webhook/hook"]
        await it.pump(lambda: it.states("hook")[-1] == ("sent", None))
        assert it.states("hook").count(("scheduled", "server_error")) == 3
        assert it.unknown() == 0


async def test_who_asks_for_time_gets_it(tls: tuple[Path, Path]) -> None:
    async with bench(tls, "hook") as (it, peers):
        peer = peers["hook"]
        busy = web.Response(status=429, headers={"Retry-After": "1"})
        peer.behave = lambda _request, _body: busy if len(peer.requests) == 1 else None
        it.feed("a")
        await it.pump(lambda: len(peer.taken) == 1)
        asked = next(row for row in it.rows if row.reason == "too_many_requests")
        again = next(row for row in it.rows if row.state == "attempting" and row.attempts == 2)
        assert asked.due_ms is not None
        assert asked.due_ms - asked.decided_ms >= 990
        assert again.decided_ms >= asked.due_ms
        assert len(peer.requests) == 2


async def test_one_who_drops_after_reading_is_told_again_under_the_same_id_and_that_is_counted(
    tls: tuple[Path, Path],
) -> None:
    async with bench(tls, "hook") as (it, peers):
        peer = peers["hook"]
        peer.behave = lambda request, body: drop(request, body) if len(peer.requests) == 1 else None
        it.feed("a")
        await it.pump(lambda: len(peer.taken) == 1)
        assert len({headers["webhook-id"] for headers, _ in peer.requests}) == 1
        assert it.unknown() == 1


async def test_one_who_says_no_for_good_is_not_asked_again_and_the_next_record_goes_on(tls: tuple[Path, Path]) -> None:
    async with bench(tls, "hook") as (it, peers):
        peer = peers["hook"]
        peer.behave = lambda _request, _body: 410 if len(peer.requests) == 1 else None
        it.feed("a", "b")
        await it.pump(lambda: len(peer.taken) == 1)
        assert it.states("hook").count(("failed", "gone")) == 1
        assert len(peer.requests) == 2


async def test_hanging_refusing_and_expired_targets_rest_and_delay_nobody(tls: tuple[Path, Path]) -> None:
    expired = expired_certificate(tls[0].parent)
    async with bench(tls, "good", "slow", "bad", "gone", timeout_s=1.0, certificate=expired) as (it, peers):
        peers["slow"].behave = hang
        await peers["gone"].stop()
        it.feed(*(f"i{n}" for n in range(20)))
        await it.pump(lambda: len(peers["good"].taken) == 20)
        await it.pump(lambda: len(it.dispatcher.resting()) == 3)
        reasons = {name: {reason for state, reason in it.states(name) if reason} for name in peers}
        assert reasons == {"good": set(), "slow": {"timeout"}, "bad": {"tls"}, "gone": {"not_reachable"}}
        assert peers["bad"].requests == []
        peers["slow"].behave = None
        await peers["gone"].start()
        await it.pump(lambda: len(peers["gone"].taken) == len(peers["slow"].taken) == 20)
        assert len(set(peers["slow"].seen)) == 20


async def test_nobody_waits_for_what_hangs_in_a_thread() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await in_thread(lambda: time.sleep(20), "hangs")
    with pytest.raises(ZeroDivisionError):
        await in_thread(_divide, "fails")


def _divide() -> None:
    raise ZeroDivisionError
