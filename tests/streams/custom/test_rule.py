"""Custom rules through the engine: the life of what they open, and the instants at which they look again."""

import json
from typing import Any

import pytest

from streams import ruleset
from streams.clock import DAY_MS, HOUR_MS
from streams.custom.rule import code_of
from streams.engine import Engine
from tests.streams.logs import entries, random_lines, stored
from tests.streams.timeline import START_MS, Story

QUIET = "custom.mentor_silent"
OLD = {"first_meeting.missing": {"enabled": False}, "pair.quiet": {"enabled": False}}


def rules(rule: str = QUIET, **params: Any) -> dict[str, Any]:
    defaults = {"subject": "pair", "when": "days_since_mentor_contact >= 10", "says": "the mentor is silent"}
    return {"rules": {rule: defaults | params} | OLD}


def story_of(rule: str = QUIET, **params: Any) -> Story:
    story = Story(rules(rule, **params))
    story.tell("pair.changed", "0d")
    return story


def test_it_opens_at_the_instant_a_count_of_days_is_reached_and_closes_when_it_is_false() -> None:
    story = story_of()
    story.go("9d 23h")
    assert story.told(QUIET) == []
    story.go("15d")
    story.tell("activity.message_sent", "16d", participant_id="mentor")
    assert story.told(QUIET) == [(10, "opened", None), (16, "resolved", "condition_cleared")]


def test_it_says_what_it_read() -> None:
    story = story_of(when="days_since_meeting > 6 && meetings_held > 0 && !meeting_booked", severity="warning",
                     says="no meeting for a week.",
                     actions=["send_reminder", "reach_out:mentee", "rematch"])  # fmt: skip
    story.tell("meeting.held", "1d", starts_at="1d")
    story.go("9d")
    ((at_ms, record),) = story.of(QUIET)
    assert (at_ms - START_MS) / DAY_MS == 8
    assert (record.severity, record.rule_class, record.delivery) == ("warning", "reactive", "digest")
    assert record.summary == "Pair pair: no longer: no meeting for a week.".replace("no longer: ", "")
    told = {each.text.partition(":")[0]: each for each in record.evidence}
    assert (told["days_since_meeting"].value, told["days_since_meeting"].threshold) == (7, 6)
    assert told["meetings_held"].event_id == "event-2"
    assert "meeting_booked is false" in told
    steps = [(each.code, each.party, each.needs_approval, each.unlocked) for each in record.actions]
    assert steps == [
        ("send_reminder", None, False, True),
        ("reach_out", "mentee", False, True),
        ("rematch", None, True, False),
    ]
    assert record.cause is not None
    assert record.participant_ids == ["mentee", "mentor"]


def test_it_is_asked_again_only_when_a_count_may_turn_it() -> None:
    story = story_of(when="days_since_mentor_contact == 10 || days_since_mentor_contact > 20")
    code = code_of(QUIET, "pair")
    looks = [story.pair().timers[code]]
    for day in ("10d 1m", "11d 1m", "20d 1m"):
        story.go(day)
        looks.append(story.pair().timers[code])
    assert [(look - START_MS) / DAY_MS for look in looks[:1] + looks[2:3]] == [10, 20]
    story.go("22d")
    assert story.told(QUIET) == [(10, "opened", None), (11, "resolved", "condition_cleared")]
    story.go("40d")
    assert story.told(QUIET)[2:] == [(25, "opened", None)]  # after the cool-down of 14 days


def test_days_stand_still_while_somebody_is_paused() -> None:
    story = story_of()
    story.tell("participant.changed", "5d", participant_id="mentee", state="paused", paused_until="12d")
    story.go("30d")
    assert story.told(QUIET) == [(17, "opened", None)]


def test_it_waits_until_the_condition_has_held_long_enough() -> None:
    story = story_of(when="postponed_in_a_row > 0", hold="3d")
    booking = {"meeting_id": "m", "starts_at": "20d"}
    story.tell("meeting.scheduled", "1d", **booking)
    story.tell("meeting.rescheduled", "2d", participant_id="mentee", **booking)
    story.tell("meeting.held", "4d", meeting_id="other", starts_at="4d")
    story.tell("meeting.rescheduled", "6d", participant_id="mentee", **booking)
    story.go("12d")
    story.tell("meeting.held", "13d", starts_at="13d")
    assert story.told(QUIET) == [(9, "opened", None), (13, "resolved", "condition_cleared")]


def test_a_late_fact_that_speaks_against_it_retracts_it() -> None:
    story = story_of()
    story.go("11d")
    story.tell("activity.message_sent", "5d", arrives="12d", participant_id="mentor")
    assert story.told(QUIET) == [(10, "opened", None), (12, "retracted", "late_fact")]
    story.go("16d")
    assert story.told(QUIET)[2:] == [(15, "opened", None)]


def test_a_coordinator_mutes_snoozes_and_answers_as_with_any_rule() -> None:
    story = story_of(mute="20d", cool_down="0d")
    story.go("11d")
    named = story.of(QUIET)[-1][1].intervention_id
    story.tell("action.taken", "12d", action="snooze", until="14d", intervention_id=named)
    story.go("14d 1h")
    story.tell("action.taken", "15d", action="false_alarm", intervention_id=named)
    story.tell("activity.message_sent", "16d", participant_id="mentor")
    story.go("40d")
    changes = [change for _, change, _ in story.told(QUIET)]
    assert changes == ["opened", "snoozed", "woken", "resolved", "opened"]
    assert story.told(QUIET)[-1][0] == 35


def test_neglect_escalates_it() -> None:
    story = Story(rules(severity="high") | {"neglect": {"high": "1d"}})
    story.tell("pair.changed", "0d")
    story.go("13d")
    assert [(day, change) for day, change, _ in story.told(QUIET)] == [
        (10, "opened"), (11, "escalated"), (12, "escalated"),
    ]  # fmt: skip
    assert story.of(QUIET)[1][1].audience == "backup_coordinator"


def test_a_program_overrides_the_condition_or_switches_it_off() -> None:
    own = {"programs": {"program": {"rules": {QUIET: {"when": "days_since_mentor_contact >= 20"}}}}}
    story = Story(rules() | own)
    story.tell("pair.changed", "0d")
    story.go("30d")
    assert story.told(QUIET) == [(20, "opened", None)]
    story.activate(rules() | {"programs": {"program": {"rules": {QUIET: {"enabled": False}}}}})
    assert story.told(QUIET)[-1] == (30, "resolved", "rule_changed")


def test_a_rule_that_is_removed_closes_what_it_left_open_and_leaves_nothing() -> None:
    story = story_of()
    story.go("11d")
    story.activate({"rules": OLD})
    assert story.told(QUIET) == [(10, "opened", None), (11, "resolved", "rule_changed")]
    assert story.pair().timers == {}
    assert story.pair().episodes == ()


def test_a_rule_that_is_renamed_is_another_rule() -> None:
    story = story_of()
    story.go("11d")
    story.activate(rules("custom.mentor_quiet"))
    assert story.told(QUIET)[-1] == (11, "resolved", "rule_changed")
    assert story.told("custom.mentor_quiet") == [(11, "opened", None)]


def test_another_subject_makes_another_rule_of_the_same_id() -> None:
    story = story_of()
    story.tell("participant.changed", "0d", participant_id="mentee", joined_at="0d")
    story.go("11d")
    story.activate(rules(subject="participant", when="days_since_contact >= 10"))
    assert story.told(QUIET) == [
        (10, "opened", None), (11, "opened", None), (11, "resolved", "rule_changed"),
    ]  # fmt: skip


@pytest.mark.parametrize(("backfill", "said"), [("none", []), ("emit", [(11, "opened", None)])])
def test_what_is_already_true_is_taken_as_the_activation_says(backfill: str, said: list[Any]) -> None:
    story = Story({"rules": OLD})
    story.tell("pair.changed", "0d")
    story.go("11d")
    story.activate(rules(), backfill)
    assert story.told(QUIET) == said


def test_a_changed_condition_that_is_false_resolves_what_is_open() -> None:
    story = story_of()
    story.go("11d")
    story.activate(rules(when="days_since_mentor_contact >= 15"))
    assert story.told(QUIET)[-1] == (11, "resolved", "rule_changed")


def test_an_expression_that_has_no_value_is_a_fault_of_that_rule_alone() -> None:
    story = story_of(when="100 / meetings_held > 3")
    story.tell("rating.submitted", "1d", rating=2)
    assert set(story.engine.state.faults.counts) == {QUIET}
    assert story.told("rating.low") == [(1, "opened", None)]
    story.tell("meeting.held", "2d", starts_at="2d")
    assert story.told(QUIET) == [(2, "opened", None)]


def test_a_silent_source_withholds_a_rule_that_counts_days_and_no_other() -> None:
    def reads_days(when: str) -> bool:
        (rule,) = ruleset.parse(rules(when=when)).custom.values()
        return rule.is_absence

    assert reads_days("days_since_contact > 3")
    assert not reads_days("low_ratings_60d > 1 && days_until_end > 5")


def test_people_and_programs_have_rules_too() -> None:
    waiting = {"subject": "participant", "when": "days_without_pair >= 7 && role == 'mentee'", "says": "waits"}
    ending = {"subject": "program", "when": "days_until_end <= 14 && active_pairs > 0", "says": "ends soon"}
    story = Story({"rules": {"custom.waits": waiting, "custom.ends": ending} | OLD})
    story.tell("program.changed", "0d", starts_at="0d", ends_at="60d")
    story.tell("participant.changed", "1d", participant_id="mentee", joined_at="0d")
    story.tell("participant.changed", "1d", participant_id="mentor", joined_at="0d", roles=["mentor"])
    story.tell("pair.changed", "9d", pair_id="pair")
    story.tell("pair.changed", "20d", pair_id="pair", state="closed", matched_at="9d", closed_at="20d")
    story.tell("pair.changed", "30d", pair_id="other", mentee_ids=["another"])
    story.go("61d")
    assert story.told("custom.waits")[:3] == [
        (7, "opened", None), (9, "resolved", "condition_cleared"), (27, "opened", None),
    ]  # fmt: skip
    assert story.told("custom.ends") == [(46, "opened", None)]
    assert story.of("custom.ends")[0][1].cause is None


def test_a_group_pair_is_asked_only_by_rules_that_count_no_days() -> None:
    story = Story(rules() | {"rules": rules()["rules"] | {
        "custom.low": {"subject": "pair", "when": "low_ratings_60d > 0", "says": "somebody rated low"}}})  # fmt: skip
    story.tell("pair.changed", "0d", kind="group", mentee_ids=["mentee", "other"])
    story.tell("rating.submitted", "1d", rating=1)
    story.go("30d")
    assert story.told(QUIET) == []
    assert story.told("custom.low") == [(1, "opened", None)]


def test_a_rating_leaves_the_window_by_the_clock_alone() -> None:
    story = story_of("custom.low", when="low_ratings_60d > 0", expires_after="300d")
    story.tell("rating.submitted", "1d", rating=1)
    story.go("70d")
    assert story.told("custom.low") == [(1, "opened", None), (61, "resolved", "condition_cleared")]


def test_stop_store_load_and_resume_goes_on_as_if_nothing_had_happened() -> None:
    def tell(story: Story, stops: bool) -> list[tuple[float, str, str | None]]:
        rows: dict[bytes, bytes] = {}
        for step in ("2d", "5d", "10d 1h", "13d"):
            story.go(step)
            if stops:
                for key, value in story.engine.flush_state():
                    rows.pop(key, None) if value is None else rows.update({key: value})
                story.engine = type(story.engine)()
                story.engine.restore(rows.items())
        story.tell("activity.message_sent", "14d", participant_id="mentor")
        story.go("40d")
        return story.told(QUIET)

    params: dict[str, Any] = {"hold": "2d"}
    assert tell(story_of(**params), stops=True) == tell(story_of(**params), stops=False) == [
        (12, "opened", None), (14, "resolved", "condition_cleared"), (28, "opened", None),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_any_history_cut_anywhere_gives_the_same_records(seed: int) -> None:
    several = rules(hold="1d")["rules"] | {
        "custom.low": {"subject": "pair", "when": "low_ratings_60d > 1 || postponed_in_a_row > 0", "says": "low"},
        "custom.alone": {"subject": "participant", "when": "days_since_contact > 3 && active_pairs < 2", "says": "one"},
        "custom.cold": {"subject": "program", "when": "ratings_60d > 2 && mean_rating_60d < 3.5", "says": "cold"},
    }  # fmt: skip
    fixed, journal = ruleset.parse({"rules": several}), entries(random_lines(seed, 60))
    whole, cut, rows = Engine(fixed=fixed), Engine(fixed=fixed), dict[bytes, bytes]()
    expected, found = [], []
    for offset, entry in enumerate(journal):
        while not whole.apply(offset, entry):
            pass
        expected += stored(whole, {})
        while not cut.apply(offset, entry):
            pass
        found += stored(cut, rows)
        cut = Engine(fixed=fixed)
        cut.restore(rows.items())
    assert found == expected
    assert sum(b'"custom.' in value for value, _ in found) > 5
    assert not cut.state.faults.counts


def test_a_removal_that_is_cut_goes_on_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    story = story_of()
    for number in range(4):
        story.tell("pair.changed", "0d", pair_id=f"pair-{number}")
    story.go("11d")
    monkeypatch.setattr("streams.engine.SLICE", 2)
    story.engine.activate(ruleset.parse({"rules": OLD}), "*", "emit", START_MS + 11 * DAY_MS)
    assert not story.engine.settle()
    story.decisions += story.engine.decisions()
    rows = {key: value for key, value in story.engine.flush_state() if value is not None}
    story.engine = type(story.engine)()
    story.engine.restore(rows.items())
    while not story.engine.settle():
        pass
    story.decisions += story.engine.decisions()
    closed = [record.subject.id for _, record in story.of(QUIET) if record.change == "resolved"]
    assert sorted(closed) == ["pair", "pair-0", "pair-1", "pair-2", "pair-3"]


def test_the_definition_is_in_the_content_hash_and_survives_expansion() -> None:
    one, other = ruleset.parse(rules()), ruleset.parse(rules(when="days_since_mentor_contact >= 11"))
    assert one.hash != other.hash
    again = ruleset.parse(json.loads(one.encoded()))
    assert (again.hash, list(again.custom)) == (one.hash, list(one.custom))


def test_a_rule_set_without_custom_rules_is_what_it_was() -> None:
    assert not ruleset.shipped().custom
    assert not any(rule_id.startswith("custom.") for rule_id in ruleset.shipped().tree["rules"])


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"custom.Bad": {}}, 'rules."custom.Bad": the id of a custom rule is custom.<name>'),
        ({QUIET: {"when": "has_met"}}, f'rules."{QUIET}".subject: is missing'),
        ({QUIET: rules()["rules"][QUIET] | {"sevrity": "high"}}, "did you mean severity?"),
        ({QUIET: rules()["rules"][QUIET] | {"severity": "critical"}}, "'warning' or 'high'"),
        ({QUIET: rules()["rules"][QUIET] | {"when": "has_mett"}}, "did you mean has_met?"),
        ({QUIET: rules()["rules"][QUIET] | {"actions": ["call"]}}, "call is no action"),
        ({QUIET: rules()["rules"][QUIET] | {"actions": ["rematch:mentor"]}}, "a party is named as"),
        ({QUIET: rules()["rules"][QUIET] | {"says": "two\nlines"}}, "is one line of text"),
        ({f"custom.r{n}": rules()["rules"][QUIET] for n in range(21)}, "21 custom rules, at most 20"),
    ],
)
def test_mistakes_are_named_when_it_is_loaded(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(ruleset.RulesetError) as caught:
        ruleset.parse({"rules": table})
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ({"custom.mentor_silnt": {}}, "did you mean custom.mentor_silent?"),
        ({QUIET: {"subject": "program"}}, "the same kind of subject in every program"),
        ({QUIET: {"hold": "2w"}}, '"<n>d"'),
    ],
)
def test_mistakes_of_an_override_are_named(override: dict[str, Any], problem: str) -> None:
    with pytest.raises(ruleset.RulesetError) as caught:
        ruleset.parse(rules() | {"programs": {"p": {"rules": override}}})
    assert problem in str(caught.value)


def test_hold_is_in_plain_time() -> None:
    story = story_of(when="low_ratings_60d > 0", hold="12h")
    story.tell("rating.submitted", "1d", rating=1)
    story.go("2d")
    assert story.of(QUIET)[0][0] == START_MS + DAY_MS + 12 * HOUR_MS


def test_state_shows_a_custom_rule_as_such() -> None:
    from agents.cli.state import _readable

    code = code_of(QUIET, "pair")
    story = story_of()
    story.go("11d")
    shown = _readable(story.pair())
    assert [each["rule"] for each in shown["episodes"]] == [f"custom rule {code}"]
    assert f"custom rule {code}" in shown["timers"]
