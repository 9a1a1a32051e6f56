"""Which scenarios run, brokers of their own, and the table at the end.

Scenarios marked `alone` are about time and run with nothing beside them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.broker import KafkaBroker
from deploy.kafka.cluster import KafkaCluster
from tests.conftest import start_kafka
from tests.faults import report
from tests.faults.arena import SHORT_LIVED, Arena

FULL = os.environ.get("EBB_FAULTS") == "full"
NewArena = Callable[..., Arena]
PASSED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Register our marker."""
    config.addinivalue_line("markers", "faults: a scenario of `make faults`, left out of every other run")
    config.addinivalue_line("markers", "alone: a scenario whose figures need the machine for themselves")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long scenarios to those who ask for them."""
    if not FULL:
        left_out = [item for item in items if item.get_closest_marker("faults")]
        items[:] = [item for item in items if not item.get_closest_marker("faults")]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a scenario passed, for its line in the table."""
    found = yield
    if found.when == "call":
        item.stash[PASSED] = found.passed
    return found


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what was injected and what came of it."""
    if report.RESULTS:
        terminalreporter.section("faults")
        terminalreporter.write_line(report.table())


def _start() -> KafkaBroker:
    """A broker whose cleaner looks five times a second, and retention twice."""
    often = {"log.cleaner.backoff.ms": "200", "log.retention.check.interval.ms": "500"}
    return start_kafka(KafkaBroker(properties=often, environment=SHORT_LIVED, retention=True))


@pytest.fixture(scope="session")
def steady() -> Iterator[KafkaBroker]:
    """A broker that nobody breaks."""
    running = _start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    """A broker that a module's scenarios may break."""
    running = _start()
    yield running
    running.stop()


@pytest.fixture
def new_arena(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewArena]:
    """Make the arena of a scenario, on the broker it breaks if it has one; it is cleared away at the end."""
    made: list[Arena] = []

    def make(*, on: KafkaBroker | KafkaCluster | None = None, **options: Any) -> Arena:
        name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")[:60]
        own = "broker" if "broker" in request.fixturenames else "steady"
        made.append(Arena(on or request.getfixturevalue(own), name, tmp_path, **options))
        return made[-1]

    yield make
    for arena in made:
        arena.result.passed = request.node.stash.get(PASSED, False)
        arena.finish()
        arena.close()
