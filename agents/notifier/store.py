"""What does not have to be in memory: values of records that may be sent, and deliveries that wait behind many others.

A file of SQLite that is made anew at each start: a cache of the topics, never the truth.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Final

from streams.delivery.entries import Entry, entry_of, row_of

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4000;
CREATE TABLE record (intervention TEXT, sequence INTEGER, value BLOB, PRIMARY KEY (intervention, sequence))
    WITHOUT ROWID;
CREATE TABLE waiting (number INTEGER PRIMARY KEY, recipient TEXT, channel TEXT, partition INTEGER, position INTEGER,
    row BLOB);
CREATE INDEX waiting_line ON waiting (recipient, channel, number);
CREATE INDEX waiting_place ON waiting (partition, position);
CREATE TABLE decided (intervention TEXT PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;
"""


class Store:
    """See the module. Every call answers within a millisecond or so.

    Args:
        folder: where the file may be; the system's folder for temporary files when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix="ebb-notifier-", dir=folder)
        self._base = sqlite3.connect(Path(self._folder.name) / "cache.sqlite", check_same_thread=False)
        self._base.executescript(_TABLES)
        self.decided: Final = Decided(self._base)

    def close(self) -> None:
        """Remove the file."""
        self._base.close()
        self._folder.cleanup()

    def put(self, intervention_id: str, sequence: int, value: bytes) -> None:
        """Keep the value of a record."""
        self._base.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", (intervention_id, sequence, value))

    def value(self, intervention_id: str, sequence: int) -> bytes | None:
        """The value of a record."""
        found = self._base.execute(
            "SELECT value FROM record WHERE intervention = ? AND sequence = ?", (intervention_id, sequence)
        ).fetchone()
        return None if found is None else bytes(found[0])

    def newest(self, intervention_id: str) -> bytes | None:
        """The value of the newest record of an episode."""
        found = self._base.execute(
            "SELECT value FROM record WHERE intervention = ? ORDER BY sequence DESC LIMIT 1", (intervention_id,)
        ).fetchone()
        return None if found is None else bytes(found[0])

    def forget(self, interventions: Iterable[str]) -> None:
        """Drop the values of episodes that are over and done with."""
        self._base.executemany("DELETE FROM record WHERE intervention = ?", ((one,) for one in interventions))

    def set_aside(self, entries: Iterable[Entry]) -> None:
        """Keep deliveries that wait, in their order."""
        self._base.executemany(
            "INSERT INTO waiting (recipient, channel, partition, position, row) VALUES (?, ?, ?, ?, ?)",
            ((e.recipient, e.channel, e.partition, e.offset, row_of(e)) for e in entries),
        )

    def bring(self, line: tuple[str, str], limit: int) -> list[Entry]:
        """Take the first deliveries of a line out again."""
        found = self._base.execute(
            "SELECT number, row FROM waiting WHERE recipient = ? AND channel = ? ORDER BY number LIMIT ?",
            (*line, limit),
        ).fetchall()
        self._base.executemany("DELETE FROM waiting WHERE number = ?", ((number,) for number, _ in found))
        return [entry_of(bytes(row)) for _, row in found]

    def lowest(self, partition: int) -> int | None:
        """The smallest offset of a record that a waiting delivery is about."""
        found = self._base.execute("SELECT min(position) FROM waiting WHERE partition = ?", (partition,)).fetchone()
        return None if found[0] is None else int(found[0])


class Decided(MutableMapping[str, int]):
    """The highest sequence decided on of every intervention there ever was, closed ones included."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def __getitem__(self, intervention_id: str) -> int:
        found = self._base.execute("SELECT sequence FROM decided WHERE intervention = ?", (intervention_id,)).fetchone()
        if found is None:
            raise KeyError(intervention_id)
        return int(found[0])

    def __setitem__(self, intervention_id: str, sequence: int) -> None:
        self._base.execute("INSERT OR REPLACE INTO decided VALUES (?, ?)", (intervention_id, sequence))

    def __delitem__(self, intervention_id: str) -> None:
        if self._base.execute("DELETE FROM decided WHERE intervention = ?", (intervention_id,)).rowcount == 0:
            raise KeyError(intervention_id)

    def __iter__(self) -> Iterator[str]:
        return (str(name) for (name,) in self._base.execute("SELECT intervention FROM decided").fetchall())

    def __len__(self) -> int:
        return int(self._base.execute("SELECT count(*) FROM decided").fetchone()[0])
