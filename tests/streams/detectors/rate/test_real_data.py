"""A city as a program, a listing as a pair, a review as a submission: a real collapse in mid-March 2020."""

import csv
import sys
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest

from streams.calendar import calendar_of
from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS
from streams.detectors.rate import Alarm, Event, RateParams, relearn, set_pairs, start, submit
from streams.zones import day_date, day_number

REVIEWS = Path(__file__).parents[4] / ".." / "shared" / "data" / "airbnb_albany" / "reviews.csv"


def alarms_until(last_date: date, answered: bool) -> list[tuple[date, Alarm]]:
    """Run the city from 2016; `answered`: somebody dismisses every alarm before March 2020 two weeks later."""
    submissions: dict[int, set[str]] = defaultdict(set)
    with REVIEWS.open() as rows:
        for row in csv.DictReader(rows):
            submissions[day_number(date.fromisoformat(row["date"]))].add(row["listing_id"])
    calendar, params = calendar_of("America/New_York"), RateParams(prior_rate=0.25)
    first, last, march = (day_number(day) for day in (date(2016, 1, 1), last_date, date(2020, 3, 1)))
    recent: Counter[str] = Counter()
    for day in range(first - 365, first):
        recent.update(submissions[day])
    pairs = sum(count > 0 for count in recent.values())
    stream = start(calendar.day_start(first), pairs, calendar, params)
    events: list[Event] = []
    for day in range(first, last):
        begin = calendar.day_start(day)
        recent.update(submissions[day])
        recent.subtract(submissions[day - 365])
        pairs = sum(count > 0 for count in recent.values())
        events += set_pairs(stream, begin, pairs, begin, calendar, params)
        for number in range(len(submissions[day])):
            at = begin + 12 * HOUR_MS + number * MINUTE_MS
            events += submit(stream, at, at, calendar, params)
        if answered and stream.alarm_ms and begin - stream.alarm_ms > 14 * DAY_MS and day < march:
            events += relearn(stream, begin, calendar, params)
    return [(day_date(calendar.day_of(event.at_ms)), event) for event in events if isinstance(event, Alarm)]


@pytest.mark.skipif(not REVIEWS.exists(), reason="the reviews of ../shared/data/airbnb_albany are not here")
def test_the_collapse_of_march_2020_is_noticed_and_little_before(capsys: pytest.CaptureFixture[str]) -> None:
    """No calendar announces the winters of this city, so they are real drops; somebody who knows dismisses them."""
    *before, (noticed, alarm) = alarms_until(date(2020, 5, 1), answered=True)
    with capsys.disabled():
        sys.stdout.write(f"\n  alarms in four years before: {', '.join(str(day) for day, _ in before)}\n")
        sys.stdout.write(f"  the collapse: {noticed}, {alarm}\n")
    assert date(2020, 3, 12) <= noticed <= date(2020, 3, 25)
    assert len(before) <= 4
    assert all(day.month in (1, 2, 3, 11, 12) for day, _ in before)


@pytest.mark.skipif(not REVIEWS.exists(), reason="the reviews of ../shared/data/airbnb_albany are not here")
def test_an_unanswered_winter_alarm_stays_on_until_the_next_season() -> None:
    alarms = [day for day, _ in alarms_until(date(2020, 5, 1), answered=False)]
    assert alarms[-1] < date(2019, 12, 31)
    assert len(alarms) <= 7
