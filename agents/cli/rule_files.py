"""Rule files on disk: read, checked, and every problem with the line it stands on; and how they are shown."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

if TYPE_CHECKING:
    from rich.console import Console

    from streams.ruleset import RuleSet

_KEY: Final = r"""(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_DOTTED: Final = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*")
_HEADER: Final = re.compile(rf"^\s*\[{_DOTTED.pattern}\]")
_ASSIGNED: Final = re.compile(rf"^{_DOTTED.pattern}=")
_PARTS: Final = re.compile(_KEY)
_AT_LINE: Final = re.compile(r" \(at line (\d+), column (\d+)\)")


FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
#: Stands for the defaults where a file is asked for.
SHIPPED: Final = "shipped"


class Problem(NamedTuple):
    """What is wrong, and on which line (counted from 1, 0 = nowhere in particular)."""

    line: int
    text: str

    def at(self, path: Path | str) -> str:
        return f"{path}:{self.line}: {self.text}" if self.line else f"{path}: {self.text}"


def read_rules(path: Path) -> tuple[RuleSet | None, list[Problem]]:
    """The rule set of a file, or what is wrong with it."""
    from streams.ruleset import RulesetError, parse

    try:
        text = path.read_text("utf-8")
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        words = _AT_LINE.sub("", str(error))
        return None, [Problem(int(found[1]) if found else 0, f"no readable TOML: {words}")]
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(0, f"cannot be read: {error}")]
    try:
        return parse(tree), []
    except RulesetError as error:
        places = dict(_places(text))
        return None, sorted(Problem(_line(each, places), each) for each in error.problems)


def _line(problem: str, places: dict[str, int]) -> int:
    """The line of the longest place that a problem begins with."""
    fits = [place for place in places if problem.startswith(place) and problem[len(place) :][:1] in (":", ".", " ")]
    return places[max(fits, key=len)] if fits else 0


def _places(text: str) -> Iterator[tuple[str, int]]:
    """Where each table and key of a rule file begins, in the words in which problems name places."""
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        header, assigned = _HEADER.match(line), _ASSIGNED.match(line)
        if header is not None:
            table = _names(header[1])
            for depth in range(1, len(table) + 1):
                yield _place(table[:depth]), number
        elif assigned is not None:
            named = _names(assigned[1])
            for depth in range(1, len(named) + 1):
                yield _place([*table, *named[:depth]]), number


def _names(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PARTS.findall(dotted)]


def _place(path: list[str]) -> str:
    """As `streams.ruleset` writes a place: ids of rules in quotes."""
    under = {("rules",), ("programs", path[1] if len(path) > 1 else "", "rules")}
    said = ""
    for depth, name in enumerate(path):
        quoted = f'"{name}"' if tuple(path[:depth]) in under else name
        said = f"{said}.{quoted}" if said else quoted
    return said


def show_problems(path: Path, problems: list[Problem]) -> None:
    """Say what is wrong, a line each, as compilers do, so that editors find the place."""
    count = len(problems)
    click.echo(f"{path} cannot come into force, {count} problem{'s' * (count > 1)}:", err=True)
    for problem in problems:
        click.echo(problem.at(path), err=True)


def read_or_end(path: Path) -> RuleSet:
    """The rule set of a file, or its problems and exit code 1."""
    rules, problems = read_rules(path)
    if rules is None:
        show_problems(path, problems)
        raise SystemExit(1)
    return rules


def make_console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr)


def show_differences(console: Console, texts: list[str]) -> None:
    """A line for each difference, wrapped under its beginning."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column()
    for text in texts:
        line = Text(text)
        line.highlight_regex(r"^(program \S+: )?[a-z_]+\.[a-z0-9_]+", "bold")
        table.add_row("-", line)
    console.print(table)
