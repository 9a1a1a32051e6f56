"""The catalogue: every topic Ebb reads or writes, in one table.

Names here carry no prefix; `Topics` translates to the names on a cluster and back. Everything that creates, checks,
documents or consumes topics reads this table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from pydantic import BaseModel

from schemas import activity, meetings, ratings
from schemas.actions import ActionTaken
from schemas.base import DAY_MS
from schemas.dead_letters import DeadLetterHeaders
from schemas.deliveries import DeliveryRecorded
from schemas.interventions import Intervention
from schemas.pairs import PairChanged
from schemas.participants import ParticipantChanged
from schemas.programs import ProgramChanged
from schemas.rulesets import RulesetActivated
from schemas.sentiment import SentimentSubmitted

DEFAULT_PARTITIONS: Final = 8
"""N: partitions of `journal`, `interventions` and `state`, and our own default for inbound topics."""

KEEP_FOR_EVER: Final = -1

Direction = Literal["inbound", "internal", "outbound"]
Kind = Literal["fact", "reference", "ruleset", "journal", "control", "state", "intervention", "dead_letter", "delivery"]
CleanUp = Literal["delete", "compact"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        name: without prefix.
        direction: who writes it: others, or we for ourselves, or we for others.
        kind: what its records are.
        key: of what the key consists, `/` between several; empty where no key is asked for.
        key_is_checked: whether a record with another key is bad (compacted inbound topics).
        models: of its values, one per type; none where the value is ours alone or somebody else's bytes.
        partitions: how many we create.
        shares_partitions: whether it must have exactly as many as `journal`, because the same lane writes both.
        clean_up: `cleanup.policy`.
        retention_ms: how long records are kept; `KEEP_FOR_EVER` where only compaction removes them.
        config: further settings of the topic, by Kafka's names.
        about: what it is, in a sentence.
    """

    name: str
    direction: Direction
    kind: Kind
    key: tuple[str, ...]
    about: str
    models: tuple[type[BaseModel], ...] = ()
    key_is_checked: bool = False
    partitions: int = DEFAULT_PARTITIONS
    shares_partitions: bool = False
    clean_up: CleanUp = "delete"
    retention_ms: int = KEEP_FOR_EVER
    config: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def settings(self) -> dict[str, str]:
        """Return every topic setting to create it with, by Kafka's names."""
        return {"cleanup.policy": self.clean_up, "retention.ms": str(self.retention_ms), **self.config}


_FACTS_KEPT_MS: Final = 30 * DAY_MS
_LOG_KEPT_MS: Final = 400 * DAY_MS
_DEAD_LETTERS_KEPT_MS: Final = 14 * DAY_MS

# Brokers bound a batch, not a record: too large a record must reach ingest to become a dead letter, not be refused.
_LARGE_RECORDS: Final = str(1024 * 1024 + 64 * 1024)
# A dead letter is the original plus our headers, so it needs more room than any inbound topic gives.
_LARGER_RECORDS: Final = str(2 * 1024 * 1024)

_PRODUCER_TIME: Final = {"message.timestamp.type": "CreateTime", "max.message.bytes": _LARGE_RECORDS}

# A deletion has to outlive any reader's pause, and a reader's pause is as long as facts are kept.
_TOMBSTONES: Final = {"delete.retention.ms": str(35 * DAY_MS), "min.cleanable.dirty.ratio": "0.1"}

_FACT: Final = MappingProxyType(_PRODUCER_TIME)
_REFERENCE: Final = MappingProxyType(_PRODUCER_TIME | _TOMBSTONES)

CATALOGUE: Final[tuple[Topic, ...]] = (
    Topic(
        "participant-activity",
        "inbound",
        "fact",
        ("program_id",),
        "What people do on the platform, whom they ask, and when they ask for help.",
        models=(
            activity.ActivitySignedIn,
            activity.ActivityProfileUpdated,
            activity.ActivityGoalUpdated,
            activity.ActivityContentViewed,
            activity.ActivityMessageSent,
            activity.MatchRequestSent,
            activity.MatchRequestAccepted,
            activity.MatchRequestDeclined,
            activity.MatchRequestExpired,
            activity.MatchRequestWithdrawn,
            activity.RelaunchAnswered,
            activity.HelpRequested,
        ),
        retention_ms=_FACTS_KEPT_MS,
        config=_FACT,
    ),
    Topic(
        "meetings",
        "inbound",
        "fact",
        ("program_id",),
        "Meetings planned, moved, held and called off.",
        models=(
            meetings.MeetingScheduled,
            meetings.MeetingRescheduled,
            meetings.MeetingHeld,
            meetings.MeetingCancelled,
            meetings.MeetingNoShow,
        ),
        retention_ms=_FACTS_KEPT_MS,
        config=_FACT,
    ),
    Topic(
        "ratings",
        "inbound",
        "fact",
        ("program_id",),
        "Surveys that went out, and the ratings that came back.",
        models=(ratings.SurveySent, ratings.SurveyReminded, ratings.SurveyExpired, ratings.RatingSubmitted),
        retention_ms=_FACTS_KEPT_MS,
        config=_FACT,
    ),
    Topic(
        "sentiment",
        "inbound",
        "fact",
        ("program_id",),
        "How people say it is going.",
        models=(SentimentSubmitted,),
        retention_ms=_FACTS_KEPT_MS,
        config=_FACT,
    ),
    Topic(
        "programs",
        "inbound",
        "reference",
        ("program_id",),
        "Every program as it is now; a null value ends the program.",
        models=(ProgramChanged,),
        key_is_checked=True,
        clean_up="compact",
        config=_REFERENCE,
    ),
    Topic(
        "pairs",
        "inbound",
        "reference",
        ("program_id", "pair_id"),
        "Every pair as it is now; a null value closes the pair, for reason `other`.",
        models=(PairChanged,),
        key_is_checked=True,
        clean_up="compact",
        config=_REFERENCE,
    ),
    Topic(
        "participants",
        "inbound",
        "reference",
        ("program_id", "participant_id"),
        "Every participant as they are now; a null value erases the participant everywhere.",
        models=(ParticipantChanged,),
        key_is_checked=True,
        clean_up="compact",
        config=_REFERENCE,
    ),
    Topic(
        "coordinator-actions",
        "inbound",
        "fact",
        ("program_id",),
        "What coordinators did about interventions.",
        models=(ActionTaken,),
        retention_ms=_FACTS_KEPT_MS,
        config=_FACT,
    ),
    Topic(
        "rulesets",
        "inbound",
        "ruleset",
        ("scope",),
        "Rule sets and their activations, kept for ever: one partition, so that they have one order.",
        models=(RulesetActivated,),
        partitions=1,
        config=_FACT,
    ),
    Topic(
        "journal",
        "internal",
        "journal",
        ("program_id",),
        "The one order everything is derived from: facts, erasures, source progress, rule sets.",
        shares_partitions=True,
        retention_ms=_LOG_KEPT_MS,
        # Arrival stands in the value; retention goes by when we wrote, however old a loaded history is.
        config=MappingProxyType({"message.timestamp.type": "LogAppendTime", "max.message.bytes": _LARGE_RECORDS}),
    ),
    Topic(
        "ingest-control",
        "internal",
        "control",
        ("what",),
        "What ingest workers tell one another: stopped sources, word lists in force, sources told to the journal.",
        partitions=1,
        clean_up="compact",
        # The broker's own time in the answer to a write is how a worker compares clocks.
        config=MappingProxyType({"message.timestamp.type": "LogAppendTime", "max.message.bytes": _LARGE_RECORDS}),
    ),
    Topic(
        "state",
        "internal",
        "state",
        ("row",),
        "What the engine remembers: the newest value of every row, and the journal position they belong to.",
        shares_partitions=True,
        clean_up="compact",
        config=MappingProxyType(
            {
                "message.timestamp.type": "CreateTime",
                "max.message.bytes": _LARGE_RECORDS,
                # Recovery reads to the end in minutes, so a deleted row need not be remembered for long.
                "delete.retention.ms": str(DAY_MS),
                "min.cleanable.dirty.ratio": "0.1",
                "segment.bytes": str(128 * 1024 * 1024),
            }
        ),
    ),
    Topic(
        "interventions",
        "outbound",
        "intervention",
        ("program_id",),
        "What needs a human, with evidence. Written in transactions: read with `isolation.level=read_committed`.",
        models=(Intervention,),
        shares_partitions=True,
        retention_ms=_LOG_KEPT_MS,
        config=MappingProxyType(_PRODUCER_TIME),
    ),
    Topic(
        "dead-letters",
        "outbound",
        "dead_letter",
        (),
        "Records we could not use, with their original key, value and headers, and the reason in further headers.",
        retention_ms=_DEAD_LETTERS_KEPT_MS,
        config=MappingProxyType({"message.timestamp.type": "CreateTime", "max.message.bytes": _LARGER_RECORDS}),
    ),
    Topic(
        "deliveries",
        "outbound",
        "delivery",
        ("intervention_id", "sequence", "channel", "recipient"),
        "What the notifier sent, withheld or failed to send.",
        models=(DeliveryRecorded,),
        clean_up="compact",
        config=MappingProxyType(_PRODUCER_TIME | {"delete.retention.ms": str(DAY_MS)}),
    ),
)

BY_NAME: Final[Mapping[str, Topic]] = MappingProxyType({topic.name: topic for topic in CATALOGUE})
INBOUND: Final[tuple[str, ...]] = tuple(topic.name for topic in CATALOGUE if topic.direction == "inbound")
FACT_TOPICS: Final[tuple[str, ...]] = tuple(topic.name for topic in CATALOGUE if topic.kind == "fact")
REFERENCE_TOPICS: Final[tuple[str, ...]] = tuple(topic.name for topic in CATALOGUE if topic.kind == "reference")
HEADERS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType({"dead-letters": DeadLetterHeaders})

JOURNAL: Final = "journal"
INGEST_CONTROL: Final = "ingest-control"
STATE: Final = "state"
INTERVENTIONS: Final = "interventions"
DEAD_LETTERS: Final = "dead-letters"
DELIVERIES: Final = "deliveries"
RULESETS: Final = "rulesets"

_KAFKA_NAME_MAX: Final = 249
_LONGEST_NAME: Final = max(len(topic.name) for topic in CATALOGUE)
_PREFIX = re.compile(r"[A-Za-z0-9._-]*")


class Topics:
    """The catalogue under a prefix: names as they stand on a cluster, and back."""

    __slots__ = ("_catalogue_of", "_real_of", "prefix")

    def __init__(self, prefix: str = "") -> None:
        """Put `prefix` before every name.

        Raises: ValueError when Kafka would not take such names.
        """
        if not _PREFIX.fullmatch(prefix) or len(prefix) + _LONGEST_NAME > _KAFKA_NAME_MAX:
            raise ValueError("a topic prefix consists of A-Z a-z 0-9 . _ - and leaves room for the longest topic name")
        self.prefix: Final = prefix
        self._real_of: Final = {topic.name: prefix + topic.name for topic in CATALOGUE}
        self._catalogue_of: Final = {real: name for name, real in self._real_of.items()}

    def real(self, name: str) -> str:
        """Return the name on the cluster of a topic of the catalogue.

        Raises: KeyError when the catalogue has no such topic.
        """
        return self._real_of[name]

    def catalogue(self, real: str) -> str | None:
        """Return the catalogue's name of a topic on the cluster; None when it is none of ours."""
        return self._catalogue_of.get(real)

    def inbound(self) -> tuple[str, ...]:
        """Return the real names of the inbound topics, in the order of the catalogue."""
        return tuple(map(self.real, INBOUND))
