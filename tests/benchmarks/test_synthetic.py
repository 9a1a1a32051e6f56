"""The made-up platform: valid, ordered, repeatable, and in the mix it promises."""

from collections import Counter
from itertools import islice

import pytest

from benchmarks.synthetic import FACTS_PER_PAIR_MONTH, MONTH_MS, Platform
from schemas.codec import Accepted, decode_fact
from schemas.facts import InboundValue, RatingSubmitted, SentimentSubmitted, SurveySent, tag_of

PLATFORM = Platform(pairs=300, programs=7, seed=5)


def decode(platform: Platform, months: float) -> list[InboundValue]:
    facts = []
    for topic, key, value, arrived_ms in (*platform.reference(), *platform.months(months)):
        answer = decode_fact(topic, key, value, arrived_ms=arrived_ms)
        assert isinstance(answer, Accepted), answer
        facts.append(answer.fact)
    return facts


def test_every_record_is_a_valid_fact_of_its_own() -> None:
    facts = decode(PLATFORM, 2)
    assert len(facts) == 7 + 600 + 300 + 2 * FACTS_PER_PAIR_MONTH * 300
    assert len({(tag_of(type(fact)), fact.event_id) for fact in facts}) == len(facts)


def test_a_month_has_forty_facts_a_pair_most_of_them_activity() -> None:
    counts = Counter(topic for topic, *_ in PLATFORM.months(10))
    total = FACTS_PER_PAIR_MONTH * 300 * 10
    assert counts.total() == total
    assert counts["participant-activity"] / total == pytest.approx(0.86, abs=0.01)
    assert counts["meetings"] / total == pytest.approx(4 / 40, abs=0.001)
    assert counts["ratings"] / total == pytest.approx(1.35 / 40, abs=0.002)
    assert counts["sentiment"] / total == pytest.approx(0.35 / 40, abs=0.002)


def test_arrivals_do_not_decrease_and_fill_the_month() -> None:
    arrivals = [arrived_ms for *_, arrived_ms in PLATFORM.months(1)]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] == PLATFORM.begin_ms
    assert arrivals[-1] - arrivals[0] == pytest.approx(MONTH_MS, rel=0.001)


def test_about_a_third_of_surveys_are_answered_once_by_whom_they_were_sent_to() -> None:
    facts = decode(PLATFORM, 12)
    asked = {fact.survey_id: fact.participant_id for fact in facts if isinstance(fact, SurveySent)}
    rated = [(fact.survey_id, fact.participant_id) for fact in facts if isinstance(fact, RatingSubmitted)]
    felt = [(fact.survey_id, fact.participant_id) for fact in facts if isinstance(fact, SentimentSubmitted)]
    assert len(set(rated)) == len(rated)
    assert len(set(felt)) == len(felt)
    assert len(rated) / len(asked) == pytest.approx(0.35, abs=0.03)
    assert all(asked.get(survey or "", person) == person for survey, person in rated + felt)
    assert {survey for survey, _ in rated} & asked.keys()
    # A pair whose month began before the year did has answers to a survey that was never seen, at most one each.
    assert len({survey for survey, _ in rated} - asked.keys()) <= 300


def test_a_tenth_or_less_of_ratings_is_low() -> None:
    ratings = Counter(fact.rating for fact in decode(PLATFORM, 12) if isinstance(fact, RatingSubmitted))
    assert set(ratings) == {1, 2, 3, 4, 5}
    assert 0.03 < (ratings[1] + ratings[2]) / ratings.total() < 0.1


def test_the_seed_decides_everything() -> None:
    first = list(islice(PLATFORM.facts(), 2_000))
    assert list(islice(Platform(300, 7, seed=5).facts(), 2_000)) == first
    other = list(islice(Platform(300, 7, seed=6).facts(), 2_000))
    assert other != first
    assert {value[:29] for _, _, value, _ in other}.isdisjoint({value[:29] for _, _, value, _ in first})


@pytest.mark.parametrize(("pairs", "programs"), [(0, 1), (1, 0)])
def test_an_empty_platform_is_refused(pairs: int, programs: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Platform(pairs, programs)
