"""The benchmark of the metrics measures what it says, on a load so small that its figures mean nothing."""

import pytest

from benchmarks import metrics


def test_it_prints_the_cost_of_counting_and_of_a_scrape(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metrics", "--facts", "4000", "--pairs", "100", "--programs", "4"])
    assert metrics.main() in (0, 1)
    said = capsys.readouterr().out
    assert "of the engine's" in said
    assert "4 programs, " in said
