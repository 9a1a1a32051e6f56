"""match.rematch_suggested: both were talked to, and it did not help. Or both ask for it.

A re-match is the last thing to try and the easiest to put off. Two weeks after a coordinator has reached out to both,
about something that was open then, a pair that has neither met nor rated well since will not be mended by a third mail.
When both partners have asked for another partner there is nothing to wait for.

It is a suggestion: a person decides. It closes when the two meet and one of them rates 4 or more.

Where the catalogue leaves room:
- *Both were reached out to* counts from the first outreach to each about the present matter. A matter is over when the
  pair met, somebody rated well, or nobody reached out for 60 days.
- What was open then must be a reactive intervention of at least warning: on the pair, on one of its people in this
  pair, or on a person and about this pair.
- Either a held meeting or a good rating since then keeps it from opening; it takes both to close it.

Source: published coordinator advice: reach out to both, give it two weeks, then re-match; 60 days for two requests to
belong together are two survey waves.
"""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import Field

import schemas.facts as f
from streams.causes import cause_of_pair
from streams.clock import DAY_MS
from streams.phrases import in_days
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import CODES, KEPT_CLOSED_MS, Episode, Evidence, FactRef
from streams.state.pair import Member, PairState
from streams.state.participant import HELP_TOPICS, Help
from streams.view import View

GOOD: Final = 4
_MENDING: Final = frozenset({f.MeetingHeld, f.RatingSubmitted})
BOTH_ASKED_WITHIN_MS: Final = 60 * DAY_MS
_REMATCH: Final = HELP_TOPICS.index("rematch")
#: reactive rules that can be at least a warning, by whom they are about
_ON_PAIRS: Final = ("first_meeting.missing", "match.in_trouble", "meeting.rhythm_lost", "pair.quiet")
_ON_MEMBERS: Final = ("rating.low",)
_ON_PEOPLE: Final = ("participant.unresponsive", "help.requested")
_HELP: Final = "help.requested"


class MatchRematchSuggestedParams(RuleParams):
    after: Duration = Field(
        default=14 * DAY_MS, le=KEPT_CLOSED_MS, description="after both partners were reached out to; at most 60 days"
    )


class MatchRematchSuggested(Rule):
    id = "match.rematch_suggested"
    code = 9
    klass = "reactive"
    subject = "pair"
    closes = "a held meeting and a rating of 4 or 5"
    suggests = ("rematch",)
    Params = MatchRematchSuggestedParams
    rungs = (Rung(None, Severity.WARNING),)
    reads = frozenset({f.ActionTaken, f.HelpRequested, f.MeetingHeld, f.RatingSubmitted})

    def is_idle(self, record: Any, fact: Any) -> bool:
        """A meeting or a rating can only speak against a re-match; what it puts off, a timer will look at anyway."""
        return type(fact) in _MENDING

    def judge(self, view: View, subject: Subject, params: MatchRematchSuggestedParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        both = _both(pair)
        if both is None:
            return NOTHING
        episode = pair.open_episode(self.code)
        asked = _asked(view, subject.id, pair, both)
        if asked is not None:
            return Verdict(1, Severity.WARNING, origin=asked[-1].ref)
        second_ms = _reached_ms(pair, both)
        look_ms = None
        if second_ms is not None and any(_open_at(view, subject.id, pair, both, second_ms)):
            due = second_ms + params.after
            if due <= moment.now_ms:
                return Verdict(1, Severity.WARNING, due_ms=due)
            look_ms = due
        if episode is None:
            return Verdict(look_ms=look_ms)
        if _is_mended(pair, episode.opened_ms):
            return Verdict(closes=True)
        known_ms = _known_ms(pair, moment)
        if known_ms is not None and known_ms < episode.opened_ms:
            return Verdict(closes=True, closed_by_ms=known_ms, look_ms=look_ms)
        return Verdict(look_ms=look_ms)

    def explain(
        self, view: View, subject: Subject, params: MatchRematchSuggestedParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        both = _both(pair)
        asked = _asked(view, subject.id, pair, both) if both is not None else None
        facts: list[Evidence] = []
        if change == "opened" and asked is not None:
            facts = [evidence_of("a partner asked for another match", each.ref) for each in asked]
        elif change == "opened" and both is not None:
            facts = [Evidence("a coordinator reached out", member.first_reached_ms) for member in both]
            second_ms = max(member.first_reached_ms for member in both)
            for rule_id, each in _open_at(view, subject.id, pair, both, second_ms):
                facts.append(Evidence(f"{rule_id} was open then", each.opened_ms))
            days = (moment.at_ms - second_ms) // DAY_MS
            text = "days since both were reached out to, without a meeting or a good rating"
            facts.append(Evidence(text, moment.at_ms, value=days, threshold=params.after // DAY_MS))
        elif change in ("resolved", "retracted") and moment.ref is not None:
            facts = [evidence_of("the pair met, or rated well", moment.ref)]
        if change in ("resolved", "retracted"):
            summary = f"A re-match of pair {subject.id} is not needed any more."
        elif asked is not None:
            summary = f"Both partners of pair {subject.id} asked for another match."
        else:
            span = in_days(params.after)
            summary = f"Pair {subject.id} has neither met nor rated well for {span} since both were reached out to."
        return Account(
            summary=summary,
            evidence=tuple(sorted(facts, key=lambda each: each.at_ms)),
            cause=cause_of_pair(view, pair, moment.at_ms, BOTH_ASKED_WITHIN_MS, negative=True),
            actions=(Action("rematch", needs_approval=True),),
            pair_ids=(subject.id,),
            participant_ids=tuple(each.id for each in pair.members),
        )


def _both(pair: PairState) -> tuple[Member, Member] | None:
    named = [member for member in pair.members if member.side]
    return (named[0], named[1]) if pair.one_to_one and len(named) == 2 else None


def _asked(view: View, pair_id: str, pair: PairState, both: tuple[Member, Member]) -> list[Help] | None:
    """The two calls for another match, if both partners asked close enough to one another."""
    calls = []
    for member in both:
        person = view.participant(member.id)
        own = [
            each
            for each in (person.helps if person is not None else ())
            if each.topic == _REMATCH and each.pair_id in ("", pair_id) and each.ref.at_ms >= pair.reopened_ms
        ]
        if not own:
            return None
        calls.append(max(own, key=lambda each: each.ref.at_ms))
    calls.sort(key=lambda each: each.ref.at_ms)
    first_ms, second_ms = (each.ref.at_ms for each in calls)
    is_one_matter = second_ms - first_ms <= BOTH_ASKED_WITHIN_MS and not _is_mended(pair, second_ms)
    return calls if is_one_matter else None


def _good(pair: PairState) -> FactRef | None:
    """The latest good rating in the pair."""
    good = [rating.ref for member in pair.members for rating in member.ratings if rating.value >= GOOD]
    return max(good, key=lambda ref: ref.at_ms, default=None)


def _reached_ms(pair: PairState, both: tuple[Member, Member]) -> int | None:
    """When the second of both was reached out to, None when not both were, or it helped."""
    if not all(member.first_reached_ms for member in both):
        return None
    second_ms = max(member.first_reached_ms for member in both)
    good = _good(pair)
    # Whoever was reached out to before the pair was well again was reached out to about something else.
    well_ms = max(pair.last_held_ms, pair.reopened_ms, good.at_ms if good is not None else 0)
    return second_ms if min(member.first_reached_ms for member in both) > well_ms else None


def _open_at(
    view: View, pair_id: str, pair: PairState, both: tuple[Member, Member], at_ms: int
) -> Iterator[tuple[str, Episode]]:
    """Reactive interventions of at least warning about the pair that were open at an instant."""
    found: list[tuple[str, Episode | None]] = []
    found += [(rule_id, pair.episode(CODES[rule_id])) for rule_id in _ON_PAIRS if rule_id in CODES]
    found += [(rule_id, pair.episode(CODES[rule_id], member.id)) for rule_id in _ON_MEMBERS for member in both]
    for member in both:
        person = view.participant(member.id)
        if person is not None:
            about = {each.pair_id for each in person.helps}
            found += [
                (rule_id, person.episode(CODES[rule_id]))
                for rule_id in _ON_PEOPLE
                if rule_id != _HELP or pair_id in about
            ]
    for rule_id, episode in found:
        if episode is None or episode.severity < Severity.WARNING or not episode.opened_ms:
            continue
        if episode.opened_ms <= at_ms and (episode.is_open or episode.closed_ms >= at_ms):
            yield rule_id, episode


def _is_mended(pair: PairState, since_ms: int) -> bool:
    """Whether the pair met and rated well since an instant."""
    good = _good(pair)
    return good is not None and pair.last_held_ms >= since_ms and good.at_ms >= since_ms


def _known_ms(pair: PairState, moment: Moment) -> int | None:
    """When what is known now took place."""
    if isinstance(moment.fact, f.MeetingHeld):
        return pair.last_held_ms
    return moment.ref.at_ms if isinstance(moment.fact, f.RatingSubmitted) and moment.ref is not None else None
