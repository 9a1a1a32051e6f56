"""Recordings of a real Kafka: ranges, what was cut off, inbound topics, and back into a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from agents import segments
from agents.cli import main as ebb
from agents.host.clients import KafkaSettings
from agents.recorder import record_journal
from agents.recordings import Recording, Row
from deploy.kafka.broker import KafkaBroker
from schemas.topics import INBOUND, Topics
from streams.backtest.replay import PARTITIONS
from tests.streams.backtest.lines import arrival, journals, random_lines

LINES: Final = random_lines(23, 260)
SENT: Final = list({arrival(line).arrived_ms: line for line in LINES if arrival(line).topic != "clock"}.values())
"""One line an instant, none of the clock: on topics nothing tells the order of what arrives at once."""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def run(kafka: KafkaBroker, prefix: str, *arguments: object) -> Result:
    environment = {"EBB_BROKERS": kafka.bootstrap, "EBB_TOPIC_PREFIX": prefix}
    return CliRunner().invoke(ebb, [str(each) for each in arguments], env=environment)


def done(result: Result) -> Any:
    """What a command printed as JSON, when it succeeded."""
    assert result.exit_code == 0, result.output[-2_000:]
    return json.loads(result.stdout)


def create(kafka: KafkaBroker, topics: dict[str, int], settings: dict[str, str] | None = None) -> None:
    """Create topics of so many partitions, and wait until the broker tells of all of them."""
    for name, count in topics.items():
        kafka.create_topic(name, count, settings or {})
    admin, deadline = AdminClient({"bootstrap.servers": kafka.bootstrap}), time.monotonic() + 120
    while True:
        known = admin.list_topics(timeout=30).topics
        if all(name in known and len(known[name].partitions) == count for name, count in topics.items()):
            return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def append(kafka: KafkaBroker, topic: str, entries: Sequence[Sequence[bytes]], first_ms: int = 1_000) -> None:
    """Write journal entries by partition; the n-th of each has the append time `first_ms` + n."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True, "log_level": 0})
    for partition, values in enumerate(entries):
        for number, value in enumerate(values):
            producer.produce(topic, value=value, partition=partition, timestamp=first_ms + number)
    assert producer.flush(60) == 0


def rows(path: Path) -> list[list[Row]]:
    recording = Recording(path)
    return [list(recording.rows(number)) for number in range(len(recording.info.partitions))]


def interventions(recording: Path, out: Path, *options: str) -> list[bytes]:
    result = CliRunner().invoke(ebb, ["backtest", str(recording), "--out", str(out), "--jobs", "1", *options])
    assert result.exit_code == 0, result.output
    return (out / "interventions.jsonl").read_bytes().splitlines()


@pytest.fixture(scope="module")
def entries(kafka: KafkaBroker) -> list[list[bytes]]:
    """Entries of a journal that stands on the broker under the prefix `range.`."""
    made = journals(LINES)
    create(kafka, {"range.journal": PARTITIONS})
    append(kafka, "range.journal", made)
    return made


@pytest.fixture(scope="module")
def whole(kafka: KafkaBroker, entries: list[list[bytes]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "r.parquet"
    told = done(run(kafka, "range.", "record", "--out", path, "--json"))
    assert told["partitions"] == [len(each) for each in entries]
    return path


def test_a_range_of_offsets_begins_with_its_state_and_says_what_the_whole_says_from_there_on(
    kafka: KafkaBroker, entries: list[list[bytes]], whole: Path, tmp_path: Path
) -> None:
    begins = [len(each) // 2 for each in entries]
    ends = [len(each) - 3 for each in entries]
    bounds = [",".join(f"{number}={offset}" for number, offset in enumerate(each)) for each in (begins, ends)]
    path = tmp_path / "r.parquet"
    told = done(run(kafka, "range.", "record", "--out", path, "--from", bounds[0], "--to", bounds[1], "--json"))
    assert told["first_offsets"] == begins
    assert told["partitions"] == [end - begin for begin, end in zip(begins, ends, strict=True)]
    assert [[row.value for row in each] for each in rows(path)] == [
        each[begin:end] for each, begin, end in zip(entries, begins, ends, strict=True)
    ]
    ranged, everything = interventions(path, tmp_path / "ranged"), interventions(whole, tmp_path / "everything")
    assert 0 < len(ranged) < len(everything)
    assert set(ranged) <= set(everything)


def test_a_range_of_time_goes_by_append_time(kafka: KafkaBroker, entries: list[list[bytes]], tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    bounds = ("--from", "1970-01-01T00:00:01.010Z", "--to", "1970-01-01T00:00:01.020Z")
    told = done(run(kafka, "range.", "record", "--out", path, *bounds, "--json"))
    assert told["first_offsets"] == [min(10, len(each)) for each in entries]
    assert {row.timestamp_ms for each in rows(path) for row in each} == set(range(1_010, 1_020))


def test_what_was_cut_off_goes_on_where_it_stopped(
    kafka: KafkaBroker, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutOffError(Exception):
        pass

    def cut_off(count: int, total: int) -> None:
        if count > total // 3:
            raise CutOffError

    monkeypatch.setattr(segments, "SEGMENT_ROWS", 20)
    monkeypatch.setattr("agents.recorder._BLOCK", 50)
    settings, path = KafkaSettings(brokers=kafka.bootstrap), tmp_path / "r.parquet"
    with pytest.raises(CutOffError):
        record_journal(settings, Topics("range."), path, cut_off)
    assert not path.exists()
    told: list[int] = []
    info = record_journal(settings, Topics("range."), path, lambda count, _: told.append(count))
    assert told[0] > 0, "it began anew"
    assert told[-1] == info.entries
    assert info.content_hash == Recording(whole).info.content_hash
    assert [one.name for one in tmp_path.iterdir()] == ["r.parquet"]


def test_a_recording_goes_on_from_an_earlier_one(kafka: KafkaBroker, tmp_path: Path) -> None:
    made = journals(LINES)
    half = [len(each) // 2 for each in made]
    create(kafka, {"more.journal": PARTITIONS})
    append(kafka, "more.journal", [each[:at] for each, at in zip(made, half, strict=True)])
    done(run(kafka, "more.", "record", "--out", tmp_path / "first.parquet", "--json"))
    append(kafka, "more.journal", [each[at:] for each, at in zip(made, half, strict=True)])
    resumed = ("--resume", tmp_path / "first.parquet", "--json")
    told = done(run(kafka, "more.", "record", "--out", tmp_path / "both.parquet", *resumed))
    straight = done(run(kafka, "more.", "record", "--out", tmp_path / "straight.parquet", "--json"))
    assert told["hash"] == straight["hash"]
    assert told["entries"] == sum(map(len, made))


def create_inbound(kafka: KafkaBroker, prefix: str, **settings: str) -> None:
    topics = {f"{prefix}{name}": 1 if name == "rulesets" else PARTITIONS for name in INBOUND}
    create(kafka, topics, {"retention.ms": "-1"} | settings)


def test_inbound_topics_are_recorded_from_offsets_on_and_from_an_earlier_recording_on(
    kafka: KafkaBroker, tmp_path: Path
) -> None:
    create(kafka, {"part.ratings": 2})
    append(kafka, "part.ratings", [[b"1", b"2", b"3"], [b"4"]])
    bounds = ("--from", "ratings/0=1", "--to", "ratings/0=2")
    ranged = ("record", "--topics", "ratings", *bounds, "--out", tmp_path / "range.parquet", "--json")
    assert done(run(kafka, "part.", *ranged))["entries"] == 2
    assert [[row.value for row in each] for each in rows(tmp_path / "range.parquet")] == [[b"2"], [b"4"]]
    append(kafka, "part.ratings", [[b"5"], [b"6", b"7"]])
    resumed = ("record", "--resume", tmp_path / "range.parquet", "--out", tmp_path / "both.parquet", "--json")
    assert done(run(kafka, "part.", *resumed))["entries"] == 6
    assert [[row.value for row in each] for each in rows(tmp_path / "both.parquet")] == [
        [b"2", b"3", b"5"],
        [b"4", b"6", b"7"],
    ]
    wrong = run(kafka, "part.", "record", "--topics", "ratings", "--from", "0=1", "--out", tmp_path / "no")
    assert wrong.exit_code == 2
    assert "name the topic" in wrong.output


def test_inbound_topics_are_recorded_as_they_were_sent_and_go_back_into_a_cluster(
    kafka: KafkaBroker, tmp_path: Path
) -> None:
    create_inbound(kafka, "sent.")
    create_inbound(kafka, "again.")
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes(b"\n".join(SENT))
    done(run(kafka, "sent.", "import", lines, "--out", tmp_path / "imported.parquet", "--json"))
    assert done(run(kafka, "sent.", "replay", tmp_path / "imported.parquet", "--json")) == {"sent": len(SENT)}
    for prefix in ("sent.", "again."):
        path = tmp_path / f"{prefix}parquet"
        told = done(run(kafka, prefix, "record", "--out", path, "--topics", "all", "--json"))
        assert told["entries"] == len(SENT)
        if prefix == "sent.":
            assert done(run(kafka, "again.", "replay", path, "--json")) == {"sent": len(SENT)}
    assert rows(tmp_path / "sent.parquet") == rows(tmp_path / "again.parquet")
    stamps = sorted(row.timestamp_ms for each in rows(tmp_path / "sent.parquet") for row in each)
    assert stamps == [arrival(line).arrived_ms for line in SENT]
    recorded, by_lines = (interventions(path, path.with_suffix(".out")) for path in (tmp_path / "sent.parquet", lines))
    assert len(by_lines) > 20
    assert recorded == by_lines
    again = run(kafka, "again.", "replay", tmp_path / "sent.parquet")
    assert again.exit_code == 1
    assert "is not empty" in again.output


@pytest.mark.parametrize(
    ("prefix", "settings", "words"),
    [
        ("short.", {"retention.ms": "3600000"}, "what is sent would be removed at once"),
        ("clock.", {"message.timestamp.type": "LogAppendTime"}, "what is sent would lose its times"),
    ],
)
def test_a_cluster_on_which_a_replay_would_not_stay_is_refused(
    kafka: KafkaBroker, tmp_path: Path, prefix: str, settings: dict[str, str], words: str
) -> None:
    create_inbound(kafka, prefix, **settings)
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes(b"\n".join(LINES[:20]))
    done(run(kafka, prefix, "import", lines, "--out", tmp_path / "r.parquet", "--json"))
    refused = run(kafka, prefix, "replay", tmp_path / "r.parquet")
    assert refused.exit_code == 1
    assert words in refused.output
    assert refused.output.startswith("Error: ")
    assert refused.output.count("\n") == 1


def test_a_chosen_speed_keeps_the_time_between_records(kafka: KafkaBroker, tmp_path: Path) -> None:
    create_inbound(kafka, "slow.")
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes(b"\n".join(LINES[:40]))
    done(run(kafka, "slow.", "import", lines, "--out", tmp_path / "r.parquet", "--json"))
    span_s = (arrival(LINES[39]).arrived_ms - arrival(LINES[0]).arrived_ms) / 1_000
    began = time.monotonic()
    assert done(run(kafka, "slow.", "replay", tmp_path / "r.parquet", "--speed", span_s / 2, "--json"))["sent"] > 0
    assert time.monotonic() - began >= 2.0
