"""The simulated platforms: every fact is valid, nothing tells the outcome, and the rates are those of the README."""

import hashlib
from collections import Counter

import msgspec
import pytest

from examples.platform.__main__ import MECHANICS, year
from examples.platform.records import DAY_MS
from schemas.codec import Accepted
from schemas.rejections import Rejected
from streams.backtest.lines import read_arrival, read_record

PAIRS = 120


@pytest.mark.parametrize("mechanics", MECHANICS)
def test_every_line_is_a_good_fact_in_order_of_arrival(mechanics: str) -> None:
    records, _ = year(mechanics, 3, PAIRS)
    before = 0
    for line in records.lines():
        arrival = read_arrival(line)
        assert not isinstance(arrival, Rejected), line
        assert arrival.arrived_ms >= before
        before = arrival.arrived_ms
        assert isinstance(read_record(arrival), Accepted), line


@pytest.mark.parametrize("mechanics", MECHANICS)
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(mechanics: str) -> None:
    digests = []
    for seed in (3, 3, 4):
        records, truth = year(mechanics, seed, 40)
        digest = hashlib.sha256(b"".join(records.lines()))
        digest.update(msgspec.json.encode(truth.pairs))
        digests.append(digest.digest())
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("mechanics", MECHANICS)
def test_facts_tell_nothing_of_the_truth(mechanics: str) -> None:
    records, _ = year(mechanics, 3, 60)
    text = b"".join(records.lines())
    for word in (b"onset", b"fate", b"patch", b"dissolution", b"abandoned", b"life_change", b"slump", b"cooling"):
        assert word not in text


@pytest.mark.parametrize("mechanics", MECHANICS)
def test_trouble_comes_before_the_end_and_both_within_the_pair(mechanics: str) -> None:
    records, truth = year(mechanics, 3, 400)
    for pair in truth.pairs:
        assert (pair.fate == "well") == (pair.onset_ms is None)
        if pair.onset_ms is not None and pair.ended_ms is not None:
            assert pair.matched_ms <= pair.onset_ms <= pair.ended_ms <= records.end_ms + DAY_MS


def test_failures_come_at_the_published_rate() -> None:
    """38 % within twelve months; a cohort of nine months has fewer, and a pair of this year has not ended yet."""
    records, truth = year("fates", 3, 2_000)
    ended = [pair for pair in truth.pairs if pair.ended_ms is not None and pair.ended_ms >= records.begin_ms]
    assert 0.18 < len(ended) / len(truth.pairs) < 0.34
    fates = Counter(pair.fate for pair in ended)
    assert fates["life_change"] > fates["abandoned"] > fates["never_started"] > 0
    assert {trouble.trouble for trouble in truth.programs} == {"slump", "cooling"}
