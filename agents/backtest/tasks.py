"""What a task answers: for each of its partitions, both runs compared, scored and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from agents.backtest.parts import Part
from agents.backtest.runs import Ran, Selection, Side, read_live, replay_facts, replay_journal
from agents.backtest.sources import Progress, Source
from agents.recordings import Recording
from schemas.base import from_ms, instant_text
from schemas.outbound import Intervention, decode_intervention
from schemas.rejections import Rejected
from streams.backtest.compare import Comparison, Difference, compare, describe
from streams.backtest.episodes import Episode, EpisodeReader, week_of
from streams.backtest.evaluate import HORIZON_MS, Evaluation, Question, evaluate, is_scored
from streams.backtest.load import CAPACITY, People
from streams.backtest.programs import Program, cohort_of
from streams.backtest.replay import Tally
from streams.clock import DAY_MS
from streams.rules import RULES

SCORED: Final = tuple(rule.id for rule in RULES if is_scored(rule.id))


class Ask(Struct, frozen=True):
    """What is asked of a recording.

    Attributes:
        here: the run asked about.
        there: the run it is held against, if any.
        horizon_ms: how long after an alarm a bad end counts as foreseen.
        capacity: messages in a week that a coordinator can look after.
        people: who is told of interventions, and how.
    """

    here: Side
    there: Side | None = None
    selection: Selection = Selection()
    horizon_ms: int = HORIZON_MS
    capacity: int = CAPACITY
    people: People = People()


class Answered(Struct):
    """One run of one partition: what came out, counted. Records from number `limit` on are left out of all counts."""

    part: Part
    tally: Tally
    evaluation: Evaluation
    limit: int | None = None


class Partial(Struct):
    """What a task has to say of one partition."""

    number: int
    here: Answered
    there: Answered | None
    programs: dict[str, Program]
    bad: list[tuple[int, int, Rejected]]
    entries: int
    first_ms: int
    end_ms: int
    comparison: Comparison | None = None
    differences: Part | None = None
    #: of a comparison with what was published: the first record that differs (its `ce_id`), and records left out
    unequal: str | None = None
    behind: int = 0


def answer(source: Source, partitions: tuple[int, ...], ask: Ask, folder: Path, progress: Progress) -> list[Partial]:
    """Replay partitions and work everything out that can be without the others.

    Raises: RecordingError, ReplayError.
    """
    if source.journal is None:
        mine = replay_facts(source, partitions, ask.here, ask.selection, folder, progress)
        theirs: list[Ran | None] = [None] * len(mine)
        if ask.there is not None:
            theirs = [*replay_facts(source, partitions, ask.there, ask.selection, folder, progress)]
        return [
            _partial(number, here, there, ask, folder)
            for number, here, there in zip(partitions, mine, theirs, strict=True)
        ]
    return [_of_journal(source.journal, number, ask, folder, progress) for number in partitions]


def _of_journal(recording: Recording, number: int, ask: Ask, folder: Path, progress: Progress) -> Partial:
    """One partition of a journal; nothing of it is kept when the next one begins."""
    here = replay_journal(recording, number, ask.here, ask.selection, folder, progress)
    there = None
    if ask.there is not None and ask.there.is_live:
        there = read_live(recording, number, ask.there, ask.selection, here, folder)
    elif ask.there is not None:
        there = replay_journal(recording, number, ask.there, ask.selection, folder, progress)
    return _partial(number, here, there, ask, folder)


def _partial(number: int, here: Ran, there: Ran | None, ask: Ask, folder: Path) -> Partial:
    is_live = ask.there is not None and ask.there.is_live
    limit = there_limit = None
    if is_live and there is not None:
        # What the engine had not decided yet when it was recorded cannot be held against it, and neither can what it
        # decided of later entries.
        limit = max(here.settled, min(len(there.part), len(here.part)))
        there_limit = len(here.part) if here.is_short else None
    mine, own = _answered(here, ask, limit)
    theirs, other = (None, None) if there is None else _answered(there, ask, there_limit, like=here)
    partial = Partial(number, mine, theirs, here.programs, here.bad, here.entries, here.first_ms, here.end_ms)
    if there is not None and other is not None:
        partial.comparison = Comparison.empty()
        chosen = [one for one in compare(own, other) if _is_asked(one.at_ms, ask.selection)]
        partial.comparison.add(chosen, here.programs)
        partial.differences = _write_differences(chosen, here, there, folder / f".differences-{number}")
        if is_live:
            partial.unequal = _first_unequal(here, there, limit or 0, there_limit)
            partial.behind = len(here.part) - (limit or 0)
    return partial


def _answered(ran: Ran, ask: Ask, limit: int | None, like: Ran | None = None) -> tuple[Answered, list[Episode]]:
    """Read a run's records once: episodes, counts."""
    reader, tally = EpisodeReader(), Counter(ran.tally)
    for at_ms, line in islice(ran.part.in_order(), limit):
        record = decode_intervention(line)
        reader.read(at_ms, record)
        if _is_asked(at_ms, ask.selection):
            tally["interventions", record.rule.id, record.change] += 1
    evaluation = Evaluation()
    clock = like if like is not None else ran
    if clock.end_ms >= 0:
        from_ms, to_ms = ask.selection.bounds
        first_ms, end_ms = max(clock.first_ms, from_ms), min(clock.end_ms, to_ms)
        episodes = [one for one in reader.episodes if _is_asked(one.opened_ms, ask.selection)]
        evaluate(evaluation, episodes, clock.outcomes, Question(first_ms, end_ms, ask.horizon_ms), SCORED)
    return Answered(ran.part, tally, evaluation, limit), reader.episodes


def _is_asked(at_ms: int, selection: Selection) -> bool:
    from_ms, to_ms = selection.bounds
    return from_ms <= at_ms < to_ms


def _first_unequal(here: Ran, there: Ran, limit: int, there_limit: int | None) -> str | None:
    """The first record, in the order decided, that was not published as it was replayed."""
    mine, theirs = here.part.in_order(), islice(there.part.in_order(), there_limit)
    for place in range(max(limit, len(there.part) if there_limit is None else min(there_limit, len(there.part)))):
        ours, published = next(mine, None), next(theirs, None)
        if ours != published:
            one = ours if ours is not None else published
            assert one is not None
            record = decode_intervention(one[1])
            return f"{record.intervention_id}.{record.sequence} (number {place} of its partition)"
    return None


def _write_differences(differences: Iterable[Difference], here: Ran, there: Ran, path: Path) -> Part:
    part = Part(path)
    with path.open("wb") as file, here.part.reader() as mine, there.part.reader() as theirs:
        for one in differences:
            if one.kinds == ("same",):
                continue
            tree = _difference(one, here.programs, mine.line, theirs.line)
            part.append(file, one.at_ms, msgspec.json.encode(tree))
    return part


def _difference(
    one: Difference,
    programs: dict[str, Program],
    mine: Callable[[int], bytes],
    theirs: Callable[[int], bytes],
) -> dict[str, Any]:
    """One line of `comparison.jsonl`: what differs, and the facts behind it on both sides."""
    subject, shift_ms = one.subject, one.shift_ms
    sides: dict[str, Any] = {}
    for name, episode, read in (("here", one.here, mine), ("there", one.there, theirs)):
        if episode is None:
            sides[name] = None
            continue
        record = decode_intervention(read(episode.first_line))
        sides[name] = describe(episode) | {"summary": record.summary, "evidence": _evidence(record)}
        if episode.last_line != episode.first_line:
            gravest = decode_intervention(read(episode.last_line))
            sides[name] |= {"became": gravest.summary, "became_evidence": _evidence(gravest)}
    return {
        "differs": one.kinds,
        "rule": subject.rule,
        "program_id": subject.program_id,
        "cohort": cohort_of(programs, subject.program_id),
        "week": instant_text(from_ms(week_of(one.at_ms)))[:10],
        "subject": {"type": subject.kind, "id": subject.id},
        "shift_days": None if shift_ms is None else round(shift_ms / DAY_MS, 3),
        **sides,
    }


def _evidence(record: Intervention) -> list[Any]:
    return [msgspec.to_builtins(item) for item in record.evidence]
