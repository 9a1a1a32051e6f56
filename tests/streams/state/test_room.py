"""Room at the end of stored values: it changes the length of a value and nothing else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import Engine
from streams.state.history import Page
from streams.state.long import LONGEST_WHOLE
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.record import Record
from streams.state.room import with_room, without_room
from streams.state.table import Table, decode_record
from tests.streams.logs import entries, random_lines

IDS = st.lists(st.text("ab", min_size=1, max_size=60), max_size=12)
RECORDS = st.one_of(
    st.builds(
        PairState, held_seen=st.binary(max_size=600), timers=st.dictionaries(st.integers(0, 9), st.integers(0, 2**60))
    ),
    st.builds(ParticipantState, pair_ids=IDS.map(tuple), answered_seen=st.binary(max_size=60)),
)


@given(RECORDS)
def test_a_record_with_room_is_the_same_record(record: Record) -> None:
    key = b"pa/1" if isinstance(record, PairState) else b"ma/1"
    raw = msgspec.msgpack.encode(record)
    roomy = with_room(bytearray(raw))
    assert decode_record(key, roomy) == decode_record(key, raw) == record
    assert without_room(roomy, len(type(record).__struct_fields__)) == raw
    assert len(roomy) - len(raw) < 128


def test_values_of_records_fill_few_sizes_of_blocks() -> None:
    raws = [msgspec.msgpack.encode(PairState(held_seen=bytes(length))) for length in range(600)]
    taken = {33 + len(with_room(bytearray(raw))) for raw in raws}
    assert sorted(block for block in taken if block <= 512) == [144, 224, 304, 384, 512]


def test_short_arrays_have_no_room() -> None:
    raw = msgspec.msgpack.encode(Page(digests=b"12345"))
    assert with_room(bytearray(raw)) == without_room(raw, 5) == raw


@pytest.mark.parametrize("longest", [640, 100])
def test_rows_never_have_room(monkeypatch: pytest.MonkeyPatch, longest: int) -> None:
    monkeypatch.setitem(LONGEST_WHOLE, ord("p"), longest)
    runs = []
    for limit in (0, 20_000):
        monkeypatch.setattr("streams.state.table.HOT_LIMIT", limit)
        engine, rows = Engine(), []
        for value in entries(random_lines(4, 120)):
            while not engine.apply(engine.applied + 1, value):
                pass
            rows += engine.flush().rows
        found = dict(engine.state.table.stored())
        roomy = [key for key, value in engine.state.table._cold.items() if value[0] == 0xDC and value != found[key]]
        assert bool(roomy) == (limit == 0)
        runs.append((rows, found))
    assert runs[0] == runs[1]


def test_a_record_that_grows_long_writes_what_changed_and_not_its_own_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.state.table.HOT_LIMIT", 0)
    monkeypatch.setitem(LONGEST_WHOLE, ord("m"), 100)
    table, key, person = Table(), b"ma/1", ParticipantState(contact_ms=1 << 40)
    table.put(b"ma/0", ParticipantState())
    table.flush()
    table.put(key, person)
    table.flush()
    person.answered_seen = bytes(75)
    table.put(key, person)
    assert [changed for changed, _ in table.flush()] == [b"dma/1/surveys", b"dma/1/profile"]
