"""Two runs over the same recording, held against each other episode by episode.

Ids cannot be compared: they contain the due instant, which is what a changed threshold moves. So episodes of the same
rule and subject are taken for the same when their ids are equal, or else when both were open at one instant; what finds
no partner is added or removed. Whoever was told at day 10 instead of day 14 thus appears as moved, and whoever met at
day 12 as added.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from schemas.base import from_ms, instant_text
from streams.backtest.episodes import SEVERITIES, Episode, Subject, week_of
from streams.backtest.programs import Program, cohort_of

Kind = Literal["added", "removed", "earlier", "later", "graver", "milder", "stage", "delivery", "end", "same"]
KINDS: Final[tuple[Kind, ...]] = (
    "added", "removed", "earlier", "later", "graver", "milder", "stage", "delivery", "end", "same",
)  # fmt: skip
MOVED: Final[tuple[Kind, ...]] = ("earlier", "later", "graver", "milder", "stage", "delivery")
GROUPS: Final = ("rule", "program", "cohort", "week")


class Difference(Struct, frozen=True, gc=False):
    """One episode of either run beside its partner in the other. `here` is the run asked about, `there` the other."""

    here: Episode | None
    there: Episode | None

    @property
    def subject(self) -> Subject:
        return self._one.subject

    @property
    def at_ms(self) -> int:
        """When it opened, in the run asked about if it did there."""
        return self._one.opened_ms

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What differs; several may. (`same`,) when nothing does, `end` when only the end differs."""
        here, there = self.here, self.there
        if there is None:
            return ("added",)
        if here is None:
            return ("removed",)
        found: list[Kind] = []
        if here.opened_ms != there.opened_ms:
            found.append("earlier" if here.opened_ms < there.opened_ms else "later")
        if here.severity != there.severity:
            found.append("graver" if here.severity > there.severity else "milder")
        elif here.stage != there.stage:
            found.append("stage")
        if here.delivery != there.delivery:
            found.append("delivery")
        if not found and (here.closed_ms, here.ending) != (there.closed_ms, there.ending):
            found.append("end")
        return tuple(found) or ("same",)

    @property
    def shift_ms(self) -> int | None:
        """How much later it opened here; negative: earlier. None without a partner."""
        if self.here is None or self.there is None:
            return None
        return self.here.opened_ms - self.there.opened_ms

    @property
    def _one(self) -> Episode:
        one = self.here if self.here is not None else self.there
        assert one is not None
        return one


def compare(here: Iterable[Episode], there: Iterable[Episode]) -> list[Difference]:
    """Pair up the episodes of two runs. Returns: every episode once, by opening, rule and subject."""
    mine, theirs = _by_subject(here), _by_subject(there)
    found: list[Difference] = []
    for subject in sorted({*mine, *theirs}):
        found += _match(mine.get(subject, []), theirs.get(subject, []))
    return sorted(found, key=lambda one: (one.at_ms, one.subject))


def _by_subject(episodes: Iterable[Episode]) -> dict[Subject, list[Episode]]:
    found: dict[Subject, list[Episode]] = defaultdict(list)
    for episode in episodes:
        found[episode.subject].append(episode)
    return found


def _match(mine: list[Episode], theirs: list[Episode]) -> Iterator[Difference]:
    left = {episode.id: episode for episode in theirs}
    alone: list[Episode] = []
    for episode in mine:
        partner = left.pop(episode.id, None)
        if partner is not None:
            yield Difference(episode, partner)
        else:
            alone.append(episode)
    for episode in alone:
        partner = next((one for one in left.values() if episode.overlaps(one)), None)
        if partner is not None:
            del left[partner.id]
        yield Difference(episode, partner)
    for partner in left.values():
        yield Difference(None, partner)


class Comparison(Struct):
    """Counts of differences, in all and by rule, program, cohort and week of opening. One partition after another."""

    total: Counter[str]
    groups: dict[str, dict[str, Counter[str]]]
    shifts: dict[str, list[int]]

    @classmethod
    def empty(cls) -> "Comparison":
        return cls(Counter(), {name: defaultdict(Counter) for name in GROUPS}, defaultdict(list))

    def add(self, differences: Iterable[Difference], programs: Mapping[str, Program]) -> None:
        """Count the differences of one partition."""
        for one in differences:
            subject, kinds = one.subject, one.kinds
            names = (
                subject.rule,
                subject.program_id,
                cohort_of(programs, subject.program_id),
                instant_text(from_ms(week_of(one.at_ms)))[:10],
            )
            for kind in kinds:
                self.total[kind] += 1
                for group, name in zip(GROUPS, names, strict=True):
                    self.groups[group][name][kind] += 1
            if any(kind in MOVED for kind in kinds):
                self.total["moved"] += 1
                for group, name in zip(GROUPS, names, strict=True):
                    self.groups[group][name]["moved"] += 1
            if shift := one.shift_ms:
                self.shifts[subject.rule].append(shift)

    def merge(self, other: "Comparison") -> None:
        """Add the counts of other partitions."""
        self.total += other.total
        for group, rows in other.groups.items():
            for name, counts in rows.items():
                self.groups[group][name] += counts
        for rule, shifts in other.shifts.items():
            self.shifts[rule] += shifts

    @property
    def differs(self) -> bool:
        """Whether anything differs."""
        return any(count for kind, count in self.total.items() if kind != "same")

    def tree(self) -> dict[str, Any]:
        """As `summary.json` tells it; groups without a difference are left out."""
        return {
            "total": _named(self.total),
            **{
                f"by_{group}": {name: _named(counts) for name, counts in sorted(rows.items()) if set(counts) - {"same"}}
                for group, rows in self.groups.items()
            },
            "shift_days": {rule: _quantiles(shifts) for rule, shifts in sorted(self.shifts.items())},
        }


def _named(counts: Mapping[str, int]) -> dict[str, int]:
    return {kind: counts[kind] for kind in (*KINDS[:2], "moved", *KINDS[2:]) if counts.get(kind)}


def _quantiles(shifts: list[int]) -> dict[str, float]:
    ordered = sorted(shifts)
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 86_400_000, 2)
        for name, share in (("p10", 0.1), ("median", 0.5), ("p90", 0.9))
    } | {"n": len(ordered)}


def describe(episode: Episode) -> dict[str, Any]:
    """An episode as a line of `comparison.jsonl` tells it, without its evidence."""
    return {
        "intervention_id": episode.id,
        "opened_at": instant_text(from_ms(episode.opened_ms)),
        "closed_at": None if episode.is_open else instant_text(from_ms(episode.closed_ms)),
        "ending": episode.ending or None,
        "severity": SEVERITIES[episode.severity],
        "stage": episode.stage,
        "delivery": episode.delivery,
    }
