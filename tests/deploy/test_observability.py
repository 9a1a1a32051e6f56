"""Rules, routes and dashboards: each alert is tried, sent where it belongs, explained; every metric named exists."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from agents.metrics.catalogue import CATALOGUE
from deploy.prometheus.programs import Program, ProgramsUnavailableError, find
from deploy.prometheus.servers import Alertmanager
from tests.conftest import skipped_without
from tools.dashboards.__main__ import BOARDS, files

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
ROUTES = DEPLOY / "alertmanager" / "alertmanager.yml"
NAME = re.compile(r"\b(?:[a-z_]+:)?ebb_[a-z0-9_]+(?::[a-z0-9_]+)?|\bebb:[a-z0-9_]+(?::[a-z0-9_]+)?")


def _program(name: Program) -> str:
    with skipped_without(ProgramsUnavailableError):
        return find(name)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _rules(name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = _rules("alerts.yml")
RECORDED = _rules("recording.yml")
EXPRESSIONS = [query.expr for board in BOARDS for panel in board.panels() for query in panel.queries]


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    _run(_program("promtool"), "check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_every_alert_fires_stays_silent_and_resolves_as_its_cases_say() -> None:
    _run(_program("promtool"), "test", "rules", *map(str, sorted((PROMETHEUS / "tests").glob("*.yml"))))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_is_complete_and_tried_three_ways(alert: dict[str, Any]) -> None:
    assert alert["for"]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "runbook_url"} <= set(alert["annotations"])
    page, _, section = alert["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (\w+)$", (DEPLOY.parent / page).read_text(), re.MULTILINE)
    assert section in {heading.lower() for heading in headings}
    silent_before = fires = resolves = False
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for story in yaml.safe_load(path.read_text())["tests"]:
            cases = [case for case in story["alert_rule_test"] if case["alertname"] == alert["alert"]]
            firing = [bool(case["exp_alerts"]) for case in cases]
            if True in firing:
                fires = True
                silent_before |= not firing[0]
                resolves |= not firing[-1]
    assert (silent_before, fires, resolves) == (True, True, True)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_reaches_whom_it_concerns(alert: dict[str, Any]) -> None:
    labels = alert["labels"]
    wanted = "coordinator" if labels["audience"] == "coordinator" else "operator"
    if wanted == "operator" and labels["severity"] == "critical":
        wanted = "operator-now"
    given = [f"{name}={value}" for name, value in (labels | {"alertname": alert["alert"]}).items()]
    found = _run(_program("amtool"), "config", "routes", "test", f"--config.file={ROUTES}", *given)
    assert found.strip() == wanted


def test_alertmanager_takes_the_configuration_and_inhibits_only_what_exists() -> None:
    _run(_program("amtool"), "check-config", str(ROUTES))
    known = {alert["alert"] for alert in ALERTS}
    named = set(re.findall(r"Ebb[A-Z]\w+", ROUTES.read_text()))
    assert named <= known


@pytest.fixture(scope="module")
def alertmanager() -> Iterator[Alertmanager]:
    """One with the routes that ship, and nobody listening behind it."""
    _program("prometheus-alertmanager")
    with Alertmanager("http://127.0.0.1:9", hurry=True) as running:
        yield running


INHIBITIONS = [
    (source, target, tuple(rule.get("equal", [])))
    for rule in yaml.safe_load(ROUTES.read_text())["inhibit_rules"]
    for source in re.findall(r"Ebb\w+", rule["source_matchers"][0])
    for target in re.findall(r"Ebb\w+", rule["target_matchers"][0])
]


@pytest.mark.parametrize(("source", "target", "equal"), INHIBITIONS)
def test_what_follows_from_an_alert_is_suppressed_and_its_like_elsewhere_is_not(
    alertmanager: Alertmanager, source: str, target: str, equal: tuple[str, ...]
) -> None:
    here, there = dict.fromkeys(equal, f"{source}-here"), dict.fromkeys(equal, f"{source}-there")
    targets = [{"alertname": target, **place} for place in ([here, there] if equal else [here])]
    alertmanager.tell(targets)
    alertmanager.tell([{"alertname": source, **here}])
    _until_states(alertmanager, targets, ["suppressed", "active"][: len(targets)])
    alertmanager.tell([{"alertname": source, **here}], is_over=True)
    _until_states(alertmanager, targets, ["active", "active"][: len(targets)])
    alertmanager.tell(targets, is_over=True)


def _until_states(alertmanager: Alertmanager, alerts: list[dict[str, str]], wanted: list[str]) -> None:
    deadline = time.monotonic() + 20
    while True:
        told = {tuple(sorted(each["labels"].items())): each["status"] for each in alertmanager.get("/api/v2/alerts")}
        found = [told.get(tuple(sorted(labels.items()))) for labels in alerts]
        if [status and status["state"] for status in found] == wanted:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_what_is_generated_is_what_is_committed() -> None:
    assert [path.name for path, text in files().items() if path.read_text("utf-8") != text] == []


@pytest.mark.parametrize("expression", sorted({*EXPRESSIONS, *(rule["expr"] for rule in ALERTS + RECORDED)}))
def test_every_expression_can_be_parsed(expression: str) -> None:
    promql_parser.parse(expression.replace("$program", "p"))


def test_every_metric_named_exists_and_every_metric_is_shown() -> None:
    recorded = {rule["record"] for rule in RECORDED}
    exposed = {sample: metric.name for metric in CATALOGUE for sample in metric.samples}
    used = set()
    for text in (*EXPRESSIONS, *(rule["expr"] for rule in ALERTS + RECORDED)):
        used |= set(NAME.findall(text))
    assert {name for name in used if name not in recorded and name not in exposed} == set()
    assert {metric.name for metric in CATALOGUE} - {exposed[name] for name in used if name in exposed} == set()
    assert recorded <= used
