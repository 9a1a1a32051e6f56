"""Stored state: what was written is read again, by this code and by later code."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.engine import Engine
from streams.state.long import LONGEST_WHOLE
from streams.state.pair import PairState
from streams.state.record import VERSION
from streams.state.table import (
    HOT_LIMIT,
    NewerStateError,
    Table,
    decode_record,
    pair_key,
    participant_key,
    program_of,
    subject_of,
)
from tests.streams.logs import entries, random_lines, stored

GOLDEN = Path(__file__).parents[2] / "golden" / "state"


def rows_of_a_run() -> dict[bytes, bytes]:
    engine, rows = Engine(), dict[bytes, bytes]()
    for value in entries(random_lines(4, 120)):
        while not engine.apply(engine.applied + 1, value):
            pass
    stored(engine, rows)
    return rows


def golden_files() -> list[Path]:
    return sorted(GOLDEN.glob("*.json"))


def test_there_are_golden_state_files() -> None:
    assert golden_files()


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
def test_state_written_by_earlier_code_is_still_read(path: Path) -> None:
    """A file per state version, written by `python -m tests.streams.state.test_table`; never rewritten for an old
    version."""
    stored_rows = {bytes.fromhex(key): bytes.fromhex(value) for key, value in json.loads(path.read_text()).items()}
    engine = Engine()
    engine.restore(stored_rows.items())
    records = dict(engine.state.table.items())
    assert {type(record).__name__ for record in records.values()} >= {"PairState", "ParticipantState", "ProgramState"}
    assert any(record.episodes for record in records.values())
    for key, record in records.items():
        assert decode_record(key, msgspec.msgpack.encode(record)) == record


def test_a_restart_knows_of_each_record_when_it_wakes_and_what_is_open() -> None:
    rows = rows_of_a_run()
    engine = Engine()
    engine.restore(rows.items())
    records = dict(engine.state.table.items())
    timers = engine.state.timers
    assert len(timers)
    woken = [timers.pop() for _ in range(len(timers))]
    assert woken == sorted((each.armed_ms, key) for key, each in records.items() if each.armed_ms)
    opened = {each.id: key for key, record in records.items() for each in record.episodes if each.is_open}
    assert engine.state.interventions == opened
    assert opened


def test_timers_keep_the_keys_of_the_table_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.state.table.HOT_LIMIT", 0)
    engine = Engine()
    for value in entries(random_lines(4, 120)):
        while not engine.apply(engine.applied + 1, value):
            pass
        engine.flush()
    own = {id(key) for key, _ in engine.state.table.stored()}
    timers = engine.state.timers
    assert len(timers)
    assert all(id(timers.pop()[1]) in own for _ in range(len(timers)))


def test_a_damaged_row_among_many_is_not_taken() -> None:
    rows = rows_of_a_run()
    key = next(key for key in rows if key.startswith(b"p"))
    rows[key] = rows[key][:-1]
    with pytest.raises(msgspec.DecodeError):
        Engine().restore(rows)


def test_a_record_of_an_earlier_version_with_fewer_fields_is_read() -> None:
    whole = msgspec.msgpack.decode(msgspec.msgpack.encode(PairState(matched_ms=5)))
    short = msgspec.msgpack.encode(whole[:9])
    assert isinstance(decode_record(b"pprogram/pair", short), PairState)


def test_a_record_of_a_later_version_is_refused_whatever_its_shape() -> None:
    for later in ([VERSION + 1, 0, {}], [VERSION + 1, "changed"]):
        with pytest.raises(NewerStateError, match=f"version {VERSION + 1}"):
            decode_record(b"pprogram/pair", msgspec.msgpack.encode(later))


def test_keys_are_told_apart_and_taken_apart() -> None:
    assert pair_key("p", "x") != participant_key("p", "x")
    assert (program_of(pair_key("p", "x")), subject_of(pair_key("p", "x"))) == ("p", "x")


def test_going_cold_changes_nothing_but_identity() -> None:
    table = Table()
    for number in range(HOT_LIMIT + 1):
        table.put(pair_key("p", str(number)), PairState(matched_ms=number))
    assert len(table.flush()) == HOT_LIMIT + 1
    record: Any = table.get(pair_key("p", "7"))
    assert record.matched_ms == 7
    assert table.flush() == []


def test_a_deleted_record_leaves_a_tombstone_and_no_key() -> None:
    table = Table()
    key = pair_key("p", "x")
    table.put(key, PairState())
    assert table.keys(b"p") == [key]
    table.flush()
    table.delete(key)
    assert table.keys(b"p") == []
    assert table.get(key) is None
    assert table.flush() == [(key, None)]
    assert table.flush() == []


def main() -> None:
    LONGEST_WHOLE.update({b"p"[0]: 300, b"m"[0]: 200})  # some stand there in parts
    rows = {key.hex(): value.hex() for key, value in sorted(rows_of_a_run().items())}
    (GOLDEN / f"v{VERSION}.json").write_text(json.dumps(rows, indent=0) + "\n")


if __name__ == "__main__":
    main()
