"""Write `docs/rules.md` from the rule modules.

python -m tools.rules_page            # write
python -m tools.rules_page --check    # exit 1 when what is there differs
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from streams.catalogue import COMMON, action_words, documented, parameters
from streams.custom import MAX_RULES, CustomParams
from streams.custom.expression import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES
from streams.custom.readings import READINGS
from streams.rule import Rule, RuleParams
from streams.rules import RULES
from streams.ruleset import Neglect

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "rules.md"
EXAMPLES: Final = ROOT / "examples" / "custom_rules.toml"

_CLASSES: Final = (
    ("reactive", "Pairs and people who need a hand"),
    ("program", "The whole program"),
    ("preventive", "Keeping trouble away"),
    ("safety", "Safety"),
    ("positive", "Good news"),
    ("operations", "Data and the rules themselves"),
)

_TOP: Final = """\
# The rules

This page is written by `python -m tools.rules_page` from the rule modules; change those. One rule in a terminal: `ebb
rules explain RULE`. What to do about an intervention stands in its runbook page, linked below each rule.

A rule looks at one *subject* (a pair, one person in a pair, a participant, a program), and has at most one open
intervention about it. It opens on entering its condition, rises rung by rung, takes in further evidence, and closes
by itself. After closing it stays silent for `cool_down`. Days of absence do not run in breaks, outside the program's
run, while somebody concerned is not active, and from before Ebb was turned on.

Every parameter can be set for everybody (`[rules."<id>"]`) and for one program
(`[programs."<program>".rules."<id>"]`), see [default.toml](../deploy/rulesets/default.toml) and the presets
[cautious.toml](../deploy/rulesets/cautious.toml) and [eager.toml](../deploy/rulesets/eager.toml). Durations are
written `"<n>d"`, `"<n>h"` or `"<n>m"`.

    ebb rules check FILE          what is wrong with it, line by line
    ebb rules diff shipped FILE   what it changes, in words
    ebb backtest RECORDING --rules FILE --out out   what would have come out
    ebb rules activate FILE       put it in force, after showing what it changes
    ebb rules fit RECORDING       propose what detectors should expect, from history
"""

_CUSTOM: Final = """\
## Rules of your own, without code

A rule set may define up to {rules} rules itself, in its own words: an id that begins with `custom.`, a subject, a
condition and what to say. They have the life of every rule (one open intervention for each subject, evidence,
cool-down, mute, expiry, neglect, shadow mode, feedback), stand in the rule set's content hash, and are the same live
and in a backtest.

The condition is an expression in [CEL](https://cel.dev) over the readings below: comparison (`<`, `<=`, `>`, `>=`,
`==`, `!=`), logic (`&&`, `||`, `!`, `? :`), arithmetic on numbers of one type (`+ - * / %`), `in` with a list, and
`double()` to make a fraction of a whole number. Everything is typed: a whole number is compared with `4`, a fraction
with `4.0`. There are no loops, macros, regular expressions and clocks; an expression has at most {characters}
characters and {nodes} parts, nested at most {depth} deep. All that is checked when the rule set is loaded, with the
place and the nearest valid name.

- It is asked after every fact that may change what it reads, and by the clock at the very instant at which a day
  count reaches a number that it is compared with. (A count that is used in arithmetic is looked at whenever it
  changes.)
- It closes when the condition is false. A fact from before the opening with which it would not have opened retracts
  it.
- With `hold` the condition must have been true that long, in plain time, before it opens.
- Only active people and active pairs are asked about. A rule that counts days is about absence: a silent source
  withholds it, and group pairs are left out.
- An expression without a value (a division by zero) is a fault of that rule, counted and alerted like any other;
  nothing else is touched by it.
- A rule that is removed or renamed, or gets another subject, resolves what it has open (`rule_changed`). A rule that
  only one program needs is defined with `enabled = false` and enabled for that program.
- The id is the value of the label `rule` in metrics.
"""


def page() -> str:
    """The whole page."""
    parts = [_TOP, *_common()]
    for klass, title in _CLASSES:
        parts.append(f"## {title}\n")
        parts += [_rule(rule) for rule in sorted(RULES, key=lambda each: each.id) if rule.klass == klass]
    parts.append(_CUSTOM.format(rules=MAX_RULES, characters=MAX_CHARACTERS, nodes=MAX_NODES, depth=MAX_DEPTH))
    parts += ["### What defines a custom rule\n", _parameters(CustomParams, own=True)]
    for subject, readings in READINGS.items():
        rows = ((f"`{each.name}`", each.kind, each.words) for each in readings.values())
        parts += [f"### What a condition about a {subject} may read\n", _table(("name", "type", "what it says"), rows)]
    parts += ["### Three examples\n", f"```toml\n{EXAMPLES.read_text('utf-8').strip()}\n```\n"]
    return "\n".join(parts)


def _common() -> Iterator[str]:
    yield "### Parameters that every rule has\n"
    yield _parameters(RuleParams, own=False)
    yield "Defaults that differ stand with the rule.\n"
    yield "### How long an intervention may wait for an acknowledgement (`[neglect]`)\n"
    yield _parameters(Neglect, own=True)


def _rule(rule: Rule) -> str:
    headline, body, source = documented(rule)
    subject = rule.subject.replace("_", " ")
    rungs = ", then ".join(_rung(rule, number) for number in range(len(rule.rungs)))
    suggested = ", then ".join(action_words(code) for code in rule.suggests)
    runbook = rule.id.replace(".", "_")
    lines = [f"### {rule.id}\n", f"*About a {subject}: {headline}*\n", *_prose(body)]
    lines += [f"- **Speaks**: {rungs}; to the {rule.audience.replace('_', ' ')}.", f"- **Ends with**: {rule.closes}."]
    if suggested:
        lines.append(f"- **Suggests**: {suggested}.")
    lines += [f"- **Runbook**: [{runbook}.md](../deploy/runbooks/{runbook}.md)", f"- **Numbers**: {source}\n"]
    return "\n".join([*lines, _parameters(rule.Params, own=True), ""]).rstrip("\n") + "\n"


def _rung(rule: Rule, number: int) -> str:
    rung = rule.rungs[number]
    name = f"`{rung.name}` " if rung.name else ""
    more = [f"to the {rung.audience.replace('_', ' ')}"] if rung.audience and rung.audience != rule.audience else []
    more += ["in the review only"] if rung.review_list else []
    return f"{name}{rule.weighs or rung.severity.name.lower()}" + (f" ({', '.join(more)})" if more else "")


def _prose(body: Iterable[str]) -> Iterator[str]:
    """Paragraphs and lists as Markdown wants them."""
    in_list = False
    for block in body:
        is_item = block.startswith("- ")
        if in_list and not is_item:
            yield ""
        yield block if is_item else f"{block}\n"
        in_list = is_item
    if in_list:
        yield ""


def _parameters(model: type[BaseModel], own: bool) -> str:
    """A table of parameters. `own`: those that every rule has are left out where they have the usual default."""
    usual = {each.name: each.default for each in parameters(RuleParams)}
    rows = [
        (f"`{each.name}`", each.unit, each.bounds, f"`{each.default}`" if each.default else "must be set", each.words)
        for each in parameters(model)
        if not own or each.name not in COMMON or usual[each.name] != each.default
    ]
    return (
        _table(("parameter", "unit", "bounds", "default", "what it is"), rows)
        if rows
        else "No parameters of its own.\n"
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def main() -> int:
    """Command line; returns the exit code."""
    text = page()
    if PAGE.is_file() and PAGE.read_text("utf-8") == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{PAGE} is not what the rules say: run python -m tools.rules_page", file=sys.stderr)
        return 1
    PAGE.write_text(text, "utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
