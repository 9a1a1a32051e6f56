"""`ebb rules check|diff|explain|activate|fit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli.rule_files import (
    FILE,
    SHIPPED,
    make_console,
    read_or_end,
    read_rules,
    show_differences,
    show_problems,
)
from agents.cli.rules_activate import activate
from agents.cli.rules_fit import fit
from agents.cli.surroundings import json_option, print_json

if TYPE_CHECKING:
    from streams.rule import Rule
    from streams.ruleset import RuleSet


@click.group("rules")
def command() -> None:
    """Check, compare and explain rule sets, fit them to history, put one in force.

    An empty file is the shipped defaults.
    """


command.add_command(activate)
command.add_command(fit)


@command.command("check")
@click.argument("file", type=FILE)
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check FILE (TOML); exit code 1 when it cannot come into force."""
    rules, problems = read_rules(file)
    if as_json:
        print_json({
            "valid": rules is not None,
            "hash": rules.hash if rules else None,
            "problems": [problem._asdict() for problem in problems],
        })  # fmt: skip
    elif rules is not None:
        programs, custom = len(rules.tree["programs"]), len(rules.custom)
        click.echo(
            f"{file} is valid: {len(rules.tree['rules'])} rules"
            + (f", {custom} of them its own" if custom else "")
            + (f", overrides for {programs} program{'s' * (programs > 1)}" if programs else "")
            + f". Hash {rules.hash}"
        )
    if rules is None:
        if not as_json:
            show_problems(file, problems)
        raise SystemExit(1)


@command.command("diff")
@click.argument("a")
@click.argument("b")
@json_option
def diff(a: str, b: str, as_json: bool) -> None:
    """Say in words what B does otherwise than A. Each is a file, or `shipped` for the defaults."""
    from streams.differences import differences

    before, after = (_read_or_end(each) for each in (a, b))
    found = differences(before, after)
    if as_json:
        print_json({"from": before.hash, "to": after.hash, "differences": [each._asdict() for each in found]})
        return
    if not found:
        click.echo(f"{a} and {b} mean the same. Hash {after.hash}")
        return
    console = make_console()
    console.print(f"From {a} to {b}, {len(found)} difference{'s' * (len(found) > 1)}:", highlight=False)
    show_differences(console, [each.text for each in found])


def _read_or_end(name: str) -> RuleSet:
    from streams.ruleset import shipped

    if name == SHIPPED:
        return shipped()
    path = Path(name)
    if not path.is_file():
        raise click.BadParameter(f"there is no file {name}; `{SHIPPED}` stands for the defaults")
    return read_or_end(path)


@command.command("explain")
@click.argument("rule_id", metavar="RULE")
@click.option("--rules", "file", type=FILE, help="A rule file: its parameters, and the rules it defines itself.")
@json_option
def explain(rule_id: str, file: Path | None, as_json: bool) -> None:
    """Say what RULE sees, when it speaks, what ends it, what it suggests, and what its parameters are."""
    from agents.cli.rules_page import page, tree
    from streams.ruleset import shipped

    rules = shipped() if file is None else read_or_end(file)
    rule = _find(rule_id, rules)
    if as_json:
        print_json(tree(rule, rules))
        return
    make_console().print(page(rule, rules))


def _find(rule_id: str, rules: RuleSet) -> Rule:
    from difflib import get_close_matches

    from streams.rules import RULES_BY_ID

    known: dict[str, Any] = {**RULES_BY_ID, **{rule.id: rule for rule in rules.custom.values()}}
    if rule_id in known:
        found: Rule = known[rule_id]
        return found
    near = get_close_matches(rule_id, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
    own = ", with the file that defines it: --rules FILE" if rule_id.startswith("custom.") else ""
    raise click.BadParameter(f"there is no rule {rule_id}{own}; {hint}", param_hint="RULE")
