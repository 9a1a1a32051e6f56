"""Chat through apprise, against a real receiver."""

from pathlib import Path

import pytest

from agents.notifier.channels.chat import FORBIDDEN, ChatSender
from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel
from tests.agents.notifier.peers import receiver

PARCEL = Parcel(message_id="m", recipient="anna", subject="Important", text="Somebody rated 1 of 5.\n" * 300)


async def test_the_text_arrives_cut_to_what_chats_take(tls: tuple[Path, Path]) -> None:
    async with receiver(tls[1]) as peer:
        await ChatSender(lambda: f"jsons://127.0.0.1:{peer.port}/?verify=no").send(PARCEL)
        said = peer.taken[0]
        assert said["title"] == "Important"
        assert 2_000 < len(said["message"]) < 3_600
        assert said["message"].endswith("…")


async def test_a_refusal_is_transient_and_an_unknown_url_is_not(tls: tuple[Path, Path]) -> None:
    async with receiver(tls[1]) as peer:
        peer.behave = lambda _request, _body: 500
        with pytest.raises(TransientError, match="chat_refused"):
            await ChatSender(lambda: f"jsons://127.0.0.1:{peer.port}/?verify=no").send(PARCEL)
    with pytest.raises(PermanentError, match="chat_url_unknown"):
        await ChatSender(lambda: "nosuch://x").send(PARCEL)


@pytest.mark.parametrize("scheme", sorted(FORBIDDEN))
async def test_plain_http_and_this_machine_are_no_chats(scheme: str) -> None:
    with pytest.raises(PermanentError, match="chat_not_allowed"):
        await ChatSender(lambda: f"{scheme}://127.0.0.1/").send(PARCEL)


def test_what_is_shown_of_an_endpoint_is_no_secret() -> None:
    assert ChatSender(lambda: "slack://TokenA/TokenB/TokenC/#ops").endpoint == "chat-slack"
