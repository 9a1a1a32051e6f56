"""What a pair of the first mechanics does, day by day, given its fate: meetings, messages, surveys, closing."""

from __future__ import annotations

from random import Random

from examples.platform import rates
from examples.platform.answering import ask
from examples.platform.pairs import Pair, close_reason
from examples.platform.records import DAY_MS, HOUR_MS, Records


def live(pair: Pair, records: Records, random: Random) -> None:
    """Write every fact of one pair."""
    program, matched = pair.program, pair.matched_ms
    for side, role in enumerate(("mentor", "mentee")):
        joined = matched - random.randrange(2, 30) * DAY_MS
        records.person(program.program_id, pair.people[side], role, "active", joined, joined)
    records.pair(program.program_id, pair.pair_id, pair.people, "active", matched, matched)
    for side, from_ms, to_ms in pair.pauses:
        role = ("mentor", "mentee")[side]
        records.person(program.program_id, pair.people[side], role, "paused", from_ms, matched, to_ms)
    if pair.fate == "never_started":
        _never_start(pair, records, random)
    else:
        _meet(pair, records, random)
    _chat(pair, records, random)
    if pair.fate == "abandoned":
        _be_abandoned(pair, records, random)
    ask(pair, records, random)
    _sign_in(pair, records, random)
    _ask_for_help(pair, records, random)
    if pair.over_ms < records.end_ms:
        reason = close_reason(pair, random)
        records.pair(program.program_id, pair.pair_id, pair.people, "closed", pair.over_ms, matched, reason)
        if reason == "left_program":
            role = ("mentor", "mentee")[pair.side]
            records.person(program.program_id, pair.people[pair.side], role, "left", pair.over_ms + HOUR_MS, matched)


def slowness(pair: Pair, at_ms: int) -> float:
    """Say by what factor gaps are longer at an instant: rough patches, and a slow dissolution from 1 to 4."""
    if any(a <= at_ms < b for a, b in pair.patches):
        return 3.0
    if pair.fate == "dissolution" and at_ms > pair.onset_ms:
        return 1.0 + 3.0 * min(1.0, (at_ms - pair.onset_ms) / (pair.ended_ms - pair.onset_ms))
    if pair.fate == "dissatisfied" and at_ms > pair.onset_ms:
        return 1.3
    return 1.0


def last_meeting_ms(pair: Pair) -> int:
    """Say until when the pair still meets."""
    return pair.onset_ms if pair.fate == "abandoned" else min(pair.ended_ms, pair.over_ms)


def by_day(at_ms: int, random: Random) -> int:
    """Move an instant into the daytime of its UTC day, rarely a weekend."""
    day = at_ms // DAY_MS
    if (day + 3) % 7 >= 5 and random.random() < 0.6:
        day += 7 - (day + 3) % 7
    return day * DAY_MS + int(random.uniform(8, 20) * HOUR_MS)


def _is_paused(pair: Pair, at_ms: int) -> int | None:
    return next((to_ms for _, from_ms, to_ms in pair.pauses if from_ms <= at_ms < to_ms), None)


def _meet(pair: Pair, records: Records, random: Random) -> None:
    program, until = pair.program, last_meeting_ms(pair)
    before = pair.matched_ms
    at = before + int(random.gammavariate(2.0, rates.FIRST_MEETING_DAYS / 2) * DAY_MS) + DAY_MS
    number = 0
    while True:
        on = program.next_on(at)
        if on is None:
            return
        if on != at:
            at = on + int(random.uniform(0, pair.gap_days) * DAY_MS)
        paused_to = _is_paused(pair, at)
        if paused_to is not None:
            at = paused_to + int(random.uniform(0, pair.gap_days) * DAY_MS)
        at = by_day(at, random)
        if at >= until or at >= records.end_ms:
            return
        at = _one_meeting(pair, f"{pair.pair_id}-{number}", before, at, records, random)
        before, number = at, number + 1
        gap = random.gammavariate(rates.GAP_SHAPE, pair.gap_days / rates.GAP_SHAPE) * slowness(pair, at)
        at += int(max(0.8, gap) * DAY_MS)


def _one_meeting(pair: Pair, meeting_id: str, before: int, at: int, records: Records, random: Random) -> int:
    """Write one meeting and the messages around it; returns when it really took place, or was given up."""
    program_id = pair.program.program_id
    troubled = pair.fate == "dissatisfied" and at > pair.onset_ms

    def tell(what: str, side: int, when: int, starts: int, origin: str = "platform") -> None:
        records.meeting(program_id, what, meeting_id, pair.pair_id, pair.people[side], when, starts, origin)

    booked = random.random() < rates.BOOKED_SHARE
    side = random.randrange(2)
    talk = max(before + 2 * HOUR_MS, at - int(random.uniform(1.5, 4) * DAY_MS))
    _talk(pair, talk, 1 + int(random.expovariate(0.5)), records, random)
    if booked:
        when = max(before + HOUR_MS, at - int(random.uniform(2, 10) * DAY_MS))
        tell("scheduled", side, when, at)
        moves = 0
        while random.random() < (0.45 if troubled else rates.MOVED_SHARE) and moves < 3:
            mover = pair.side if troubled else random.randrange(2)
            when = max(when + HOUR_MS, at - int(random.uniform(2, 30) * HOUR_MS))
            at += int(random.uniform(3, 9) * DAY_MS)
            tell("rescheduled", mover, when, at)
            moves += 1
        luck = random.random()
        if luck < (0.2 if troubled else rates.CANCELLED_SHARE):
            tell("cancelled", pair.side if troubled else side, at - 5 * HOUR_MS, at)
            return at
        if luck > 1.0 - rates.NO_SHOW_SHARE:
            tell("no_show", side, at + HOUR_MS, at)
            return at
    if random.random() >= rates.UNNOTED_SHARE:
        origin = "platform" if booked else "self_report"
        noted = at + HOUR_MS + (0 if booked else int(random.expovariate(1.0) * 12 * HOUR_MS))
        tell("held", random.randrange(2), noted, at, origin)
    return at


def _talk(pair: Pair, at: int, count: int, records: Records, random: Random) -> None:
    """Write a short conversation, most of it elsewhere for pairs that talk elsewhere."""
    side = random.randrange(2)
    for _ in range(count):
        if not pair.elsewhere or random.random() < rates.ELSEWHERE_FACTOR:
            records.message(pair.program.program_id, pair.pair_id, pair.people[side], at)
        side = 1 - side
        at += int(random.expovariate(1.0) * 20 * HOUR_MS)


def _chat(pair: Pair, records: Records, random: Random) -> None:
    """Write messages between meetings."""
    at, until = pair.matched_ms, last_meeting_ms(pair)
    if pair.fate == "never_started":
        return
    while True:
        at += int(random.expovariate(0.3 / slowness(pair, at)) * 7 * DAY_MS)
        if at >= until:
            return
        if pair.program.is_on(at) and _is_paused(pair, at) is None:
            _talk(pair, by_day(at, random), 1 + (random.random() < 0.85), records, random)


def _never_start(pair: Pair, records: Records, random: Random) -> None:
    """Write what happens where no meeting comes about: some messages of one side, rarely an answer or a plan."""
    program_id, other = pair.program.program_id, 1 - pair.side
    if random.random() < 0.35:
        return
    at = pair.matched_ms
    for number in range(random.randrange(1, 4)):
        at += int(random.uniform(1, 8) * DAY_MS)
        records.message(program_id, pair.pair_id, pair.people[other], at)
        if number == 0 and random.random() < 0.2:
            records.message(program_id, pair.pair_id, pair.people[pair.side], at + 20 * HOUR_MS)
    if random.random() < 0.3:
        starts = by_day(at + 9 * DAY_MS, random)

        def tell(what: str, side: int, when: int) -> None:
            meeting_id, person = f"{pair.pair_id}-0", pair.people[side]
            records.meeting(program_id, what, meeting_id, pair.pair_id, person, when, starts)

        tell("scheduled", other, at + DAY_MS)
        if random.random() < 0.7:
            tell("cancelled", pair.side, starts - 20 * HOUR_MS)


def _be_abandoned(pair: Pair, records: Records, random: Random) -> None:
    """Write how the one who is left tries to reach the other."""
    program_id, other, at = pair.program.program_id, 1 - pair.side, pair.onset_ms
    for number in range(random.randrange(2, 6)):
        at += int(random.uniform(3, 12) * DAY_MS)
        if at >= pair.ended_ms:
            return
        if random.random() < (0.5 if pair.elsewhere else 0.9):
            records.message(program_id, pair.pair_id, pair.people[other], by_day(at, random))
        if random.random() < 0.25:
            starts = by_day(at + 7 * DAY_MS, random)
            meeting_id = f"{pair.pair_id}-late-{number}"
            records.meeting(program_id, "scheduled", meeting_id, pair.pair_id, pair.people[other], at, starts)
            if random.random() < 0.6:
                records.meeting(
                    program_id, "no_show", meeting_id, pair.pair_id, pair.people[other], starts + HOUR_MS, starts
                )


def _sign_in(pair: Pair, records: Records, random: Random) -> None:
    for side in (0, 1):
        gone = pair.onset_ms if pair.fate in ("abandoned", "never_started") and side == pair.side else pair.ended_ms
        at = pair.matched_ms
        while True:
            at += int(random.expovariate(rates.SIGN_INS_A_WEEK / slowness(pair, at)) * 7 * DAY_MS)
            if at >= min(gone, pair.over_ms):
                break
            if pair.program.is_on(at):
                records.signed_in(pair.program.program_id, pair.people[side], by_day(at, random))


def _ask_for_help(pair: Pair, records: Records, random: Random) -> None:
    program_id, other = pair.program.program_id, 1 - pair.side

    def ask_for(topic: str, side: int, at: float) -> None:
        records.help(program_id, pair.pair_id, pair.people[side], topic, int(at))

    if pair.fate == "dissatisfied" and random.random() < 0.25:
        topic = "mismatch" if random.random() < 0.6 else "rematch"
        ask_for(topic, pair.side, random.uniform(pair.onset_ms + 5 * DAY_MS, pair.ended_ms))
    elif pair.fate in ("abandoned", "never_started") and random.random() < 0.25:
        ask_for("cannot_reach_partner", other, random.uniform(pair.onset_ms + 12 * DAY_MS, pair.ended_ms))
    elif pair.fate == "well" and random.random() < 0.02:
        ask_for("other", random.randrange(2), random.uniform(pair.matched_ms, pair.over_ms))
    if random.random() < rates.SAFETY_A_YEAR:
        ask_for("safety", 1, random.uniform(pair.matched_ms, min(pair.ended_ms, pair.over_ms)))
