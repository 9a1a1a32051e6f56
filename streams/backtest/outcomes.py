"""How pairs ended, as the recording itself tells: the yardstick of an evaluation, never an input of a rule.

A *bad end* is a pair that was closed early (`no_response`, `never_started`, `no_time`, `mismatch`, `left_program`), or
one whose member left or was removed while it was active. `completed` is a good end; `other` says nothing, and neither
does a pair that is still active when the recording ends: nobody knows yet.

*Help* is a coordinator's outreach or intervention in the lives of the pair, recorded as an action. It changed the
outcome, so pairs that got some are scored apart.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct, field

from schemas.base import to_ms
from schemas.facts import ActionTaken, PairChanged, PairDeleted, ParticipantChanged
from streams.state.pair import PairState
from streams.state.partition import Partition
from streams.state.table import program_of, subject_of

WATCHED: Final = frozenset({PairChanged, PairDeleted, ParticipantChanged, ActionTaken})
"""Kinds of fact that `Outcomes.see` wants to be told of."""
BAD: Final = frozenset({"no_response", "never_started", "no_time", "mismatch", "left_program", "left"})
GOOD: Final = frozenset({"completed"})
HELP: Final = frozenset({"reached_out", "rematch", "pause", "mark_unavailable", "remove", "close_pair"})
LEFT: Final = "left"
OPEN: Final = -1

PairKey = tuple[str, str]
"""Program and pair."""


class Span(Struct, gc=False):
    """One stretch in which a pair was active, half-open, ms UTC; `reason` says how it ended."""

    start_ms: int
    end_ms: int = OPEN
    reason: str = ""

    @property
    def is_bad(self) -> bool:
        return self.reason in BAD

    def until(self, horizon_ms: int) -> int:
        """Its end, or the end of what is known."""
        return horizon_ms if self.end_ms == OPEN else min(self.end_ms, horizon_ms)


class _Pair(Struct, gc=False):
    changed_ms: int = -1
    members: tuple[str, ...] = ()
    spans: list[Span] = field(default_factory=list)


class Outcomes(Struct):
    """Ends of pairs and help given, collected while a recording is replayed."""

    pairs: dict[PairKey, _Pair] = field(default_factory=dict)
    left: dict[PairKey, int] = field(default_factory=dict)
    help_by_pair: dict[PairKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    help_by_person: dict[PairKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    help_by_intervention: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def see(self, fact: Any) -> None:
        """Take in a fact of one of the kinds `WATCHED`; the newest `occurred_at` of a pair or person wins."""
        at_ms = to_ms(fact.occurred_at)
        if type(fact) is PairChanged:
            self._pair_changed(fact, at_ms)
        elif type(fact) is PairDeleted:
            self._end((fact.program_id, fact.pair_id), at_ms, at_ms, "other")
        elif type(fact) is ParticipantChanged:
            if fact.state in ("left", "removed"):
                self.left.setdefault((fact.program_id, fact.participant_id), at_ms)
            else:
                self.left.pop((fact.program_id, fact.participant_id), None)
        elif fact.action in HELP:
            self._help(fact, at_ms)

    def seed(self, state: Partition) -> None:
        """Know the pairs of a snapshot, whose facts came before the recording."""
        for key, record in state.table.items():
            if isinstance(record, PairState) and record.is_active:
                members = tuple(member.id for member in record.members)
                start_ms = max(record.matched_ms, record.reopened_ms)
                self.pairs[program_of(key), subject_of(key)] = _Pair(record.changed_ms, members, [Span(start_ms)])

    def spans(self) -> Iterator[tuple[PairKey, list[Span]]]:
        """Every pair with its active stretches; one that a member left is ended there."""
        for key, pair in self.pairs.items():
            for span in pair.spans:
                gone = min(
                    (at for at in (self.left.get((key[0], one)) for one in pair.members) if at is not None),
                    default=OPEN,
                )
                if gone != OPEN and gone >= span.start_ms and (span.end_ms == OPEN or gone < span.end_ms):
                    span.end_ms, span.reason = gone, span.reason if span.is_bad else LEFT
            if pair.spans:
                yield key, pair.spans

    def helped(self, episode_pairs: Iterable[tuple[str, str, tuple[str, ...]]]) -> dict[PairKey, list[int]]:
        """When each pair got help.

        Args:
            episode_pairs: (intervention id, program, pairs) of the episodes that an action may have named.
        """
        found: dict[PairKey, list[int]] = defaultdict(list)
        for key, instants in self.help_by_pair.items():
            found[key] += instants
        if self.help_by_person:
            for key, pair in self.pairs.items():
                for member in pair.members:
                    found[key] += self.help_by_person.get((key[0], member), [])
        if self.help_by_intervention:
            for intervention_id, program_id, pair_ids in episode_pairs:
                for pair_id in pair_ids:
                    found[program_id, pair_id] += self.help_by_intervention.get(intervention_id, [])
        return {key: sorted(instants) for key, instants in found.items() if instants}

    def _pair_changed(self, fact: PairChanged, at_ms: int) -> None:
        key = (fact.program_id, fact.pair_id)
        pair = self.pairs.get(key)
        if pair is None:
            pair = self.pairs[key] = _Pair()
        if at_ms < pair.changed_ms:
            return
        if fact.state == "active":
            pair.members = (*fact.mentor_ids, *fact.mentee_ids)
            if not pair.spans:
                pair.spans.append(Span(to_ms(fact.matched_at)))
            elif pair.spans[-1].end_ms != OPEN:
                pair.spans.append(Span(at_ms))
        elif fact.state in ("closed", "archived"):
            closed_ms = at_ms if fact.closed_at is None else to_ms(fact.closed_at)
            self._end(key, at_ms, closed_ms, fact.close_reason or "other")
        pair.changed_ms = at_ms

    def _end(self, key: PairKey, at_ms: int, closed_ms: int, reason: str) -> None:
        pair = self.pairs.get(key)
        if pair is None or at_ms < pair.changed_ms or not pair.spans or pair.spans[-1].end_ms != OPEN:
            return
        span = pair.spans[-1]
        span.end_ms, span.reason = max(closed_ms, span.start_ms), reason

    def _help(self, fact: ActionTaken, at_ms: int) -> None:
        if fact.pair_id is not None:
            self.help_by_pair[fact.program_id, fact.pair_id].append(at_ms)
        elif fact.participant_id is not None:
            self.help_by_person[fact.program_id, fact.participant_id].append(at_ms)
        if fact.intervention_id is not None:
            self.help_by_intervention[fact.intervention_id].append(at_ms)
