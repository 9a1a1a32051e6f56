"""One journal partition through the engine, as a live worker has it, or under a rule set of the caller's."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from schemas.base import to_ms
from schemas.journal import EngineEntry, EraseEntry, FactEntry, RulesetEntry, decode_entry
from streams import ruleset
from streams.backtest.outcomes import WATCHED, Outcomes
from streams.backtest.programs import Program, programs_of
from streams.backtest.tally import ReplayError, Tally, count_comment, engine_counts, move, pack
from streams.engine import Engine
from streams.judging import EVERYWHERE
from streams.lifecycle import Decision
from streams.ruleset import RuleSet, RulesetError, load, parse
from streams.state.partition import Partition, Sweep
from streams.state.table import NewerStateError

_RULESETS: Final = b"\x00ruleset/"
"""How keys of stored rule sets begin (`streams.state.partition`)."""


class JournalReplay:
    """One journal partition through the engine.

    Attributes:
        tally: what was counted so far beside what the engine counts.
    """

    def __init__(
        self,
        partition: int,
        fixed: RuleSet | None = None,
        *,
        snapshot: Iterable[tuple[bytes, bytes]] | None = None,
        programs: frozenset[str] | None = None,
    ) -> None:
        """Start with empty state, or with that of a snapshot.

        Args:
            partition: for what is said of bad entries.
            fixed: the rule set in force whatever the journal activates; None obeys it. Over a snapshot it comes into
                force like an activation with `backfill = "silent"`.
            snapshot: state rows as of the first entry.
            programs: replay only these; None replays all.

        Raises: ReplayError when other code wrote the snapshot.
        """
        self._partition = partition
        self._engine = Engine(fixed=fixed, partition=partition)
        self._programs = programs
        self._versions: dict[str, None] = {}
        self._rulesets: dict[str, None] = {} if fixed is None else {fixed.hash: None}
        self._obeys = fixed is None
        self.tally: Tally = Counter()
        self.outcomes = Outcomes()
        if snapshot is not None:
            self._restore(snapshot, fixed)

    @property
    def now_ms(self) -> int:
        """The clock of this partition, -1 while there is none."""
        return self._engine.state.clock.now_ms

    def feed(self, first_offset: int, values: Sequence[bytes]) -> list[Decision]:
        """Apply entries that follow one another.

        Returns: what the engine decided, in order.
        Raises: ReplayError when one is no entry, of a newer version, or activates a rule set this code does not know.
        """
        step, offset, see, programs = self._engine.step, first_offset, self.outcomes.see, self._programs
        try:
            for offset, value in enumerate(values, first_offset):
                entry = decode_entry(value)
                if type(entry) is not FactEntry:
                    if programs is not None and isinstance(entry, EraseEntry) and entry.program_id not in programs:
                        self._pass_over(entry)
                        continue
                    self._note(entry)
                else:
                    if programs is not None and entry.fact.program_id not in programs:
                        self._pass_over(entry)
                        continue
                    if type(entry.fact) in WATCHED:
                        see(entry.fact)
                    if entry.comment is not None:
                        count_comment(self.tally, entry.comment)
                while not step(offset, entry):
                    pass
        except msgspec.DecodeError as error:
            raise ReplayError(
                f"Entry {offset} of partition {self._partition} is none that this version can read ({error}): "
                "replay it with the version that wrote it, or a later one."
            ) from error
        except RulesetError as error:
            raise ReplayError(
                f"Entry {offset} of partition {self._partition} activates a rule set that this version does not know "
                f"({error}): replay it with --rules FILE, or with the version that wrote it."
            ) from error
        pack(self._engine)
        return self._engine.decisions()

    def _pass_over(self, entry: FactEntry | EraseEntry) -> None:
        """Leave an entry out; where arrivals are the clock, time passes all the same."""
        if self._engine.state.clock.records:
            move(self._engine, to_ms(entry.arrived_at))

    def programs(self) -> dict[str, Program]:
        """What is known of the programs now."""
        return programs_of(self._engine.state)

    def _restore(self, snapshot: Iterable[tuple[bytes, bytes]], fixed: RuleSet | None) -> None:
        engine, former = self._engine, Partition()
        try:
            if fixed is None:
                engine.restore(snapshot)
            else:
                # What was in force is laid aside: rule sets of single programs would keep the sweep out of them.
                laid_aside: list[tuple[bytes, bytes]] = []
                engine.restore(_without_rulesets(snapshot, laid_aside))
                former.restore(laid_aside)
        except (NewerStateError, RulesetError) as error:
            raise ReplayError(
                f"The state that partition {self._partition} of the recording begins with was written by other code "
                f"than this ({error}): replay it with the version that wrote it, or a later one."
            ) from error
        state = engine.state
        self.outcomes.seed(state)
        if fixed is None:
            self._rulesets = dict.fromkeys(stored.hash for stored in state.rulesets.values())
        elif state.clock.now_ms >= 0:
            sweep = _sweep_to(fixed, {scope: load(one.tree) for scope, one in former.rulesets.items()}, state)
            if sweep is not None:
                state.add_sweep(sweep)
                while not state.midway and state.sweeps:  # else it is finished with the entry that was cut
                    engine.settle()

    def _note(self, entry: Any) -> None:
        if isinstance(entry, EngineEntry):
            self._versions[entry.version] = None
        elif isinstance(entry, RulesetEntry) and self._obeys:
            # An engine at work keeps what is in force; a replay that did would pass for what was live.
            parse(entry.ruleset)
            self._rulesets[entry.hash] = None

    def close(self) -> Tally:
        """Everything that was counted, the engine's own counts included."""
        total = self.tally + engine_counts(self._engine)
        for version in self._versions:
            total["version", version] += 1
        for content_hash in self._rulesets or {ruleset.shipped().hash: None}:
            total["ruleset", content_hash] += 1
        return total


def _without_rulesets(
    rows: Iterable[tuple[bytes, bytes]], laid_aside: list[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes]]:
    for row in rows:
        if row[0].startswith(_RULESETS):
            laid_aside.append(row)
        else:
            yield row


def _sweep_to(fixed: RuleSet, former: Mapping[str, RuleSet], state: Partition) -> Sweep | None:
    """The sweep of an activation of `fixed` everywhere, over what was in force; None when it changes nothing."""
    everywhere = former.get(EVERYWHERE, ruleset.shipped())
    changed = fixed.changes(everywhere)
    names = sorted({*fixed.overridden(), *everywhere.overridden(), *former} - {EVERYWHERE})
    programs = {name: fixed.changes(former.get(name, everywhere), name) for name in names}
    if not changed and not any(programs.values()):
        return None
    now_ms = state.clock.now_ms
    return Sweep(EVERYWHERE, now_ms, now_ms, "silent", changed, programs=programs)
