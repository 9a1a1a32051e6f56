"""Records in several rows: together they are the record, and a fact writes the rows that it changed."""

import json
import sys
from typing import Any, Final

import msgspec
import pytest

from streams.calendar import calendar_of
from streams.detectors.rate import RateParams, start
from streams.engine import Engine
from streams.state.episode import Episode, FactRef, Phase
from streams.state.layout import PARTS, put_together, take_apart
from streams.state.long import CUTS, LONGEST_WHOLE, pack, take_out, unpack
from streams.state.numbered import CHUNK_BYTES
from streams.state.pair import Member, PairState, Rating
from streams.state.parts import part_key, split_part_key
from streams.state.program import ProgramState
from streams.state.record import VERSION, Record
from streams.state.table import (
    IncompleteStateError,
    NewerStateError,
    Table,
    decode_record,
    pair_key,
    program_key,
    tally_key,
)
from streams.state.tally import Tally
from tests.streams.logs import entries, random_lines, stored
from tests.streams.state.test_table import GOLDEN

KEY: Final = program_key("p")
PAIR: Final = pair_key("p", "x")


def a_program() -> ProgramState:
    program = ProgramState(episodes=(Episode(3, "", Phase.OPEN, id="open"),))
    program.counted.positive = 5
    return program


def flushed(table: Table) -> dict[bytes, bytes | None]:
    rows = table.flush()
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def kept(rows: dict[bytes, bytes | None]) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in rows.items() if value is not None]


def assert_cut_alike(kind: int, record: Record, raw: bytes, parts: dict[str, bytes]) -> None:
    """What is made of a long record is what taking it apart gives."""
    cut = CUTS[kind]
    rows = cut.rows(record)
    packed = pack(kind, raw, parts)
    assert unpack(kind, packed) == (raw, parts)
    history: bytes = getattr(record, cut.digests.field)
    older = history[: len(history) - len(history) % CHUNK_BYTES]
    assert rows == [raw, *map(parts.get, cut.names), older or None]
    assert take_out(kind, packed)[2] == older
    assert cut.length(rows, record) == len(msgspec.msgpack.encode(record))


def test_a_record_that_was_taken_apart_is_as_it_was_and_its_rows_make_it_again() -> None:
    """Every record of a run of random facts; the kinds that have parts are all among them."""
    engine, kinds = Engine(), set()
    for value in entries(random_lines(11, 150)):
        while not engine.apply(engine.applied + 1, value):
            pass
        for key, record in engine.state.table.items():
            if key[0] in PARTS:
                before = msgspec.msgpack.encode(record)
                raw, parts = take_apart(key[0], record)
                if key[0] in LONGEST_WHOLE:
                    assert_cut_alike(key[0], record, raw, parts)
                assert msgspec.msgpack.encode(record) == before
                assert decode_record(key, raw, parts) == record
                kinds.add(key[0])
    assert kinds == set(PARTS)


@pytest.mark.parametrize("longest", [None, 80, 300])
def test_what_is_written_by_and_by_is_what_is_written_at_once(
    longest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every single one of a run of random facts the rows restore what is in memory; also where nearly all pairs
    and people have parts, and where they come to have them and lose them again."""
    for kind in (b"p", b"m") if longest else ():
        monkeypatch.setitem(LONGEST_WHOLE, kind[0], longest)
    engine, rows = Engine(), dict[bytes, bytes]()
    for number, value in enumerate(entries(random_lines(5, 150))):
        while not engine.apply(engine.applied + 1, value):
            pass
        stored(engine, rows)
        assert {key: raw for key, raw in rows.items() if key[0]} == dict(engine.state.table.stored())
        if number % 10 == 0:
            again = Engine()
            again.restore(rows.items())
            assert dict(again.state.table.items()) == dict(engine.state.table.items())
            assert again.state.interventions == engine.state.interventions


def test_a_fact_leaves_the_rows_it_did_not_change() -> None:
    table, program = Table(), a_program()
    table.put(KEY, program)
    assert {split_part_key(key)[1] for key in flushed(table) if key != KEY} == {
        "counts",
        "episodes-3",
        "profile",
        "sums",
    }
    program.counted.positive += 1
    table.touch(KEY)
    assert flushed(table).keys() == {part_key(KEY, "counts")}
    program.timers[3] = 7
    table.touch(KEY)
    assert flushed(table).keys() == {KEY}
    table.touch(KEY)
    assert flushed(table) == {}


def test_a_part_that_is_no_more_is_deleted_and_with_a_record_all_of_them() -> None:
    table, program = Table(), a_program()
    table.put(KEY, program)
    program.sentiment = start(0, 5, calendar_of(), RateParams(far_per_year=0.5))
    rows = flushed(table)
    program.sentiment = None
    table.touch(KEY)
    assert flushed(table) == {part_key(KEY, "sentiment"): None}
    del rows[part_key(KEY, "sentiment")]
    restored = Table()
    restored.restore(dict(kept(rows)))
    assert restored.get(KEY) == program
    restored.delete(KEY)
    assert restored.get(KEY) is None
    assert flushed(restored) == dict.fromkeys(rows)


def test_a_record_made_anew_in_place_of_a_deleted_one_leaves_nothing_of_it() -> None:
    table = Table()
    key = tally_key("p", "held")
    tally = Tally()
    for day in range(40):
        tally.add(day, (1,), 100)
    table.put(key, tally)
    rows = flushed(table)
    assert part_key(key, "past-0") in rows
    table.delete(key)
    table.put(key, Tally())
    rows |= flushed(table)
    restored = Table()
    restored.restore(dict(kept(rows)))
    assert restored.get(key) == Tally()


def test_a_count_of_today_leaves_the_row_of_the_past_alone() -> None:
    table = Table()
    key = tally_key("p", "tone/1")
    tally = Tally(width=2)
    for day in range(100, 150):
        tally.add(day, (1, 2), 60)
    table.put(key, tally)
    flushed(table)
    tally.add(149, (1, 0), 60)
    table.touch(key)
    assert flushed(table).keys() == {key}
    tally.add(110, (1, 0), 60)
    table.touch(key)
    assert flushed(table).keys() == {part_key(key, "past-6")}


def test_a_new_day_rewrites_little_of_the_past_and_one_that_is_forgotten_nothing_after_it() -> None:
    table = Table()
    key = tally_key("p", "held")
    tally = Tally()
    table.put(key, tally)
    written = []
    for day in range(20_000, 21_000):
        tally.add(day, (1,), 366)
        table.touch(key)
        rows = flushed(table)
        written.append(sum(len(value or b"") for value in rows.values()))
    assert {split_part_key(each)[1] for each, _ in table.stored() if each != key} == {
        f"past-{day // 16}" for day in tally.days(0, 20_993)
    }
    assert max(written) < 100
    restored = Table()
    restored.restore(dict(table.stored()))
    assert restored.get(key) == tally


def a_long_pair() -> PairState:
    ref = FactRef("event", 2, 0, 5, 1_700_000_000_000)
    lows = tuple(Rating(0, 2, ref) for _ in range(16))
    found = PairState(matched=ref, held=ref, members=(Member("a", ratings=lows), Member("b", ratings=lows)))
    assert len(msgspec.msgpack.encode(found)) > LONGEST_WHOLE[PAIR[0]]
    return found


def test_a_pair_is_stored_whole_while_it_is_short_and_in_parts_while_it_is_long() -> None:
    table, pair = Table(), a_long_pair()
    members, pair.members = pair.members, ()
    table.put(PAIR, pair)
    rows = flushed(table)
    assert rows.keys() == {PAIR}
    pair.members = members
    table.touch(PAIR)
    rows |= flushed(table)
    assert {split_part_key(key)[1] for key in rows if key != PAIR} == {"meetings", "sentiment"}
    pair.held_seen = b"12345"
    table.touch(PAIR)
    assert flushed(table).keys() == {part_key(PAIR, "meetings")}
    restored = Table()
    restored.restore(dict(table.stored()))
    assert restored.get(PAIR) == pair
    pair.members = ()
    table.touch(PAIR)
    rows = flushed(table)
    assert rows.pop(PAIR) == msgspec.msgpack.encode(pair)
    assert rows == {part_key(PAIR, name): None for name in ("meetings", "sentiment")}
    assert dict(table.stored()) == {PAIR: msgspec.msgpack.encode(pair)}


def test_a_long_pair_is_deleted_with_its_parts_and_one_made_anew_at_once_has_none_of_it() -> None:
    table = Table()
    table.put(PAIR, a_long_pair())
    rows = flushed(table)
    table.delete(PAIR)
    assert flushed(table) == dict.fromkeys(rows)
    table.put(PAIR, a_long_pair())
    rows = flushed(table)
    table.delete(PAIR)
    table.put(PAIR, PairState())
    after = dict(table.flush())
    assert after == dict.fromkeys(rows) | {PAIR: msgspec.msgpack.encode(PairState())}


def test_what_is_open_in_a_long_record_is_known_after_a_restart_and_when_it_wakes() -> None:
    table, pair = Table(), a_long_pair()
    pair.episodes, pair.armed_ms = (Episode(3, "", Phase.OPEN, id="open"),), 77
    table.put(PAIR, pair)
    rows = dict(kept(flushed(table)))
    assert part_key(PAIR, "episodes") in rows
    assert Table().restore(rows) == ([(77, PAIR)], {"open": PAIR})


def test_a_restart_leaves_no_room_for_the_parts_that_were_read() -> None:
    table = Table()
    for number in range(200):
        table.put(pair_key("program", f"{number}"), a_long_pair())
    rows = dict(kept(flushed(table)))
    assert len(rows) >= 3 * len(table)
    restored = Table()
    restored.restore(rows)
    assert sys.getsizeof(restored._cold) <= sys.getsizeof(table._cold)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_records_of_earlier_versions_are_read_and_written_as_those_of_this(version: int) -> None:
    old = json.loads((GOLDEN / f"v{version}.json").read_text())
    rows = {bytes.fromhex(key): bytes.fromhex(value) for key, value in old.items()}
    engine = Engine()
    engine.restore(rows.items())
    table = engine.state.table
    records = dict(table.items())
    assert any(key.startswith(b"d") for key in rows) == (version > 1)
    for key in records:
        table.get(key)
        table.touch(key)
    stored(engine, rows)
    assert any(key.startswith(b"d") for key in rows)
    again = Engine()
    again.restore(rows.items())
    assert dict(again.state.table.items()) == records
    assert again.state.interventions == engine.state.interventions
    assert not any(key.endswith(b"/past") for key in rows)


def test_a_row_of_a_part_with_fewer_or_more_fields_is_read() -> None:
    """As earlier code wrote it, and as later code of the same version may."""
    program = ProgramState()
    put_together(KEY[0], program, {"sums": msgspec.msgpack.encode([VERSION])})
    assert program == ProgramState()
    put_together(KEY[0], program, {"sums": msgspec.msgpack.encode([VERSION, [7, 8], [1.0], "more"])})
    assert (program.counted.positive, program.counted.neutral, program.gaps.gaps) == (7, 8, 1)


@pytest.mark.parametrize("row", [[VERSION + 1, []], [VERSION + 1]])
def test_a_part_of_a_later_version_is_refused(row: list[Any]) -> None:
    table, rows = Table(), flushed_program()
    rows[part_key(KEY, "sums")] = msgspec.msgpack.encode(row)
    with pytest.raises(NewerStateError, match=f"version {VERSION + 1}"):
        table.restore(rows)


def flushed_program() -> dict[bytes, bytes]:
    table = Table()
    table.put(KEY, a_program())
    return dict(kept(flushed(table)))


def test_parts_without_their_record_are_refused_with_its_key() -> None:
    rows = flushed_program()
    del rows[KEY]
    with pytest.raises(IncompleteStateError, match="parts of record 'gp' are there, but not the record itself"):
        Table().restore(rows)


def test_what_a_tally_has_forgotten_does_not_count_while_its_row_is_still_there() -> None:
    """Days are dropped by the row, but forgotten one by one."""
    tally = Tally()
    for day in range(20_000, 20_100):
        tally.add(day, (1,), 30)
    assert tally.base + tally.cells[0] == 20_064
    assert (tally.days(0, 20_100)[0], tally.oldest(0), tally.totals(0, 20_100)) == (20_070, 20_070, [30])
    assert not tally.add(20_069, (1,), 30)
    table, key = Table(), tally_key("p", "held")
    table.put(key, tally)
    restored = Table()
    restored.restore(dict(kept(flushed(table))))
    assert restored.get(key) == tally


def test_the_episodes_of_a_program_stand_in_a_row_for_each_rule_and_keep_their_order() -> None:
    table, program = Table(), a_program()
    program.episodes = tuple(
        [Episode(rule, member, Phase.OPEN) for rule, member in ((9, ""), (3, "b"), (3, "a"), (5, ""))]
    )
    table.put(KEY, program)
    rows = dict(kept(flushed(table)))
    assert {split_part_key(key)[1] for key in rows if b"episodes" in key} == {f"episodes-{rule}" for rule in (3, 5, 9)}
    restored = Table()
    restored.restore(dict(rows))
    assert restored.get(KEY) == program
    program.episodes[3].level = 1
    table.touch(KEY)
    assert flushed(table).keys() == {part_key(KEY, "episodes-5")}
