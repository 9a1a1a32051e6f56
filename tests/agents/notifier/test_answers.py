"""Answer pages on a real broker: looking does nothing, a button acts once, for one purpose, and is remembered."""

import re
import time
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from agents.notifier.links import PURPOSES, Grant, sign
from deploy.ports import free_port
from schemas.codec import Accepted, decode_fact
from tests.agents.notifier.harness import QUICK, Cluster, NotifierProcess, mail_table, now_ms, record, until
from tests.agents.notifier.peers import MailServer

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

KEY = "a-key-of-the-answer-pages"


def links(content: bytes) -> dict[str, str]:
    """The addresses in a mail, by what the line says before them."""
    mail = message_from_bytes(content, policy=default)
    body = mail.get_body(("plain",))
    assert body is not None
    return dict(re.findall(r"^ *([^:\n]+): (https?://\S+)\r?$", body.get_content(), re.MULTILINE))


def answers(cluster: Cluster) -> list[dict[str, Any]]:
    """What stands on `coordinator-actions`, each as its reader, ingest, takes it."""
    found = []
    for message in cluster.read("coordinator-actions"):
        taken = decode_fact("coordinator-actions", message.key(), message.value(), arrived_ms=message.timestamp()[1])
        assert isinstance(taken, Accepted)
        found.append(msgspec.json.decode(message.value()))
    return found


async def look(client: aiohttp.ClientSession, url: str, **form: str) -> tuple[int, str]:
    """Open a page, or press a button on it."""
    call = client.post(url, data=form.get("press") or dict(form)) if form else client.get(url)
    async with call as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.text()


async def test_a_page_shows_a_button_that_acts_once_and_is_remembered_by_the_next_notifier(
    cluster: Cluster, tmp_path: Path
) -> None:
    port = free_port()
    key = tmp_path / "answers.key"
    key.write_text(KEY)
    with MailServer() as mails:
        config = QUICK + mail_table(mails.port, "anna") + f"""
[answers]
url = "http://127.0.0.1:{port}"
port = {port}
keys = [{{ file = "{key}" }}]
"""  # fmt: skip
        cluster.program()
        notifier = NotifierProcess(cluster, tmp_path, config).start()
        try:
            await until(lambda: "took over" in notifier.tail(), 90, notifier.tail)
            cluster.publish([record("a", at_ms=now_ms(), delivery="now", severity="high")])
            await until(lambda: mails.mails, 60, notifier.tail)
            found = links(mails.mails[0][1])
            assert list(found) == ["I am on it", "Remind me later", "False alarm", "Done"]
            async with aiohttp.ClientSession() as client:
                for url in found.values():  # what a mail scanner does
                    async with client.head(url) as answer:
                        assert answer.status == 200
                    status, page = await look(client, url)
                    assert status == 200
                    assert "Something about a." in page
                    assert page.count("<form") == 1
                assert answers(cluster) == []
                ack, snooze = found["I am on it"], found["Remind me later"]
                await until(lambda: "answer links are known" in notifier.tail(), 60, notifier.tail)
                assert (await look(client, ack, press="x"))[0] == 200
                assert (await look(client, ack, press="x"))[0] == 410
                assert "answered already" in (await look(client, ack))[1]
                assert (await look(client, snooze, days="400"))[0] == 400
                assert (await look(client, snooze, days="7"))[0] == 200
                assert [one["action"] for one in answers(cluster)] == ["ack", "snooze"]
                # Another purpose under the same signature, a cut link, an old one, one of somebody else's key.
                token = ack.rpartition("/")[2]
                grants = [Grant(purpose, "a", "p", "anna", "m", int(time.time()) + 60) for purpose in PURPOSES]
                base = f"http://127.0.0.1:{port}/answer/"
                forged = [sign(grants[0], lambda: ["another-key-of-some-length"]), token[:-2]]
                forged.append(sign(grants[3], lambda: [KEY])[:-22] + token[-22:])
                for token in forged:
                    assert (await look(client, base + token))[0] == 404
                    assert (await look(client, base + token, press="x"))[0] == 404
                old = sign(Grant("done", "a", "p", "anna", "m", int(time.time()) - 1), lambda: [KEY])
                assert (await look(client, base + old, press="x"))[0] == 410
                assert len(answers(cluster)) == 2
            assert await notifier.stop() == 0
            notifier.start()
            await until(lambda: notifier.tail().count("answer links are known") == 2, 90, notifier.tail)
            async with aiohttp.ClientSession() as client:
                assert (await look(client, ack, press="x"))[0] == 410
                assert (await look(client, found["Done"], press="x"))[0] == 200
            logged = notifier.log.read_text()
            assert not any(secret in logged for secret in (KEY, ack.rpartition("/")[2], "anna@example.org"))
            done = answers(cluster)
            assert [one["action"] for one in done] == ["ack", "snooze", "resolve"]
            assert {(one["actor_id"], one["intervention_id"], one["program_id"]) for one in done} == {
                ("anna", "a", "p")
            }
        finally:
            notifier.kill()
