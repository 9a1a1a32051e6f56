"""A rule that a rule set defines: a condition, what to say when it is true, and to whom.

It has the life of every rule: one open intervention per subject, opened on entering the condition (after `hold`, if it
has to last), closed when the condition is false, with cool-down, mute, expiry, neglect and shadow mode. What defines it
stands in its parameters, so a program may override any of it but the subject. In state it is known by a code derived
from its id and subject, which needs no table: the same in every partition, after every restart and in every replay.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import ClassVar, Final, Literal, cast, get_args

from pydantic import Field, ValidationInfo, field_validator

import schemas.facts as f
from schemas.interventions import ActionCode, CauseLabel, SubjectType
from streams.causes import cause_of_pair
from streams.clock import DAY_MS
from streams.custom.expression import Expression, compiled
from streams.custom.readings import READINGS, Reading, Value
from streams.detectors.rate import Event
from streams.rule import Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.state.episode import Episode, Evidence
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.program import ProgramState
from streams.steps import first_steps
from streams.view import View

PREFIX: Final = "custom."
#: Rules a rule set may define: each costs at every fact that it reads, and is a value of a metric's label.
MAX_RULES: Final = 20
_ID: Final = re.compile(r"custom\.[a-z][a-z0-9_]{0,47}")
#: Codes of the catalogue lie below; 48 bits of a digest above it, so that two rules of one set practically never meet.
FIRST_CODE: Final = 1 << 16
CAUSE_WINDOW_MS: Final = 30 * DAY_MS
_APPROVED: Final = ("rematch", "mark_unavailable", "remove")
_PARTIES: Final = ("mentor", "mentee")

SeverityName = Literal["info", "notice", "warning", "high"]
AudienceName = Literal["coordinator", "backup_coordinator", "customer_success", "operators"]


class CustomParams(RuleParams):
    """What defines a custom rule."""

    subject: Literal["pair", "participant", "program"] = Field(
        description="whom it is about; the same in every program"
    )
    when: str = Field(description="the condition, in CEL")
    says: str = Field(min_length=1, max_length=160, description="what is said when it is true, without a full stop")
    severity: SeverityName = Field(default="notice", description="how grave it is")
    audience: AudienceName = Field(default="coordinator", description="whom it is for")
    hold: Duration = Field(
        default=0, description="how long the condition has to be true before it opens, in plain time"
    )
    actions: list[str] = Field(
        default=["reach_out"],
        max_length=6,
        description='suggested steps in order: action codes; "reach_out:mentor" names a party',
    )

    @field_validator("when")
    @classmethod
    def _is_condition(cls, source: str, info: ValidationInfo) -> str:
        if "subject" in info.data:  # else that is the problem
            compiled(info.data["subject"], source)
        return source

    @field_validator("says")
    @classmethod
    def _is_one_line(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("is one line of text")
        return text.strip().rstrip(".")

    @field_validator("actions")
    @classmethod
    def _are_actions(cls, steps: list[str]) -> list[str]:
        for step in steps:
            code, _, party = step.partition(":")
            if code not in get_args(ActionCode):
                raise ValueError(f"{code} is no action; there are {', '.join(get_args(ActionCode))}")
            if ":" in step and (party not in _PARTIES or code != "reach_out"):
                raise ValueError(f'{step}: a party is named as "reach_out:mentor" or "reach_out:mentee"')
        return steps

    @property
    def condition(self) -> Expression:
        return compiled(self.subject, self.when)


class CustomRule(Rule):
    """One rule of a rule set, over the parameters it has in any program."""

    Params = CustomParams
    closes = "the condition is false"
    rungs: ClassVar[tuple[Rung, ...]] = (Rung(None, Severity.INFO),)
    needs_active = True

    def __init__(self, rule_id: str, subject: SubjectType, variants: Iterable[CustomParams]) -> None:
        variants = list(variants)
        self.id, self.subject, self.says = rule_id, subject, variants[0].says
        self.code = code_of(rule_id, subject)
        self.klass = "program" if subject == "program" else "reactive"
        read = [READINGS[subject][name] for params in variants for name in params.condition.names]
        changes = {"program": {f.ProgramChanged, f.ProgramEnded}, "pair": {f.PairChanged, f.PairDeleted}}
        self.reads = frozenset(
            {f.ParticipantChanged, *changes.get(subject, ()), *(k for each in read for k in each.reads)}
        )
        self.is_absence = any(each.is_absence for each in read)

    def update(self, view: View, subject: Subject, params: CustomParams, moment: Moment) -> tuple[Event, ...]:
        """Remember since when a condition that has to last has been true."""
        if params.hold:
            record, episode = subject.record, subject.record.episode(self.code)
            if params.condition.holds(_values(view, subject, params, moment)):
                if episode is None:
                    assert isinstance(record, PairState | ParticipantState | ProgramState)
                    episode = Episode(self.code, "", number=record.retired)
                    record.episodes += (episode,)
                episode.since_ms = episode.since_ms or moment.at_ms
            elif episode is not None:
                episode.since_ms = 0
        return ()

    def rest(self, view: View, subject: Subject, params: CustomParams, moment: Moment) -> None:
        self.forget(view, subject)

    def forget(self, view: View, subject: Subject) -> None:
        episode = subject.record.episode(self.code)
        if episode is not None:
            episode.since_ms = 0

    def judge(self, view: View, subject: Subject, params: CustomParams, moment: Moment) -> Verdict:
        values = _values(view, subject, params, moment)
        looks = [_next_ms(view, subject, params, moment, values)]
        episode = subject.record.episode(self.code)
        is_open = episode is not None and episode.is_open
        if not params.condition.holds(values):
            by_fact = moment.ref if moment.fact is not None else None
            return Verdict(closes=is_open, closed_by_ms=by_fact.at_ms if by_fact else None, look_ms=_first(looks))
        if params.hold and not is_open:
            assert episode is not None
            due = episode.since_ms + params.hold
            if moment.at_ms < due:
                return Verdict(look_ms=_first([*looks, due]))
        is_caused = moment.fact is not None and not params.hold
        return Verdict(
            1,
            Severity[params.severity.upper()],
            look_ms=_first(looks),
            origin=moment.ref if is_caused else None,
            due_ms=None if is_caused else moment.at_ms,
        )

    def explain(
        self, view: View, subject: Subject, params: CustomParams, moment: Moment, change: str, rung: int
    ) -> Account:
        who = {"pair": "Pair ", "program": "Program "}.get(subject.kind, "") + subject.id
        ends = change in ("resolved", "retracted")
        record, at_ms = subject.record, moment.at_ms
        pairs: tuple[str, ...] = ()
        people: tuple[str, ...] = ()
        cause: tuple[CauseLabel, float] | None = None
        if isinstance(record, PairState):
            pairs, people = (subject.id,), tuple(each.id for each in record.members)
            cause = cause_of_pair(view, record, at_ms, CAUSE_WINDOW_MS, negative=False)
        elif isinstance(record, ParticipantState):
            pairs, people, cause = tuple(record.pair_ids), (subject.id,), ("unknown", 0.0)
        return Account(
            summary=f"{who}: {'no longer: ' if ends else ''}{params.says}.",
            evidence=tuple(_evidence(view, subject, params, moment)),
            cause=cause,
            actions=_actions(view, subject, params, moment),
            pair_ids=pairs,
            participant_ids=people,
            audience=params.audience,
        )


def is_custom(rule_id: str) -> bool:
    """Whether an id is in the namespace of rules that rule sets define."""
    return rule_id.startswith(PREFIX)


def check_id(rule_id: str) -> str | None:
    """What is wrong with the id of a custom rule, None when nothing is."""
    if _ID.fullmatch(rule_id):
        return None
    return "the id of a custom rule is custom.<name>: lower-case letters, digits and _, beginning with a letter"


def code_of(rule_id: str, subject: str) -> int:
    """The code that stands for a custom rule in state."""
    return FIRST_CODE + int.from_bytes(blake2b(f"{rule_id}\x1f{subject}".encode(), digest_size=6).digest(), "big")


def define(rule_id: str, place: int, base: CustomParams, overrides: Iterable[CustomParams]) -> CustomRule:
    """Make the rule that a rule set defines, in its place behind the rules of the catalogue."""
    rule = CustomRule(rule_id, base.subject, (base, *overrides))
    rule.place = place
    return rule


def restore(rule_id: str, stored: bytes) -> tuple[CustomRule, CustomParams]:
    """A rule that was removed from a rule set, as its stored parameters (JSON) define it, for its last word."""
    params = CustomParams.model_validate_json(stored)
    return CustomRule(rule_id, params.subject, (params,)), params


def _values(view: View, subject: Subject, params: CustomParams, moment: Moment) -> Mapping[str, Value]:
    readings = READINGS[params.subject]
    return {name: readings[name].value(view, subject.record, moment.now_ms) for name in params.condition.names}


def _next_ms(
    view: View, subject: Subject, params: CustomParams, moment: Moment, values: Mapping[str, Value]
) -> int | None:
    """When one of the readings may change by the clock alone so that the condition may turn."""
    readings, condition = READINGS[params.subject], params.condition
    return _first(
        readings[name].next_ms(view, subject.record, moment.now_ms, value, condition.counts.get(name))
        for name, value in values.items()
    )


def _first(looks: Iterable[int | None]) -> int | None:
    return min((look for look in looks if look is not None), default=None)


def _evidence(view: View, subject: Subject, params: CustomParams, moment: Moment) -> list[Evidence]:
    """What was read, so that a reader can check the condition by hand."""
    found: list[Evidence] = []
    for name, value in _values(view, subject, params, moment).items():
        reading = READINGS[params.subject][name]
        counts = params.condition.counts.get(name) or ()
        ref = reading.ref(subject.record) if reading.ref is not None else None
        is_number = type(value) in (int, float)
        text = f"{name}: {reading.words}" if is_number else f"{name} is {str(value).lower()}: {reading.words}"
        told = Evidence(text, moment.at_ms)
        if ref is not None:
            told = Evidence(text, ref.at_ms, ref.event_id, ref.topic, ref.partition, ref.offset)
        number = round(value, 6) if isinstance(value, int | float) and is_number else None
        found.append(_with_numbers(told, number, counts[0] if len(counts) == 1 else None, reading))
    return sorted(found, key=lambda each: each.at_ms)


def _with_numbers(told: Evidence, value: int | float | None, threshold: int | None, reading: Reading) -> Evidence:
    days = re.search(r"_(\d+)d$", reading.name)
    return Evidence(
        told.text, told.at_ms, told.event_id, told.topic, told.partition, told.offset,
        value=value, threshold=threshold, window_days=int(days[1]) if days else None,
    )  # fmt: skip


def _actions(view: View, subject: Subject, params: CustomParams, moment: Moment) -> tuple[Action, ...]:
    """The steps in their order. On a pair `reach_out` without a party means one to each, and after a concern about
    safety only to whoever raised it."""
    record = subject.record
    steps: list[Action] = []
    usual = first_steps(view, record, None, moment) if isinstance(record, PairState) else ()
    outreach = [each for each in usual if each.code == "reach_out"]
    for step in params.actions:
        code, _, party = step.partition(":")
        if code == "reach_out" and isinstance(record, PairState):
            steps += [each for each in outreach if not party or each.party == party]
        elif code == "rematch" and isinstance(record, PairState):
            steps += [each for each in usual if each.code == "rematch"]
        else:
            steps.append(Action(cast("ActionCode", code), needs_approval=code in _APPROVED))
    return tuple(steps)
