"""Surveys of a pair of the first mechanics: who is asked when, who answers, and how content they are."""

from __future__ import annotations

from random import Random

from examples.platform import rates
from examples.platform.pairs import Pair
from examples.platform.records import DAY_MS, HOUR_MS, Kind, Polarity, Records


def ask(pair: Pair, records: Records, random: Random) -> None:
    """Send the surveys of a pair as long as the platform believes in it, and answer some."""
    day = rates.SURVEY_FIRST_DAY
    while True:
        at = (pair.matched_ms // DAY_MS + day) * DAY_MS + 8 * HOUR_MS
        if at >= min(pair.over_ms, records.end_ms):
            break
        if pair.program.is_on(at):
            for side in (0, 1):
                _survey(
                    pair, "mqs", side, at, rates.SURVEY_DUE_DAYS, f"{pair.pair_id}-mqs-{day}-{side}", records, random
                )
        day += rates.SURVEY_EVERY_DAYS
    if pair.program.post_meeting:
        _ask_after_meetings(pair, records, random)
    if not pair.fails and pair.over_ms < records.end_ms:
        at = pair.over_ms - 5 * DAY_MS
        for side in (0, 1):
            _survey(pair, "closing", side, at, 5, f"{pair.pair_id}-closing-{side}", records, random)
    for side in (0, 1):
        at = pair.matched_ms
        while True:
            at += int(random.expovariate(rates.SENTIMENT_A_MONTH) * 30 * DAY_MS)
            if at >= min(pair.ended_ms, pair.over_ms):
                break
            if pair.program.is_on(at) and random.random() < _readiness(pair, side, at) * 3:
                rating = rate(pair, side, at, random)
                records.sentiment(pair.program.program_id, polarity(rating), pair.pair_id, pair.people[side], at)


def rate(pair: Pair, side: int, at: int, random: Random) -> int:
    """Draw a rating: by the well, by somebody dissatisfied, by their partner; in a program that cools, worse."""
    weights = rates.RATINGS_WELL
    if pair.fails and at >= pair.onset_ms:
        if pair.fate == "dissatisfied":
            weights = rates.RATINGS_BAD if side == pair.side else rates.RATINGS_BESIDE
        elif pair.fate != "life_change":
            weights = rates.RATINGS_BESIDE
    elif pair.program.is_in_trouble(at, "cooling") and random.random() < 0.45:
        weights = rates.RATINGS_BAD
    return random.choices((1, 2, 3, 4, 5), weights)[0]


def polarity(rating: int) -> Polarity:
    """Say how a rating sounds."""
    return "negative" if rating <= 2 else "neutral" if rating == 3 else "positive"


def _readiness(pair: Pair, side: int, at: int) -> float:
    """Give the chance that a survey sent at an instant is answered."""
    ready = pair.answers[side]
    if pair.program.is_in_trouble(at, "slump"):
        ready *= 0.35
    if pair.fails and at >= pair.ended_ms:
        return 0.0 if side == pair.side else 0.3 * ready
    if pair.fails and at >= pair.onset_ms:
        if pair.fate in ("abandoned", "never_started") and side == pair.side:
            return 0.0
        if pair.fate == "dissolution":
            return 0.5 * ready
    if any(a <= at < b for a, b in pair.patches):
        return 0.6 * ready
    return ready


def _survey(
    pair: Pair, kind: Kind, side: int, at: int, due_days: int, survey_id: str, records: Records, random: Random
) -> None:
    program_id, person = pair.program.program_id, pair.people[side]
    due = at + due_days * DAY_MS

    def tell(what: str, when: int) -> None:
        records.survey(program_id, what, survey_id, kind, pair.pair_id, person, when, due)

    tell("sent", at)
    delay = int((0.02 + random.expovariate(1 / rates.ANSWER_DAYS)) * DAY_MS)
    answers = random.random() < _readiness(pair, side, at) and delay < due_days * DAY_MS
    if due_days > 7 and not (answers and delay < 7 * DAY_MS):
        tell("reminded", at + 7 * DAY_MS)
    if not answers:
        tell("expired", due)
        return
    rating = rate(pair, side, at, random)
    records.rating(program_id, kind, rating, pair.pair_id, person, at + delay, survey_id)
    if random.random() < 0.5:
        records.sentiment(program_id, polarity(rating), pair.pair_id, person, at + delay + 2_000, survey_id)


def _ask_after_meetings(pair: Pair, records: Records, random: Random) -> None:
    """Ask the mentee after a meeting; about as often as the pair meets, and never once it has stopped."""
    at, number = pair.matched_ms + 10 * DAY_MS, 0
    until = pair.onset_ms if pair.fate in ("abandoned", "never_started") else pair.ended_ms
    while True:
        at += int(pair.gap_days * random.uniform(0.7, 1.5) * DAY_MS)
        if at >= min(until, pair.over_ms, records.end_ms):
            return
        if pair.program.is_on(at):
            morning = at // DAY_MS * DAY_MS + 8 * HOUR_MS
            _survey(pair, "post_meeting", 1, morning, 7, f"{pair.pair_id}-after-{number}", records, random)
        number += 1
