"""While one thing is open that explains another, the other is written but not sent."""

from collections.abc import Iterator
from typing import Any

import pytest

import schemas.facts as f
from streams import judging
from streams.clock import DAY_MS
from streams.rule import Account, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rules import RULES_BY_ID
from streams.view import View
from tests.streams.logs import stored
from tests.streams.timeline import START_MS, Story

MISSING, UNRESPONSIVE, LOW = "first_meeting.missing", "participant.unresponsive", "rating.low"
LADDER = {
    "not_scheduled_after": "20d",
    "overdue_after": "20d",
    "overdue_long_after": "25d",
    "never_started_after": "60d",
}


def said(story: Story, rule: str) -> list[tuple[float, str, str, str | None]]:
    """Day, change, delivery and its reason of everything a rule said."""
    days = [day for day, _, _ in story.told(rule)]
    records = [record for _, record in story.of(rule)]
    return [(day, each.change, each.delivery, each.delivery_reason) for day, each in zip(days, records, strict=True)]


def silent_mentee(**tree: Any) -> Story:
    """The mentor writes on day 0; from day 14 on the mentee is unresponsive, and the pair has not met."""
    story = Story({"rules": {MISSING: LADDER}} | tree)
    story.tell("pair.changed", "0d")
    story.tell("activity.message_sent", "0d", participant_id="mentor")
    return story


def test_what_opens_behind_an_inhibitor_is_withheld_and_woken_when_it_closes() -> None:
    story = silent_mentee()
    story.go("20d")
    assert [change for _, change, _ in story.told(UNRESPONSIVE)] == ["opened"]
    story.tell("activity.signed_in", "22d", participant_id="mentee")
    assert said(story, MISSING) == [
        (20, "opened", "none", f"inhibited:{UNRESPONSIVE}"),
        (22, "woken", "digest", None),
    ]
    changes = [(record.rule.id, record.change) for _, record in story.decisions[-2:]]
    assert changes == [(UNRESPONSIVE, "resolved"), (MISSING, "woken")]


def test_what_spoke_before_is_withheld_record_by_record() -> None:
    story = Story({"rules": {MISSING: {"overdue_after": "10d", "overdue_long_after": "16d"}}})
    story.tell("pair.changed", "0d")
    story.tell("activity.message_sent", "0d", participant_id="mentor")
    story.go("17d")
    assert said(story, MISSING) == [
        (10, "opened", "digest", None),
        (16, "escalated", "none", f"inhibited:{UNRESPONSIVE}"),
    ]
    story.tell("activity.signed_in", "18d", participant_id="mentee")
    assert said(story, MISSING)[2:] == [(18, "woken", "digest", None)]


def test_what_never_spoke_closes_without_a_word() -> None:
    story = silent_mentee()
    story.go("21d")
    story.tell("meeting.held", "21d", starts_at="21d")  # a contact of both, and the first meeting
    assert said(story, MISSING) == [
        (20, "opened", "none", f"inhibited:{UNRESPONSIVE}"),
        (21, "resolved", "none", f"inhibited:{UNRESPONSIVE}"),
    ]


def test_an_inhibitor_that_a_coordinator_closes_wakes_as_well() -> None:
    story = silent_mentee()
    story.go("21d")
    inhibitor = story.of(UNRESPONSIVE)[-1][1]
    story.tell("action.taken", "22d", action="dismiss", intervention_id=inhibitor.intervention_id)
    assert said(story, MISSING)[1:] == [(22, "woken", "digest", None)]


def test_neglect_pauses_while_withheld_and_starts_when_woken() -> None:
    story = silent_mentee(neglect={})
    story.go("28d")
    assert [(day, change, delivery) for day, change, delivery, _ in said(story, MISSING)] == [
        (20, "opened", "none"),
        (25, "escalated", "none"),
    ]
    assert all(record.due_at is None and record.audience == "coordinator" for _, record in story.of(MISSING))
    story.tell("activity.signed_in", "28d", participant_id="mentee")  # a Monday
    woken = story.of(MISSING)[-1][1]
    assert woken.change == "woken"
    assert woken.due_at is not None
    story.go("60d")
    assert "backup_coordinator" in {record.audience for _, record in story.of(MISSING)}


def test_neglect_of_what_spoke_before_pauses_when_an_inhibitor_opens() -> None:
    story = Story({"neglect": {}, "rules": {MISSING: {"overdue_after": "12d", "overdue_long_after": "50d"}}})
    story.tell("pair.changed", "0d")
    story.tell("activity.message_sent", "0d", participant_id="mentor")
    story.go("20d")
    # A warning since Saturday the 12th: neglected on Thursday the 17th, but then the mentee is unresponsive.
    assert [(day, change) for day, change, *_ in said(story, MISSING)] == [(10, "opened"), (12, "escalated")]
    story.tell("activity.signed_in", "21d", participant_id="mentee")
    assert said(story, MISSING)[-1] == (21, "woken", "digest", None)


def test_who_acknowledged_a_withheld_one_is_not_woken() -> None:
    story = silent_mentee()
    story.go("20d")
    withheld = story.of(MISSING)[-1][1]
    story.tell("action.taken", "21d", action="ack", intervention_id=withheld.intervention_id)
    assert said(story, MISSING)[-1] == (21, "acknowledged", "none", f"inhibited:{UNRESPONSIVE}")
    story.tell("activity.signed_in", "22d", participant_id="mentee")
    assert len(said(story, MISSING)) == 2


def test_a_rule_in_shadow_withholds_nothing() -> None:
    story = Story({"rules": {UNRESPONSIVE: {"mode": "shadow"}, MISSING: LADDER}})
    story.tell("pair.changed", "0d")
    story.tell("activity.message_sent", "0d", participant_id="mentor")
    story.go("20d")
    assert said(story, UNRESPONSIVE) == [(14, "opened", "none", "shadow")]
    assert said(story, MISSING) == [(20, "opened", "digest", None)]


def test_shadow_goes_before_inhibition() -> None:
    story = silent_mentee(rules={MISSING: LADDER | {"mode": "shadow"}})
    story.go("20d")
    assert said(story, MISSING) == [(20, "opened", "none", "shadow")]


def test_another_pair_of_nobody_concerned_is_not_withheld() -> None:
    story = silent_mentee()
    story.tell("pair.changed", "0d", pair_id="other", mentor_ids=["m2"], mentee_ids=["n2"])
    story.go("20d")
    by_pair = {record.subject.id: record.delivery for _, record in story.of(MISSING)}
    assert by_pair == {"pair": "none", "other": "digest"}


def test_a_withheld_one_is_woken_after_a_restart_too() -> None:
    story = silent_mentee()
    story.go("20d")
    rows: dict[bytes, bytes] = {}
    stored(story.engine, rows)
    story.engine = type(story.engine)()
    story.engine.restore(rows.items())
    story.tell("activity.signed_in", "22d", participant_id="mentee")
    assert said(story, MISSING)[-1] == (22, "woken", "digest", None)


class Slump(Rule):
    """A stand-in for a rule of the whole program: true while a first meeting is missing on an even day count."""

    id = "test.slump"
    code = 9_999
    klass = "program"
    subject = "program"
    closes = "no low rating"
    Params = RuleParams
    rungs = (Rung(None, Severity.HIGH),)
    reads = frozenset({f.ActivitySignedIn})
    listens = frozenset({LOW})
    inhibits = frozenset({LOW, MISSING})

    def judge(self, view: View, subject: Subject, params: Any, moment: Moment) -> Verdict:  # noqa: ARG002
        open_lows = sum(
            view.open_episode(pair, LOW, member.id) is not None for _, pair in view.pairs() for member in pair.members
        )
        if open_lows >= 2:
            return Verdict(1, Severity.HIGH)
        return Verdict(closes=True)

    def explain(self, *_: Any) -> Account:
        return Account("a slump")


@pytest.fixture
def slump(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slump]:
    """The stand-in beside the rules there are."""
    from streams import inhibition, ruleset, sweep, waking, writing
    from streams import rules as package

    rule = Slump()
    known = (*package.RULES, rule)
    rule.place = len(package.RULES)
    by_code, by_id = {**package.RULES_BY_CODE, rule.code: rule}, {**RULES_BY_ID, rule.id: rule}
    for module in (judging, ruleset, sweep, waking, inhibition):
        monkeypatch.setattr(module, "RULES", known)
    for module in (package, writing):
        monkeypatch.setattr(module, "RULES_BY_CODE", by_code)
    monkeypatch.setattr(ruleset, "RULES_BY_ID", by_id)
    listeners = {each.id: tuple(other for other in known if each.id in other.listens) for each in known}
    monkeypatch.setattr(judging, "_LISTENERS", listeners)
    inhibitors = {each.id: tuple(other for other in known if inhibition.withholds(other, each)) for each in known}
    monkeypatch.setattr(inhibition, "_INHIBITORS", inhibitors)
    ruleset.load.cache_clear()
    yield rule
    ruleset.load.cache_clear()


def two_lows(story: Story) -> None:
    story.tell("pair.changed", "0d")
    story.tell("pair.changed", "0d", pair_id="other", mentor_ids=["m2"], mentee_ids=["n2"])
    story.tell("rating.submitted", "1d", rating=2)
    story.tell("rating.submitted", "2d", rating=2, pair_id="other", participant_id="n2")


def test_inputs_of_an_inhibitor_are_judged_first_then_it_then_what_it_withholds(slump: Slump) -> None:
    story = Story({"neglect": {}})
    two_lows(story)
    said_then = [(each.rule.id, each.subject.id, each.delivery_reason) for at, each in story.decisions
                 if at == START_MS + 2 * DAY_MS]  # fmt: skip
    assert said_then == [
        ("test.slump", "program", None),
        (LOW, "other/n2", "inhibited:test.slump"),
    ]
    assert story.decisions[-1][1].due_at is None
    story.tell("rating.submitted", "2d 6h", rating=2)
    assert said(story, LOW)[-1][1:] == ("escalated", "none", "inhibited:test.slump")


def test_what_a_program_withheld_is_woken_everywhere_when_it_closes(slump: Slump) -> None:
    story = Story()
    two_lows(story)
    story.tell("pair.changed", "2d", pair_id="third", mentor_ids=["m3"], mentee_ids=["n3"])
    story.go("13d")
    assert all(record.delivery == "none" for at, record in story.of(MISSING))
    story.tell("rating.submitted", "14d", rating=5, arrives="14d")
    assert [each.change for _, each in story.of("test.slump")] == ["opened", "resolved"]
    woken = {(each.rule.id, each.subject.id) for at, each in story.decisions if each.change == "woken"}
    assert woken == {
        (MISSING, "pair"), (MISSING, "other"), (MISSING, "third"), (LOW, "other/n2")
    }  # fmt: skip
    records = [story.engine.state.table.get(key) for key in story.engine.state.table.keys(b"p")]
    assert not any(each.withheld for record in records if record is not None for each in record.episodes)


def test_waking_everywhere_may_be_cut_and_resumed_after_a_restart(
    slump: Slump, monkeypatch: pytest.MonkeyPatch
) -> None:
    from schemas.base import from_ms
    from schemas.journal import Coordinates, FactEntry, encode_entry
    from streams import engine as engine_module
    from streams.engine import Engine
    from tests.scenarios.runner import make_fact
    from tests.streams.logs import entries

    pairs = [
        {"type": "pair.changed", "at": "0d", "pair_id": f"p{n}", "mentor_ids": [f"m{n}"], "mentee_ids": [f"n{n}"]}
        for n in range(9)
    ]
    lows: list[dict[str, Any]] = [
        {"type": "rating.submitted", "at": f"{n + 1}d", "pair_id": f"p{n}", "participant_id": f"n{n}", "rating": 2}
        for n in range(2)
    ]
    good = {"type": "rating.submitted", "at": "12d", "pair_id": "p0", "participant_id": "n0", "rating": 5}
    journal = entries([*pairs, *lows])
    fact, arrived_ms, topic = make_fact(good, 99, START_MS)
    source = Coordinates(topic=topic, partition=1, offset=0)
    journal.append(encode_entry(FactEntry(v=1, source=source, arrived_at=from_ms(arrived_ms), fact=fact)))

    def run(cut: bool) -> tuple[list[Any], dict[bytes, bytes], int]:
        engine, rows, out, cuts = Engine(), dict[bytes, bytes](), [], 0
        for offset, value in enumerate(journal):
            while not engine.apply(offset, value):
                out += stored(engine, rows)
                cuts += 1
                if cut:
                    engine = Engine()
                    engine.restore(rows.items())
        out += stored(engine, rows)
        assert not engine.state.faults.counts
        return out, rows, cuts

    whole, rows, _ = run(cut=False)
    assert sum(b'"woken"' in value for value, _ in whole) >= 9
    monkeypatch.setattr(engine_module, "SLICE", 2)
    again, cut_rows, cuts = run(cut=True)
    assert cuts > 4
    assert again == whole
    assert cut_rows == rows


def test_what_was_withheld_in_a_pair_resolves_at_once_when_the_silent_one_is_erased() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("meeting.scheduled", "0d", participant_id="mentor", starts_at="2d")
    story.go("31d")
    withheld = [record.delivery_reason for _, record in story.of("first_meeting.missing")]
    assert withheld[-1] == "inhibited:participant.unresponsive"
    story.engine.erase("program", "mentee", START_MS + 32 * DAY_MS)
    while not story.engine.settle():
        pass
    story.decisions += story.engine.decisions()
    last = story.of("first_meeting.missing")[-1][1]
    assert last.resolution is not None
    assert (last.change, last.resolution.reason) == ("resolved", "subject_changed")
