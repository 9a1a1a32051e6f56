"""One rule on one page, for `ebb rules explain`."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from streams.catalogue import action_words, documented, parameters, written
from streams.custom import CustomParams
from streams.rule import Rule
from streams.ruleset import RuleSet


def page(rule: Rule, rules: RuleSet) -> Group:
    """What a rule owner wants to know, in the order of a runbook."""
    params = rules.params(rule, "")
    values = params.model_dump(mode="json")
    parts: list[RenderableType] = []
    if isinstance(params, CustomParams):
        parts += [_title(rule, params.says), _indented(f"A rule of your own: opens when {params.when}.")]
        source = ""
    else:
        headline, body, source = documented(rule)
        parts.append(_title(rule, headline))
        parts.append(_prose(body))
    parts += [
        _head("Speaks"),
        Padding(_rungs(rule, params.severity if isinstance(params, CustomParams) else None), (0, 2)),
        _head("Ends with"),
        _indented(f"{rule.closes}."),
    ]
    if suggests := _suggests(rule, params):
        parts += [_head("Suggests"), _indented(suggests)]
    parts += [_head("Parameters"), Padding(_parameters(rule, values), (0, 2))]
    if source:
        parts += [_head("Source"), _indented(source)]
    return Group(*parts)


def tree(rule: Rule, rules: RuleSet) -> dict[str, Any]:
    """The same as data."""
    params = rules.params(rule, "")
    custom = isinstance(params, CustomParams)
    headline, body, source = (params.says, [params.when], "") if isinstance(params, CustomParams) else documented(rule)
    values = params.model_dump(mode="json")
    rungs = [
        {"stage": rung.name, "severity": rung.severity.name.lower(), "audience": rung.audience or rule.audience}
        for rung in rule.rungs
    ]
    return {
        "rule": rule.id,
        "subject": rule.subject,
        "class": rule.klass,
        "headline": headline,
        "text": body,
        "rungs": [] if custom else rungs,
        "closes": rule.closes,
        "suggests": params.actions if isinstance(params, CustomParams) else list(rule.suggests),
        "parameters": [each._asdict() | {"value": values[each.name]} for each in parameters(rule.Params)],
        "source": source,
    }


def _title(rule: Rule, headline: str) -> Text:
    subject = rule.subject.replace("_", " ")
    about = Text.assemble((rule.id, "bold"), f": {headline}", "\n", (f"about a {subject}, class {rule.klass}", "dim"))
    return Text.assemble(about, "\n")


def _head(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 2))


def _prose(blocks: list[str]) -> Group:
    """Paragraphs with a line between them, list items close together and wrapped under their beginning."""
    parts: list[RenderableType] = []
    for number, block in enumerate(blocks):
        if block.startswith("- "):
            item = Table.grid(padding=(0, 1))
            item.add_row("-", block.removeprefix("- "))
            parts.append(Padding(item, (0, 2)))
        else:
            parts.append(Padding(Text(block), (1 if number else 0, 2, 0, 2)))
    return Group(*parts)


def _rungs(rule: Rule, severity: str | None) -> Table:
    table = Table.grid(padding=(0, 2))
    for rung in rule.rungs:
        stage = f"`{rung.name}`" if rung.name else "once" if len(rule.rungs) == 1 else "then" if table.rows else "first"
        audience = rung.audience or rule.audience
        waits = "waits for the review" if rung.review_list else ""
        table.add_row(
            stage, severity or rule.weighs or rung.severity.name.lower(), f"to the {audience.replace('_', ' ')}", waits
        )
    return table


def _suggests(rule: Rule, params: Any) -> str:
    if isinstance(params, CustomParams):
        steps = [
            " to the ".join([action_words(code), *party]) for code, *party in (a.split(":") for a in params.actions)
        ]
        return ", then ".join(steps) + "." if steps else ""
    return ", then ".join(action_words(code) for code in rule.suggests) + "." if rule.suggests else ""


def _parameters(rule: Rule, values: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("name", no_wrap=True, header_style="dim")
    table.add_column("value", header_style="dim")
    table.add_column("what it is", header_style="dim")
    for each in parameters(rule.Params):
        value = written(values[each.name])
        changed = each.default and value != each.default
        meaning = Text.assemble(
            each.words, (f" ({', '.join(part for part in (each.unit, each.bounds) if part)})", "dim")
        )
        if changed:
            meaning.append(f" shipped: {each.default}", "yellow")
        table.add_row(each.name, Text(value, style="yellow" if changed else "cyan"), meaning)
    return table
