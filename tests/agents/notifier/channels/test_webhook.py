"""A webhook against real receivers: good ones, slow ones, rude ones."""

import ipaddress
import json
import ssl
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from agents.notifier.channels.webhook import MOST_BODY, WebhookSender, retry_after
from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel
from deploy.ports import free_port
from tests.agents.notifier.harness import KEY_ONE, KEY_TWO
from tests.agents.notifier.peers import Receiver, drop, expired_certificate, hang, receiver

PARCEL = Parcel(message_id="i1/0/webhook/hook", recipient="hook", body=b'{"type":"ebb.intervention.opened.v1"}')
HERE = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
async def peer(tls: tuple[Path, Path]) -> AsyncIterator[Receiver]:
    async with receiver(tls[1]) as one:
        yield one


def sender(peer: Receiver, tls: tuple[Path, Path], *keys: str, url: str = "", timeout_s: float = 2.0) -> WebhookSender:
    return WebhookSender(
        url or peer.url,
        lambda: keys or (KEY_ONE,),
        allowed=frozenset({peer.host}),
        trusted=HERE,
        tls=ssl.create_default_context(cafile=str(tls[0])),
        timeout_s=timeout_s,
    )


async def test_a_receiver_can_verify_it_with_either_key(peer: Receiver, tls: tuple[Path, Path]) -> None:
    await sender(peer, tls, KEY_TWO, KEY_ONE).send(PARCEL)
    headers, body = peer.requests[0]
    assert headers["webhook-id"] == "i1/0/webhook/hook"
    for key in (KEY_ONE, KEY_TWO):
        assert Webhook(key).verify(body, headers) == json.loads(PARCEL.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(KEY_ONE).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").verify(body, headers)


async def test_an_id_never_has_a_full_stop_and_is_the_same_at_each_attempt(
    peer: Receiver, tls: tuple[Path, Path]
) -> None:
    parcel = Parcel(message_id="i.1/0/webhook/c.d", recipient="c.d", body=b"{}")
    for _ in range(2):
        await sender(peer, tls).send(parcel)
    assert [headers["webhook-id"] for headers, _ in peer.requests] == ["i%2E1/0/webhook/c%2Ed"] * 2
    assert peer.seen == {"i%2E1/0/webhook/c%2Ed": 2}
    assert len(peer.taken) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "refused"), (401, "refused"), (404, "refused"), (410, "gone"), (413, "refused"), (301, "redirect"),
     (307, "redirect")],
)  # fmt: skip
async def test_what_will_not_change_is_permanent(
    peer: Receiver, tls: tuple[Path, Path], status: int, reason: str
) -> None:
    peer.behave = lambda _request, _body: status
    with pytest.raises(PermanentError, match=reason):
        await sender(peer, tls).send(PARCEL)


@pytest.mark.parametrize(("status", "reason"), [(500, "server_error"), (503, "server_error"), (408, "server_error")])
async def test_what_may_change_is_not(peer: Receiver, tls: tuple[Path, Path], status: int, reason: str) -> None:
    peer.behave = lambda _request, _body: status
    with pytest.raises(TransientError, match=reason):
        await sender(peer, tls).send(PARCEL)


async def test_a_redirect_is_not_followed(peer: Receiver, tls: tuple[Path, Path]) -> None:
    peer.behave = lambda request, _body: (
        web.Response(status=302, headers={"Location": peer.url + "/elsewhere"}) if request.path == "/hook" else 200
    )
    with pytest.raises(PermanentError, match="redirect"):
        await sender(peer, tls).send(PARCEL)
    assert len(peer.requests) == 1


async def test_too_many_requests_says_how_long_to_wait(peer: Receiver, tls: tuple[Path, Path]) -> None:
    peer.behave = lambda _request, _body: web.Response(status=429, headers={"Retry-After": "7"})
    with pytest.raises(TransientError) as caught:
        await sender(peer, tls).send(PARCEL)
    assert (caught.value.reason, caught.value.retry_after_s) == ("too_many_requests", 7.0)


async def test_one_who_hangs_for_a_minute_costs_no_more_than_the_time_cap(
    peer: Receiver, tls: tuple[Path, Path]
) -> None:
    peer.behave = hang
    started = time.monotonic()
    with pytest.raises(TransientError, match="timeout"):
        await sender(peer, tls, timeout_s=0.5).send(PARCEL)
    assert time.monotonic() - started < 2


async def test_one_who_drops_the_line_after_reading_may_have_taken_it(peer: Receiver, tls: tuple[Path, Path]) -> None:
    peer.behave = drop
    with pytest.raises(TransientError, match=r"disconnected|broken_answer|not_reachable"):
        await sender(peer, tls).send(PARCEL)


async def test_nobody_there_is_transient(peer: Receiver, tls: tuple[Path, Path]) -> None:
    port = free_port()
    one = WebhookSender(
        f"https://127.0.0.1:{port}/", lambda: [KEY_ONE], allowed=frozenset({f"127.0.0.1:{port}"}), trusted=HERE
    )
    with pytest.raises(TransientError, match="not_reachable"):
        await one.send(PARCEL)


async def test_an_expired_certificate_is_no_peer(tls: tuple[Path, Path]) -> None:
    async with receiver(expired_certificate(tls[0].parent)) as old:
        with pytest.raises(TransientError, match="tls"):
            await sender(old, tls).send(PARCEL)
        assert old.requests == []


async def test_a_certificate_of_nobody_we_trust_is_no_peer(peer: Receiver) -> None:
    one = WebhookSender(peer.url, lambda: [KEY_ONE], allowed=frozenset({peer.host}), trusted=HERE)
    with pytest.raises(TransientError, match="tls"):
        await one.send(PARCEL)
    assert peer.requests == []


async def test_without_trust_in_its_network_this_machine_is_out_of_reach(
    peer: Receiver, tls: tuple[Path, Path]
) -> None:
    one = WebhookSender(peer.url, lambda: [KEY_ONE], allowed=frozenset({peer.host}))
    with pytest.raises(PermanentError, match="address_forbidden"):
        await one.send(PARCEL)


async def test_what_is_too_large_is_not_sent(peer: Receiver, tls: tuple[Path, Path]) -> None:
    with pytest.raises(PermanentError, match="too_large"):
        await sender(peer, tls).send(Parcel(message_id="a", recipient="b", body=b"x" * (MOST_BODY + 1)))
    assert peer.requests == []


async def test_an_endless_answer_is_not_read(peer: Receiver, tls: tuple[Path, Path]) -> None:
    async def endless(request: web.Request, _body: bytes) -> web.StreamResponse:
        answer = web.StreamResponse(status=500)
        await answer.prepare(request)
        for _ in range(10_000):
            await answer.write(b"x" * 65_536)
        return answer

    peer.behave = endless
    started = time.monotonic()
    with pytest.raises(TransientError):
        await sender(peer, tls).send(PARCEL)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [(None, None), ("", None), ("soon", None), ("5", 5.0), ("0", 0.0), ("-3", 0.0), ("999999", 3600.0),
     (formatdate(1_000_030, usegmt=True), 30.0), (formatdate(999_000, usegmt=True), 0.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(text: str | None, wait_s: float | None) -> None:
    assert retry_after(text, 1_000_000) == wait_s
