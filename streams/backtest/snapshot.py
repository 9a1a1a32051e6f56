"""Journal entries → the state they leave, as rows of a snapshot: how a recording begins in the middle of a journal."""

from collections.abc import Iterable, Sequence

import msgspec

from schemas.journal import decode_entry
from streams.backtest.replay import ReplayError
from streams.engine import Engine
from streams.ruleset import RulesetError
from streams.state.table import NewerStateError

Row = tuple[bytes, bytes]


class StateFold:
    """Folds one journal partition, and keeps the newest value of every state row, as the compacted topic would.

    Attributes:
        decided: how many interventions that made.
    """

    def __init__(self, partition: int, rows: Iterable[Row] = ()) -> None:
        """Start the partition's fold with empty state, or with that of an earlier snapshot.

        Raises: ReplayError when other code wrote it.
        """
        self._rows: dict[bytes, bytes] = dict(rows)
        self._engine = Engine(partition=partition)
        self.decided = 0
        if self._rows:
            try:
                self._engine.restore(self._rows.items())
            except (NewerStateError, RulesetError) as error:
                raise ReplayError(
                    f"The snapshot was written by other code than this ({error}): use the version that wrote it."
                ) from error

    @property
    def applied(self) -> int:
        """Offset of the last entry folded, -1 at the beginning."""
        return self._engine.applied

    def feed(self, first_offset: int, values: Sequence[bytes]) -> None:
        """Fold entries that follow one another.

        Raises: ReplayError when one cannot be read or obeyed by this version.
        """
        offset = first_offset
        try:
            for offset, value in enumerate(values, first_offset):
                entry = decode_entry(value)
                while not self._engine.step(offset, entry):
                    pass
        except (msgspec.DecodeError, RulesetError) as error:
            raise ReplayError(f"Entry {offset} cannot be folded by this version ({error}).") from error
        self.decided += len(self._engine.decisions())
        self._keep()

    def rows(self) -> Iterable[Row]:
        """Every row of the state."""
        return self._rows.items()

    def _keep(self) -> None:
        rows = self._rows
        for key, value in self._engine.flush_state():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
