"""Counts by day: sums equal those of a plain table, whatever the order, and old days take no space."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.state.participant import ParticipantState
from streams.state.table import Table, participant_key
from streams.state.tally import Tally

KEEP = 30
ADDED = st.lists(st.tuples(st.integers(19_000, 19_120), st.integers(-2, 5), st.integers(0, 3)), max_size=60)


@given(ADDED, st.integers(18_990, 19_130), st.integers(18_990, 19_130))
def test_sums_equal_those_of_a_plain_table(added: list[tuple[int, int, int]], first: int, end: int) -> None:
    tally, plain, newest = Tally(width=2), dict[int, tuple[int, int]](), 0
    for day, one, other in added:
        counted = tally.add(day, (one, other), KEEP)
        assert counted == (not newest or day > newest - KEEP)
        if counted:
            before = plain.get(day, (0, 0))
            plain[day] = (before[0] + one, before[1] + other)
            newest = max(newest, day)
    kept = {day: counts for day, counts in plain.items() if day > newest - KEEP}
    inside = [counts for day, counts in kept.items() if first <= day < end]
    assert tally.totals(first, end) == [sum(each[0] for each in inside), sum(each[1] for each in inside)]
    assert tally.days(first, end) == sorted(day for day in kept if first <= day < end)


def test_a_tally_of_years_stays_small() -> None:
    tally = Tally(width=2)
    for day in range(19_000, 19_000 + 5 * 365):
        tally.add(day, (40, 120), 122)
    assert len(msgspec.msgpack.encode(tally)) < 600


def test_the_records_of_a_program_are_found_without_those_of_others_whenever_they_were_made() -> None:
    table = Table()

    def put(program: str, person: str) -> None:
        table.put(participant_key(program, person), ParticipantState())

    def of(program: str, after: str = "") -> list[str]:
        behind = participant_key(program, after) if after else b""
        return [key.decode().partition("/")[2] for key, _ in table.of_program(b"m", program, behind)]

    for person in ("c", "a"):
        put("p", person)
        put("p1", person + "1")
    table.flush()
    assert of("p") == ["a", "c"]
    put("p", "b")
    assert (of("p"), of("p", "a"), of("p1")) == (["a", "b", "c"], ["b", "c"], ["a1", "c1"])
    table.delete(participant_key("p", "a"))
    assert of("p") == ["b", "c"]
    put("p", "a")
    assert of("p") == ["a", "b", "c"]
    assert of("nobody") == []
