"""First steps of reactive rules: whom to talk to, in which order, and what that unlocks.

Talk to one party, then to the other, each once; a re-match is unlocked when both were reached out to. When one of the
two has raised a concern about safety only that person is talked to: the task for the partner is left out, because the
partner may be the concern.
"""

from typing import Final, Literal

from streams.rule import Action, Moment, reach_out_actions
from streams.state.pair import PairState, Side
from streams.view import View

Party = Literal["mentor", "mentee"]

SAFETY_RULE: Final = "safety.concern"
SAFETY_FLAG: Final = "safety"


def party_of(pair: PairState | None, participant_id: str, roles: int = 0) -> Party | None:
    """Which side a person is on: in the pair, else by the only role they have (1 mentor, 2 mentee)."""
    member = pair.member(participant_id) if pair is not None else None
    side = int(member.side) if member is not None and member.side else roles
    return "mentor" if side == Side.MENTOR else "mentee" if side == Side.MENTEE else None


def first_steps(view: View, pair: PairState, first: str | None, moment: Moment) -> tuple[Action, ...]:
    """Suggest the first steps for a pair.

    Args:
        first: participant to talk to first, None = mentors first.
        moment: its fact may be what raises the concern.
    """
    concerned = [member.id for member in pair.members if _raised_concern(view, member.id, moment)]
    if not concerned:
        return reach_out_actions(pair, first)
    talk_to = first if first in concerned else concerned[0]
    return (Action("reach_out", party_of(pair, talk_to)), Action("rematch", needs_approval=True, unlocked=False))


def _raised_concern(view: View, participant_id: str, moment: Moment) -> bool:
    if SAFETY_FLAG in moment.flags and getattr(moment.fact, "participant_id", None) == participant_id:
        return True
    person = view.participant(participant_id)
    return person is not None and view.open_episode(person, SAFETY_RULE) is not None
