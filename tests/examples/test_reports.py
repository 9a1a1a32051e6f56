"""The sample reports under `docs/samples`: there, small, whole, and in need of nothing but themselves."""

from pathlib import Path

import pytest

from examples.reports import SAMPLES

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "samples"


def test_every_sample_and_nothing_else_is_there() -> None:
    assert sorted(one.name for one in FOLDER.iterdir()) == sorted(f"{name}.html" for name in SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_one_small_page_without_scripts(name: str) -> None:
    page = (FOLDER / f"{name}.html").read_text("utf-8")
    assert len(page) < 1_000_000
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "<script" not in page
    assert "http" not in page
    assert page.count("<svg ") >= 2
    assert "SHA-256 of interventions.jsonl" in page
