"""What the journal has to be told before facts and whenever it changes: code version, shipped rule set, expected
sources.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.host.checks import partition_counts, topic_ids
from agents.host.clients import KafkaSettings
from agents.ingest.checks import check_complete, check_topic_ids
from agents.ingest.control import VERSION, Announced
from agents.ingest.intake import Unit, words_of
from agents.ingest.merge import Source
from agents.ingest.options import IngestOptions
from agents.ingest.scout import Scout
from schemas.base import from_ms
from schemas.journal import ENTRY_VERSION, EngineEntry, RulesetEntry, SourcesEntry, encode_entry
from schemas.topics import INBOUND, JOURNAL, Topics


class Announcer:
    """Compares what is with what was announced. Used by the one worker that owns `rulesets/0`."""

    def __init__(self, kafka: KafkaSettings, topics: Topics, options: IngestOptions, scout: Scout) -> None:
        self._kafka = kafka
        self._topics = topics
        self._options = options
        self._scout = scout

    async def sources(self) -> list[Source]:
        """Every partition of every inbound topic, in catalogue order.

        Raises: Refusal when an inbound topic is missing.
        """
        counts = await partition_counts(self._kafka, self._topics.inbound())
        by_name = {name: counts.get(self._topics.real(name), 0) for name in INBOUND}
        check_complete(self._topics, by_name)
        return [Source(name, partition) for name in INBOUND for partition in range(by_name[name])]

    async def has_new_sources(self, before: Announced) -> bool:
        """Whether there are other source partitions than were announced."""
        return [str(source) for source in await self.sources()] != before.expected

    async def current(self, before: Announced | None) -> Announced:
        """What is to be announced now; equal to `before` when nothing changed.

        Raises: Refusal when an inbound topic is missing or was recreated.
        """
        sources = await self.sources()
        ids = await topic_ids(self._kafka, self._topics.inbound()) if self._options.asks_topic_ids else {}
        by_name = {self._topics.catalogue(real) or real: topic_id for real, topic_id in ids.items()}
        names = {str(source) for source in sources}
        known = {name: at for name, at in before.since.items() if name in names} if before is not None else {}
        if before is not None:
            check_topic_ids(self._topics, before.topic_ids, by_name)
        return Announced(
            v=VERSION,
            version=self._options.version,
            expected=[str(source) for source in sources],
            since={**await self._since([one for one in sources if str(one) not in known]), **known},
            clock=self._options.clock,
            # A broker that does not tell them this time has not made the topics anew.
            topic_ids={**(before.topic_ids if before is not None else {}), **by_name},
        )

    async def _since(self, sources: list[Source]) -> Mapping[str, datetime | None]:
        """From when on each source has been seen: None where its first offset is 0, else the time of the oldest
        record.
        """
        if not sources:
            return {}
        place = {source: (self._topics.real(source.topic), source.partition) for source in sources}
        begins = await self._scout.beginnings(place.values())
        ends = await self._scout.ends(place.values())
        since: dict[str, datetime | None] = {}
        for source, here in place.items():
            since[str(source)] = None
            if begins[here] > 0:
                oldest = await self._scout.first_record(here, begins[here], ends[here])
                since[str(source)] = from_ms(
                    oldest.timestamp if oldest is not None and oldest.timestamp >= 0 else self._options.now_ms()
                )
        return since

    async def write(self, unit: Unit, before: Announced | None, now: Announced) -> Mapping[str, Any] | None:
        """Add the entries that tell the journal what changed.

        Returns: the shipped rule set, expanded, where a journal partition began with it; else None.
        """
        journal = self._topics.real(JOURNAL)
        ends = await self._scout.ends([(journal, partition) for partition in range(len(unit.rows))])
        expanded, content_hash = self._options.expand_ruleset(self._options.shipped_ruleset)
        # The defaults are written out, so that later code with other defaults replays the same.
        shipped = RulesetEntry(
            v=ENTRY_VERSION,
            ruleset=expanded,
            hash=content_hash,
            scope="*",
            backfill="emit",
            source=None,
            arrived_at=None,
        )
        engine = encode_entry(EngineEntry(v=ENTRY_VERSION, version=now.version))
        sources = encode_entry(
            SourcesEntry(
                v=ENTRY_VERSION, expected=now.expected, since=now.since, clock=now.clock, topic_ids=now.topic_ids
            )
        )
        is_new = before is None or (before.expected, before.since, before.clock, before.topic_ids) != (
            now.expected, now.since, now.clock, now.topic_ids,
        )  # fmt: skip
        begun = False
        for partition, rows in enumerate(unit.rows):
            is_empty = ends[journal, partition] == 0
            if is_empty or before is None or before.version != now.version:
                rows.append((None, engine))
            if is_empty:
                rows.append((None, encode_entry(shipped)))
                begun = True
            if is_empty or is_new:
                rows.append((None, sources))
        return words_of(expanded) if begun else None
