"""Every part of the nine points that each rule obeys, and every kind of program, has a test of its own.

The table names tests by function and scenarios by file. The suite prints it; an empty cell, or a name that no longer
exists, fails.
"""

import ast
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.scenarios.runner import scenario_files

POINTS: Final[dict[str, tuple[str, ...]]] = {
    "1 one open intervention a subject": ("test_more_of_the_same_joins_what_is_open_and_opens_nothing",),
    "1 evidence names facts": ("test_evidence_names_the_facts_it_rests_on",),
    "1 rungs in their order": ("test_each_rung_that_a_jump_passes_is_written_at_its_own_instant",),
    "1 seen late, highest rung": ("test_a_subject_first_seen_late_opens_once_at_the_highest_rung_true_then",),
    "1 one record for a fact": ("test_an_outreach_that_raises_a_rung_is_one_record_with_the_outreach_in_it",),
    "2 edge, re-arm, cool-down": (
        "test_a_dismissed_one_opens_again_only_after_it_was_false_and_the_cool_down_has_passed",
        "rating_low_closes_cool_down",
    ),
    "2 true again inside a cool-down": (
        "test_what_became_true_again_inside_a_cool_down_and_still_is_opens_at_its_end",
        "test_a_call_for_help_inside_a_mute_is_heard_when_the_mute_ends",
    ),
    "2 no cool-down": ("help_requested_edge_no_cool_down",),
    "2 a rating of 1 breaks it": ("rating_low_closes_one_breaks_cool_down",),
    "3 expiry": ("first_meeting_missing_closes_expired",),
    "3 what never expires": ("help_requested_edge_never_expires", "test_a_snoozed_one_does_not_expire"),
    "3 retraction by a late fact": (
        "test_a_booking_from_before_the_opening_retracts_it",
        "test_a_pause_from_before_the_opening_that_is_over_retracts_it",
    ),
    "3 a retraction starts no cool-down": ("test_a_retraction_starts_no_cool_down",),
    "3 after the program's end": (
        "test_after_the_end_of_a_program_only_ratings_kudos_help_and_safety_open",
        "help_requested_opens_after_end",
    ),
    "4 closing actions": ("test_closing_actions_say_why_and_who",),
    "4 measures are evidence": ("test_measures_are_evidence_and_leave_the_state",),
    "4 actions without an intervention": (
        "test_an_outreach_joins_what_is_open_about_the_pair_and_its_people",
        "test_an_action_on_nothing_or_on_something_closed_is_counted_and_ignored",
    ),
    "4 snooze and wake": ("test_a_snoozed_one_keeps_silent_gathers_and_wakes_with_what_it_gathered",),
    "4 woken by a graver fact, not a timer": (
        "test_a_fact_that_makes_a_snoozed_one_graver_wakes_it_in_one_record",
        "test_a_timer_that_makes_a_snoozed_one_graver_waits_for_the_end_of_the_snooze",
    ),
    "4 closing while snoozed": ("test_closing_conditions_close_a_snoozed_one",),
    "4 actions on a snoozed one": ("test_actions_on_a_snoozed_one_are_written_and_ack_ends_the_snooze",),
    "4 mute": (
        "test_a_false_alarm_mutes_the_rule_on_the_subject_and_a_rating_of_1_breaks_the_mute",
        "test_a_false_alarm_does_not_mute_safety",
    ),
    "5 neglect, hours": ("test_a_high_one_goes_to_the_backup_after_a_day_then_to_customer_success_then_no_further",),
    "5 neglect, working days": (
        "test_a_warning_waits_three_working_days_in_the_zone_and_breaks_of_the_program",
        "test_what_opens_on_a_weekend_waits_from_monday_midnight",
    ),
    "5 neglect starts again": ("test_span_and_level_start_again_when_severity_rises",),
    "5 who is never neglected": ("test_a_notice_may_wait_for_ever", "test_shadow_is_never_neglected"),
    "5 audience unchanged": (
        "test_safety_escalates_without_telling_anybody_else",
        "test_neglect_leaves_it_with_the_operators",
    ),
    "5 lapse of an acknowledgement": (
        "test_an_acknowledgement_without_an_outreach_lapses_a_week_after_the_last_action",
        "test_an_acknowledgement_stands_once_both_were_reached_out_to",
    ),
    "6 now and digest": (
        "rating_low_opens_one_now",
        "test_notices_go_with_the_digest_by_the_shipped_rules",
        "test_what_goes_at_once_goes_whatever_is_sent_from",
    ),
    "6 review list": ("test_only_what_colours_the_picture_is_not_sent_by_the_shipped_rules",),
    "6 shadow": ("test_a_rule_switched_to_shadow_is_delivered_no_more", "test_shadow_goes_before_inhibition"),
    "6 what never spoke": ("test_what_never_spoke_closes_without_a_word",),
    "7 backfill none": ("test_none_keeps_what_is_true_already_silent",),
    "7 backfill silent": ("test_silent_opens_without_delivery_for_the_whole_episode",),
    "7 backfill emit": ("test_emit_opens_what_is_true_already",),
    "7 forgetting under none": ("test_every_rule_that_fires_on_a_fact_forgets_earlier_facts_under_none",),
    "7 rule changed": ("test_an_open_episode_resolves_when_the_new_parameters_do_not_hold",),
    "7 scope of a program": ("test_a_program_keeps_its_own_rule_set",),
    "8 inhibition by a person": ("test_what_opens_behind_an_inhibitor_is_withheld_and_woken_when_it_closes",),
    "8 inhibition by a slump": ("test_what_a_program_withheld_is_woken_everywhere_when_it_closes",),
    "8 inhibition by a silent source": (
        "test_what_absence_rules_say_meanwhile_is_withheld_and_woken_when_facts_return",
    ),
    "8 order at one instant": ("test_inputs_of_an_inhibitor_are_judged_first_then_it_then_what_it_withholds",),
    "8 neglect pauses": ("test_neglect_pauses_while_withheld_and_starts_when_woken",),
    "9 causes": (
        "test_causes_say_why",
        "test_a_close_reason_is_the_cause_of_what_the_end_of_a_pair_resolves",
    ),
    "9 first actions": ("test_first_steps_are_the_rater_then_the_partner_and_a_rematch_once_both_were_reached",),
    "9 safety leaves the partner out": ("test_the_partner_is_left_out_when_the_matter_is_safety",),
    "state change closes": (
        "test_who_leaves_takes_absence_and_match_along_while_help_and_ratings_stay",
        "first_meeting_missing_closes_pair",
    ),
    "always-on": ("test_an_always_on_program_has_no_end_and_no_break",),
    "cohort, breaks": ("test_a_cohort_waits_for_its_start_and_stands_still_in_a_break",),
    "on-off, carry-over": (
        "test_a_run_that_carries_people_over_asks_who_stays_and_the_next_run_begins_anew",
        "relaunch_carryover_risk_opens",
    ),
    "pauses, paused_until": ("test_a_pause_ends_by_the_clock_alone", "first_meeting_missing_opens_after_pause"),
    "reopened pairs": ("test_a_reopened_pair_counts_from_its_reopening_unless_it_ever_met",),
    "group pairs": ("test_a_group_raises_no_absence_and_hears_ratings",),
    "several pairs": (
        "test_a_person_with_several_pairs_is_told_of_once_and_each_pair_by_itself",
        "participant_unresponsive_opens_once_for_all_pairs",
    ),
    "removal and its ripple": (
        "test_the_removal_of_somebody_closes_what_is_theirs_and_names_who_is_left_behind",
        "partner_needs_rematch_opens_left",
    ),
    "erasure": (
        "test_an_erasure_closes_what_is_open_about_the_person",
        "test_an_erased_participant_is_gone_from_state_and_dropped_when_named_again",
        "test_who_is_left_behind_by_an_erasure_is_named",
    ),
    "first start": ("test_no_absence_is_opened_that_rests_on_what_was_not_seen",),
    "state that shrinks": ("test_five_years_of_an_always_on_program_keep_the_bytes_of_an_active_pair_flat",),
}


def known() -> set[str]:
    """Names of all tests of the core, and of all scenarios."""
    names = {path.stem for path in scenario_files()}
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                names.add(node.name)
    return names


def test_every_point_of_the_life_cycle_has_a_test(capsys: pytest.CaptureFixture[str]) -> None:
    names = known()
    width = max(map(len, POINTS))
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(f"{point:<{width}}  {len(tests)}" for point, tests in POINTS.items()) + "\n")
    assert [point for point, tests in POINTS.items() if not tests] == []
    assert sorted(test for tests in POINTS.values() for test in tests if test not in names) == []
