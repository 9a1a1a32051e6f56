"""What each line is told of a record, and when."""

import pytest
from msgspec.structs import replace

from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS
from streams.delivery.entries import entry_of
from streams.delivery.people import Program, Recipient, Way
from streams.delivery.policy import Policy
from streams.delivery.recall import open_digest, tell_newcomers
from streams.delivery.sending import Failed, Retry
from tests.streams.delivery.harness import ANNA, BOB, HOOK, PROGRAM, SAFE, TUESDAY, World, record, resolved

TOMORROW_8 = TUESDAY + 22 * HOUR_MS


def told(world: World) -> list[tuple[str, str, list[str]]]:
    """Who was sent what kind of message with which interventions."""
    return [
        (message.line[0], message.kind, [item.entry.intervention_id for item in message.items])
        for _, message in world.sent
    ]


def test_what_is_for_the_digest_waits_for_the_next_morning() -> None:
    world = World()
    world.feed(record("a"), record("b"))
    world.pass_time(TUESDAY + 12 * HOUR_MS)
    assert told(world) == []
    world.pass_time(TUESDAY + DAY_MS)
    assert told(world) == [("anna", "digest", ["a", "b"])]
    assert [at for at, _ in world.sent] == [TOMORROW_8]
    assert world.sent[0][1].message_id == "anna/email/2026-06-03"


def test_what_is_for_now_goes_after_a_moment_together_with_its_neighbours() -> None:
    world = World()
    world.feed(*(record(f"i{n:04}", delivery="now", severity="high") for n in range(3_000)))
    world.pass_time(TUESDAY + MINUTE_MS)
    assert len(world.sent) == 1
    assert len(world.sent[0][1].items) == 3_000
    assert world.sent[0][0] == TUESDAY + 30_000


def test_what_is_for_now_waits_for_the_end_of_the_night() -> None:
    world = World()
    world.now_ms += 12 * HOUR_MS
    rows = world.feed(record(at_ms=world.now_ms, delivery="now", severity="high"))
    assert [row.reason for row in rows] == ["quiet_hours"]
    world.pass_time(TUESDAY + DAY_MS)
    assert [at for at, _ in world.sent] == [TUESDAY + 21 * HOUR_MS]


def test_critical_matters_go_at_once_at_night_each_by_itself_and_to_the_safeguarding_contact_only() -> None:
    world = World(people=(ANNA, BOB, SAFE, HOOK))
    world.now_ms += 14 * HOUR_MS
    for n in range(3):
        world.feed(
            record(f"c{n}", at_ms=world.now_ms, delivery="now", severity="critical", audience="safeguarding",
                   rule="safety.concern")
        )  # fmt: skip
    world.feed(record("d", at_ms=world.now_ms, delivery="now", severity="critical", audience="coordinator"))
    world.pass_time(world.now_ms)
    assert told(world) == [("safe", "now", [one]) for one in ("c0", "c1", "c2", "d")]


def test_without_a_safeguarding_contact_the_audience_of_the_record_decides() -> None:
    world = World(programs=(Program(program_id="p", coordinators=("anna",)),))
    world.feed(record("a", delivery="now", severity="critical", audience="coordinator"))
    world.feed(record("b", delivery="now", severity="critical", audience="safeguarding"))
    world.pass_time(TUESDAY)
    assert told(world) == [("anna", "now", ["a"])]
    assert world.states()["b/0/none/safeguarding"] == "withheld:no_recipient"


def test_what_is_over_before_it_was_sent_is_never_sent() -> None:
    world = World(people=(ANNA, HOOK))
    world.answer = lambda _: Retry("timeout", world.now_ms + HOUR_MS)
    world.feed(record("other", program_id="q"))
    world.pass_time(TUESDAY)  # the machine's line is stuck with another record
    world.feed(record(), resolved())
    world.answer = lambda _: None
    world.pass_time(TUESDAY + 2 * DAY_MS)
    assert told(world) == [("hook", "each", ["other"])]
    assert world.states()["i1/0/email/anna"] == "withheld:resolved_before_sent"
    assert world.states()["i1/1/email/anna"] == "withheld:resolved_before_sent"
    assert world.states()["i1/0/webhook/hook"] == "withheld:resolved_before_sent"
    assert world.states()["i1/1/webhook/hook"] == "withheld:not_told"


def test_whoever_was_told_hears_that_it_is_over_also_when_its_end_is_for_others() -> None:
    world = World()
    world.feed(record())
    world.pass_time(TUESDAY + DAY_MS)
    world.feed(resolved(at_ms=world.now_ms, audience="backup_coordinator"))
    world.pass_time(TUESDAY + 2 * DAY_MS)
    assert told(world) == [("anna", "digest", ["i1"]), ("anna", "digest", ["i1"])]
    assert [item.section for _, message in world.sent for item in message.items] == ["new", "closed"]
    assert world.states()["i1/1/email/bob"] == "withheld:not_told"


def test_praise_that_is_closed_at_once_is_sent_all_the_same() -> None:
    world = World()
    world.feed(
        record(severity="info", rule="positive.kudos", state="open"),
        resolved(resolution="at_once", severity="info", rule="positive.kudos"),
    )
    world.pass_time(TUESDAY + DAY_MS)
    assert told(world) == [("anna", "digest", ["i1"])]
    assert world.states()["i1/1/email/anna"] == "withheld:at_once"


@pytest.mark.parametrize("reason", ["shadow", "backfill", "inhibited:program.slump", "coordinator_action"])
def test_what_is_not_for_delivery_is_withheld_for_its_own_reason(reason: str) -> None:
    world = World(people=(ANNA, HOOK))
    world.feed(record(delivery="none", delivery_reason=reason))
    world.pass_time(TUESDAY + 5 * DAY_MS)
    assert world.sent == []
    assert set(world.states().values()) == {f"withheld:{reason}"}


def test_nothing_leaves_while_history_is_replayed() -> None:
    world = World(policy=Policy(replayed=True))
    world.feed(record(delivery="now", severity="critical"), record("b"))
    world.pass_time(TUESDAY + 5 * DAY_MS)
    assert world.sent == []


def test_what_is_older_than_two_days_never_goes_by_itself() -> None:
    world = World()
    rows = world.feed(
        record("old", at_ms=TUESDAY - 48 * HOUR_MS - 1, delivery="now", severity="high"),
        record("young", at_ms=TUESDAY - 48 * HOUR_MS, delivery="now", severity="high"),
    )
    assert [(row.kind, row.reason) for row in rows] == [("digest", "too_old_for_now"), ("now", None)]


def test_an_answer_before_it_was_sent_stops_it_and_waking_sends_it() -> None:
    world = World()
    world.feed(
        record(),
        record(sequence=1, change="snoozed", state="snoozed", delivery="none", delivery_reason="coordinator_action"),
    )
    world.pass_time(TUESDAY + DAY_MS)
    assert world.sent == []
    assert world.states()["i1/0/email/anna"] == "withheld:answered_before_sent"
    world.feed(record(sequence=2, at_ms=world.now_ms, change="woken"))
    world.pass_time(TUESDAY + 2 * DAY_MS)
    assert told(world) == [("anna", "digest", ["i1"])]


def test_news_joins_what_waits_and_keeps_its_urgency() -> None:
    world = World()
    world.feed(record(delivery="now", severity="high"), record(sequence=1, change="evidence_added", severity="high"))
    world.pass_time(TUESDAY + 2 * DAY_MS)
    first = world.sent[0][1]
    assert (first.kind, [item.entry.sequence for item in first.items]) == ("now", [1])
    assert world.states()["i1/0/email/anna"] == "withheld:superseded"


def test_below_the_floor_nothing_comes_but_critical_matters_know_no_floor() -> None:
    quiet = replace(SAFE, ways=(Way("email", "timed", "critical"),))
    world = World(people=(replace(ANNA, ways=(Way("email", "timed", "high"),)), quiet), policy=Policy(reminders=0))
    world.feed(record("a"), record("b", severity="high"), record("c", severity="critical", delivery="now"))
    world.pass_time(TUESDAY + DAY_MS)
    assert sorted(told(world)) == [("anna", "digest", ["b"]), ("safe", "now", ["c"])]
    assert world.states()["a/0/email/anna"] == "withheld:below_floor"


def test_beyond_the_budget_of_a_day_the_rest_waits_for_the_digest_except_what_is_critical() -> None:
    world = World(people=(replace(ANNA, per_day=2), SAFE), policy=Policy(reminders=0))
    for n in range(4):
        world.feed(record(f"n{n}", at_ms=world.now_ms, delivery="now", severity="high"))
        world.pass_time(world.now_ms + HOUR_MS)
    assert [kind for _, kind, _ in told(world)] == ["now", "now"]
    assert world.states()["n3/0/email/anna"] == "scheduled:budget"
    world.crash()
    world.pass_time(TUESDAY + DAY_MS - HOUR_MS)
    assert told(world)[2] == ("anna", "digest", ["n2", "n3"])


def test_the_budget_of_a_week_counts_seven_local_days() -> None:
    world = World(people=(replace(ANNA, per_week=3, per_day=9),), policy=Policy(reminders=0))
    for n in range(10):
        world.feed(record(f"n{n}", at_ms=world.now_ms, delivery="now", severity="high"))
        world.pass_time(world.now_ms + DAY_MS)
    by_itself = [(at - TUESDAY) // DAY_MS for at, message in world.sent if message.kind == "now"]
    assert by_itself[:3] == [0, 1, 2]
    assert all(day > 6 for day in by_itself[3:])


def test_an_escalation_reaches_the_backup_in_full_and_without_one_the_coordinator_again() -> None:
    escalated = record(sequence=1, change="escalated", severity="high", audience="backup_coordinator")
    world = World()
    world.feed(record(severity="high"), escalated)
    world.pass_time(TUESDAY + DAY_MS)
    assert sorted(name for name, _, _ in told(world)) == ["anna", "bob", "bob"]  # Bob has two channels
    alone = World(programs=(Program(program_id="p", coordinators=("anna",)),))
    alone.feed(escalated)
    alone.pass_time(TUESDAY + DAY_MS)
    assert told(alone) == [("anna", "digest", ["i1"])]


def test_who_is_named_and_not_known_is_a_reason() -> None:
    world = World(people=(), programs=(PROGRAM,))
    world.feed(record(), record("b", program_id="unknown"))
    assert world.states() == {
        "i1/0/none/anna": "withheld:unknown_recipient",
        "b/0/none/coordinator": "withheld:no_recipient",
    }


def test_a_reminder_comes_while_nobody_answers_twice_at_most() -> None:
    world = World()
    world.feed(record(delivery="now", severity="high"))
    world.pass_time(TUESDAY + 10 * DAY_MS)
    assert [item.section for _, message in world.sent for item in message.items] == ["new", "waiting", "waiting"]
    assert len({message.message_id for _, message in world.sent}) == 3
    assert world.states() == {"i1/0/email/anna": "sent"}


@pytest.mark.parametrize("crash", [False, True])
def test_an_answer_stops_reminders(crash: bool) -> None:
    world = World()
    world.feed(record(delivery="now", severity="high"))
    world.pass_time(TUESDAY + HOUR_MS)
    if crash:
        world.crash()
    world.feed(
        record(sequence=1, at_ms=world.now_ms, change="acknowledged", state="acknowledged", delivery="none",
               delivery_reason="coordinator_action", severity="high")
    )  # fmt: skip
    world.pass_time(TUESDAY + 10 * DAY_MS)
    assert len(world.sent) == 1


def test_reminders_of_what_is_less_urgent_stand_in_a_digest() -> None:
    world = World()
    world.feed(record())
    world.pass_time(TUESDAY + 20 * DAY_MS)
    assert {message.kind for _, message in world.sent} == {"digest"}
    assert [item.section for _, message in world.sent for item in message.items] == ["new", "waiting", "waiting"]


def test_what_was_begun_is_tried_again_under_the_same_id_with_the_same_content_after_a_crash() -> None:
    world = World()
    world.feed(record("a"), record("b"))
    world.pass_time(TOMORROW_8 - 1)
    world.now_ms = TOMORROW_8
    message = world.begin(("anna", "email"))
    assert message is not None
    world.crash()
    world.feed(record("c", at_ms=world.now_ms))
    world.work()
    again = world.sent[0][1]
    assert again.message_id == message.message_id
    assert [item.entry.key for item in again.items] == [item.entry.key for item in message.items]
    assert again.attempt == 2
    world.pass_time(TUESDAY + 2 * DAY_MS)
    assert [kind for _, kind, _ in told(world)] == ["digest", "digest"]
    assert world.sent[1][1].message_id == "anna/email/2026-06-04"


def test_a_machine_gets_every_record_in_order_and_only_so_many_wait_in_memory() -> None:
    world = World(people=(HOOK,), policy=Policy(queue_limit=10))
    world.answer = lambda _: Retry("timeout", world.now_ms + MINUTE_MS)
    world.feed(*(record(f"i{n:03}") for n in range(100)))
    world.pass_time(TUESDAY + 30 * MINUTE_MS)
    book = world.desk.books[("hook", "webhook")]
    assert (len(book.queue), len(book.frozen), book.spilled) == (10, 1, 89) or len(book.queue) + len(book.frozen) <= 11
    world.crash()
    assert len(world.desk.books[("hook", "webhook")].queue) <= 10
    world.answer = lambda _: None
    world.pass_time(TUESDAY + 40 * MINUTE_MS)
    assert [names for _, _, names in told(world)] == [[f"i{n:03}"] for n in range(100)]
    assert world.desk.books[("hook", "webhook")].spilled == 0


def test_what_cannot_be_sent_for_days_is_given_up_and_what_never_will_fails_at_once() -> None:
    world = World(people=(ANNA, HOOK), policy=Policy(reminders=0))
    world.answer = lambda message: (
        Failed("gone") if message.line[0] == "hook" else Retry("timeout", world.now_ms + HOUR_MS)
    )
    world.feed(record())
    world.pass_time(TUESDAY + 10 * DAY_MS)
    assert world.states() == {"i1/0/webhook/hook": "failed:gone", "i1/0/email/anna": "failed:gave_up"}


def test_the_first_start_makes_one_digest_of_what_is_open() -> None:
    world = World(policy=Policy(reminders=0))
    records = [record(f"i{n}", at_ms=TUESDAY - n * DAY_MS) for n in range(40)]
    records += [record("urgent", at_ms=TUESDAY - HOUR_MS, delivery="now", severity="high")]
    records += [record("stale", at_ms=TUESDAY - 3 * DAY_MS, delivery="now", severity="high")]
    records += [record("shadow", delivery="none", delivery_reason="shadow")]
    for offset, one in enumerate([*records, resolved("i7")]):
        world.records.append(one)
        world.desk.fold(one, 0, offset)
    world.write(open_digest(world.desk, [one for one in records if one.intervention_id != "i7"], TUESDAY))
    world.pass_time(TUESDAY + DAY_MS - HOUR_MS)
    assert [(kind, len(names)) for _, kind, names in told(world)] == [("now", 1), ("digest", 40)]


def test_a_repeat_of_a_record_decides_nothing() -> None:
    world = World()
    world.feed(record(), resolved())
    assert world.desk.decide(record(), 0, 7, TUESDAY + DAY_MS) == []
    world.crash()
    assert world.desk.decide(record(), 0, 7, TUESDAY + DAY_MS) == []


def test_a_way_that_was_taken_out_of_the_settings_gives_up_what_waits() -> None:
    world = World()
    world.feed(record())
    world.people = (Recipient(id="anna", ways=(Way("chat"),)),)
    world.crash()
    assert world.states() == {"i1/0/email/anna": "withheld:no_such_way"}


def test_who_becomes_known_later_gets_one_digest_of_what_is_open_once() -> None:
    world = World(people=())
    world.feed(record("a"), record("b"), record("c"), resolved("c"))
    world.feed(record("d"), record("d", 1, change="acknowledged", state="acknowledged", delivery="none",
                                   delivery_reason="coordinator_action"))  # fmt: skip
    assert world.states()["a/0/none/anna"] == "withheld:unknown_recipient"
    world.people = (ANNA,)
    for _ in range(2):
        world.crash()
        rows = [entry_of(row) for row in world.log.values()]
        told = {(row.intervention_id, row.recipient) for row in rows if row.channel != "none"}
        newest = {one.intervention_id: one for one in world.records}
        open_ones = [newest[name] for name in world.desk.cases]
        world.write(tell_newcomers(world.desk, open_ones, told, world.now_ms))
        world.pass_time(TUESDAY + DAY_MS)
    assert [one for one in told_items(world) if one[1] == "new"] == [("a", "new"), ("b", "new")]
    assert len({message.message_id for _, message in world.sent if message.items[0].section == "new"}) == 1


def told_items(world: World) -> list[tuple[str, str]]:
    """What stood in messages, and in which section."""
    return [(item.entry.intervention_id, item.section) for _, message in world.sent for item in message.items]


def test_who_left_a_program_hears_no_more_of_it() -> None:
    world = World(people=(ANNA, BOB))
    world.feed(record("a"), record("b", delivery="now", severity="high"))
    world.pass_time(TUESDAY + HOUR_MS)
    assert told(world) == [("anna", "now", ["b"])]
    world.programs[0] = replace(PROGRAM, coordinators=("carl",))
    world.desk.directory.programs["p"] = world.programs[0]  # type: ignore[index]
    world.pass_time(TUESDAY + 10 * DAY_MS)
    assert len(world.sent) == 1, "neither the digest nor a reminder"
    assert world.states()["a/0/email/anna"] == "withheld:left_program"


def test_what_was_decided_before_a_replay_ended_is_history() -> None:
    world = World(policy=Policy(history_until_ms=TUESDAY))
    world.feed(record("old", delivery="now", severity="critical"))
    world.feed(record("new", at_ms=TUESDAY + 1))
    world.pass_time(TUESDAY + DAY_MS)
    assert told(world) == [("anna", "digest", ["new"])]
    assert world.states()["old/0/email/safe"] == "withheld:replayed"
