"""The command line: what it offers, how it says no, and its exit codes."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from agents.cli import main
from agents.embedded import EmbeddedBroker
from agents.ingest.control import stop_key, stop_value
from agents.ingest.merge import Source
from schemas.dead_letters import failure_headers
from schemas.rejections import Rejected
from schemas.topics import CATALOGUE
from streams import ruleset

ROOT = Path(__file__).resolve().parent.parent.parent


class Shell:
    """Runs commands with an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.environment: dict[str, str] = {}
        self.folder = folder

    def __call__(self, *arguments: str, answer: str = "") -> Result:
        return CliRunner().invoke(main, list(arguments), input=answer, env=self.environment)


@pytest.fixture
def ebb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    for name in ("EBB_BROKERS", "EBB_TOPIC_PREFIX", "EBB_PORT", "EBB_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        for topic in CATALOGUE:
            broker.create_topic(topic.name, min(2, topic.partitions))
        yield broker


@pytest.fixture
def connected(ebb: Shell, cluster: EmbeddedBroker) -> Shell:
    ebb.environment = {"EBB_BROKERS": cluster.bootstrap, "EBB_KAFKA_EMBEDDED": "true"}
    return ebb


def _every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from _every_command(command, (*path, name))


@pytest.mark.parametrize("path", list(_every_command(main)), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], ebb: Shell) -> None:
    result = ebb(*path, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 3


def test_help_names_every_command(ebb: Shell) -> None:
    output = ebb("--help").output
    assert all(name in output for name in main.list_commands(click.Context(main)))


def test_help_imports_no_broker_client() -> None:
    code = "import sys, agents.cli; agents.cli.main(['--help'], standalone_mode=False); print('faust' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("False")


def test_an_unknown_command_is_wrong_usage(ebb: Shell) -> None:
    assert ebb("notifier").exit_code == 2


def test_settings_that_cannot_be_used_are_wrong_usage_with_a_sentence_each(ebb: Shell) -> None:
    (ebb.folder / "ebb.toml").write_text('brocers = "a:1"\nport = -1\n')
    result = ebb("topics", "check")
    assert result.exit_code == 2
    assert "did you mean brokers?" in result.output
    assert "ebb.toml: port" in result.output


def test_a_broker_that_does_not_answer_is_a_failure_with_a_sentence(
    ebb: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.topics.ANSWER_S", 1.0)
    ebb.environment = {"EBB_BROKERS": "127.0.0.1:1"}
    result = ebb("topics", "check")
    assert result.exit_code == 1
    assert "The brokers at 127.0.0.1:1 did not do it" in result.output


# rules


def test_an_empty_rule_set_is_the_shipped_one(ebb: Shell) -> None:
    (ebb.folder / "rules.toml").touch()
    tree = json.loads(ebb("rules", "check", "rules.toml", "--json").stdout)
    assert tree == {"valid": True, "hash": ruleset.shipped().hash, "problems": []}


def test_a_wrong_rule_set_fails_the_check_naming_every_problem(ebb: Shell) -> None:
    (ebb.folder / "rules.toml").write_text('rul = 1\n[rules."rating.lo"]\n')
    result = ebb("rules", "check", "rules.toml")
    assert result.exit_code == 1
    assert "rules.toml:1: rul: unknown name, did you mean rules?" in result.output
    assert 'rules.toml:2: rules."rating.lo": unknown name, did you mean rating.low?' in result.output
    assert ebb("rules", "activate", "rules.toml", "--yes").exit_code == 1


def test_a_file_that_is_no_toml_fails_the_check(ebb: Shell) -> None:
    (ebb.folder / "rules.toml").write_text("rules = [")
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads("rules = [")
    assert ebb("rules", "check", "rules.toml").exit_code == 1
    assert ebb("rules", "check", "none.toml").exit_code == 2


def test_an_activation_asks_first_and_sends_the_expanded_rule_set(connected: Shell) -> None:
    (connected.folder / "rules.toml").write_text('[rules."rating.low"]\nenabled = false\n')
    refused = connected("rules", "activate", "rules.toml", answer="n\n")
    assert refused.exit_code == 1
    assert "rating.low is switched off; what it has open is resolved" in refused.output
    assert "What is already true of it opens without being sent" in refused.output
    result = connected("rules", "activate", "rules.toml", "--backfill", "none", "--json", answer="y\n")
    assert result.exit_code == 0, result.output
    sent = json.loads(result.stdout[result.stdout.index("{") :])
    assert sent["scope"] == "*"
    assert sent["hash"] != ruleset.shipped().hash
    assert ebb_ready(connected)
    again = connected("rules", "activate", "rules.toml", "--scope", "p-nowhere", answer="n\n")
    assert "means what is in force in program p-nowhere already" in again.output
    assert "No program p-nowhere is known" in again.output


def ebb_ready(shell: Shell) -> bool:
    """Whether the doctor takes the activation for one that loads."""
    tree = json.loads(shell("doctor", "--json").stdout)
    return not any("rule set" in problem["problem"] for problem in tree["problems"])


# doctor


def test_the_doctor_answers_when_no_broker_does(ebb: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.topics.ANSWER_S", 1.0)
    ebb.environment = {"EBB_BROKERS": "127.0.0.1:1"}
    result = ebb("doctor", "--json")
    tree = json.loads(result.stdout)
    assert result.exit_code == 0
    assert tree["ready"] is False
    assert tree["lag"] == {"ingest": None, "engine": None}
    assert "No broker at 127.0.0.1:1" in tree["problems"][0]["problem"]
    assert "EBB_BROKERS" in tree["problems"][0]["mend"]


def test_the_doctor_answers_when_the_settings_are_wrong(ebb: Shell) -> None:
    (ebb.folder / "ebb.toml").write_text("porte = 1\n")
    result = ebb("doctor", "--json")
    assert result.exit_code == 0
    assert "did you mean port?" in json.loads(result.stdout)["problems"][0]["problem"]


def test_the_doctor_names_missing_topics(ebb: Shell, cluster: EmbeddedBroker) -> None:
    ebb.environment = {
        "EBB_BROKERS": cluster.bootstrap,
        "EBB_KAFKA_EMBEDDED": "true",
        "EBB_TOPIC_PREFIX": "other.",
    }
    result = ebb("doctor")
    assert result.exit_code == 0
    assert "other.journal" in result.output
    assert "ebb topics create" in result.output
    assert "Not ready." in result.output


def test_a_stopped_source_is_reported_resumed_and_then_forgotten(connected: Shell) -> None:
    assert "No source is stopped." in connected("ingest", "resume").output
    stop = stop_value("stopped", 17, "100 bad records in a row", 1_700_000_000_000)
    _send(connected, "ingest-control", 0, stop_key(Source("ratings", 1)), stop)
    assert "ratings/1 at offset 17" in connected("ingest", "resume").output
    problems = json.loads(connected("doctor", "--json").stdout)["problems"]
    assert "ebb ingest resume ratings/1" in " ".join(problem["mend"] for problem in problems)
    assert "resumed ratings/1" in connected("ingest", "resume", "ratings/1").output
    assert "No source is stopped." in connected("ingest", "resume").output
    assert connected("ingest", "resume", "ratings/1").exit_code == 1


def test_a_source_is_named_by_topic_and_partition(connected: Shell) -> None:
    result = connected("ingest", "resume", "journal/0")
    assert result.exit_code == 2
    assert "ratings/0" in result.output


def test_a_gap_where_nothing_is_missing_is_refused_after_asking(connected: Shell) -> None:
    assert connected("ingest", "accept-gap", "ratings/0", answer="n\n").exit_code == 1
    result = connected("ingest", "accept-gap", "ratings/0", "--yes")
    assert result.exit_code == 1
    assert "Nothing is missing" in result.output


# dead letters


def _send(
    shell: Shell,
    topic: str,
    partition: int,
    key: bytes,
    value: bytes,
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    producer = Producer({"bootstrap.servers": shell.environment["EBB_BROKERS"]})
    producer.produce(topic, key=key, value=value, partition=partition, headers=list(headers))
    assert producer.flush(10) == 0


def test_dead_letters_are_listed_without_and_shown_with_their_content(connected: Shell) -> None:
    headers = [("trace", b"1"), *failure_headers("ratings", 1, 5, Rejected("not_json", "The value is not JSON."))]
    _send(connected, "dead-letters", 1, b"key", b"her own words", headers)
    tree = json.loads(connected("dead-letters", "list", "--json").stdout)
    (row,) = tree["dead_letters"]
    assert (row["source"], row["reason"], row["attempt"], row["bytes"]) == ("ratings/1@5", "not_json", 1, 13)
    for without in (connected("dead-letters", "list"), connected("dead-letters", "show", row["where"])):
        assert without.exit_code == 0
        assert "her own words" not in without.output
    assert "her own words" in connected("dead-letters", "show", row["where"], "--content").output
    assert json.loads(connected("dead-letters", "list", "--reason", "other", "--json").stdout)["total"] == 0
    assert connected("dead-letters", "show", "1@999").exit_code == 1
    assert connected("dead-letters", "show", "first").exit_code == 2
    assert connected("dead-letters", "show", "77@0").exit_code == 1


def test_a_redrive_asks_first_and_sends_each_once_to_where_it_came_from(connected: Shell) -> None:
    headers = failure_headers("meetings", 0, 8, Rejected("unknown_type", "This `type` is not known."))
    for _ in range(2):
        _send(connected, "dead-letters", 0, b"k", b"{}", headers)
    assert connected("dead-letters", "redrive").exit_code == 2
    assert connected("dead-letters", "redrive", "0@0", "--all").exit_code == 2
    assert connected("dead-letters", "redrive", "--all", "--topic", "meetings", answer="n\n").exit_code == 1
    result = connected("dead-letters", "redrive", "--all", "--topic", "meetings", "--yes", "--json")
    assert json.loads(result.stdout) == {"redriven": 1}
    assert json.loads(connected("doctor", "--json").stdout)["lag"]["ingest"] >= 1


def test_topics_of_the_embedded_broker_are_not_created_from_outside(connected: Shell) -> None:
    assert connected("topics", "create").exit_code == 2
    assert connected("topics", "check").exit_code == 0
    result = connected("topics", "check", "--partitions", "7")
    assert result.exit_code == 1
    assert "equally many" in result.output


def test_state_of_what_nobody_knows_is_a_failure(connected: Shell) -> None:
    result = connected("state", "show", "program-9")
    assert result.exit_code == 1
    assert "There is no record of program-9" in result.output
    assert connected("state", "show", "p", "--pair", "a", "--participant", "b").exit_code == 2
