"""What one fact writes into state, committed by itself: little, and no more in a large program than in a small one."""

from collections.abc import Iterator
from itertools import chain

import pytest

from benchmarks.synthetic import Platform
from schemas.base import from_ms
from schemas.codec import Accepted, decode_fact
from schemas.journal import ProgressEntry, SourcesEntry, encode_fact_entry
from streams.clock import FACT_TOPICS
from streams.engine import Engine

SOURCES = [f"{topic}/0" for topic in FACT_TOPICS]
#: Bytes of keys and values, what is asked for.
ASKED = 2_048


def written(pairs: int, facts: int, weighed: int) -> Iterator[tuple[str, int]]:
    """Feed `facts` facts of one program, and weigh what each of the last `weighed` writes: kind of fact, bytes of keys
    and values. What the clock sets off before a fact is committed before it."""
    platform, engine = Platform(pairs, 1), Engine()
    sources = SourcesEntry(v=1, expected=SOURCES, since=dict.fromkeys(SOURCES), clock="wall", topic_ids={})
    engine.step(0, sources)
    first = 3 * pairs + 1 + facts - weighed
    records = chain(platform.reference(), platform.months(facts / (40 * pairs)))
    for number, (topic, key, value, at_ms) in enumerate(records):
        accepted = decode_fact(topic, key, value, arrived_ms=at_ms)
        assert isinstance(accepted, Accepted)
        entry = encode_fact_entry(topic, 0, number, at_ms, accepted.encoded, None)
        if number >= first or number % 100 == 0:
            progress = ProgressEntry(v=1, sources=dict.fromkeys(SOURCES, from_ms(at_ms)))
            while not engine.step(engine.applied + 1, progress):
                pass
        if number >= first:
            engine.flush()
        while not engine.apply(engine.applied + 1, entry):
            pass
        if number >= first:
            rows = engine.flush().rows
            yield type(accepted.fact).__name__, sum(len(key) + len(value or b"") for key, value in rows)
    assert not engine.state.faults.counts


@pytest.mark.parametrize(
    ("pairs", "facts", "weighed"),
    [
        pytest.param(2_000, 24_000, 1_500, id="the first weeks of a large program"),
        pytest.param(50, 24_000, 5_000, id="the first year"),
        pytest.param(20, 28_800, 4_000, id="the third year"),
    ],
)
def test_no_fact_writes_more_than_is_asked_for(pairs: int, facts: int, weighed: int) -> None:
    sizes: dict[str, list[int]] = {}
    for kind, size in written(pairs, facts, weighed):
        sizes.setdefault(kind, []).append(size)
    assert len(sizes) == 9  # every kind of fact that pairs make was weighed
    assert {kind: max(each) for kind, each in sizes.items() if max(each) > ASKED} == {}
