"""`ebb rules`, as a rule owner uses it in a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.cli import main

ROOT = Path(__file__).resolve().parents[3]
BAD = """\
# a rule owner's first try
rul = 1

[rules."rating.low"]
lo = 1
low = 9
window = 60

[rules."program.slump"]
recent = "100d"

[programs.p2]
rules."rating.low".low = "x"

[rules."custom.silent"]
subject = "pair"
when = "days_since_mentr_contact > 10"
"""


def ebb(*arguments: str, columns: int = 80) -> Result:
    return CliRunner().invoke(main, ["rules", *arguments], env={"COLUMNS": str(columns)})


@pytest.fixture
def bad(tmp_path: Path) -> str:
    path = tmp_path / "bad.toml"
    path.write_text(BAD)
    return str(path)


def test_every_problem_stands_on_its_line_with_the_nearest_name(bad: str) -> None:
    result = ebb("check", bad)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{bad} cannot come into force, 8 problems:",
        f"{bad}:2: rul: unknown name, did you mean rules?",
        f'{bad}:5: rules."rating.low".lo: unknown name, did you mean low?',
        f'{bad}:6: rules."rating.low".low: should be at most 3',
        f'{bad}:7: rules."rating.low".window: a duration is written "<n>d", "<n>h" or "<n>m", such as "10d"',
        f'{bad}:10: rules."program.slump".recent: should be at most 42d',
        f'{bad}:13: programs.p2.rules."rating.low".low: should be a valid integer',
        f'{bad}:15: rules."custom.silent".says: is missing',
        (
            f'{bad}:17: rules."custom.silent".when: character 1: unknown name days_since_mentr_contact, did you mean '
            "days_since_mentor_contact?"
        ),
    ]
    told = json.loads(ebb("check", bad, "--json").stdout)
    assert [each["line"] for each in told["problems"]] == [2, 5, 6, 7, 10, 13, 15, 17]


def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "torn.toml").write_text('[rules."rating.low"]\nlow = \n')
    assert f"{tmp_path}/torn.toml:2: no readable TOML: Invalid value" in ebb("check", f"{tmp_path}/torn.toml").output


def test_the_difference_of_the_presets_fits_a_narrow_terminal() -> None:
    presets = [str(ROOT / "deploy" / "rulesets" / f"{name}.toml") for name in ("cautious", "eager")]
    result = ebb("diff", *presets)
    assert result.exit_code == 0
    assert "first_meeting.missing will wait 7 days instead of 10 before it says" in result.output
    assert max(map(len, result.output.splitlines()[2:])) <= 80
    told = json.loads(ebb("diff", *presets, "--json").stdout)["differences"]
    assert {"program", "rule", "name", "before", "after", "text"} == set(told[0])


def test_the_defaults_differ_from_themselves_in_nothing() -> None:
    result = ebb("diff", "shipped", str(ROOT / "deploy" / "rulesets" / "default.toml"))
    assert "mean the same" in result.output
    assert ebb("diff", "shipped", "nowhere.toml").exit_code == 2


def test_a_rule_is_explained_on_one_page() -> None:
    result = ebb("explain", "first_meeting.missing")
    assert result.exit_code == 0
    for part in (
        "Speaks",
        "`never_started`",
        "Ends with",
        "a held meeting.",
        "Suggests",
        "Parameters",
        '"14d"',
        "Source",
    ):
        assert part in result.output
    assert max(map(len, result.output.splitlines())) <= 80
    told = json.loads(ebb("explain", "first_meeting.missing", "--json").stdout)
    assert told["rungs"][0] == {"stage": "not_scheduled", "severity": "notice", "audience": "coordinator"}


def test_a_rule_of_ones_own_is_explained_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[rules."custom.met"]\nsubject = "pair"\nwhen = "has_met"\nsays = "they met"\nseverity = "high"\n')
    result = ebb("explain", "custom.met", "--rules", str(path), columns=120)
    assert "A rule of your own: opens when has_met." in result.output
    assert 'shipped: "notice"' in result.output
    assert "--rules FILE" in ebb("explain", "custom.met").output


def test_an_unknown_rule_is_named_with_its_neighbour() -> None:
    result = ebb("explain", "rating.lo")
    assert result.exit_code == 2
    assert "did you mean rating.low?" in result.output


def test_priors_are_fitted_from_facts_and_give_a_rule_file(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    began = "2026-01-01T00:00:00Z"
    for pair in range(40):
        people = {"mentor_ids": [f"a{pair}"], "mentee_ids": [f"b{pair}"]}
        known = {"pair_id": f"pair-{pair}", "kind": "one_to_one", "state": "active"}
        lines.append({"topic": "pairs", "type": "pair.changed", "matched_at": began, **known, **people})
        for week in range(1, 11):
            day = f"2026-{1 + (week * 7) // 31:02}-{1 + (week * 7) % 28:02}T12:00:00Z"
            meeting = {"meeting_id": f"m{week}", "pair_id": f"pair-{pair}", "origin": "platform", "starts_at": day}
            lines.append({"topic": "meetings", "type": "meeting.held", "occurred_at": day, **meeting})
    for number, line in enumerate(lines):
        line |= {"program_id": "p", "event_id": f"e{number}", "occurred_at": line.get("occurred_at", began)}
        line["arrived_at"] = line["occurred_at"]
    facts = tmp_path / "facts.jsonl"
    lines.sort(key=lambda each: str(each["occurred_at"]))
    facts.write_text("".join(json.dumps(each) + "\n" for each in lines))
    result = ebb("fit", str(facts))
    assert result.exit_code == 0, result.output
    assert "prior_gap" in result.stderr
    (tmp_path / "fit.toml").write_text(result.stdout)
    assert ebb("check", str(tmp_path / "fit.toml")).exit_code == 0
    assert 'prior_gap = "' in result.stdout
    assert "# prior_response_rate: too little history: 0 surveys" in result.stdout
    told = json.loads(ebb("fit", str(facts), "--json").stdout)
    assert len(told["proposals"]) == 9
    assert ebb("fit", str(tmp_path / "fit.toml")).exit_code == 2
