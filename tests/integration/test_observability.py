"""From a falling sentiment to a webhook, and every query of the dashboards on what a real worker showed meanwhile."""

import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from agents.metrics.catalogue import CATALOGUE
from deploy.kafka.broker import KafkaBroker
from deploy.prometheus.programs import ProgramsUnavailableError
from schemas.outbound import Intervention
from tests.agents.metrics.story import DAILY, NORMAL_DAYS, PAIRS
from tests.conftest import skipped_without
from tests.integration.observed import FIRST_DAYS, RATED, Answer, Stage
from tools.dashboards.__main__ import BOARDS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

QUERIES = {
    (board.uid, panel.title, query.legend): query.expr
    for board in BOARDS
    for panel in board.panels()
    for query in panel.queries
}


@pytest.fixture(scope="module")
def stage(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The story, told to its end. What was seen and heard meanwhile is looked at by the tests."""
    with skipped_without(ProgramsUnavailableError), ExitStack() as stack:
        folder = tmp_path_factory.mktemp("observed")
        stage = stack.enter_context(Stage(kafka, folder, f"o{os.getpid()}.", QUERIES.values()))
        stage.begin()
        stage.live_well()
        stage.fall()
        stage.recover()
        yield stage


def test_a_falling_sentiment_reaches_the_webhook_and_clears_after_recovery(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    fired_s, cleared_s = (stage.heard.since_s("EbbSentimentSlow", status) for status in ("firing", "resolved"))
    assert fired_s is not None
    assert cleared_s is not None
    assert fired_s < cleared_s
    told = [
        (message.receiver, alert)
        for message in stage.heard.messages
        for alert in message.alerts
        if alert.name == "EbbSentimentSlow"
    ]
    assert {receiver for receiver, _ in told} == {"coordinator"}
    assert [alert.status for _, alert in told] == ["firing", "resolved"]
    assert told[0][1].labels["program"] == "program"
    assert "submissions came where" in told[0][1].annotations["numbers"]
    opening_s, closing_s = fired_s - stage.alarms.seen_s["opened"], cleared_s - stage.alarms.seen_s["resolved"]
    with capsys.disabled():
        sys.stdout.write(
            f"\nFrom the detector's alarm on `interventions` to the webhook {opening_s:.1f} s, from its end "
            f"{closing_s:.1f} s; scrapes, evaluations, `for` and grouping take a second each.\n"
        )


# -- what the data imply: values by the labels that tell series apart, the program and the window left out

Expected = Callable[[dict[tuple[str, ...], float]], bool]
#: What Prometheus adds when it extends an increase to what it did not see: at most 1.6 of the four or more intervals
#: between scrapes that the stage waits for.
EXTENDED = 1.45


def nothing() -> Expected:
    return lambda found: not found


def one(low: float, high: float | None = None) -> Expected:
    """One series in a range; without `high`, exactly that."""
    top = low if high is None else high
    if math.isnan(low):
        return lambda found: list(found) == [()] and math.isnan(found[()])
    return lambda found: list(found) == [()] and low - 1e-9 <= found[()] <= top + 1e-9


def grown(by: float) -> Expected:
    """One series that counts so many, as `increase` sees it."""
    return one(by, by * EXTENDED)


def rate(by: float, over_s: float = 300) -> Expected:
    return one(by / over_s, by * EXTENDED / over_s)


def each(**expected: Expected) -> Expected:
    """Series told apart by one label, its value with `_` for what is no letter; others must be 0."""

    def agree(found: dict[tuple[str, ...], float]) -> bool:
        named = {"_".join(key).replace(".", "_").replace("-", "_"): value for key, value in found.items()}
        seen = [name in named and expected[name]({(): named[name]}) for name in expected]
        return all(seen) and not any(value for name, value in named.items() if name not in expected)

    return agree


def some(low: float, high: float) -> Expected:
    """At least one series, all in a range."""
    return lambda found: bool(found) and all(low <= value <= high for value in found.values())


_FED = NORMAL_DAYS - 1 - FIRST_DAYS  # days of feedback since every series stood
_SAID, _RATINGS = _FED * DAILY, RATED + 1
_BROKER_S = (1e-4, 5.0)

_P, _F, _M = "ebb-program", "ebb-portfolio", "ebb-machinery"
#: All is well: four sentiments a day from twenty pairs, and lately some ratings.
WELL: dict[tuple[str, str, str], Expected] = {
    (_P, "Feedback of the last 7 days", "seen"): one(7 * DAILY - 4, 7 * DAILY + 2),
    (_P, "Feedback of the last 7 days", "expected"): one(20, 30),
    (_P, "Feedback of the last 7 days", "band, low"): one(8, 20),
    (_P, "Feedback of the last 7 days", "band, high"): one(28, 45),
    (_P, "Alarm", "alarm"): one(0),
    (_P, "Seen of expected, 28 days", "ratio"): one(0.9, 1.3),
    (_P, "Detector: by chance once in so long", "level"): one(0, 10 * 604_800),
    (_P, "Detector: by chance once in so long", "alarm from"): one(2 * 365.25 * 86_400, 2 * 366 * 86_400),
    (_P, "Learned baseline", "submissions a pair and week"): one(1, 1.5),
    (_P, "Learned baseline", "share of surveys answered"): nothing(),
    (_P, "Expected a week", "a week"): one(20, 30),
    (_P, "Sentiment a week, by polarity", "{{polarity}}"): each(
        positive=grown(_SAID * 3 / 4), negative=grown(_SAID / 4), neutral=one(0)
    ),
    (_P, "Ratings a week, by value", "{{value}}"): each(**{"5": grown(_RATINGS)}),
    (_P, "Temperature: share of positive answers, 30 days", "positive"): one(0.74, 0.80),
    (_P, "Answers behind it", "answers"): one(30 * DAILY + RATED - 6, 30 * DAILY + RATED + 6),
    (_P, "Pairs and meetings", "active pairs"): one(PAIRS),
    (_P, "Pairs and meetings", "meetings in 7 days"): one(0),  # all were held before the first scrape
    (_F, "Programs with an alarm", "alarms"): one(0),
    (_F, "Programs that sound bad", "programs"): one(0),
    (_F, "Active pairs", "pairs"): one(PAIRS),
    (_F, "Programs", "Alarm"): one(0),
    (_F, "Programs", "Level"): one(0, 0.1),
    (_F, "Programs", "Seen of expected"): one(0.9, 1.3),
    (_F, "Programs", "Positive"): one(0.74, 0.80),
    (_F, "Programs", "Pairs"): one(PAIRS),
    (_F, "Least of what is expected, 28 days", "{{program}}"): one(0.9, 1.3),
    (_F, "Low ratings within a day", "{{program}}"): one(0),
    (_F, "Share of low ratings within a day", "{{program}}"): one(0),
    (_F, "Messages a day", "{{channel}} {{state}} {{reason}}"): each(email_sent=grown(4)),
    (_M, "Workers up", "workers"): one(1),
    (_M, "Waiting", "records"): one(0),
    (_M, "Clock behind", "behind"): nothing(),  # records are the clock
    (_M, "Without a clock", "partitions"): one(0),
    (_M, "Stopped sources", "sources"): one(0),
    (_M, "Rule errors, a day", "errors"): one(0),
    (_M, "Records into the journal, a second", "{{topic}}"): each(sentiment=rate(_SAID + 1), ratings=rate(_RATINGS)),
    (_M, "Facts applied, a second", "{{topic}}"): each(sentiment=rate(_SAID), ratings=rate(_RATINGS)),
    (_M, "Left out or late, an hour", "duplicate {{topic}}"): each(sentiment=grown(1)),
    (_M, "Left out or late, an hour", "late {{topic}}"): each(ratings=grown(1)),
    (_M, "Left out or late, an hour", "erased {{topic}}"): nothing(),
    (_M, "Left out or late, an hour", "delivered again {{topic}}"): nothing(),
    (_M, "Left out or late, an hour", "journal entries twice"): one(0),
    (_M, "Left out or late, an hour", "pairs never announced"): one(0),
    (_M, "Left out or late, an hour", "actions ignored"): one(0),
    (_M, "Dead letters, an hour", "{{topic}} {{reason}}"): each(not_json_ratings=grown(1)),
    (_M, "Dead letters, an hour", "all"): grown(1),
    # The records are months old, beyond the last bucket.
    (_M, "Inbound record to intervention", "median"): one(3_600),
    (_M, "Inbound record to intervention", "99 %"): one(3_600),
    (_M, "Commit", "median"): one(*_BROKER_S),
    (_M, "Commit", "99 %"): one(*_BROKER_S),
    (_M, "One step of the engine", "median"): one(1e-7, 0.01),
    (_M, "One step of the engine", "99 %"): one(1e-7, 1),
    (_M, "Writing a unit of ingest", "median"): one(*_BROKER_S),
    (_M, "Writing a unit of ingest", "99 %"): one(*_BROKER_S),
    (_M, "Batches", "records a unit"): one(1, _SAID + _RATINGS + 2),
    (_M, "Batches", "entries a transaction"): one(1, 2 * (_SAID + _RATINGS)),
    (_M, "Transactions and state rows, a second", "transactions"): one(1 / 300, 10),
    (_M, "Transactions and state rows, a second", "rows"): one(PAIRS / 300, 100),
    (_M, "Journal entries not committed", "{{partition}}"): lambda found: found == {("0",): 0, ("1",): 0},
    (_M, "Records not in the journal", "{{topic}}/{{partition}}"): nothing(),
    (_M, "Clock behind the wall, by partition", "{{partition}}"): nothing(),
    (_M, "Sources read the least far", "{{topic}}/{{partition}}"): some(86_400, 31 * 604_800),
    (_M, "Partitions", "{{instance}} {{state}}"): lambda found: sorted(found.values()) == [0, 2],
    (_M, "Recovery", "median"): one(math.nan),  # both were read back before the first scrape
    (_M, "Recovery", "99 %"): one(math.nan),
    (_M, "Hand-overs, an hour", "rows read back"): one(0),
    (_M, "Hand-overs, an hour", "fenced"): one(0),
    (_M, "Hand-overs, an hour", "sought: {{reason}}"): nothing(),
    (_M, "State in memory", "records {{partition}}"): lambda found: (
        min(found.values()) == 0 < PAIRS < max(found.values())
    ),
    (_M, "State in memory", "timers {{partition}}"): lambda found: (
        min(found.values()) == 0 < PAIRS < max(found.values())
    ),
    (_M, "Rule sets in force", "Partitions"): lambda found: list(found.values()) == [2],
    (_M, "Versions and activations", "Processes"): lambda found: list(found.values()) == [2],
    (_M, "Versions and activations", "Activations"): one(0),
    (_M, "Notifiers at work", "at work"): one(1),
    (_M, "Given up, a day", "{{channel}}"): each(email=grown(1)),
    (_M, "May show twice, a day", "{{channel}}"): each(),
    (_M, "Recipients' file", "refused"): one(0),
    (_M, "Waiting to be told", "records"): one(3),
    (_M, "Waiting to be told", "open or to be told"): one(5),
    (_M, "Waiting to be told", "{{channel}}"): each(email=one(2)),
    (_M, "Waiting to be told", "{{endpoint}} rests"): some(1, 1),
    (_M, "One attempt to deliver", "median"): one(0.2, 0.5),
    (_M, "One attempt to deliver", "99 %"): one(0.2, 0.5),
}
#: What changes when nobody says anything for two weeks, and when all is well again for six.
FALLEN: dict[tuple[str, str, str], Expected] = {
    (_P, "Feedback of the last 7 days", "seen"): one(0, 3),
    (_P, "Alarm", "alarm"): one(1),
    (_P, "Seen of expected, 28 days", "ratio"): one(0.3, 0.75),
    (_P, "Detector: by chance once in so long", "level"): one(2 * 365.25 * 86_400, math.inf),
    (_F, "Programs with an alarm", "alarms"): one(1),
    (_F, "Programs", "Alarm"): one(1),
    (_F, "Programs", "Level"): one(1, math.inf),
}
RECOVERED: dict[tuple[str, str, str], Expected] = {
    (_P, "Feedback of the last 7 days", "seen"): WELL[_P, "Feedback of the last 7 days", "seen"],
    (_P, "Alarm", "alarm"): one(0),
    (_P, "Seen of expected, 28 days", "ratio"): one(0.7, 1.1),
    (_F, "Programs with an alarm", "alarms"): one(0),
    (_M, "Left out or late, an hour", "pairs never announced"): grown(1),
}


def _shown(answer: Answer) -> dict[tuple[str, ...], float]:
    hidden = {"program", "window"}
    return {tuple(value for name, value in labels if name not in hidden): value for labels, value in answer.items()}


def _opened(told: list[Intervention]) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    found.update((one.rule.id,) for one in told if one.change == "opened")
    return found


def _open(told: list[Intervention]) -> Counter[tuple[str, ...]]:
    found = _opened(told)
    found.subtract((one.rule.id,) for one in told if one.change in ("resolved", "expired", "retracted"))
    return +found


#: Queries about interventions, and how many of each label the topic holds: which rules speak is the rules' business.
TOLD: dict[tuple[str, str, str], Callable[[list[Intervention]], Counter[tuple[str, ...]]]] = {
    (_P, "Interventions opened a week", "{{rule}}"): _opened,
    (_F, "Interventions a day, by rule", "{{rule}}"): _opened,
    (_F, "By severity and change, a day", "{{severity}} {{change}}"): lambda told: Counter(
        (one.change, one.severity) for one in told
    ),
    (_F, "Withheld a day, by reason", "{{rule}}: {{reason}}"): lambda told: Counter(
        (str(one.delivery_reason), one.rule.id) for one in told if one.delivery == "none"
    ),
    (_P, "Open interventions", "{{rule}}"): _open,
    (_F, "Open interventions", "open"): lambda told: Counter({(): _open(told).total()}),
    (_F, "Programs", "Open"): lambda told: Counter({(): _open(told).total()}),
    (_F, "Most open interventions", "{{program}}"): lambda told: Counter({(): _open(told).total()}),
}


@pytest.mark.parametrize("stop", ["well", "fallen", "recovered"])
def test_queries_about_interventions_agree_with_the_topic(stage: Stage, stop: str) -> None:
    """What is open is what the topic says. An increase may miss the first step of a series that was not there."""
    wrong = {}
    for key, count in TOLD.items():
        found = _shown(stage.answers[stop][QUERIES[key]])
        then, now = count(stage.written["begun"]), count(stage.written[stop])
        if "increase" in QUERIES[key]:
            agrees = all(0 <= value <= (now[labels] - then[labels]) * EXTENDED for labels, value in found.items())
        else:
            agrees = all(value == now[labels] for labels, value in found.items()) and now.keys() <= found.keys()
        if not agrees:
            wrong[key] = (found, now - then)
    assert not wrong
    by_rule = _shown(stage.answers[stop][QUERIES[_F, "Interventions a day, by rule", "{{rule}}"]])
    grown_by = _opened(stage.written[stop])
    grown_by.subtract(_opened(stage.written["begun"]))
    assert {rule for rule, count in grown_by.items() if count} == {rule for rule, value in by_rule.items() if value}


def test_the_fall_is_told_by_the_slowdown_rule_and_taken_back(stage: Stage) -> None:
    slow = ("program.sentiment_slowdown",)
    assert [_open(stage.written[stop])[slow] for stop in ("well", "fallen", "recovered")] == [0, 1, 0]


def test_each_query_has_an_expectation() -> None:
    assert WELL.keys() | TOLD.keys() == QUERIES.keys()
    assert len(QUERIES) == sum(len(panel.queries) for board in BOARDS for panel in board.panels())


@pytest.mark.parametrize(("stop", "expected"), [("well", WELL), ("fallen", FALLEN), ("recovered", RECOVERED)])
def test_each_query_of_the_dashboards_returns_what_the_data_imply(
    stage: Stage, stop: str, expected: dict[tuple[str, str, str], Expected]
) -> None:
    wrong = {}
    for key, agrees in expected.items():
        found = _shown(stage.answers[stop][QUERIES[key]])
        if not agrees(found):
            wrong[key] = found
    assert not wrong


def test_every_metric_of_the_worker_was_scraped(stage: Stage) -> None:
    known: Any = stage.prometheus.get("/api/v1/label/__name__/values")["data"]
    absent = {metric.name for metric in CATALOGUE if not set(metric.samples) <= set(known)}
    assert absent == {
        "ebb_sentiment_answered_ratio",  # no surveys are recorded in this story
        "ebb_clock_age_seconds",  # records are the clock
        "ebb_heals_total",  # nothing had to be sought
        "ebb_delivery_unknown_outcomes_total",  # no notifier ran
        "ebb_source_stopped",
    }
