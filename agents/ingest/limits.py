"""When a source partition is so bad that it stops instead of draining into dead letters."""

from collections import deque

WINDOW = 1_000
MOST_BAD_IN_WINDOW = 50
MOST_IN_A_ROW = 100


class BadRecordLimit:
    """Counts the good and bad records of one source partition since it was opened or resumed."""

    __slots__ = ("_bad", "_in_a_row", "_seen")

    def __init__(self) -> None:
        self._seen = 0
        self._in_a_row = 0
        self._bad: deque[int] = deque()

    def good(self, records: int) -> None:
        """`records` good ones in a row."""
        if records:
            self._seen += records
            self._in_a_row = 0

    def bad(self) -> str | None:
        """One bad record. Returns: why the source must stop here, or None.

        More than 5 % counts from the 1,000th record on, so that a few bad ones at the start do not stop a source.
        """
        self._seen += 1
        self._in_a_row += 1
        bad = self._bad
        bad.append(self._seen)
        while bad[0] <= self._seen - WINDOW:
            bad.popleft()
        if self._in_a_row >= MOST_IN_A_ROW:
            return f"{MOST_IN_A_ROW} bad records in a row"
        if self._seen >= WINDOW and len(bad) > MOST_BAD_IN_WINDOW:
            return f"{len(bad)} bad among {WINDOW:,} records in a row"
        return None
