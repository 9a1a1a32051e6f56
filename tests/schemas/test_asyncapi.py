"""The published contract follows the code, and other people's tools can read it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.asyncapi import DOCUMENT, document, document_text
from schemas.facts import INBOUND_TOPIC_OF
from schemas.topics import BY_NAME, CATALOGUE

PARSER = "@asyncapi/parser@3.6.3"
CACHE = Path(__file__).parents[2] / ".cache" / "asyncapi"
CHECK = """
const { Parser } = require("@asyncapi/parser");
const text = require("fs").readFileSync(process.argv[2], "utf8");
new Parser().parse(text).then(({ document, diagnostics }) => {
  const channels = document ? document.allChannels().all().map((channel) => channel.address()).sort() : null;
  const messages = document ? document.allMessages().all().map((message) => message.name()).sort() : null;
  const errors = diagnostics.filter((one) => one.severity <= 1).map((one) => `${one.path.join(".")}: ${one.message}`);
  process.stdout.write(JSON.stringify({ channels, messages, errors }));
});
"""


def test_the_committed_document_is_the_generated_one() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document_text(), "run: python -m schemas.asyncapi"


def test_every_topic_is_a_channel_and_every_type_a_message() -> None:
    tree = document()
    assert set(tree["channels"]) == set(BY_NAME)
    names = {message["name"] for message in tree["components"]["messages"].values()}
    assert set(INBOUND_TOPIC_OF) <= names
    for topic in CATALOGUE:
        channel = tree["channels"][topic.name]
        assert channel["messages"], topic.name
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
        action = "receive" if topic.direction == "inbound" else "send"
        assert tree["operations"][f"{action}-{topic.name}"]["action"] == action


def test_every_reference_leads_somewhere() -> None:
    tree = document()
    references = set(_references(tree))
    assert len(references) > 100
    for reference in references:
        found: Any = tree
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_no_fact_of_the_journal_shows_a_comment() -> None:
    schemas = document()["components"]["schemas"]
    assert "comment" in schemas["RatingSubmitted"]["properties"]
    assert "comment" not in schemas["JournalRatingSubmitted"]["properties"]
    assert "comment" in schemas["JournalFactEntry"]["properties"]


def test_the_real_parser_finds_nothing_wrong_with_the_document() -> None:
    _install_parser()
    script = CACHE / "check.cjs"
    script.write_text(CHECK, encoding="utf-8")
    done = subprocess.run(
        ["node", str(script), str(DOCUMENT)], capture_output=True, text=True, timeout=120, check=True, cwd=CACHE
    )
    report = json.loads(done.stdout)
    assert report["errors"] == []
    assert report["channels"] == sorted(BY_NAME)
    assert set(INBOUND_TOPIC_OF) <= set(report["messages"])


def test_the_real_parser_does_find_what_is_wrong(tmp_path: Path) -> None:
    _install_parser()
    script = CACHE / "check.cjs"
    script.write_text(CHECK, encoding="utf-8")
    broken = document()
    broken["operations"]["receive-ratings"]["action"] = "listen"
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken), encoding="utf-8")
    done = subprocess.run(
        ["node", str(script), str(path)], capture_output=True, text=True, timeout=120, check=True, cwd=CACHE
    )
    assert json.loads(done.stdout)["errors"]


def _install_parser() -> None:
    """Fetch the parser once into the cache; where there is no npm, or it cannot be fetched, only CI insists on it."""
    installed = CACHE / "node_modules" / "@asyncapi" / "parser" / "package.json"
    if shutil.which("npm") is None or shutil.which("node") is None:
        _missing("npm is not installed")
    if installed.exists() and json.loads(installed.read_text())["version"] == PARSER.rpartition("@")[2]:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(CACHE), PARSER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=CACHE)
    if done.returncode != 0:
        _missing(f"npm could not install {PARSER}")


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _references(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        own = [tree["$ref"]] if isinstance(tree.get("$ref"), str) else []
        return own + [found for item in tree.values() for found in _references(item)]
    return [found for item in tree for found in _references(item)] if isinstance(tree, list) else []
