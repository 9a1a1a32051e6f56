"""program.slump: the whole program is going down, not one pair of it.

One sign may have any reason. When two of four point the same way, something is wrong with the program: feedback dries
up (`program.sentiment_slowdown`), its tone is low (`program.temperature_low`), pairs meet far less than they did, fewer
people do anything at all. Then single alarms about quiet pairs help nobody: they are withheld while this one is open,
and a playbook for the whole program takes their place.

Where the catalogue leaves room:
- Meetings and contacts are looked at once a day, at local midnight. Days in breaks do not count: the windows are of
  days on which the program runs.
- Meetings: held ones per active pair and day in `recent`, against `previous` before it, which must hold at least 10.
- Contacts: the share of active people heard of within `recent`, against the mean of what that share was at the ends
  of as many such windows as fit into `previous`; at least 10 active people, now and then.
- Of `previous`, at least as much as `recent` must have been seen. So nothing is said in the first eight weeks.
- What is withheld still counts as a sign.

Source: our starting point. Mentoring platforms advise to treat a slowdown of a whole program as one matter, with a
    check-in to everybody; 40 % and 25 % over four weeks are beyond what a holiday does, which is taken out anyway.
"""

from typing import Final, NamedTuple

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.detectors.rate import Event
from streams.rule import Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict, playbook
from streams.state.episode import Evidence
from streams.state.program import ProgramState
from streams.view import View

LISTENS: Final = ("program.sentiment_slowdown", "program.temperature_low")
#: Below these nothing is said: meetings in `previous`, active people.
FEW: Final = 10
SIGNS_NEEDED: Final = 2
#: Days on which the state of the program is noted, kept for the longest windows and a break of two months in them.
KEPT_DAYS: Final = 224
PULSE: Final = "pulse"
#: Bits of `ProgramState.slump_signs`.
MEETINGS: Final = 1
CONTACTS: Final = 2


class ProgramSlumpParams(RuleParams):
    recent: Duration = Field(
        default=28 * DAY_MS, ge=7 * DAY_MS, le=42 * DAY_MS, description="the stretch that is looked at; whole days"
    )
    previous: Duration = Field(
        default=84 * DAY_MS, ge=7 * DAY_MS, le=112 * DAY_MS, description="the stretch before it; whole days"
    )
    meetings_down: float = Field(default=0.40, gt=0, lt=1, description="so much less held meetings are a sign")
    share_down: float = Field(default=0.25, gt=0, lt=1, description="so much less people heard of are a sign")
    clear_for: Duration = Field(default=14 * DAY_MS, ge=DAY_MS, description="fewer than two signs for this long end it")


class _Change(NamedTuple):
    """How a measure changed: recent, previous, and how many it rests on."""

    recent: float
    previous: float
    seen: int

    @property
    def down(self) -> float:
        return round(1.0 - self.recent / self.previous, 9) if self.previous > 0 else 0.0


class ProgramSlump(Rule):
    id = "program.slump"
    code = 28
    klass = "program"
    subject = "program"
    closes = "fewer than two signs for `clear_for`"
    suggests = ("open_playbook", "broadcast_check_in", "send_probe", "reach_out")
    Params = ProgramSlumpParams
    rungs = (Rung(None, Severity.HIGH),)
    reads = frozenset({f.PairChanged, f.ParticipantChanged, f.ProgramChanged})
    listens = frozenset(LISTENS)
    inhibits = frozenset({"pair.quiet", "program.sentiment_slowdown", "program.temperature_low"})

    def concerns(self, view: View, moment: Moment) -> bool:
        return self.code not in view.program.timers

    def update(self, view: View, subject: Subject, params: ProgramSlumpParams, moment: Moment) -> tuple[Event, ...]:
        program = subject.record
        assert isinstance(program, ProgramState)
        calendar, now_ms = view.calendar, moment.now_ms
        if moment.fact is None and now_ms >= 0 and _is_midnight(view, now_ms):
            ended = calendar.day_of(now_ms) - 1
            if _runs(view, ended):
                note = (program.active_pairs, program.active_people, _heard(view, params, now_ms))
                view.count(PULSE, ended, note, KEPT_DAYS)
                program.slump_signs = _signs(view, params, now_ms)
        if _count(view, program) >= SIGNS_NEEDED:
            program.slump_calm_ms = 0
        elif not program.slump_calm_ms:
            program.slump_calm_ms = max(moment.at_ms, 1)
        return ()

    def forget(self, view: View, subject: Subject) -> None:
        program = subject.record
        assert isinstance(program, ProgramState)
        program.slump_signs, program.slump_calm_ms = 0, 0

    def judge(self, view: View, subject: Subject, params: ProgramSlumpParams, moment: Moment) -> Verdict:
        program = subject.record
        assert isinstance(program, ProgramState)
        episode = program.open_episode(self.code)
        look_ms: int | None = _next_midnight(view, moment.now_ms if moment.now_ms >= 0 else moment.at_ms)
        over = program.ends_ms and moment.now_ms >= program.ends_ms
        if over or not (program.active_pairs or program.active_people):
            look_ms = None
        if _count(view, program) >= SIGNS_NEEDED:
            by_fact = moment.ref is not None
            return Verdict(
                1,
                Severity.HIGH,
                look_ms=look_ms,
                origin=moment.ref,
                due_ms=None if by_fact else moment.at_ms,
            )
        if episode is None:
            return Verdict(look_ms=look_ms)
        clear_ms = max(program.slump_calm_ms, episode.opened_ms) + params.clear_for
        if moment.at_ms >= clear_ms:
            return Verdict(closes=True, look_ms=look_ms)
        return Verdict(look_ms=clear_ms if look_ms is None else min(look_ms, clear_ms))

    def explain(
        self, view: View, subject: Subject, params: ProgramSlumpParams, moment: Moment, change: str, rung: int
    ) -> Account:
        program = subject.record
        assert isinstance(program, ProgramState)
        at_ms, days = moment.at_ms, params.recent // DAY_MS
        facts: list[Evidence] = []
        said: list[str] = []
        for rule_id, words in zip(LISTENS, ("feedback has slowed down", "its tone is low"), strict=True):
            episode = view.open_episode(program, rule_id)
            if episode is not None:
                facts.append(Evidence(f"{words} ({rule_id} is open)", episode.opened_ms))
                said.append(words)
        for bit, changed, what in (
            (MEETINGS, _meetings(view, params, at_ms), "held meetings per active pair"),
            (CONTACTS, _contacts(view, params, at_ms), "active people heard of"),
        ):
            if changed is not None and program.slump_signs & bit:
                threshold = params.meetings_down if bit == MEETINGS else params.share_down
                facts.append(
                    Evidence(f"fall of {what}, as a share of what was usual", at_ms, value=round(changed.down, 6),
                             threshold=threshold, window_days=days)
                )  # fmt: skip
                said.append(f"{what}: down by {100 * changed.down:.0f} % in {days} days")
        if change == "resolved":
            summary = f"Program {subject.id} is out of its slump."
        else:
            summary = f"Program {subject.id} is in a slump: {'; '.join(said) or 'fewer signs than there were'}."
        steps = (Action("open_playbook"), Action("broadcast_check_in"), Action("send_probe"), Action("reach_out"))
        return Account(summary, tuple(facts), actions=playbook(view, subject, self.id, steps))


def _count(view: View, program: ProgramState) -> int:
    """How many of the four signs there are."""
    listened = sum(view.open_episode(program, rule_id) is not None for rule_id in LISTENS)
    return listened + program.slump_signs.bit_count()


def _signs(view: View, params: ProgramSlumpParams, now_ms: int) -> int:
    meetings, contacts = _meetings(view, params, now_ms), _contacts(view, params, now_ms)
    signs = 0
    if meetings is not None and meetings.seen >= FEW and meetings.down >= params.meetings_down:
        signs |= MEETINGS
    if contacts is not None and contacts.seen >= FEW and contacts.down >= params.share_down:
        signs |= CONTACTS
    return signs


def _meetings(view: View, params: ProgramSlumpParams, now_ms: int) -> _Change | None:
    """Held meetings per active pair and day; None when too little was seen."""
    held, pulse = view.tally("held"), view.tally(PULSE)
    if pulse is None or held is None:
        return None
    today = view.calendar.day_of(now_ms)
    middle, first = _day_before(view, now_ms, params.recent), _day_before(view, now_ms, params.recent + params.previous)
    if len(pulse.days(first, middle)) < params.recent // DAY_MS:
        return None
    new_pairs, old_pairs = pulse.totals(middle, today)[0], pulse.totals(first, middle)[0]
    new, old = held.totals(middle, today)[0], held.totals(first, middle)[0]
    return _Change(new / new_pairs, old / old_pairs, old) if new_pairs and old_pairs else None


def _contacts(view: View, params: ProgramSlumpParams, now_ms: int) -> _Change | None:
    """Share of active people heard of within `recent`; None when too little was seen."""
    pulse, people = view.tally(PULSE), view.program.active_people
    if pulse is None or not people:
        return None
    noted = pulse.days(0, 1 << 40)
    shares: list[float] = []
    fewest = people
    for back in range(1, params.previous // params.recent + 1):
        day = _day_before(view, now_ms, back * params.recent) - 1
        begin = _day_before(view, now_ms, (back + 1) * params.recent)
        if not noted or begin < noted[0]:
            break
        _, then, heard = pulse.totals(day, day + 1)
        if then:
            shares.append(heard / then)
            fewest = min(fewest, then)
    if not shares:
        return None
    return _Change(_heard(view, params, now_ms) / people, sum(shares) / len(shares), fewest)


def _heard(view: View, params: ProgramSlumpParams, now_ms: int) -> int:
    """How many active people were heard of within `recent`."""
    tally = view.tally("contacts")
    if tally is None:
        return 0
    begin_ms = view.calendar.instant_at(view.calendar.profile_ms(now_ms) - params.recent)
    return tally.totals(begin_ms // DAY_MS, 1 << 40)[0]


def _day_before(view: View, now_ms: int, duration_ms: int) -> int:
    """The local day on which a stretch of running days that ends now begins; a break takes none of them."""
    calendar = view.calendar
    return calendar.day_of(calendar.instant_at(calendar.profile_ms(now_ms) - duration_ms))


def _runs(view: View, day: int) -> bool:
    """Whether the program runs on a local day: it has begun and not ended, and the day is in no break."""
    calendar, program = view.calendar, view.program
    start_ms = calendar.day_start(day)
    began = start_ms >= program.starts_ms and start_ms >= view.observed_from_ms
    return began and not (program.ends_ms and start_ms >= program.ends_ms) and calendar.day_value(day) > 0


def _is_midnight(view: View, at_ms: int) -> bool:
    return view.calendar.day_start(view.calendar.day_of(at_ms)) == at_ms


def _next_midnight(view: View, after_ms: int) -> int:
    return view.calendar.day_start(view.calendar.day_of(after_ms) + 1)
