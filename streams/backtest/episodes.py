"""Records of interventions → episodes: what opened when on whom, how grave it became, and how it ended.

An episode keeps places of lines instead of their texts, so that a year of them fits in memory; who wants to show one
reads its lines again.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from schemas.interventions import State
from schemas.outbound import Intervention
from streams.delivery.rehearsal import FIRST_MONDAY_MS, WEEK_MS
from streams.windows import tumbling

SEVERITIES: Final = ("info", "notice", "warning", "high", "critical")
STILL_OPEN: Final = -1
_CLOSED: Final[frozenset[State]] = frozenset({"resolved", "expired", "retracted"})


class Subject(Struct, frozen=True, order=True, gc=False):
    """Who or what an episode is about, under which rule."""

    rule: str
    program_id: str
    kind: str
    id: str


class Episode(Struct, gc=False):
    """One episode as its records told it. Instants in ms UTC.

    Attributes:
        id: `intervention_id`.
        closed_ms: when it was resolved, expired or retracted; `STILL_OPEN` while it is not.
        severity: the gravest so far, index into `SEVERITIES`.
        stage: the last rung of a ladder rule.
        ending: the change that closed it.
        delivery: of the opening record.
        pair_ids: every pair it ever concerned.
        first_line: number of its opening record among the records read.
        last_line: number of the last record that raised it, else of the opening one.
        began_earlier: it opened before the first record that was read.
    """

    subject: Subject
    id: str
    opened_ms: int
    severity: int
    stage: str | None
    delivery: str
    first_line: int
    last_line: int
    closed_ms: int = STILL_OPEN
    ending: str = ""
    records: int = 0
    pair_ids: tuple[str, ...] = ()
    began_earlier: bool = False

    @property
    def is_open(self) -> bool:
        return self.closed_ms == STILL_OPEN

    def overlaps(self, other: "Episode") -> bool:
        """Whether both were open at one instant."""
        begins_first, begins_last = sorted((self, other), key=lambda one: one.opened_ms)
        return begins_first.is_open or begins_last.opened_ms <= begins_first.closed_ms


class EpisodeReader(Struct):
    """Reads records in the order they were decided."""

    episodes: list[Episode] = field(default_factory=list)
    lines: int = 0
    by_id: dict[str, Episode] = field(default_factory=dict)

    def read(self, at_ms: int, record: Intervention) -> Episode:
        """Take in the next record, decided at `at_ms`. Returns: its episode, as it is after it."""
        line, severity = self.lines, SEVERITIES.index(record.severity)
        self.lines += 1
        episode = self.by_id.get(record.intervention_id)
        if episode is None:
            subject = Subject(record.rule.id, record.program_id, record.subject.type, record.subject.id)
            episode = Episode(
                subject, record.intervention_id, at_ms, severity, record.stage, record.delivery, line, line
            )
            episode.began_earlier = record.sequence > 0
            self.by_id[record.intervention_id] = episode
            self.episodes.append(episode)
        elif severity > episode.severity or record.stage != episode.stage:
            episode.last_line = line
        episode.severity = max(severity, episode.severity)
        episode.stage = record.stage
        episode.records += 1
        if len(record.pair_ids) > len(episode.pair_ids) or not set(record.pair_ids) <= set(episode.pair_ids):
            episode.pair_ids = tuple(sorted({*episode.pair_ids, *record.pair_ids}))
        if record.state in _CLOSED:
            episode.closed_ms, episode.ending = at_ms, record.change
            del self.by_id[record.intervention_id]
        return episode


def week_of(at_ms: int) -> int:
    """The Monday (00:00 UTC, ms) of the week an instant lies in."""
    return tumbling(at_ms, WEEK_MS, FIRST_MONDAY_MS)[0]


def weeks_between(first_ms: int, last_ms: int) -> Iterable[int]:
    """Every week from that of one instant to that of another, as `week_of` names them."""
    return range(week_of(first_ms), week_of(last_ms) + 1, WEEK_MS)
