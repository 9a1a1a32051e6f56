"""`kill -9` at every step, on a real broker and with a real receiver: nothing lost, nothing seen twice."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.agents.notifier.harness import (
    QUICK,
    Cluster,
    NotifierProcess,
    hook_table,
    mail_table,
    now_ms,
    record,
    until,
    webhooks_table,
)
from tests.agents.notifier.peers import MailServer, receiver
from tests.faults.report import Result, keep, seed

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

ONCE = ["notifier_after_poll", "notifier_after_decision", "notifier_mid_restore"]
"""Steps that what waits at a start passes once."""
OFTEN = [
    "notifier_before_commit",
    "notifier_after_commit",
    "notifier_before_send",
    "notifier_after_send",
    "notifier_after_outcome",
]
FULL = [f"{step}:{count}:kill" for count in (1, 2, 5) for step in OFTEN + (ONCE if count == 1 else [])]
SLICE = [
    "notifier_before_commit:2:kill",
    "notifier_before_send:3:kill",
    "notifier_after_send:2:kill",
    "notifier_after_outcome:4:kill",
]
"""The moments between which something is known here and not there; all of them with `make faults`."""
KILLS = FULL if os.environ.get("EBB_FAULTS") == "full" else SLICE
EACH = 6


async def test_killed_at_every_step_each_record_reaches_a_receiver_that_keeps_ids_exactly_once(
    cluster: Cluster, tls: tuple[Path, Path], secret: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receiver(tls[1]) as peer:
        with MailServer() as mails:
            config = (
                QUICK
                + webhooks_table(tls[0], peer.host)
                + mail_table(mails.port, "anna")
                + hook_table("hook", peer.url, secret)
            )
            cluster.program()
            notifier = NotifierProcess(cluster, tmp_path, config)
            notifier.start()  # the first start begins at the end of the topic
            await until(lambda: "took over" in notifier.tail(), 90, notifier.tail)
            assert await notifier.stop() == 0
            published = 0
            for step in KILLS:
                for n in range(EACH):
                    name = f"i{published + n:03}"
                    cluster.publish([record(name, at_ms=now_ms(), delivery="now", severity="high")])
                published += EACH
                notifier.start(step)
                assert await notifier.ended(120) == -9, step
            started = time.monotonic()
            notifier.start()
            await until(lambda: len(peer.taken) == published, 120, notifier.tail)
            await until(lambda: all(row.state == "sent" for row in cluster.deliveries().values()), 60, notifier.tail)
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
        figures = (
            f"{len(KILLS)} kills, {published} records: webhook 0 lost, 0 taken twice, {repeats} sent again; "
            f"mail {len(identities)} messages, {sum(identities.values()) - len(identities)} sent again"
        )
        keep(Result("notifier_killed", seed(), interventions=published, settled_s=took, note=figures, passed=True))
        with capsys.disabled():
            print(f"\n{figures}; last start to all done {took:.1f} s")  # noqa: T201  (figures are the point)
