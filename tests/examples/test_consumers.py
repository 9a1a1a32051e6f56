"""The examples of consumers on a real broker: repeats and crashes change nothing, in either language."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import Struct

from deploy.kafka.broker import KafkaBroker
from deploy.kafka.jars import class_path
from examples.consumers.samples import Sample, publish, samples
from examples.consumers.tickets import Tickets
from examples.consumers.with_aiokafka import follow
from examples.consumers.with_faststream import broker_of
from schemas.outbound import Intervention, decode_intervention
from streams.delivery.current import Board

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

JAVA = Path(__file__).parents[2] / "examples" / "consumers" / "java" / "OpenInterventions.java"


class Published(Struct):
    """A topic on which everything stands twice, and what a reader should know in the end."""

    brokers: str
    topic: str
    records: list[Sample]
    states: Mapping[str, tuple[str, int, int]]
    told: list[str]


@pytest.fixture(scope="module")
def published(kafka: KafkaBroker) -> Published:
    """The golden records, the first half of them again, and then all of them again."""
    topic = "consumers-interventions"
    kafka.create_topic(topic, 2)
    once = samples()
    records = [*once[:5], *once[:5], *once]
    publish(kafka.bootstrap, topic, records)
    newest = {one.intervention_id: one for one in map(_record, once)}
    states = {name: (one.state, one.sequence, one.sequence + 1) for name, one in newest.items()}
    told = [f"{one.intervention_id}.{one.sequence}" for one in map(_record, once) if one.delivery != "none"]
    return Published(kafka.bootstrap, topic, records, states, sorted(told))


def _record(sample: Sample) -> Intervention:
    return decode_intervention(sample.value)


class Teller:
    """Hears what is news, dies once in the middle, and knows when all was told."""

    def __init__(self, most: int) -> None:
        self.told: list[str] = []
        self.all_told = asyncio.Event()
        self._most = most
        self._dies = True

    def __call__(self, record: Intervention) -> None:
        self.told.append(f"{record.intervention_id}.{record.sequence}")
        if len(self.told) == 3 and self._dies:
            self._dies = False
            raise RuntimeError("the consumer dies here")
        if len(self.told) == self._most:
            self.all_told.set()


async def test_with_aiokafka_each_record_is_news_once_though_the_consumer_died(
    published: Published, tmp_path: Path
) -> None:
    tickets, teller = Tickets(tmp_path / "tickets.sqlite"), Teller(len(published.told))

    async def run() -> None:
        await follow(published.brokers, published.topic, "aiokafka", tickets, teller, teller.all_told)

    with pytest.raises(RuntimeError, match="dies here"):
        await run()
    await asyncio.wait_for(run(), 120)
    assert sorted(teller.told) == published.told
    assert tickets.states() == published.states


async def test_with_faststream_each_record_is_news_once_though_a_handler_failed(
    published: Published, tmp_path: Path
) -> None:
    tickets, teller = Tickets(tmp_path / "tickets.sqlite"), Teller(len(published.told))
    broker = broker_of(published.brokers, published.topic, "faststream", tickets, teller)
    await broker.start()
    try:
        await asyncio.wait_for(teller.all_told.wait(), 120)
    finally:
        await broker.stop()
    assert sorted(teller.told) == published.told
    assert tickets.states() == published.states


def test_the_java_example_compiles_and_knows_the_same(published: Published, tmp_path: Path) -> None:
    compiler = shutil.which("javac")
    if compiler is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no `javac` on the PATH")
    assert compiler is not None
    jars = class_path()
    built = subprocess.run(
        [compiler, "-Xlint:all", "-Werror", "-cp", jars, "-d", str(tmp_path), str(JAVA)],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    ran = subprocess.run(
        ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{tmp_path}{os.pathsep}{jars}",
         "OpenInterventions", published.brokers, published.topic, str(len(published.records))],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    known = [line for line in lines if " to " not in line]
    board = Board()
    for one in published.records:
        board.take(_record(one))
    expected = {name: "open" if name in board.open else "closed" for name in published.states}
    assert known == [f"{name} {published.states[name][1]} {state}" for name, state in sorted(expected.items())]
    assert len(lines) - len(known) == len(published.told)
