"""`kill -9` at every step, on a real broker and with a real receiver: nothing lost, nothing seen twice."""

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.agents.notifier.harness import (
    QUICK,
    Cluster,
    NotifierProcess,
    hook_table,
    now_ms,
    record,
    until,
    webhooks_table,
)
from tests.agents.notifier.peers import MailServer, receiver

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

STEPS = [
    "notifier_after_poll:1:kill",
    "notifier_after_decision:1:kill",
    "notifier_before_commit:2:kill",
    "notifier_after_commit:2:kill",
    "notifier_before_send:3:kill",
    "notifier_after_send:2:kill",
    "notifier_after_outcome:4:kill",
    "notifier_mid_restore:1:kill",
    "notifier_after_send:5:kill",
    "notifier_before_commit:9:kill",
]


async def test_killed_at_every_step_each_record_reaches_a_receiver_that_keeps_ids_exactly_once(
    cluster: Cluster, tls: tuple[Path, Path], secret: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receiver(tls[1]) as peer:
        with MailServer() as mails:
            config = (
                QUICK
                + webhooks_table(tls[0], peer.host)
                + f"""
[smtp]
host = "127.0.0.1"
port = {mails.port}
security = "none"
sender = "Ebb <ebb@example.org>"
unsubscribe = "mailto:help@example.org"
[[recipients]]
id = "anna"
quiet = []
email = {{ address = "anna@example.org" }}
per_day = 1000
per_week = 1000
"""
                + hook_table("hook", peer.url, secret)
            )
            cluster.program()
            notifier = NotifierProcess(cluster, tmp_path, config)
            notifier.start()  # the first start begins at the end of the topic
            await until(lambda: "took over" in notifier.tail(), 40, notifier.tail)
            assert await notifier.stop() == 0
            published = 0
            for step in STEPS:
                for n in range(6):
                    name = f"i{published + n:03}"
                    cluster.publish([record(name, at_ms=now_ms(), delivery="now", severity="high")])
                published += 6
                notifier.start(step)
                assert await notifier.ended(60) == -9, step
            started = time.monotonic()
            notifier.start()
            await until(lambda: len(peer.taken) == published, 60, notifier.tail)
            await until(lambda: all(row.state == "sent" for row in cluster.deliveries().values()), 30, notifier.tail)
            took = time.monotonic() - started
            assert await notifier.stop() == 0
        names = [body["data"]["intervention_id"] for body in peer.taken]
        assert sorted(names) == [f"i{n:03}" for n in range(published)]  # none lost, none taken twice
        identities = Counter(
            line for _, content in mails.mails for line in content.decode().splitlines() if line[:11] == "Message-ID:"
        )
        said = {key: row for key, row in cluster.deliveries().items() if row.channel == "email"}
        assert len(said) == published
        assert {row.state for row in said.values()} == {"sent"}
        repeats = sum(peer.seen.values()) - len(peer.seen)
        with capsys.disabled():
            print(  # noqa: T201  (figures are the point)
                f"\n{len(STEPS)} kills, {published} records: webhook 0 lost, 0 taken twice, {repeats} sent again; "
                f"mail {len(identities)} messages, {sum(identities.values()) - len(identities)} sent again; "
                f"last start to all done {took:.1f} s"
            )
