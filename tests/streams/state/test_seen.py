"""The memory of event ids: a set with an expiry date, and its stored form."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from streams.state.seen import CHUNK, KEEP_DAYS, Seen, fingerprint

values = st.integers(1, 2**64 - 1) | st.integers(1, 40)
additions = st.lists(st.tuples(values, st.integers(0, 12)), max_size=300)


def replay(steps: list[tuple[int, int]]) -> tuple[Seen, list[bool], dict[int, int]]:
    """Feed additions in the order of their days; returns the memory, what it answered, and a plain model."""
    seen, answers, model = Seen(), list[bool](), dict[int, int]()
    for value, day in sorted(steps, key=lambda step: step[1]):
        seen.expire(day)
        model = {known: since for known, since in model.items() if since >= day - KEEP_DAYS}
        answers.append(seen.add(value, day))
        assert answers[-1] == (value not in model)
        model.setdefault(value, day)
    return seen, answers, model


@given(additions)
def test_a_value_is_new_until_seen_and_again_after_seven_days(steps: list[tuple[int, int]]) -> None:
    seen, _, model = replay(steps)
    assert len(seen) == len(model)


@given(additions)
def test_restored_from_its_chunks_it_answers_the_same(steps: list[tuple[int, int]]) -> None:
    seen, _, model = replay(steps)
    days: dict[int, list[bytes]] = {}
    for day, _, packed in sorted((day, number, packed or b"") for day, number, packed in seen.dirty()):
        days.setdefault(day, []).append(packed)
    again = Seen()
    again.restore(days)
    assert len(again) == len(seen)
    assert not any(again.add(value, 12) for value in model)


def test_what_is_forgotten_leaves_a_tombstone_for_each_chunk() -> None:
    seen = Seen()
    for value in range(1, 200):
        seen.add(value, 100)
    list(seen.dirty())
    seen.expire(100 + KEEP_DAYS)
    assert list(seen.dirty()) == []
    seen.expire(100 + KEEP_DAYS + 1)
    assert list(seen.dirty()) == [(100, number, None) for number in range(199 // CHUNK + 1)]
    assert len(seen) == 0


def test_one_fact_rewrites_one_chunk_of_bounded_size() -> None:
    seen = Seen()
    for value in range(1, 10_001):
        seen.add(value, 5)
        if value % 1_000 == 0:
            list(seen.dirty())
    seen.add(20_000, 5)
    ((_, _, packed),) = seen.dirty()
    assert packed is not None
    assert len(packed) <= 8 * CHUNK


def test_chunks_of_twice_the_size_as_they_once_were_are_written_anew() -> None:
    hashes = list(range(1, 60))
    packed = array("Q", hashes).tobytes()
    seen = Seen()
    seen.restore({5: [packed[:256], packed[256:]], 6: [array("Q", [100]).tobytes()]})
    seen.add(60, 5)
    stored = list(seen.dirty())
    assert [(day, number) for day, number, _ in stored] == [(5, number) for number in range(4)]
    assert b"".join(chunk or b"" for _, _, chunk in stored) == array("Q", [*hashes, 60]).tobytes()
    assert not any(seen.add(value, 6) for value in [*hashes, 60, 100])


def test_fingerprints_tell_topics_and_programs_apart() -> None:
    assert (
        len({fingerprint(1, "p", "e"), fingerprint(2, "p", "e"), fingerprint(1, "q", "e"), fingerprint(1, "p", "f")})
        == 4
    )
