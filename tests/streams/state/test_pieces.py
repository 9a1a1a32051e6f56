"""Records in pieces: joined they are the record, and only what changed is written."""

import pytest

from streams.engine import Engine
from streams.state import pieces, table
from streams.state.episode import Episode, Evidence, FactRef
from streams.state.pair import Booking, Member, PairState
from streams.state.pieces import join, record_key
from streams.state.table import Table, decode_record, pair_key
from tests.streams.logs import entries, random_lines, stored

KEY = pair_key("p", "x")


def a_pair() -> PairState:
    """A pair with an episode that has much to say, and with what facts change before and behind it."""
    found = [Evidence(f"evidence number {number}", number, f"event-{number}") for number in range(6)]
    ref = FactRef("event", 1, 0, 7, 5)
    bookings = [Booking("meeting", 5, 6, ref)]
    return PairState(members=[Member("a"), Member("b")], bookings=bookings, episodes=[Episode(1, "", evidence=found)])


def rows_of(rows: list[tuple[bytes, bytes | None]]) -> dict[bytes, bytes | None]:
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def test_what_is_written_by_and_by_is_what_is_written_at_once() -> None:
    """In a run of random facts, after every single one."""
    engine, rows = Engine(), dict[bytes, bytes]()
    for value in entries(random_lines(11, 150)):
        while not engine.apply(engine.applied + 1, value):
            pass
        stored(engine, rows)
        parts: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for row, raw in rows.items():
            if not row.startswith(b"\x00"):
                key, name = record_key(row)
                parts.setdefault(key, []).append((name, raw))
        assert {key: join(found) for key, found in parts.items()} == dict(engine.state.table.stored())
    assert any(len(found) > 1 for found in parts.values())
    assert any(len(found) == 1 for found in parts.values())


def test_a_fact_leaves_the_pieces_it_did_not_change() -> None:
    held = Table()
    pair = a_pair()
    held.put(KEY, pair)
    assert set(rows_of(held.flush())) == {KEY, KEY + b"\x00a", KEY + b"\x00b"}
    pair.members[0].contact_ms = 5
    held.touch(KEY)
    assert set(rows_of(held.flush())) == {KEY + b"\x00b"}
    held.touch(KEY)
    assert held.flush() == []


def test_a_piece_that_is_no_more_is_deleted_and_with_a_record_all_of_them() -> None:
    held = Table()
    pair = a_pair()
    held.put(KEY, pair)
    rows = rows_of(held.flush())
    pair.episodes = []
    held.touch(KEY)
    rows |= rows_of(held.flush())
    assert {key for key, value in rows.items() if value is not None} == {KEY}
    pair.episodes = a_pair().episodes
    held.touch(KEY)
    rows |= rows_of(held.flush())
    restored = Table()
    restored.restore((key, value) for key, value in rows.items() if value is not None)
    assert restored.get(KEY) == pair
    restored.delete(KEY)
    assert rows_of(restored.flush()) == dict.fromkeys(rows)


def test_what_was_cut_otherwise_is_read_and_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Table()
    held.put(KEY, a_pair())
    rows = rows_of(held.flush())
    other = tuple(name.upper() for name in pieces.NAMES)
    monkeypatch.setattr(table, "NAMES", other)
    monkeypatch.setattr(table, "_PLACES", (b"", *other))
    later = Table()
    later.restore((key, value) for key, value in rows.items() if value is not None)
    pair = later.get(KEY)
    assert isinstance(pair, PairState)
    pair.members[0].contact_ms = 5
    later.touch(KEY)
    rows |= rows_of(later.flush())
    kept = {record_key(key)[1]: value for key, value in rows.items() if value is not None}
    assert set(kept) == {b"", b"A", b"B"}
    assert decode_record(KEY, join(kept.items())) == pair
