"""Publish the golden records to `interventions`: `python -m examples.consumers.samples --brokers 127.0.0.1:9092`.

They are the records that tests hold our own code to, one for each change in the life of an intervention.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

FOLDER: Final = Path(__file__).resolve().parents[2] / "tests" / "golden" / "payloads" / "interventions" / "v1"


class Sample(NamedTuple):
    """One record as it stands on the topic."""

    key: bytes
    headers: list[tuple[str, str | bytes | None]]
    value: bytes


def samples() -> list[Sample]:
    """Read them, each intervention's in order."""
    trees: list[dict[str, Any]] = [json.loads(path.read_bytes()) for path in FOLDER.glob("*.json")]
    trees.sort(key=lambda tree: (tree["value"]["intervention_id"], tree["value"]["sequence"]))
    return [
        Sample(
            tree["key"].encode(), [(name, text) for name, text in tree["headers"]], json.dumps(tree["value"]).encode()
        )
        for tree in trees
    ]


def publish(brokers: str, topic: str, records: list[Sample]) -> None:
    """Write records in the order given. Raises: RuntimeError when the brokers do not take them."""
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random"})
    for one in records:
        producer.produce(topic, key=one.key, value=one.value, headers=one.headers)
    if producer.flush(30):
        raise RuntimeError(f"{brokers} did not take the records")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.consumers.samples", description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="", help="EBB_TOPIC_PREFIX of the installation")
    given = parser.parse_args()
    records = samples()
    publish(given.brokers, f"{given.prefix}interventions", records)
    sys.stdout.write(f"{len(records)} records on {given.prefix}interventions\n")


if __name__ == "__main__":
    main()
