"""What a rule is: which facts it reads, how it judges a subject at an instant, and how it accounts for its judgement.

A rule never keeps anything. `judge` looks at state and says what is true at an instant and when to look again; it is
called often and must be cheap. `explain` is called only when a record is about to be written, and gives the words,
the numbers and the suggested actions. Everything that happens in time between the two (one open intervention per
subject, rungs, cool-down, expiry) belongs to `streams.lifecycle`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import IntEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from schemas.interventions import ActionCode, Audience, CauseLabel, RuleClass, SubjectType
from streams.calendar import normalised_week
from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS
from streams.detectors.rate import Event
from streams.fold.touched import NOBODY, Touched
from streams.state.episode import CODES, Episode, Evidence, FactRef
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.program import ProgramState
from streams.state.record import Record
from streams.state.table import subject_of
from streams.view import View


class Severity(IntEnum):
    INFO = 0
    NOTICE = 1
    WARNING = 2
    HIGH = 3
    CRITICAL = 4


class Rung(NamedTuple):
    """One step of a ladder: its name on the wire (None for a rule without a ladder) and its severity.

    `review_list`: only colours the picture: shows in `review.due` and the console and is not sent by itself.
    `audience`: other than the rule's own.
    """

    name: str | None
    severity: Severity
    review_list: bool = False
    audience: Audience | None = None


_UNITS: Final = {"d": DAY_MS, "h": HOUR_MS, "m": MINUTE_MS}


def parse_duration(text: object) -> int:
    """Parse `"<n>d"`, `"<n>h"` or `"<n>m"` into milliseconds. Raises ValueError on anything else."""
    if isinstance(text, str) and text[:-1].isascii() and text[:-1].isdigit() and text[-1] in _UNITS:
        return int(text[:-1]) * _UNITS[text[-1]]
    raise ValueError('a duration is written "<n>d", "<n>h" or "<n>m", such as "10d"')


def format_duration(duration_ms: int) -> str:
    """Write a duration in its largest whole unit; inverse of `parse_duration`."""
    for unit, size in _UNITS.items():
        if duration_ms % size == 0 and (duration_ms or unit == "d"):
            return f"{duration_ms // size}{unit}"
    raise ValueError("a duration is a whole number of minutes")


#: Milliseconds in the core, `"10d"` in a rule file.
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    Field(ge=0, le=3_660 * DAY_MS, json_schema_extra={"format": "duration"}),
]


def parse_week(value: object) -> tuple[float, ...]:
    """Read a weekday profile, Monday first. Raises ValueError unless it is seven weights of at least 0, not all 0."""
    if not isinstance(value, list | tuple) or not all(type(each) in (int, float) for each in value):
        raise ValueError("a weekday pattern is a list of seven numbers, Monday first")
    weights = tuple(float(each) for each in value)
    normalised_week(weights)
    return weights


#: Seven weights, Monday first; only their ratios count.
Week = Annotated[tuple[float, ...], BeforeValidator(parse_week), Field(min_length=7, max_length=7)]


class RuleParams(BaseModel):
    """Parameters every rule has. A rule's own model adds to these."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, name) for name in type(self).model_fields))

    def __hash__(self) -> int:
        """Parameters are keys of what rules derive from them, and asked for with every judgement: hashed once."""
        return self._hash

    enabled: bool = Field(default=True, description="whether the rule is evaluated at all")
    mode: Literal["live", "shadow"] = Field(
        default="live", description="shadow: evaluated and written, never delivered"
    )
    cool_down: Duration = Field(
        default=14 * DAY_MS, description="after closing, how long the rule stays silent on the subject"
    )
    expires_after: Duration = Field(
        default=60 * DAY_MS, description="an open intervention expires this long after its last record"
    )
    mute: Duration = Field(
        default=60 * DAY_MS, description="how long a `false_alarm` answer silences the rule on the subject"
    )
    sent_from: Literal["info", "notice", "warning", "high", "critical"] = Field(
        default="info", description="the lowest severity that is sent by itself; below it waits for the review list"
    )

    @cached_property
    def sent_from_severity(self) -> Severity:
        """`sent_from` as a number."""
        return Severity[self.sent_from.upper()]


class Subject(msgspec.Struct, frozen=True, gc=False):
    """Whom a judgement is about: the record that remembers it, and for a pair_member the person."""

    kind: SubjectType
    key: bytes
    record: Record
    id: str
    member: str = ""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What is true of a subject at one instant.

    Attributes:
        rung: 0 = the condition is false, else the 1-based index into the rule's rungs.
        severity: at least the rung's own; a rule may judge graver.
        closes: the closing condition of the table is met.
        closed_by_ms: event time of the fact that meets it; older than the opening, it retracts what should never
            have opened.
        look_ms: when the rule wants to look again though nothing happens; None = only when something happens.
        fresh: the fact at hand is (further) evidence for the condition, or newly causes it.
        now: deliver at once instead of with the next digest.
        breaks_silence: opens in spite of cool-down and mute.
        origin: the fact the episode counts from; with `due_ms` it makes the intervention's id.
        due_ms: the instant a timer-made opening was due, None when a fact opened it.
        at_once: what opens closes at once (`at_once`): the news is all there is.
    """

    rung: int = 0
    severity: Severity = Severity.INFO
    closes: bool = False
    closed_by_ms: int | None = None
    look_ms: int | None = None
    fresh: bool = False
    now: bool = False
    breaks_silence: bool = False
    origin: FactRef | None = None
    due_ms: int | None = None
    at_once: bool = False


NOTHING: Final = Verdict()


class Action(NamedTuple):
    """A suggestion to a coordinator, from the list of codes in the catalogue."""

    code: ActionCode
    party: Literal["mentor", "mentee"] | None = None
    needs_approval: bool = False
    unlocked: bool = True


class Account(msgspec.Struct, frozen=True, gc=False):
    """How a rule explains itself in a record.

    `due_ms` is a deadline that the matter itself has, written as `due_at` (else it is the next neglect step);
    `audience` overrides the rung's and the rule's; `review_list`: as of a rung, while nothing of it was sent.
    """

    summary: str
    evidence: tuple[Evidence, ...] = ()
    cause: tuple[CauseLabel, float] | None = None
    actions: tuple[Action, ...] = ()
    pair_ids: tuple[str, ...] = ()
    participant_ids: tuple[str, ...] = ()
    due_ms: int | None = None
    audience: Audience | None = None
    review_list: bool = False


class Moment(msgspec.Struct, frozen=True, gc=False):
    """The occasion of a judgement.

    Attributes:
        at_ms: when it is decided: the due instant of a timer, the arrival of a fact (ms UTC).
        now_ms: the clock, against which absence is judged; -1 while it is undefined. Of a timer, its due instant.
        fact, ref: the fact at hand and its reference, when a fact is the occasion.
        touched: what the fold said of that fact.
        events: what the rule's own detector said, see `Rule.update`.
        switched: the occasion is that a rule set was switched on.
        flags: names of the word lists that the fact's comment touched.
    """

    at_ms: int
    now_ms: int
    fact: Any = None
    ref: FactRef | None = None
    touched: Touched = NOBODY
    events: tuple[Event, ...] = ()
    flags: tuple[str, ...] = ()
    switched: bool = False


#: in `Rule.inhibits`: every absence rule
ABSENCE_RULES: Final = "absence"


class Rule(ABC):
    """Base of all rules. Instances have no state; one of each exists.

    Rules are strangers to one another, but one may depend on what another found. It reads the other's open episode by
    rule id, `view.open_episode(record, "rating.low", member)`, and names that id in `listens`: then it is asked again,
    at the same instant, whenever an episode of that rule opens, rises or closes. It is asked about the same people: on
    the record of the episode, about the pairs of its person, the people of its pair, or the program. Its `moment` then
    has no fact. Rules that listen must not form a circle.
    """

    id: str
    #: stands for the id in stored state; never reused
    code: int
    #: position in `streams.rules.RULES`, set there
    place: int = -1
    version: ClassVar[int] = 1
    klass: RuleClass
    subject: SubjectType
    #: what closes an open intervention, in words; `name` is a parameter
    closes: str
    #: what is suggested in this order, as far as it fits the case
    suggests: tuple[ActionCode, ...] = ()
    Params: type[RuleParams]
    rungs: ClassVar[tuple[Rung, ...]]
    #: when it judges graver than its rung, in words
    weighs: ClassVar[str] = ""
    #: facts after which the rule is asked about the subjects they touch
    reads: frozenset[type]
    audience: ClassVar[Audience] = "coordinator"
    is_absence: bool = False
    #: about active people only: an open episode resolves (`subject_changed`) when somebody concerned is no longer
    #: active, and the engine does not ask the rule about them. True for absence, `self_match.*` and `match.*` unless
    #: said otherwise.
    needs_active: ClassVar[bool] = False
    #: rules whose episodes this one reads, by id
    listens: ClassVar[frozenset[str]] = frozenset()
    #: rules whose records are withheld while an episode of this one is open, by id, or `ABSENCE_RULES`: those of the
    #: same program (subject program), of the person's pairs (subject participant), of the partition (program `*`)
    inhibits: ClassVar[frozenset[str]] = frozenset()
    #: looks across programs: its subjects stand in the record of the program `*`, and it is asked of no other
    across: ClassVar[bool] = False
    #: has a detector (`update`); found out by itself
    learns: ClassVar[bool] = False
    #: neglect escalates without changing the audience
    keeps_audience: ClassVar[bool] = False
    #: fires on a fact: earlier facts are forgotten when it is switched on with backfill `none`
    on_fact: ClassVar[bool] = False
    #: may still open after the program's `ends_at`
    opens_after_end: ClassVar[bool] = False
    #: whether a `false_alarm` mutes it
    mutes: ClassVar[bool] = True
    expires: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.learns = cls.update is not Rule.update
        if "id" in vars(cls):
            CODES[cls.id] = cls.code
            if "needs_active" not in vars(cls):
                cls.needs_active = cls.is_absence or cls.id.startswith(("self_match.", "match."))

    def subjects(self, key: bytes, record: Record) -> Iterable[Subject]:
        """Subjects of this rule on a record, where there are others than the record itself or, of a pair_member rule,
        the pair's members. Empty = those."""
        return ()

    def concerns(self, view: View, moment: Moment) -> bool:
        """Whether a fact that a program rule reads can change anything at all. Asked for every such fact, so it costs a
        comparison or two: a rule that reads many facts and needs few of them says so here."""
        return True

    def is_idle(self, record: Any, fact: Any) -> bool:
        """Whether a fact that the rule reads can change nothing on a record without an episode of this rule. A timer
        that is left standing is harmless: it asks again when it is due. Most facts meet people whom a rule has
        nothing to say about, so this is what keeps a fact cheap.

        Args:
            fact: None when a timer is due, of a record without any episode; none is left standing then.
        """
        return False

    def update(self, view: View, subject: Subject, params: Any, moment: Moment) -> tuple[Event, ...]:
        """Bring the rule's detector up to the moment, where it has one: the only thing a rule may change is that
        detector.

        Called before `judge`, which finds what is returned here in `moment.events`.
        """
        return ()

    def rest(self, view: View, subject: Subject, params: Any, moment: Moment) -> None:
        """The subject is not active, so the rule does not judge it: let its detector, where it has one, stand still."""

    def forget(self, view: View, subject: Subject) -> None:
        """The rule is switched off: drop its detector, where it has one. Switched on again it learns anew."""

    def relearn(self, view: View, subject: Subject, params: Any, moment: Moment) -> None:
        """A coordinator called it nothing (dismissed, a false alarm): let the rule's detector, where it has one, learn
        anew from the last weeks and start over. The rule is asked again at the same instant."""

    @abstractmethod
    def judge(self, view: View, subject: Subject, params: Any, moment: Moment) -> Verdict:
        """Judge a subject at an instant. Reads only; must not depend on anything but its arguments."""

    @abstractmethod
    def explain(self, view: View, subject: Subject, params: Any, moment: Moment, change: str, rung: int) -> Account:
        """Account for a record about to be written. On `opened` the evidence is everything that led here, later only
        what is new."""


def evidence(
    text: str,
    ref: FactRef,
    *,
    value: int | float | None = None,
    threshold: int | float | None = None,
    window_days: int | None = None,
) -> Evidence:
    """Evidence that points at a fact."""
    return Evidence(text, ref.at_ms, ref.event_id, ref.topic, ref.partition, ref.offset, value, threshold, window_days)


def reach_out_actions(pair: PairState, first: str | None) -> tuple[Action, ...]:
    """The usual first steps of a reactive rule: talk to one party, then to the other; a re-match is unlocked by both.

    Args:
        pair: the pair concerned.
        first: participant to talk to first; None = mentors first.
    """
    members = sorted(pair.members, key=lambda member: (member.id != first, member.side, member.id))
    parties: list[Literal["mentor", "mentee"]] = []
    for member in members:
        if member.side:
            party: Literal["mentor", "mentee"] = "mentor" if member.side == 1 else "mentee"
            if party not in parties:
                parties.append(party)
    named = [member for member in members if member.side]
    both = bool(named) and all(member.reached_ms for member in named)
    steps = tuple(Action("reach_out", party) for party in parties)
    return (*steps, Action("rematch", needs_approval=True, unlocked=both))


def playbook(view: View, subject: Subject, rule_id: str, steps: Iterable[Action]) -> tuple[Action, ...]:
    """Steps to be taken one after the other: each is unlocked once as much has been done about the open intervention as
    there are steps before it. Every outreach, note and measure that a coordinator records on it counts as a step."""
    episode = view.open_episode(subject.record, rule_id, subject.member)
    done = episode.steps if episode is not None else 0
    return tuple(step._replace(unlocked=number <= done) for number, step in enumerate(steps))


def subjects_of(rule: Rule, key: bytes, record: Record) -> Iterable[Subject]:
    """The subjects of a rule that a record remembers: itself, or each member of a pair."""
    if rule.subject == "pair_member":
        assert isinstance(record, PairState)
        pair_id = subject_of(key)
        people = {member.id: None for member in record.members}
        # Who is no member any more may have left an episode behind.
        people |= {episode.member: None for episode in record.episodes if episode.rule == rule.code}
        return [Subject("pair_member", key, record, f"{pair_id}/{person}", person) for person in people]
    assert isinstance(record, PairState | ParticipantState | ProgramState)
    return (Subject(rule.subject, key, record, subject_of(key)),)


def subject_of_episode(rule: Rule, key: bytes, record: Record, episode: Episode) -> Subject | None:
    """The subject whose episode this is, None when nobody is left to tell of."""
    subjects = rule.subjects(key, record) or subjects_of(rule, key, record)
    return next((each for each in subjects if each.member == episode.member), None)
