"""Half an hour without one target, time-lapsed a hundredfold by settings: memory flat, others unaffected, all after."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.agents.notifier.harness import (
    Cluster,
    NotifierProcess,
    hook_table,
    mail_table,
    now_ms,
    record,
    until,
    webhooks_table,
)
from tests.agents.notifier.peers import MailServer, hang, receiver
from tests.faults.report import Result, keep, seed

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1800)]

IS_FULL = os.environ.get("EBB_FAULTS") == "full"
RECORDS = 600 if IS_FULL else 120
BATCHES = 6
OUTAGE_S = 18.0 if IS_FULL else 4.0
"""30 minutes by a hundred; the slice has one phase of it."""
LAPSED = """
[policy]
group_wait_s = 0.3
queue_limit = 20
[retry]
attempts = 2
wait_initial_s = 0.01
wait_max_s = 0.15
failures = 3
rest_s = 0.3
rest_max_s = 6
"""
MOST_GROWTH_MB = 40
"""What Python and its libraries may take for themselves meanwhile."""


async def test_a_target_that_is_gone_costs_no_memory_delays_nobody_and_gets_everything_afterwards(
    cluster: Cluster, tls: tuple[Path, Path], secret: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receiver(tls[1]) as gone, receiver(tls[1]) as there:
        with MailServer() as mails:
            config = LAPSED + webhooks_table(tls[0], gone.host, there.host) + mail_table(mails.port, "anna")
            config += hook_table("gone", gone.url, secret) + hook_table("there", there.url, secret)
            cluster.program()
            notifier = NotifierProcess(cluster, tmp_path, config).start()
            try:
                await until(lambda: "took over" in notifier.tail(), 90, notifier.tail)
                cluster.publish([record("first", at_ms=now_ms(), delivery="now", severity="high")])
                await until(lambda: len(gone.taken) == len(there.taken) == len(mails.mails) == 1, 60, notifier.tail)
                began, memory = time.monotonic(), [notifier.memory_mb()]
                await gone.stop()
                size = RECORDS // BATCHES
                for batch in range(BATCHES):
                    names = [f"i{batch * size + n:04}" for n in range(size)]
                    cluster.publish(record(name, at_ms=now_ms(), delivery="now", severity="high") for name in names)
                    expected = 1 + (batch + 1) * size
                    await until(lambda: len(there.taken) == expected, 300, notifier.tail)  # noqa: B023  (awaited here)
                    memory.append(notifier.memory_mb())
                    if batch == BATCHES // 2 and IS_FULL:  # it comes back, and answers nobody
                        gone.behave = hang
                        await gone.start()
                await until(lambda: sum(b"about i" in content for _, content in mails.mails) > 0, 60, notifier.tail)
                await asyncio.sleep(max(0.0, OUTAGE_S - (time.monotonic() - began)))
                outage_s = time.monotonic() - began
                assert len(gone.taken) == 1
                assert memory[-1] - memory[1] < MOST_GROWTH_MB, memory
                gone.behave = None
                if not IS_FULL:
                    await gone.start()
                await until(lambda: len(gone.taken) == RECORDS + 1, 600, notifier.tail)
                took_s = time.monotonic() - began - outage_s
                await until(
                    lambda: all(row.state == "sent" for row in cluster.deliveries().values()), 60, notifier.tail
                )
                assert await notifier.stop() == 0
            finally:
                notifier.kill()
    for peer in (gone, there):
        names = [body["data"]["intervention_id"] for body in peer.taken]
        assert names == ["first", *(f"i{n:04}" for n in range(RECORDS))], "each once, in the order of the topic"
    figures = (
        f"outage of {outage_s:.0f} s (x100: {outage_s * 100 / 60:.0f} min), {RECORDS:,} records: memory "
        f"{', '.join(f'{one:.0f}' for one in memory)} MB; {sum(gone.seen.values()) - len(gone.seen)} and "
        f"{sum(there.seen.values()) - len(there.seen)} sent again"
    )
    keep(Result("notifier_outage", seed(), interventions=RECORDS, settled_s=took_s, note=figures, passed=True))
    with capsys.disabled():
        print(f"\n{figures}; all delivered {took_s:.0f} s after")  # noqa: T201  (figures are the point)
