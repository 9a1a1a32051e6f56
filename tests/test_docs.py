"""What the documents name exists: links, files, make targets, commands, settings, topics, the intervention shown."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from agents.cli import main
from agents.settings import ENVIRONMENT, Settings
from schemas.interventions import Intervention
from schemas.topics import CATALOGUE

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
FOLDERS = ("schemas", "streams", "agents", "deploy", "tests", "examples", "benchmarks", "docs", "tools")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_NAMES = {page: str(page.relative_to(ROOT)) for page in PAGES}
on_every_page = pytest.mark.parametrize("page", PAGES, ids=_NAMES.__getitem__)


def _prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def _commands(page: Path, program: str) -> list[list[str]]:
    """What follows `program` in inline code and in shell blocks, as words."""
    text = page.read_text("utf-8")
    code = CODE.findall(FENCE.sub("", text))
    code += [line for block in FENCE.findall(text) if block.lstrip().startswith("```sh") for line in block.splitlines()]
    found = (re.match(rf"(?:\.venv/bin/)?{program} (.*)", line.strip()) for line in code)
    return [match[1].split("#")[0].split() for match in found if match is not None]


def test_there_are_pages_to_look_at() -> None:
    assert {"README.md", "docs/architecture.md", "deploy/runbooks/gap.md"} <= set(_NAMES.values())


@on_every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(_prose(page)) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@on_every_page
def test_every_file_named_exists(page: Path) -> None:
    paths = [code for code in CODE.findall(_prose(page)) if re.fullmatch(r"[\w./-]+", code)]
    named = [path for path in paths if path.split("/")[0] in FOLDERS and "/" in path]
    assert [path for path in named if not (ROOT / path).exists()] == []


@on_every_page
def test_every_make_target_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert [words for words in _commands(page, "make") if words[0] not in targets] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    first = FENCE.findall((ROOT / "README.md").read_text("utf-8"))[0]
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["demo", "test"]


@on_every_page
def test_every_command_named_exists(page: Path) -> None:
    context = click.Context(main)
    for words in _commands(page, "ebb"):
        command: click.Command | None = main
        for word in words:
            if not isinstance(command, click.Group) or word.startswith("-"):
                break
            command = command.get_command(context, word)
            assert command is not None, f"ebb {' '.join(words)}"
        options = (
            {option for parameter in command.params for option in parameter.opts} if command is not None else set()
        )
        assert {word for word in words if word.startswith("--")} <= options | {"--help"}, f"ebb {' '.join(words)}"


@on_every_page
def test_every_setting_named_exists(page: Path) -> None:
    known = {ENVIRONMENT + name.upper() for name in Settings.model_fields} | {"EBB_FAULTS"}
    named = re.findall(r"\bEBB_[A-Z_]+\b(?!\*)", page.read_text("utf-8"))
    assert [name for name in named if name not in known and not name.endswith("_")] == []


def test_the_changelog_names_every_setting_and_every_topic() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert [name for name in Settings.model_fields if f"`{ENVIRONMENT}{name.upper()}`" not in text] == []
    assert [topic.name for topic in CATALOGUE if f"`{topic.name}`" not in text] == []


def test_the_intervention_in_the_readme_is_one() -> None:
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert [Intervention.model_validate_json(block).rule.id for block in blocks] == ["rating.low"]


@pytest.mark.slow
def test_the_commands_of_the_readme_give_the_intervention_it_shows(tmp_path: Path) -> None:
    shown = json.loads(re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[0])
    facts, out = tmp_path / "facts.jsonl", tmp_path / "out"
    module = next(
        line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if "examples.oulad.facts" in line
    )
    arguments = module.partition(" -m ")[2].partition(" > ")[0].split()
    with facts.open("wb") as file:
        subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, stdout=file, check=True)
    main.main(["backtest", str(facts), "--out", str(out)], standalone_mode=False)
    lines = map(json.loads, (out / "interventions.jsonl").read_text("utf-8").splitlines())
    assert shown in list(lines)
