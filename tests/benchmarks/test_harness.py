"""What the harness makes of logs, profiles and open loops."""

import cProfile
import os
import pstats

import pytest

from benchmarks.harness.drain import Commit, commits_in, counted
from benchmarks.harness.processes import cpu_s, peak_mb, tree
from benchmarks.live import Loaded
from benchmarks.profiles import area_of, figures


def _commit(entries: int, applied: int, moment: float, cpu: float) -> Commit:
    return Commit(entries, 10, 1, 0.5, applied, moment, cpu)


def test_commits_are_read_from_a_log() -> None:
    log = "noise\n12:00 INFO committed 3 1000 500 20 0.2500 4000 12.500000 1.250000\nrecovered 3 10 0.1\n"
    assert commits_in(log) == [Commit(1_000, 500, 20, 0.25, 4_000, 12.5, 1.25)]


def test_counting_begins_at_the_commit_that_ends_the_warm_up_and_counts_what_was_applied_after_it() -> None:
    commits = [_commit(100, 120, 1.0, 0.5), _commit(100, 200, 2.0, 0.6), _commit(300, 500, 4.0, 0.9)]
    assert counted(commits, 150) == {
        "rate": 150.0, "cpu_us": pytest.approx(1_000.0), "entries": 300, "committed": 300, "commits": 1, "rows": 10,
        "interventions": 1, "commit_s": 0.5,
    }  # fmt: skip
    assert counted(commits, 0)["entries"] == 80
    assert counted(commits, 450)["entries"] == 300


def test_counting_ends_at_the_last_commit_at_which_there_was_something_to_apply() -> None:
    commits = [_commit(100, 120, 1.0, 0.5), _commit(150, 320, 2.0, 0.7), _commit(100, 500, 3.0, 0.9)]
    commits.append(_commit(150, 500, 5.0, 0.91))  # waited for more, which did not come
    assert counted(commits, 100) == {
        "rate": 200.0, "cpu_us": pytest.approx(1_000.0), "entries": 200, "committed": 150, "commits": 1, "rows": 10,
        "interventions": 1, "commit_s": 0.5,
    }  # fmt: skip


def test_a_load_that_is_through_before_the_first_commit_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="one commit"):
        counted([_commit(100, 100, 1.0, 0.5)], 0)
    with pytest.raises(RuntimeError, match="too small"):
        counted([_commit(100, 200, 1.0, 0.5), _commit(100, 200, 1.1, 0.6)], 0)


def _loaded(latency_ms: list[float], expected: int) -> Loaded:
    due = [place / 100 for place in range(len(latency_ms))]
    return Loaded(0.0, due, latency_ms, expected, 0.0, 20.0)


def test_an_age_that_grows_is_seen() -> None:
    assert _loaded([20.0] * 100, 100).growth() == pytest.approx(0.0)
    assert _loaded([20.0 + place * 5 for place in range(100)], 100).growth() == pytest.approx(0.5)


def test_answers_that_do_not_come_are_a_standstill() -> None:
    assert _loaded([20.0] * 10, 100).growth() == 1.0


def test_no_sample_is_left_out_of_a_percentile() -> None:
    found = _loaded([1.0] * 98 + [500.0, 900.0], 100)
    assert found.percentile(0.5) == 1.0
    assert found.percentile(0.99) == 900.0
    assert (found.curve()[0], found.curve()[100]) == (1.0, 900.0)


def test_this_process_used_cpu_and_memory() -> None:
    assert os.getpid() in tree(os.getpid())
    assert cpu_s(os.getpid()) > 0
    assert peak_mb(os.getpid()) > 1


def test_files_belong_to_areas() -> None:
    assert area_of("/x/streams/rules/rating_low.py") == "rules"
    assert area_of("/x/site-packages/aiokafka/client.py") == "Kafka client"
    assert area_of("/usr/lib/python3.11/random.py") == "everything else"


def test_shares_of_a_profile_add_up() -> None:
    profiler = cProfile.Profile()
    profiler.runcall(sorted, (str(number) for number in range(2_000)))
    shares = [found["share"] for case, found in figures(pstats.Stats(profiler), 2_000) if case.startswith("area: ")]
    assert sum(shares) == pytest.approx(1.0, abs=0.05)
