"""Who is measured: how each is started, what it guarantees, and what was set that is not its default."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final, NamedTuple

from benchmarks.peers.setting_up import compiled, environment_of, jars
from deploy.kafka.jars import java

_JAVA_OPTIONS: Final = ("-Xmx2g", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
_OPENED: Final = tuple(
    word
    for name in ("java.util", "java.lang", "java.nio", "java.time")
    for word in ("--add-opens", f"java.base/{name}=ALL-UNNAMED")
)


class System(NamedTuple):
    """One system under test.

    Attributes:
        kind: which program runs it; `environment` chooses among its settings.
        title: as the page names it.
        guarantee: what it promises of state and output after a crash, in its own terms.
        setting: what was set beside its defaults, in words.
        share: of the records it is given, because it would take too long with all.
        in_bursts: its outputs become visible with commits that are seconds apart, so CPU time and outputs of half a
            run do not belong together.
    """

    kind: str
    title: str
    guarantee: str
    setting: str
    environment: Mapping[str, str] = {}
    share: float = 1.0
    in_bursts: bool = False

    def command(self) -> list[str]:
        """What starts it. Sets its environment up at the first call, which downloads."""
        if self.kind == "ebb":
            return [sys.executable, "-m", "benchmarks.peers.run_ebb"]
        if self.kind in ("faust", "quix", "bytewax"):
            tail = ["worker", "-l", "error", "--without-web"] if self.kind == "faust" else []
            return [str(environment_of(self.kind)), "-m", f"benchmarks.peers.run_{self.kind}", *tail]
        source = {"streams": "StreamsPair", "flink": "FlinkPair"}[self.kind]
        opened = _OPENED if self.kind == "flink" else ()
        return [java(), *_JAVA_OPTIONS, *opened, "-cp", f"{compiled(self.kind, source)}:{jars(self.kind)}/*", source]


_CHANGELOG: Final = "changelog topic, at least once: after a crash records may count twice"
_EOS: Final = "changelog topic and transactions: exactly once"

SYSTEMS: Final[dict[str, System]] = {
    "ebb": System("ebb", "Ebb's host", "state topic and transactions: exactly once", "as shipped", in_bursts=True),
    "faust-memory": System(
        "faust", "Faust, table in memory", _CHANGELOG, "orjson installed", {"STORE": "memory://"}, share=0.03
    ),
    "faust-rocksdb": System(
        "faust", "Faust, RocksDB table", _CHANGELOG, "rocksdict, orjson", {"STORE": "rocksdb://"}, share=0.03
    ),
    "faust-hopping": System(
        "faust",
        "Faust, hopping window of 6 days",
        _CHANGELOG,
        "step 1 day",
        {"STORE": "memory://", "HOPPING": "6"},
        0.01,
    ),
    "quix": System("quix", "Quix Streams", _CHANGELOG, "RocksDB state, commit every 5 s (default)", share=0.4),
    "quix-eos": System(
        "quix", "Quix Streams, exactly once", _EOS, "as above", {"GUARANTEE": "exactly-once"}, share=0.4, in_bursts=True
    ),
    "bytewax": System(
        "bytewax", "Bytewax", "SQLite snapshots every 10 s: output at least once", "recovery store, batches of 1,000"
    ),
    "streams-alo": System(
        "streams",
        "Kafka Streams, at least once",
        _CHANGELOG,
        "RocksDB, cache on, commit every 1 s",
        {"GUARANTEE": "at_least_once", "COMMIT_MS": "1000"},
    ),
    "streams-eos": System(
        "streams",
        "Kafka Streams, exactly once",
        _EOS,
        "RocksDB, cache on, commit every 100 ms (default)",
        {"GUARANTEE": "exactly_once_v2", "COMMIT_MS": "100"},
    ),
    "flink": System(
        "flink",
        "Flink",
        "checkpoints every 10 s on disk: state exactly once, output at least once",
        "heap state, one slot",
    ),
}
