"""The pair job on Bytewax, as its documentation shows it: Kafka in and out, `stateful_map`, a SQLite recovery store."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from benchmarks.peers.rule import step

EPOCH = timedelta(seconds=10)


def build(brokers: str, inbound: str, outbound: str) -> Any:
    """The dataflow."""
    flow = Dataflow("pairs")
    records = op.input("in", flow, KafkaSource([brokers], [inbound], batch_size=1_000))
    facts = op.map("decode", records, lambda record: (record.key.decode(), orjson.loads(record.value)))
    found = op.stateful_map("pair", facts, step)
    low = op.filter_map(
        "low", found, lambda one: None if one[1] is None else KafkaSinkMessage(one[0].encode(), orjson.dumps(one[1]))
    )
    op.output("out", low, KafkaSink([brokers], outbound))
    return flow


def main() -> None:
    """Run until killed; Bytewax has no consumer group, its position stands in the recovery store."""
    given = os.environ
    store = Path(given["STATE_DIR"]) / "recovery"
    store.mkdir(parents=True)
    init_db_dir(store, 1)
    flow = build(given["BROKERS"], given["IN_TOPIC"], given["OUT_TOPIC"])
    run_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(str(store)))


if __name__ == "__main__":
    main()
