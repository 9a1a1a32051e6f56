"""In which parameters two rule sets differ: what a comparison is about."""

from collections.abc import Iterator, Mapping
from typing import Any

from streams.ruleset import RuleSet


def differences(here: RuleSet, there: RuleSet) -> list[dict[str, Any]]:
    """Name every parameter that differs as ``{"parameter", "here", "there"}``; None where a set does not state it.

    Word lists are named, but not shown.
    """
    mine, theirs = dict(_leaves(here.tree)), dict(_leaves(there.tree))
    names = [name for name in dict.fromkeys([*mine, *theirs]) if mine.get(name) != theirs.get(name)]
    return [
        {"parameter": name, "here": mine.get(name), "there": theirs.get(name)}
        if not name.startswith("words.")
        else {"parameter": name, "here": "another list", "there": "another list"}
        for name in names
    ]


def _leaves(tree: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        where = f"{place}.{name}" if place else name
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, where)
        else:
            yield where.removeprefix("rules."), value
