"""What the detectors do in simulation, beside what is published or required: `python -m benchmarks.detectors`.

Every figure follows from a seed, so two machines print the same. About ten minutes on one core at full length; `--part`
does a part of the runs, `--page` writes docs/detectors.md.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import msgspec

from streams.calendar import WEEK_MS, calendar_of
from streams.clock import DAY_MS
from streams.detectors.rate import Event, RateStream, advance, set_pairs, submit
from streams.detectors.renewal import RenewalParams
from streams.detectors.share import ShareParams
from tests.streams.detectors import renewal_simulation as renewal
from tests.streams.detectors import share_simulation as share
from tests.streams.detectors.simulation import (
    START_MS,
    SurveyProgram,
    alarms_of,
    delay_days,
    estimate,
    known,
    lucas_run_length,
    start_known,
    stresses,
    survey_alarms_of,
    survey_stresses,
)

Row = tuple[str, str, str]
PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "detectors.md"


def run_length(streams: int) -> Row:
    """Mean time to a false alarm at A = 500 weeks, through the whole stream."""
    random, calendar, lengths = Random(1), calendar_of(), list[float]()
    params = known(1.0, 1, far_per_year=52.18 / 500)
    for _ in range(streams):
        stream = start_known(START_MS, 1, calendar, params)
        now, events = START_MS, list[Event]()
        while not events:
            now += int(random.expovariate(1.0) * WEEK_MS)
            events = submit(stream, now, now, calendar, params)
        lengths.append((events[0].at_ms - START_MS) / WEEK_MS - 4)
    return "mean weeks to a false alarm, A = 500", "500 (507 ± 8)", str(estimate(lengths))


def lucas() -> Iterator[Row]:
    """The guard of the baseline, a CUSUM, beside its published run lengths; exact, no simulation."""
    for head_start, published in ((0, "437"), (5, "318")):
        yield f"ARL of the count CUSUM, head start {head_start}", published, f"{lucas_run_length(head_start):.1f}"


def hard_run_length(streams: int) -> Row:
    """The same with exposure alternating 2 and 8 every four weeks, an extra clock step before each event, and a store
    and restore at each; at A = 100, because it is slow."""
    random, calendar, lengths = Random(12), calendar_of(), list[float]()
    params = known(1.0, 4, far_per_year=52.18 / 100)
    for _ in range(streams):
        stream = start_known(START_MS, 2, calendar, params)
        now, pairs, events = START_MS, 2, list[Event]()
        while not events:
            wait, before = int(random.expovariate(pairs / 4) * WEEK_MS), now
            if now // (4 * WEEK_MS) != (now + wait) // (4 * WEEK_MS):
                now = (now // (4 * WEEK_MS) + 1) * 4 * WEEK_MS
                pairs = 10 - pairs
                events = set_pairs(stream, now, pairs, now, calendar, params)
            else:
                now += wait
                step = advance(stream, before + wait // 2, calendar, params)
                events = step or submit(stream, now, now, calendar, params)
            stream = msgspec.msgpack.decode(msgspec.msgpack.encode(stream), type=RateStream)
        lengths.append((events[0].at_ms - START_MS) / WEEK_MS - 4)
    name = "mean weeks to a false alarm, A = 100, exposure 2 ↔ 8, extra steps, a restart at every event"
    return name, "100", str(estimate(lengths))


def delays(runs: int) -> Iterator[Row]:
    """Median delay with a known baseline of Poisson submissions."""
    for weekly, left, published in (
        (5.0, 0.5, "27"),
        (5.0, 0.25, "14"),
        (5.0, 0.0, "9"),
        (30.0, 0.5, "7"),
        (30.0, 0.25, "–"),
        (30.0, 0.0, "2"),
        (5.0, 0.75, "months"),
    ):
        random = Random(2)
        seen = [delay for _ in range(runs) if (delay := delay_days(random, weekly, left)) is not None]
        name = f"median days to the alarm, {weekly:.0f} a week, −{1 - left:.0%}"
        yield name, published, f"{median(seen):.1f} (n = {len(seen)})"


def false_alarms(runs: int) -> Iterator[Row]:
    """False alarms in the first program-year, baseline learned, prior as wrong as its own law says."""
    for weekly, part in ((2.0, 2.0), (5.0, 1.0), (10.0, 0.7), (30.0, 0.4)):
        for name, program in stresses(weekly).items():
            alarms = [float(len(alarms_of(program, Random(f"{name}/{run}")))) for run in range(int(runs * part))]
            yield f"false alarms a year, {weekly:.0f} a week, {name}", "≤ 0.8", str(estimate(alarms))
    for name, surveys in survey_stresses().items():
        alarms = [float(len(survey_alarms_of(surveys, Random(f"{name}/{run}")))) for run in range(runs)]
        yield f"false alarms a year, surveys, {name}", "≤ 0.8", str(estimate(alarms))
    waves = SurveyProgram(1_000)
    alarms = [float(len(survey_alarms_of(waves, Random(f"1000/{run}")))) for run in range(max(4, runs // 20))]
    yield "false alarms a year, surveys, pure waves, 1,000 pairs", "≤ 0.8 (0.95–1.0 moody)", str(estimate(alarms))


def survey_delays(runs: int) -> Iterator[Row]:
    """Median delay with surveys, from the day on which answers fall."""
    for pairs, left, published in (
        (50, 0.5, "24"),
        (50, 0.25, "15"),
        (50, 0.0, "12"),
        (200, 0.5, "13"),
        (200, 0.25, "10"),
        (200, 0.0, "8"),
    ):
        seen = []
        for run in range(runs):
            program = SurveyProgram(pairs, spread_weeks=20, drop_week=30, left=left)
            after = [(alarm.at_ms - START_MS) / DAY_MS - 210 for alarm in survey_alarms_of(program, Random(run))]
            seen.append(min((days for days in after if days > 0), default=float("inf")))
        yield f"median days to the alarm, surveys, {pairs} pairs, −{1 - left:.0%}", published, f"{median(seen):.1f}"


def rhythms(runs: int) -> Iterator[Row]:
    """The renewal detector: delay with a known fortnightly rhythm, run length, false alarms with a learned one."""
    for shape, published in ((1.0, "89"), (2.0, "60"), (4.0, "33-60"), (8.0, "33")):
        random, params = Random(1), renewal.known(14.0, shape)
        days = [renewal.known_stop_days(random, 14.0, shape, params) for _ in range(runs)]
        yield f"median days to a lost fortnightly rhythm, shape {shape:.0f}", published, f"{median(days):.1f}"
    for shape in (1.0, 3.0):
        random, params = Random(2), renewal.known(14.0, shape, far_per_year=52.18 / 100)
        weeks = [renewal.known_run_weeks(random, 14.0, shape, params) for _ in range(runs)]
        yield f"mean weeks to a false alarm, A = 100, shape {shape:.0f}", "100", str(estimate(weeks))
    for shape in (1.0, 2.0, 4.0, 8.0):
        for gap in (7.0, 14.0, 30.0):
            program = renewal.MeetingProgram(shape=shape, gap_days=gap)
            alarms = [
                len(renewal.silences(program, Random(run), RenewalParams())) / program.pairs
                for run in range(max(2, runs // 25))
            ]
            name = f"false alarms a pair-year, learned rhythm, {gap:.0f} days, shape {shape:.0f}"
            yield name, "target 0.1", str(estimate(alarms))


def sources(runs: int) -> Iterator[Row]:
    """Silence of a source: false alarms, and hours until a stop is noticed."""
    for daily in (5.0, 20.0, 200.0):
        alarms = [float(len(renewal.source_silences(renewal.SourceLife(daily), Random(run)))) for run in range(runs)]
        yield f"false alarms a source-year, {daily:.0f} facts a day", "target 0.1", str(estimate(alarms))
        life = renewal.SourceLife(daily, days=120, stop_day=100)
        hours = [wait for run in range(runs) for day, wait in renewal.source_silences(life, Random(run)) if day > 100]
        yield f"median hours until a stop is noticed, {daily:.0f} facts a day", "–", f"{median(hours):.0f}"


def shares(runs: int) -> Iterator[Row]:
    """The share detector: false alarms with a learned mean, and delays."""
    params = ShareParams(far_per_year=0.5)
    for name, program in share.stresses().items():
        alarms = [float(len(share.falls_of(program, Random(f"{name}/{run}"), params))) for run in range(runs)]
        yield f"false alarms a year, share of positives, {name}", "≤ 0.8", str(estimate(alarms))
    for weekly in (5.0, 10.0, 30.0):
        for left in (0.75, 0.5):
            falling = share.AnsweringProgram(weekly, drop_week=30.0, left=left, weeks=82.0)
            seen = []
            for run in range(max(4, runs // 2)):
                after = [week - 30.0 for week in share.falls_of(falling, Random(run), params) if week > 30.0]
                seen.append(7.0 * min(after, default=float("inf")))
            yield f"median days to a fallen share, {weekly:.0f} a week, −{1 - left:.0%}", "–", f"{median(seen):.0f}"


def tables(part: float) -> Iterator[tuple[str, Iterator[Row]]]:
    """All figures under their headings; `part` of the runs."""

    def some(runs: int, least: int = 4) -> int:
        return max(least, round(runs * part))

    yield "Published run lengths", lucas()
    yield "Rate detector, known baseline", iter([run_length(some(2_000)), hard_run_length(some(1_000))])
    yield "Rate detector, days to the alarm, known baseline", delays(some(600))
    yield "Rate detector with surveys, days to the alarm, learned baseline", survey_delays(some(200))
    yield "Rate detector, false alarms a program-year, learned baseline, target 0.5", false_alarms(some(600))
    yield "Renewal detector: the rhythm of a pair's meetings", rhythms(some(300))
    yield "Renewal detector: a source falls silent", sources(some(40))
    yield "Share detector", shares(some(200))


_HEAD: Final = """# What the detectors do

Written by `make detectors`; every figure follows from a seed. Beside ours stands what is published or required; `±` is
one standard error, `n` the number of runs ({part:.0%} of the full length). What we make of the misses is in
`docs/weaknesses.md`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", type=float, default=1.0, help="part of the runs, such as 0.1")
    parser.add_argument("--page", action="store_true", help="write docs/detectors.md as well")
    given = parser.parse_args()
    page = [_HEAD.format(part=given.part)]
    for heading, rows in tables(given.part):
        print(f"\n{heading}\n{'':92} {'expected':>16}   ours")
        page += [f"## {heading}\n", "| | expected | ours |", "|---|---|---|"]
        for name, expected, ours in rows:
            print(f"{name:92} {expected:>16}   {ours}", flush=True)
            page.append(f"| {name} | {expected} | {ours} |")
        page.append("")
    if given.page:
        PAGE.write_text("\n".join(page), "utf-8")


if __name__ == "__main__":
    main()
