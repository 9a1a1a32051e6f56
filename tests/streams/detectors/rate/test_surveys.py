"""Programs that record surveys: each is judged once, at a local day end."""

from random import Random

import msgspec
import pytest

from streams.calendar import WEEK_MS, calendar_of
from streams.clock import DAY_MS, HOUR_MS
from streams.detectors.rate import (
    Alarm,
    Event,
    RateParams,
    RateStream,
    Recovered,
    advance,
    mean_rate,
    next_due_ms,
    relearn,
    start,
    submit,
    survey_answered,
    survey_judged_ms,
    survey_sent,
)
from streams.detectors.rate.mixture import CALM, after_batch, mean_weeks
from tests.streams.detectors.simulation import START_MS

BERLIN = calendar_of("Europe/Berlin")
PARAMS = RateParams(lateness_ms=DAY_MS)
NOON = START_MS + 12 * HOUR_MS


def program(pairs: int = 50) -> RateStream:
    return start(START_MS, pairs, BERLIN, PARAMS)


def send_day(stream: RateStream, day: int, sent: int, answered: int) -> list[Event]:
    """Send surveys at noon of a day; the answers come two days later."""
    at = NOON + day * DAY_MS
    events: list[Event] = []
    for _ in range(sent):
        events += survey_sent(stream, at, at, BERLIN, PARAMS)
    for _ in range(answered):
        events += survey_answered(stream, at, at + 2 * DAY_MS, at + 2 * DAY_MS, BERLIN, PARAMS)
    return events


def test_a_survey_is_judged_at_the_end_of_the_local_day_on_which_it_is_seven_days_old() -> None:
    assert survey_judged_ms(NOON, BERLIN, PARAMS) == BERLIN.day_start(BERLIN.day_of(NOON) + 8)
    holiday = calendar_of("Europe/Berlin", (("2024-01-03", "2024-01-16"),))
    assert survey_judged_ms(NOON, holiday, PARAMS) == BERLIN.day_start(BERLIN.day_of(NOON) + 22)


def test_the_timer_is_the_next_day_end_at_which_surveys_come_of_age() -> None:
    stream = program()
    assert next_due_ms(stream, NOON, BERLIN, PARAMS) is not None
    send_day(stream, 0, 3, 0)
    judged = survey_judged_ms(NOON, BERLIN, PARAMS)
    assert next_due_ms(stream, NOON, BERLIN, PARAMS) == judged + DAY_MS
    advance(stream, judged + DAY_MS, BERLIN, PARAMS)
    assert next_due_ms(stream, judged + DAY_MS, BERLIN, PARAMS) is None


def test_silence_without_surveys_says_nothing() -> None:
    stream = program()
    for week in range(8):
        send_day(stream, 7 * week, 30, 10)
    assert advance(stream, START_MS + 200 * WEEK_MS, BERLIN, PARAMS) == []
    assert submit(stream, START_MS + 200 * WEEK_MS, START_MS + 200 * WEEK_MS, BERLIN, PARAMS) == []


def test_the_first_batch_only_teaches_and_the_second_is_tested_by_its_formula() -> None:
    stream = program()
    send_day(stream, 40, 30, 12)
    advance(stream, START_MS + 55 * DAY_MS, BERLIN, PARAMS)
    assert stream.risk == CALM
    assert mean_rate(stream, PARAMS) == pytest.approx((PARAMS.shape + 12) / (PARAMS.shape / 0.35 + 30))
    rate = stream.baseline.rate
    send_day(stream, 75, 20, 3)
    advance(stream, START_MS + 90 * DAY_MS, BERLIN, PARAMS)
    assert stream.risk == after_batch(CALM, 5.0, rate, 3, 17, 1.0)


def test_answers_that_stop_raise_the_alarm_with_judged_surveys_as_evidence() -> None:
    stream = program()
    events: list[Event] = []
    for day in range(0, 180, 3):
        events += send_day(stream, day, 6, 2 if day < 120 else 0)
    alarm = next(event for event in events if isinstance(event, Alarm))
    assert 7 <= (alarm.at_ms - START_MS) / DAY_MS - 120 <= 30
    assert alarm.at_ms == BERLIN.day_start(BERLIN.day_of(alarm.at_ms))
    assert alarm.reading.surveys
    assert alarm.reading.units % 6 == 0
    assert alarm.reading.expected == pytest.approx(alarm.reading.rate * alarm.reading.units, rel=1e-4)
    assert alarm.weeks >= 104.36


def test_an_alarm_of_surveys_recovers_when_four_later_weeks_of_judged_ones_look_normal() -> None:
    stream = program()
    events: list[Event] = []
    for day in range(0, 300, 3):
        events += send_day(stream, day, 6, 0 if 120 <= day < 150 else 2)
    alarm = next(event for event in events if isinstance(event, Alarm))
    back = next(event for event in events if isinstance(event, Recovered))
    assert back.at_ms - alarm.at_ms >= 28 * DAY_MS
    assert back.reading.seen >= 0.8 * back.reading.expected >= 4.0
    assert sum(isinstance(event, Alarm) for event in events) == 1


def test_an_answer_after_the_judgement_counts_for_nothing() -> None:
    stream = program()
    send_day(stream, 0, 5, 0)
    judged = survey_judged_ms(NOON, BERLIN, PARAMS)
    survey_answered(stream, NOON, judged, judged, BERLIN, PARAMS)
    survey_answered(stream, NOON, judged - 1, judged, BERLIN, PARAMS)
    advance(stream, judged + DAY_MS, BERLIN, PARAMS)
    assert stream.counts.count(BERLIN.day_of(judged - 1)) == 1


def test_an_answer_in_time_that_arrives_after_the_judgement_teaches_the_baseline_only() -> None:
    stream = program()
    send_day(stream, 0, 5, 1)
    judged = survey_judged_ms(NOON, BERLIN, PARAMS)
    advance(stream, judged + 2 * DAY_MS, BERLIN, PARAMS)
    survey_answered(stream, NOON, judged - 1, judged + 2 * DAY_MS, BERLIN, PARAMS)
    assert stream.baseline.waiting_events == 1
    assert stream.counts.count(BERLIN.day_of(judged - 1)) == 1


def test_more_answers_than_surveys_are_capped() -> None:
    stream = program()
    send_day(stream, 0, 1, 3)
    advance(stream, START_MS + 20 * DAY_MS, BERLIN, PARAMS)
    assert stream.counts.count(BERLIN.day_of(NOON) + 7) == 1


def test_the_first_survey_ends_what_bare_submissions_had_taught() -> None:
    stream = program()
    for day in range(60):
        submit(stream, NOON + day * DAY_MS, NOON + day * DAY_MS, BERLIN, PARAMS)
    silent = NOON + 400 * DAY_MS
    assert isinstance(advance(stream, silent, BERLIN, PARAMS)[0], Alarm)
    events = survey_sent(stream, silent, silent, BERLIN, PARAMS)
    assert [type(event) for event in events] == [Recovered]
    assert (stream.alarm_ms, stream.risk, stream.line.pairs) == (0, CALM, 50)
    assert mean_rate(stream, PARAMS) == pytest.approx(0.35)


def test_a_dismissed_alarm_relearns_the_share_of_the_last_eight_weeks() -> None:
    stream = program()
    for day in range(0, 200, 3):
        send_day(stream, day, 6, 2 if day < 120 else 1)
    relearn(stream, START_MS + 200 * DAY_MS, BERLIN, PARAMS)
    assert (stream.alarm_ms, mean_weeks(stream.risk)) == (0, 0.0)
    assert stream.baseline.events / stream.baseline.exposure == pytest.approx(1 / 6)


def test_driven_by_its_timer_a_survey_stream_says_everything_when_it_falls_due() -> None:
    random = Random(7)
    timed, plain = program(), program()
    facts: list[tuple[int, int, int]] = []
    for day in range(0, 300, 2):
        for _ in range(4):
            sent = NOON + day * DAY_MS + random.randrange(HOUR_MS)
            facts.append((sent, 0, sent))
            if random.random() < (0.4 if day < 150 else 0.05):
                facts.append((sent + random.randrange(9 * DAY_MS), 1, sent))
    said: list[Event] = []
    wanted: list[Event] = []
    now = START_MS
    for at, answer, sent in sorted(facts):
        while (due := next_due_ms(timed, now, BERLIN, PARAMS)) is not None and due <= at:
            now = max(now, due)
            said += (events := advance(timed, now, BERLIN, PARAMS))
            assert all(event.due_ms == due for event in events)
        now = at
        for stream, events in ((timed, said), (plain, wanted)):
            if answer:
                events += survey_answered(stream, sent, at, at, BERLIN, PARAMS)
            else:
                events += survey_sent(stream, sent, at, BERLIN, PARAMS)
        timed = msgspec.msgpack.decode(msgspec.msgpack.encode(timed), type=RateStream)
    assert said == wanted
    assert any(isinstance(event, Alarm) for event in said)
    assert len(msgspec.msgpack.encode(timed)) < 600
