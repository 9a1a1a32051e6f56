"""Whatever comes, fails, crashes and passes: nothing is lost, nothing is said twice, nobody is woken."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.deliveries import DeliveryRecorded
from schemas.outbound import Intervention
from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS
from streams.delivery.case import Message
from streams.delivery.entries import entry_of
from streams.delivery.policy import Policy
from streams.delivery.quiet_hours import quiet_until
from streams.delivery.sending import Failed, Retry, due_lines
from streams.zones import zone
from tests.streams.delivery.harness import ANNA, BOB, HOOK, OPS, SAFE, World, record

SEVERITIES = ("info", "notice", "warning", "high", "critical")
FINAL = {"sent", "withheld", "failed"}

steps = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(0, 4), st.sampled_from(SEVERITIES), st.integers(0, 9)),
        st.tuples(st.just("pass"), st.integers(0, 3 * DAY_MS // MINUTE_MS)),
        st.tuples(st.just("crash")),
        st.tuples(st.just("crash while sending")),
        st.tuples(st.just("fail"), st.integers(0, 3)),
    ),
    max_size=40,
)


class Script:
    """Turns drawn steps into legal episodes and outages."""

    def __init__(self) -> None:
        policy = Policy(queue_limit=3, give_up_after_ms=30 * DAY_MS)
        self.world = World(people=(ANNA, BOB, SAFE, OPS, HOOK), policy=policy)
        self.world.answer = self.answer
        self.episodes: dict[int, tuple[str, int, str, int]] = {}
        self.serial = 0
        self.outages = 0
        self.accepted: Counter[str] = Counter()

    def answer(self, message: Message) -> Retry | Failed | None:
        if self.outages:
            self.outages -= 1
            return Retry("timeout", self.world.now_ms + 10 * MINUTE_MS)
        self.accepted[f"{message.line}{message.message_id}"] += 1
        return None

    def next_record(self, which: int, severity: str, flavour: int) -> Intervention:
        name, sequence, state, rank = self.episodes.get(which, ("", 0, "closed", 0))
        at: dict[str, Any] = {"at_ms": self.world.now_ms}
        if state == "closed":
            self.serial += 1
            name, sequence, rank, state = f"i{self.serial}", 0, SEVERITIES.index(severity), "open"
            change = "opened"
        else:
            sequence += 1
            rank = max(rank, SEVERITIES.index(severity))
            change, state = [
                ("evidence_added", "open"),
                ("escalated", "open"),
                ("acknowledged", "acknowledged"),
                ("snoozed", "snoozed"),
                ("woken", "open"),
                ("resolved", "closed"),
                ("resolved", "closed"),
                ("expired", "closed"),
                ("retracted", "closed"),
                ("evidence_added", "open"),
            ][flavour]
        self.episodes[which] = (name, sequence, state, rank)
        level = SEVERITIES[rank]
        closed = state == "closed"
        if change in ("acknowledged", "snoozed"):
            at |= {"delivery": "none", "delivery_reason": "coordinator_action"}
        else:
            at |= {"delivery": "now" if flavour % 3 == 0 or level == "critical" else "digest"}
        if closed:
            at |= {"resolution": "condition_cleared"}
        kept = change if closed else state
        audience = "backup_coordinator" if change == "escalated" else "coordinator"
        return record(name, sequence, change=change, state=kept, severity=level, audience=audience, **at)

    def play(self, drawn: list[tuple[Any, ...]]) -> None:
        world = self.world
        for what, *with_ in drawn:
            if what == "record":
                world.feed(self.next_record(*with_))
            elif what == "pass":
                world.pass_time(world.now_ms + with_[0] * MINUTE_MS)
            elif what == "fail":
                self.outages += with_[0]
            elif what == "crash":
                world.crash()
            else:
                for line in due_lines(world.desk, world.now_ms)[:1]:
                    message = world.begin(line)
                    if message is not None:  # it arrived, and nobody wrote it down
                        self.accepted[f"{message.line}{message.message_id}"] += 1
                world.crash()
        self.outages = 0
        world.pass_time(world.now_ms + 30 * DAY_MS)


@settings(max_examples=300, deadline=None)
@given(drawn=steps)
def test_everything_decided_ends_and_every_message_has_one_content(drawn: list[tuple[Any, ...]]) -> None:
    script = Script()
    script.play(drawn)
    world = script.world
    rows = [entry_of(row) for row in world.log.values()]
    assert {row.state for row in rows} <= FINAL
    # Each record has a row for every line it concerns; none is forgotten.
    decided = {(row.intervention_id, row.sequence) for row in rows}
    assert decided == {(one.intervention_id, one.sequence) for one in world.records}
    contents: dict[str, set[str]] = {}
    for _, message in world.attempts:
        keys = {item.entry.key for item in message.items}
        before = contents.setdefault(f"{message.line}{message.message_id}", keys)
        assert keys <= before, "a repeat says the same, or less of it where it is over"
    said = Counter((item.entry.key, item.entry.reminders) for _, message in world.sent for item in message.items)
    assert set(said.values()) <= {1}


@settings(max_examples=200, deadline=None)
@given(drawn=steps)
def test_nobody_is_woken_and_critical_matters_stay_with_the_contact(drawn: list[tuple[Any, ...]]) -> None:
    script = Script()
    script.play(drawn)
    severity = {(one.intervention_id, one.sequence): one.severity for one in script.world.records}
    assert script.world.told_critical <= {"safe"}
    for at, message in script.world.attempts:
        person = script.world.desk.directory.recipients[message.line[0]]
        critical = [severity[item.entry.intervention_id, item.entry.sequence] == "critical" for item in message.items]
        if message.kind == "now" and not any(critical):
            assert quiet_until(zone(person.timezone), person.quiet, at) == at
        if message.kind == "now" and all(critical) and not any(item.section == "closed" for item in message.items):
            assert message.line[0] == "safe"


@settings(max_examples=200, deadline=None)
@given(drawn=steps)
def test_a_crash_changes_nothing_that_is_said(drawn: list[tuple[Any, ...]]) -> None:
    with_crashes, without = Script(), Script()
    with_crashes.play([step for step in drawn if step[0] != "crash while sending"])
    without.play([step for step in drawn if not step[0].startswith("crash")])
    said = [
        sorted((at, message.message_id, [item.entry.key for item in message.items]) for at, message in one.world.sent)
        for one in (with_crashes, without)
    ]
    assert said[0] == said[1]
    assert with_crashes.world.states() == without.world.states()


@settings(max_examples=100, deadline=None)
@given(drawn=steps)
def test_every_row_keeps_the_published_contract(drawn: list[tuple[Any, ...]]) -> None:
    script = Script()
    script.play(drawn)
    for entry in script.world.history:
        value = script.world.log[entry.key]
        recorded = DeliveryRecorded.model_validate_json(value)
        assert recorded.state == entry_of(value).state


def test_a_year_of_silence_leaves_nothing_behind() -> None:
    script = Script()
    script.play([("record", n % 5, "warning", 5) for n in range(200)] + [("pass", 365 * 24 * HOUR_MS // HOUR_MS)])
    world = script.world
    open_now = {one.intervention_id for one in world.records} - {
        one.intervention_id for one in world.records if one.state not in ("open", "acknowledged", "snoozed")
    }
    assert set(world.desk.cases) == open_now
