"""The memory of event ids: a set with an expiry date, and its stored form."""

import random
from array import array

from hypothesis import given
from hypothesis import strategies as st

from streams.state.seen import CHUNK, KEEP_DAYS, Seen, digest_of, fingerprint

#: some that differ in their lowest byte only, and some whose end and beginning together look like another
digests = st.binary(min_size=8, max_size=8) | st.lists(st.sampled_from([0, 1]), min_size=8, max_size=8).map(bytes)
additions = st.lists(st.tuples(digests, st.integers(0, 12)), max_size=300)
Step = tuple[bytes, int]


def digest(number: int) -> bytes:
    return number.to_bytes(8, "little")


def replay(steps: list[Step]) -> tuple[Seen, dict[bytes, int]]:
    """Feed additions, and let days go by as they come; returns the memory, and a plain model of it."""
    seen, model, today = Seen(), dict[bytes, int](), 0
    for value, day in steps:
        today = max(today, day)
        seen.expire(today)
        model = {known: since for known, since in model.items() if since >= today - KEEP_DAYS}
        if day >= today - KEEP_DAYS:
            assert seen.add(value, day) == (value not in model)
            model.setdefault(value, day)
    assert len(seen) == len(model)
    return seen, model


def chunks(seen: Seen) -> dict[int, list[bytes]]:
    """What a memory has written of the days it knows, when nothing was written before."""
    days: dict[int, list[bytes]] = {}
    for day, number, packed in sorted((day, number, packed or b"") for day, number, packed in seen.dirty()):
        if packed:
            assert number == len(days.setdefault(day, []))
            days[day].append(packed)
    return days


@given(additions)
def test_a_value_is_new_until_seen_and_again_after_seven_days(steps: list[Step]) -> None:
    replay(sorted(steps, key=lambda step: step[1]))


@given(additions)
def test_days_may_come_in_any_order(steps: list[Step]) -> None:
    replay(steps)


@given(additions)
def test_restored_from_its_chunks_it_answers_the_same(steps: list[Step]) -> None:
    seen, model = replay(steps)
    again = Seen()
    again.restore(chunks(seen))
    assert len(again) == len(seen)
    assert not any(again.add(value, 12) for value in model)
    for today in range(12, 22):
        seen.expire(today)
        again.expire(today)
        assert len(again) == len(seen) == sum(day >= today - KEEP_DAYS for day in model.values())


def test_many_are_told_apart_by_days_however_often_the_buckets_were_split() -> None:
    dice = random.Random(1)
    amount = 60_000
    steps = [(digest(dice.getrandbits(64)), max(0, number // 6_000 - dice.randrange(3))) for number in range(amount)]
    seen = Seen()
    assert all(seen.add(*step) for step in steps)
    assert not any(seen.add(*step) for step in steps[::7])
    again = Seen()
    again.restore(chunks(seen))
    for today in (8, 10, 12):
        kept = [(value, day) for value, day in steps if day >= today - KEEP_DAYS]
        for memory in (seen, again):
            memory.expire(today)
            assert len(memory) == len(kept)
            assert not any(memory.add(value, today) for value, _ in kept[::7])
    forgotten = [value for value, day in steps if day < 5]
    assert all(seen.add(value, 13) and again.add(value, 13) for value in forgotten)
    assert not any(seen.add(value, 13) or again.add(value, 13) for value, _ in steps)


def test_chunks_written_commit_by_commit_are_those_written_at_once() -> None:
    dice = random.Random(2)
    steps = [(digest(number), dice.choice([3, 4, 4])) for number in range(1, 500)]
    seen, at_once, stored = Seen(), Seen(), dict[tuple[int, int], bytes | None]()
    for number, step in enumerate(steps):
        seen.add(*step)
        at_once.add(*step)
        if not number % 37:
            stored |= {(day, chunk): packed for day, chunk, packed in seen.dirty()}
    stored |= {(day, chunk): packed for day, chunk, packed in seen.dirty()}
    assert stored == {(day, chunk): packed for day, chunk, packed in at_once.dirty()}


def test_what_is_forgotten_leaves_a_tombstone_for_each_chunk() -> None:
    seen = Seen()
    for value in range(1, 200):
        seen.add(digest(value), 100)
    list(seen.dirty())
    seen.expire(100 + KEEP_DAYS)
    assert list(seen.dirty()) == []
    seen.expire(100 + KEEP_DAYS + 1)
    assert list(seen.dirty()) == [(100, number, None) for number in range(199 // CHUNK + 1)]
    assert len(seen) == 0


def test_one_fact_rewrites_one_chunk_of_bounded_size() -> None:
    seen = Seen()
    for value in range(1, 10_001):
        seen.add(digest(value), 5)
        if value % 1_000 == 0:
            list(seen.dirty())
    seen.add(digest(20_000), 5)
    ((_, _, packed),) = seen.dirty()
    assert packed is not None
    assert len(packed) <= 8 * CHUNK


def test_chunks_of_twice_the_size_as_they_once_were_are_written_anew() -> None:
    hashes = list(range(1, 60))
    packed = array("Q", hashes).tobytes()
    seen = Seen()
    seen.restore({5: [packed[:256], packed[256:]], 6: [array("Q", [100]).tobytes()]})
    seen.add(digest(60), 5)
    stored = list(seen.dirty())
    assert [(day, number) for day, number, _ in stored] == [(5, number) for number in range(4)]
    assert b"".join(chunk or b"" for _, _, chunk in stored) == array("Q", [*hashes, 60]).tobytes()
    assert not any(seen.add(digest(value), 6) for value in [*hashes, 60, 100])


def test_digests_tell_topics_and_programs_apart() -> None:
    events = [(1, "p", "e"), (2, "p", "e"), (1, "q", "e"), (1, "p", "f")]
    assert len({digest_of(*event) for event in events}) == 4
    assert [digest(fingerprint(*event)) for event in events] == [digest_of(*event) for event in events]
