"""Options of `ebb backtest` as values: instants, durations, rule files and sweeps, each refused with a sentence."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agents.backtest.sweeping import Parameter
    from streams.backtest.load import People
    from streams.ruleset import RuleSet


def instant(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    """An instant with an offset; a bare date is its midnight UTC."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value if "T" in value or " " in value else f"{value}T00:00:00Z")
    except ValueError as error:
        raise click.BadParameter(f"{value} is no instant such as 2026-01-05T00:00:00Z") from error
    if at.tzinfo is None:
        raise click.BadParameter(f"{value} needs an offset, such as Z or +01:00")
    return at


def days(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    """A duration as rule files write it, in ms."""
    from pydantic import TypeAdapter, ValidationError

    from streams.rule import Duration

    try:
        milliseconds: int = TypeAdapter(Duration).validate_python(value)
    except ValidationError as error:
        raise click.BadParameter(f"{value} is no duration such as 60d or 12h") from error
    if milliseconds <= 0:
        raise click.BadParameter("must be longer than nothing")
    return milliseconds


def names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> frozenset[str] | None:
    """Ids with commas between them."""
    found = frozenset(filter(None, (one.strip() for one in (value or "").split(","))))
    if value is not None and not found:
        raise click.BadParameter("names no program")
    return found or None


def read_rules(path: Path, option: str) -> RuleSet:
    """Read a rule file.

    Raises: click.BadParameter naming the option, and every problem of the file.
    """
    from streams.ruleset import RulesetError, parse

    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} cannot be read: {error}", param_hint=option) from error
    except tomllib.TOMLDecodeError as error:
        raise click.BadParameter(f"{path} is no TOML: {error}", param_hint=option) from error
    try:
        return parse(tree)
    except RulesetError as error:
        raise click.BadParameter("\n  ".join((f"{path}:", *error.problems)), param_hint=option) from error


def read_people(path: Path | None) -> People:
    """Read a notifier's recipients file; without one, everybody whom programs name gets mails, with the defaults.

    Raises: click.BadParameter with every problem of the file.
    """
    from hashlib import sha256

    from streams.backtest.load import People

    if path is None:
        return People()
    from agents.notifier.config import ConfigError, load

    try:
        config = load(path)
    except ConfigError as error:
        raise click.BadParameter("\n  ".join((f"{path}:", *error.problems)), param_hint="--recipients") from error
    recipients = tuple(one.recipient() for one in config.recipients)
    return People(recipients, config.policy.policy(replayed=False), sha256(path.read_bytes()).hexdigest())


def read_sweep(text: str) -> Parameter:
    """Read ``rule.parameter=value,value``; values as in a rule file, where text needs no quotes here.

    Raises: click.BadParameter when the rule or the parameter is unknown.
    """
    from agents.backtest.sweeping import Parameter
    from streams.rules import RULES_BY_ID

    place, _, listed = text.partition("=")
    rule_id, _, name = place.strip().rpartition(".")
    values = tuple(_value(one.strip()) for one in listed.split(",") if one.strip())
    if not values:
        raise click.BadParameter(f"{text} names no values: RULE.PARAMETER=V1,V2", param_hint="--sweep")
    rule = RULES_BY_ID.get(rule_id)
    if rule is None:
        raise click.BadParameter(f"there is no rule {rule_id or place}", param_hint="--sweep")
    if name not in rule.Params.model_fields:
        known = ", ".join(rule.Params.model_fields)
        raise click.BadParameter(f"{rule_id} has no parameter {name}; it has {known}", param_hint="--sweep")
    return Parameter(rule_id, name, values)


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
