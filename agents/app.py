"""The worker: the one place that wires settings, ingest, engine, metrics and health together.

Ingest and engine are two Faust apps and two consumer groups, so that a rebalance of one never stops the other; one
process usually hosts both.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal, NoReturn

from aiokafka.errors import KafkaError

from agents.engine import engines
from agents.health import Health, Report
from agents.host import pace
from agents.host.checks import LaneTopics, partition_counts
from agents.host.chunks import ChunkApp, make_app
from agents.host.lane import UNIT, LaneOptions
from agents.host.lanes import Lanes
from agents.host.process import Refusal, fatal
from agents.host.worker import host_lanes, serve, tune_interpreter
from agents.ingest.agent import Ingest, build_ingest
from agents.ingest.options import IngestOptions
from agents.logs import name_of
from agents.metrics import Metrics
from agents.settings import Settings
from agents.version import VERSION
from schemas.topics import DEAD_LETTERS, INBOUND, INGEST_CONTROL, INTERVENTIONS, JOURNAL, STATE, Topics
from streams import ruleset

log = logging.getLogger("ebb.worker")

Only = Literal["ingest", "engine"]
REFUSAL_SHOWS_S = 1.0
EMBEDDED_UNIT = 3_000
"""Records and interventions of a commit on the embedded broker: it forgets all but the last 5 MB of a partition, and
whoever reads what is published must be able to keep up with that."""


def engine_group(prefix: str) -> str:
    """The consumer group of the engine."""
    return f"{prefix}ebb-engine"


def lane_topics(topics: Topics) -> LaneTopics:
    """The topics of a lane as they stand on the cluster."""
    return LaneTopics(
        journal=topics.real(JOURNAL),
        state=topics.real(STATE),
        interventions=topics.real(INTERVENTIONS),
        prefix=topics.prefix,
    )


def expand_ruleset(tree: Any) -> tuple[dict[str, Any], str]:
    """Check and expand a rule set.

    Returns: the expanded tree and its content hash.
    Raises: RulesetError, a ValueError.
    """
    rules = ruleset.parse(tree)
    return rules.tree, rules.hash


class Worker:
    """What one process runs. Make it inside a running event loop, then `run` it.

    Args:
        only: leave the other half to another process.
    """

    def __init__(self, settings: Settings, only: Only | None = None) -> None:
        self._settings = settings
        self._refusal: Refusal | None = None
        self._ending: asyncio.Task[NoReturn] | None = None
        self._ingest: Ingest | None = None
        self._lanes: Lanes | None = None
        self._apps: list[ChunkApp] = []
        fold_of, self.folds = engines(settings.topic_prefix)
        self.metrics = Metrics(self.folds, settings.program_metrics)
        self.health = Health(self.report, self.metrics.registry, self._refresh)
        if only != "engine":
            self._ingest = build_ingest(
                settings.kafka, self._ingest_options(), observer=self.metrics.ingest, refused=self._refuse
            )
            self._apps.append(self._ingest.app)
        if only != "ingest":
            app = make_app(
                engine_group(settings.topic_prefix),
                settings.kafka,
                data_dir=self._folder("engine"),
                session_timeout_s=settings.session_timeout_s,
                instance_id=settings.instance_id,
            )
            self._lanes = host_lanes(
                app,
                fold_of,
                kafka=settings.kafka,
                topics=lane_topics(settings.topics),
                options=LaneOptions(
                    linger_s=settings.linger_ms / 1_000,
                    unit_records=EMBEDDED_UNIT if settings.kafka_embedded else UNIT,
                    rebuild_lost_state=settings.rebuild_lost_state,
                ),
                observer=self.metrics.host,
                refused=self._refuse,
            )
            self._apps.append(app)

    async def run(self) -> int:
        """Work until SIGTERM or SIGINT. Returns: the exit code 0; whatever goes wrong ends the process with 1."""
        try:
            if self._settings.port:
                address = await self.health.start(self._settings.host, self._settings.port)
                log.info("health and metrics on http://%s", address)
            await self._check_surroundings()
        except Refusal as refusal:
            self._refusal = refusal
            await self._end(refusal)
        code = await serve(*self._apps)
        await self.health.stop()
        return code

    def report(self) -> Report:
        """What keeps this worker from being ready, and how far it is behind."""
        reasons = [] if self._refusal is None else [self._refusal.sentence]
        lag = {}
        positions: dict[int, int] = {}
        if self._ingest is not None:
            reasons += self._ingest.problems()
            lag["ingest"] = self._ingest.lag()
        if self._lanes is not None:
            lanes = self._lanes.open_lanes
            positions = {number: lane.durable + 1 for number, lane in sorted(lanes.items()) if lane.is_open}
            recovering = sorted(lanes.keys() - positions.keys())
            if recovering:
                reasons.append(f"journal partitions {', '.join(map(str, recovering))} are being recovered")
            elif not self._lanes.are_ready():
                reasons.append("the engine is taking over its partitions")
            elif not self._lanes.were_assigned:
                # With more workers than partitions one has none, and is ready all the same once the group settled.
                reasons.append("the engine has not been given partitions yet")
            lag["engine"] = sum(max(0, lane.end - lane.durable - 1) for lane in lanes.values())
        return Report(ready=not reasons, reasons=reasons, lag=lag, positions=positions)

    def _refresh(self) -> None:
        lanes = self._lanes
        open_lanes = {} if lanes is None else lanes.open_lanes
        self.metrics.observe_engines({number: lane.is_open for number, lane in open_lanes.items()})
        for number, lane in open_lanes.items():  # where the journal ends is asked now and then; what is done is known
            self.metrics.host.lag(number, max(0, lane.end - lane.durable - 1))

    def _refuse(self, refusal: Refusal) -> None:
        """Go red, say one sentence, end: with a moment between, so that whoever asks right now is told why."""
        if self._refusal is None:
            self._refusal = refusal
            self._ending = asyncio.get_running_loop().create_task(self._end(refusal), name="refusal")

    async def _end(self, refusal: Refusal) -> NoReturn:
        await asyncio.sleep(REFUSAL_SHOWS_S if self._settings.port else 0)
        fatal(refusal.sentence)

    async def _check_surroundings(self) -> None:
        """Look for broker and topics before any client subscribes: on some brokers, subscribing would create them."""
        settings = self._settings
        needed = [JOURNAL, STATE, INTERVENTIONS] if self._lanes is not None else []
        if self._ingest is not None:
            needed += [name for name in (*INBOUND, JOURNAL, INGEST_CONTROL, DEAD_LETTERS) if name not in needed]
        real = [settings.topics.real(name) for name in needed]
        try:
            counts = await partition_counts(settings.kafka, real)
        except (KafkaError, OSError) as error:
            raise Refusal(
                f"No broker at {settings.brokers} answers as it should ({name_of(error)}). Check EBB_BROKERS and the "
                "EBB_KAFKA_ settings; `ebb doctor` says more."
            ) from error
        missing = [name for name in real if name not in counts]
        if missing:
            raise Refusal(f"Topics are missing: {', '.join(missing)}. Create them with `ebb topics create`.")

    def _ingest_options(self) -> IngestOptions:
        settings = self._settings
        return IngestOptions(
            version=VERSION,
            shipped_ruleset={},
            expand_ruleset=expand_ruleset,
            prefix=settings.topic_prefix,
            clock=settings.clock,
            session_timeout_s=settings.session_timeout_s,
            instance_id=settings.instance_id,
            data_dir=self._folder("ingest"),
        )

    def _folder(self, name: str) -> Any:
        return None if self._settings.data_dir is None else self._settings.data_dir / f"faust-{name}"


def run_worker(settings: Settings, only: Only | None = None) -> int:
    """Run a worker in this process until it is asked to stop. Returns: the exit code."""
    tune_interpreter()

    async def work() -> int:
        return await Worker(settings, only).run()

    return pace.run(work())
