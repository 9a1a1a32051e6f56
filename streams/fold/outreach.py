"""Coordinators reached out to somebody: what is remembered of it in pairs and of people."""

from typing import Final

from streams.clock import DAY_MS
from streams.state.pair import Member, PairState
from streams.state.participant import MAX_REACHED, ParticipantState

GOOD: Final = 4
#: an outreach this long before another was about something else
SAME_MATTER_MS: Final = 60 * DAY_MS


def reach_member(pair: PairState, member: Member, at_ms: int) -> None:
    """A party of a pair was reached out to.

    The first outreach about a matter is kept beside the latest. A matter ends when the pair meets, when somebody rates
    well, when the pair is reopened, or when nobody reaches out for 60 days.
    """
    first_ms, latest_ms = member.first_reached_ms, member.reached_ms
    over_ms = _over_ms(pair)
    is_new = first_ms <= over_ms < at_ms or at_ms - latest_ms > SAME_MATTER_MS
    if not first_ms or is_new or (over_ms < at_ms < first_ms and first_ms - at_ms <= SAME_MATTER_MS):
        member.first_reached_ms = at_ms
    member.reached_ms = max(latest_ms, at_ms)


def reach_person(person: ParticipantState, at_ms: int) -> None:
    """A person was reached out to, whatever the pair; the newest few are kept."""
    person.reached = tuple(sorted([*person.reached, at_ms])[-MAX_REACHED:])


def _over_ms(pair: PairState) -> int:
    good = (rating.ref.at_ms for member in pair.members for rating in member.ratings if rating.value >= GOOD)
    return max(pair.last_held_ms, pair.reopened_ms, max(good, default=0))
