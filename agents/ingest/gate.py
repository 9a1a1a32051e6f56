"""The gate of the first start: no fact goes into the journal before every program, pair, person and rule set there is.

The reference partitions may belong to several workers, so what counts is the group's committed positions beside our
own.
"""

from collections.abc import Iterable

from faust.types import TP

from agents.host.chunks import ChunkConsumer
from agents.ingest.control import ControlState
from agents.ingest.merge import Source
from agents.ingest.scout import Scout
from schemas.topics import FACT_TOPICS, REFERENCE_TOPICS, RULESETS, Topics


class Gate:
    """Where the reference partitions ended when the worker started, and who has got there."""

    def __init__(self, topics: Topics, scout: Scout) -> None:
        self._topics = topics
        self._scout = scout
        self._missing: dict[Source, int] = {}

    async def close(self, sources: Iterable[Source], consumer: ChunkConsumer, control: ControlState) -> bool:
        """Note the ends of the reference partitions if this is the group's first start.

        It is the first while no position on a fact topic has ever been committed: facts only go through an open gate.

        Returns: whether facts have to wait.
        """
        sources = list(sources)
        facts = [self._tp(source) for source in sources if source.topic in FACT_TOPICS]
        if any(source.topic in FACT_TOPICS for source in control.positions):
            return False
        if any(offset is not None for offset in (await consumer.committed_offsets(facts)).values()):
            return False
        reference = [source for source in sources if source.topic in (*REFERENCE_TOPICS, RULESETS)]
        place = {source: (self._topics.real(source.topic), source.partition) for source in reference}
        begins = await self._scout.beginnings(place.values())
        ends = await self._scout.ends(place.values())
        self._missing = {source: ends[here] for source, here in place.items() if ends[here] > begins[here]}
        return await self.is_closed(consumer, control)

    def forwarded(self, source: Source, position: int) -> None:
        """One of our own sources has got to `position`."""
        if source in self._missing and position >= self._missing[source]:
            del self._missing[source]

    async def is_closed(self, consumer: ChunkConsumer, control: ControlState) -> bool:
        """Whether facts still have to wait; asks the group about other workers' partitions. Stopped sources are not
        waited for.
        """
        for source in [source for source in self._missing if control.is_stopped(source)]:
            del self._missing[source]
        if self._missing:
            committed = await consumer.committed_offsets([self._tp(source) for source in self._missing])
            for source in list(self._missing):
                self.forwarded(source, committed[self._tp(source)] or 0)
        return bool(self._missing)

    def is_waiting(self) -> bool:
        """Whether something is still missing, as far as is known without asking."""
        return bool(self._missing)

    def _tp(self, source: Source) -> TP:
        return TP(self._topics.real(source.topic), source.partition)
