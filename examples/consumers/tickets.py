"""A ticket for each intervention, kept in SQLite: what was read and what was done about it change in one transaction.

That is all there is to "exactly once": Kafka may hand a record out again after a crash, `reduce` says that it is no
news, and what a record caused cannot be half done.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from schemas.outbound import Intervention, decode_intervention, encode_intervention
from streams.delivery.current import Current, reduce

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS ticket (
    intervention_id TEXT PRIMARY KEY, sequence INTEGER, state TEXT, severity TEXT, program_id TEXT, summary TEXT,
    changes INTEGER, record BLOB)
"""
_WRITE: Final = """
INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (intervention_id) DO UPDATE SET
    sequence = excluded.sequence, state = excluded.state, severity = excluded.severity, summary = excluded.summary,
    changes = changes + 1, record = excluded.record
"""


class Tickets:
    """See the module. Every call is a transaction of its own."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, check_same_thread=False)
        self._base.execute(_TABLE)

    def take(self, record: Intervention) -> bool:
        """Take in a record. Returns: whether it was news."""
        with self._base:
            step = reduce(self._known(record.intervention_id), record)
            if step.is_new:
                one = step.current.record
                row = (one.intervention_id, one.sequence, one.state, one.severity, one.program_id, one.summary)
                self._base.execute(_WRITE, (*row, encode_intervention(one)))
        return step.is_new

    def states(self) -> dict[str, tuple[str, int, int]]:
        """By intervention: its state, the sequence of its newest record, and how many records were news."""
        rows = self._base.execute("SELECT intervention_id, state, sequence, changes FROM ticket ORDER BY 1").fetchall()
        return {str(name): (str(state), int(sequence), int(changes)) for name, state, sequence, changes in rows}

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def _known(self, intervention_id: str) -> Current | None:
        row = self._base.execute(
            "SELECT sequence, record FROM ticket WHERE intervention_id = ?", (intervention_id,)
        ).fetchone()
        return None if row is None else Current(int(row[0]), decode_intervention(bytes(row[1])))
