"""What is shown of each program, made when somebody scrapes, from the state that was committed last.

Nothing here runs for a fact. A partition keeps the stored bytes of its programs and of the tallies behind the positive
share as of its last commit (`agents.engine.EngineFold.committed`); a scrape decodes those that have changed. So totals
rise only after a commit, go on where the last owner of a partition stopped, and are gone with the partition.

What the detector thinks is read at the instant up to which it has everything, now minus its lateness, on a copy: what
is seen and what is expected cover the same days of the engine's own clock. While a worker is down both stand still,
and while it catches up both pass through the same days, so their ratio does not dip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from agents.engine import EngineFold
from agents.metrics import catalogue
from agents.metrics.catalogue import Metric
from streams.calendar import WEEK_MS, Calendar
from streams.clock import DAY_MS, HOUR_MS
from streams.detectors.rate import RateParams, RateStream, advance, mean_rate, paced, reading
from streams.detectors.rate import baseline as baselines
from streams.detectors.rate.mixture import mean_weeks
from streams.detectors.rate.passing import roll
from streams.rules import RULES_BY_CODE, RULES_BY_ID
from streams.rules.program_sentiment_slowdown import ProgramSentimentSlowdownParams, detector_of
from streams.ruleset import RuleSet, load, shipped
from streams.state.partition import Partition
from streams.state.program import ProgramState
from streams.state.table import decode_record, program_of
from streams.state.tally import Tally
from streams.view import View

WEEK_S: Final = WEEK_MS / 1_000
#: Windows over which seen and expected are shown, in local days.
WINDOWS: Final = (7, 28)
POSITIVE_DAYS: Final = 30
#: Series of a program vanish this long after its end; a new run brings them back.
ENDED_KEPT_MS: Final = 60 * DAY_MS
_SLOWDOWN: Final = RULES_BY_ID["program.sentiment_slowdown"]
#: scope of a rule set for everybody, and what stands for a program where a rule is about all of them
EVERYWHERE: Final = "*"
_POLARITIES: Final = ("positive", "neutral", "negative")


class Sample(NamedTuple):
    """One number of one program; `label` is the value of the metric's label beside `program`, if it has one."""

    metric: Metric
    label: str
    value: float


class _Known(NamedTuple):
    """What was made of a program's stored rows, and until when of the engine's clock that is good."""

    stored: dict[str, bytes]
    tones: tuple[dict[str, bytes], ...]
    hour: int
    samples: list[Sample]


class ProgramReader:
    """Samples of the programs of one partition; remembers them, so that a scrape costs what has changed."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def read(self, fold: EngineFold) -> Iterable[tuple[str, list[Sample]]]:
        """Give the samples of each program of a partition, by the state committed last."""
        clock_ms = fold.clock_ms
        tones: dict[str, list[dict[str, bytes]]] = {}
        for key, rows in fold.tones.items():
            tones.setdefault(program_of(key), []).append(rows)
        for key, rows in fold.programs.items():
            program_id = program_of(key)
            if program_id == EVERYWHERE:  # no program: each partition keeps one for rules about the whole installation
                continue
            found = tuple(tones.get(program_id, ()))
            known = self._known.get(program_id)
            if known is None or known[:3] != (rows, found, clock_ms // HOUR_MS):
                samples = _samples(fold, program_id, key, rows, found, clock_ms)
                known = self._known[program_id] = _Known(rows, found, clock_ms // HOUR_MS, samples)
            yield program_id, known.samples


def _samples(
    fold: EngineFold,
    program_id: str,
    key: bytes,
    rows: dict[str, bytes],
    tones: tuple[dict[str, bytes], ...],
    now_ms: int,
) -> list[Sample]:
    record = decode_record(key, rows[""], rows)  # our own copy, to do with as we like
    assert isinstance(record, ProgramState)
    if record.ends_ms and now_ms >= record.ends_ms + ENDED_KEPT_MS:
        return []
    samples = _counted(record, _custom_ids(fold.engine.state, program_id))
    outlook = _outlook(fold.engine.state, program_id, key)
    is_over = record.ended or 0 < record.ends_ms <= now_ms  # then nothing is expected, and an alarm would never end
    if outlook is not None and now_ms >= 0 and not is_over:
        calendar, params = outlook
        if record.sentiment is not None:
            samples += _detected(record.sentiment, now_ms, calendar, params)
        samples += _toned(tones, calendar.day_of(now_ms))
    return samples


def _outlook(partition: Partition, program_id: str, key: bytes) -> tuple[Calendar, RateParams] | None:
    """By what calendar and parameters the detector of a program works; None when it has been erased since."""
    if partition.table.get(key) is None:
        return None
    stored = partition.rulesets.get(program_id) or partition.rulesets.get(EVERYWHERE)
    rules = _shipped() if stored is None else _rules(stored.hash, stored.tree)
    params = rules.params(_SLOWDOWN, program_id)
    assert isinstance(params, ProgramSentimentSlowdownParams)
    return View(partition, program_id).calendar, detector_of(params)


@lru_cache(maxsize=1)
def _shipped() -> RuleSet:
    return shipped()


@lru_cache(maxsize=64)
def _rules(_hash: str, tree: bytes) -> RuleSet:
    return load(tree)


def _custom_ids(partition: Partition, program_id: str) -> dict[int, str]:
    """Ids of the rules that the rule set in force in a program defines itself, by code."""
    stored = partition.rulesets.get(program_id) or partition.rulesets.get(EVERYWHERE)
    rules = _shipped() if stored is None else _rules(stored.hash, stored.tree)
    return {code: rule.id for code, rule in rules.custom.items()}


def _counted(record: ProgramState, custom: Mapping[int, str]) -> list[Sample]:
    counted = record.counted
    values = zip(_POLARITIES, (counted.positive, counted.neutral, counted.negative), strict=True)
    samples = [Sample(catalogue.SUBMISSIONS, polarity, count) for polarity, count in values]
    samples += [Sample(catalogue.RATINGS, str(value), count) for value, count in enumerate(counted.ratings, 1)]
    samples.append(Sample(catalogue.MEETINGS_HELD, "", counted.meetings_held))
    samples.append(Sample(catalogue.ACTIVE_PAIRS, "", record.active_pairs))
    for code, (opened, closed) in counted.interventions.items():
        rule_id = RULES_BY_CODE[code].id if code in RULES_BY_CODE else custom.get(code)
        if rule_id is not None:  # a retired rule's are shown no more
            samples.append(Sample(catalogue.PROGRAM_OPENED, rule_id, opened))
            samples.append(Sample(catalogue.PROGRAM_OPEN, rule_id, opened - closed))
    return samples


def _detected(stream: RateStream, now_ms: int, calendar: Calendar, params: RateParams) -> list[Sample]:
    """What the detector thinks at its own instant. Changes `stream`."""
    advance(stream, now_ms, calendar, params)
    at_ms = max(now_ms - params.lateness_ms, stream.line.at_ms)
    samples = [
        Sample(catalogue.ALARM, "", int(stream.alarm_ms != 0)),
        Sample(catalogue.ALARM_THRESHOLD, "", params.threshold * WEEK_S),
        Sample(catalogue.DISPERSION, "", baselines.dispersion(stream.baseline, careful=stream.surveys is None)),
    ]
    for days in WINDOWS:
        what = reading(stream, at_ms, calendar, params, days)
        samples.append(Sample(catalogue.SEEN, f"{days}d", what.seen))
        samples.append(Sample(catalogue.EXPECTED, f"{days}d", what.expected))
    rate = mean_rate(stream, params)
    if stream.surveys is None:
        samples.append(Sample(catalogue.BASELINE, "", rate / WEEK_S))
        samples.append(Sample(catalogue.EXPECTED_RATE, "", rate * stream.line.pairs / WEEK_S))
        if not stream.alarm_ms and at_ms > stream.line.at_ms:
            roll(stream, at_ms, paced(stream, calendar, params))
    else:
        samples.append(Sample(catalogue.ANSWERED, "", rate))
    samples.append(Sample(catalogue.ALARM_LEVEL, "", mean_weeks(stream.risk) * WEEK_S))
    return samples


def _toned(tones: tuple[dict[str, bytes], ...], today: int) -> list[Sample]:
    """Share of positive answers; the tallies' columns are answers, positive ones, ratings and their sum."""
    answers = positive = 0
    for rows in tones:
        tally = decode_record(b"t", rows[""], rows)
        assert isinstance(tally, Tally)
        sums = tally.totals(today + 1 - POSITIVE_DAYS, today + 1)
        answers, positive = answers + sums[0], positive + sums[1]
    found = [Sample(catalogue.ANSWERS, "", answers)]
    return [*found, Sample(catalogue.POSITIVE, "", positive / answers)] if answers else found


def series_per_program(rules: int) -> Mapping[str, int]:
    """How many series each metric makes for one program, at most.

    Args:
        rules: how many rules have ever opened an intervention in it.
    """
    beside = {"polarity": len(_POLARITIES), "value": 5, "window": len(WINDOWS), "rule": rules}
    found = {}
    for metric in catalogue.OF_PROGRAM:
        found[metric.name] = max(beside.get(label, 1) for label in metric.labels)
    return found
