"""Chat through apprise, against a real receiver."""

import json
from pathlib import Path

import pytest

from agents.notifier.channels.chat import FORBIDDEN, ChatSender
from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel
from tests.agents.notifier.peers import hang, receiver

PARCEL = Parcel(message_id="m", recipient="anna", subject="Important", text="Somebody rated 1 of 5.\n" * 300)


@pytest.fixture(autouse=True)
def _trust(tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let apprise trust the authority of the tests."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls[0]))


async def test_the_text_arrives_cut_to_what_chats_take(tls: tuple[Path, Path]) -> None:
    async with receiver(tls[1]) as peer:
        peer.behave = lambda _request, _body: 200
        await ChatSender(lambda: f"ntfys://127.0.0.1:{peer.port}/ops").send(PARCEL)
        said = json.loads(peer.requests[0][1])
        assert said["title"] == "Important"
        assert 2_000 < len(said["message"]) < 3_600
        assert said["message"].endswith("…")


async def test_a_refusal_is_transient_and_an_unknown_url_is_not(tls: tuple[Path, Path]) -> None:
    async with receiver(tls[1]) as peer:
        peer.behave = lambda _request, _body: 500
        with pytest.raises(TransientError, match="chat_refused"):
            await ChatSender(lambda: f"ntfys://127.0.0.1:{peer.port}/ops").send(PARCEL)
    with pytest.raises(PermanentError, match="chat_url_unknown"):
        await ChatSender(lambda: "nosuch://x").send(PARCEL)


async def test_one_who_hangs_costs_no_more_than_the_time_cap(tls: tuple[Path, Path]) -> None:
    async with receiver(tls[1]) as peer:
        peer.behave = hang
        with pytest.raises(TransientError, match="timeout"):
            await ChatSender(lambda: f"ntfys://127.0.0.1:{peer.port}/ops", timeout_s=0.5).send(PARCEL)


@pytest.mark.parametrize("url", ["ntfy://127.0.0.1:1/ops", "gotify://chat.example/token", "mailto://u:p@example.org",
                                 "ntfys://chat.example/ops?verify=no"])  # fmt: skip
async def test_what_would_go_in_the_clear_or_to_anybody_is_refused(url: str) -> None:
    with pytest.raises(PermanentError, match="chat_not_protected"):
        await ChatSender(lambda: url).send(PARCEL)


@pytest.mark.parametrize("scheme", sorted(FORBIDDEN))
async def test_plain_http_and_this_machine_are_no_chats(scheme: str) -> None:
    with pytest.raises(PermanentError, match="chat_not_allowed"):
        await ChatSender(lambda: f"{scheme}://127.0.0.1/").send(PARCEL)


def test_what_is_shown_of_an_endpoint_is_no_secret() -> None:
    assert ChatSender(lambda: "slack://TokenA/TokenB/TokenC/#ops").endpoint == "chat-slack"
