"""A condition in CEL: checked once when a rule set is loaded, bounded in cost, the same answer everywhere.

CEL (https://cel.dev) has no loops, no side effects and no clock. Of it, conditions get what they need: names of
readings, constants, comparison, logic, arithmetic, `in` with a list, and `double()`. Macros, regular expressions, maps,
timestamps and everything dynamic are refused when the rule set is loaded, so that an evaluation costs a few
microseconds whatever it is asked, and the type of everything is known before the first fact.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from streams.custom.readings import READINGS
from streams.custom.tree import Node, Tree, read

MAX_CHARACTERS: Final = 500
MAX_NODES: Final = 80
MAX_DEPTH: Final = 16

_TYPES: Final = {"int": cel.Type.INT, "double": cel.Type.DOUBLE, "bool": cel.Type.BOOL, "string": cel.Type.STRING}
_COMPARISONS: Final = ("_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_")
_FUNCTIONS: Final = frozenset({
    *_COMPARISONS, "_&&_", "_||_", "!_", "_?_:_", "_+_", "_-_", "_*_", "_/_", "_%_", "-_", "@in", "double",
})  # fmt: skip
_PROBLEM: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD: Final = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")


class ExpressionError(ValueError):
    """An expression that is no condition (when it is loaded), or that has no value (when it is asked)."""


class Expression:
    """A checked condition about one kind of subject. Immutable, and safe to share between threads.

    Attributes:
        names: the readings it reads, sorted.
        counts: for each whole number that it reads, the numbers that it compares it with; None when it does more with
            it, so that every change of it may matter.
    """

    __slots__ = ("_compiled", "counts", "names")

    def __init__(self, compiled: Any, names: tuple[str, ...], counts: dict[str, tuple[int, ...] | None]) -> None:
        self._compiled, self.names, self.counts = compiled, names, counts

    def holds(self, values: Mapping[str, bool | int | float | str]) -> bool:
        """Whether the condition is true of these readings.

        Raises: ExpressionError when it has no value, such as after a division by zero.
        """
        value = self._compiled.eval(data=values).value()
        if type(value) is not bool:
            raise ExpressionError(f"no value: {str(value).rpartition(': ')[2]}")
        return value


@lru_cache(maxsize=1_024)
def compiled(subject: str, source: str) -> Expression:
    """Check a condition about a kind of subject.

    Raises: ExpressionError in words, with the place (characters are counted from 1) and the nearest valid name.
    """
    if len(source) > MAX_CHARACTERS:
        raise ExpressionError(f"has {len(source)} characters, at most {MAX_CHARACTERS} are allowed")
    readings = READINGS[subject]
    try:
        checked = _environment(subject).compile(source)
    except RuntimeError as error:
        raise ExpressionError(_in_words(str(error), list(readings), subject)) from None
    tree = read(checked.serialize())
    _bound(tree)
    if checked.return_type().name().lower() != "bool":
        raise ExpressionError(f"gives {_type_words(checked.return_type().name())}, but a condition is true or false")
    names = tuple(sorted({node.name for node in tree.root.walk() if node.kind == "name"}))
    if not names:
        raise ExpressionError(f"reads nothing about the {subject}; it may read {', '.join(sorted(readings))}")
    counts = {name: _counts(tree.root, name) for name in names if readings[name].kind == "int"}
    return Expression(checked, names, counts)


@lru_cache(maxsize=8)
def _environment(subject: str) -> Any:
    return cel.NewEnv(variables={each.name: _TYPES[each.kind] for each in READINGS[subject].values()})


def _bound(tree: Tree) -> None:
    for node in tree.root.walk():
        place = tree.positions.get(node.id, 0) + 1
        if node.kind == "other":
            raise ExpressionError(f"character {place}: {node.name} is not allowed in a condition")
        if node.kind == "call" and node.name not in _FUNCTIONS:
            raise ExpressionError(f"character {place}: {node.name.strip('_')}() is not allowed in a condition")
    nodes, depth = sum(1 for _ in tree.root.walk()), tree.root.depth()
    if nodes > MAX_NODES:
        raise ExpressionError(f"has {nodes} parts (names, numbers, operators), at most {MAX_NODES} are allowed")
    if depth > MAX_DEPTH:
        raise ExpressionError(f"is nested {depth} deep, at most {MAX_DEPTH} is allowed")


def _counts(root: Node, name: str) -> tuple[int, ...] | None:
    """The whole numbers that a name is compared with, None when it occurs in anything but such comparisons."""
    found: set[int] = set()
    for node in root.walk():
        if not any(each.kind == "name" and each.name == name for each in node.args):
            continue
        others = [each.value for each in node.args if each.kind == "constant" and type(each.value) is int]
        if node.name not in _COMPARISONS or len(others) != 1:
            return None
        found.update(other for other in others if type(other) is int)
    return tuple(sorted(found)) if root.kind != "name" else None


def _in_words(message: str, names: list[str], subject: str) -> str:
    """What the checker found, in words and with a hint."""
    found = _PROBLEM.search(message)
    if found is None:
        return message.partition("[")[0].strip()
    line, column, text = int(found[1]), int(found[2]), found[3]
    where = "" if column < 0 else f"character {column}: " if line == 1 else f"line {line}, character {column}: "
    undeclared, overload = _UNDECLARED.search(text), _OVERLOAD.search(text)
    if undeclared is not None:
        return where + _unknown(undeclared[1], names, subject)
    if overload is not None:
        operator, types = overload[1].strip("_") or overload[1], [each.strip() for each in overload[2].split(",")]
        said = f"{operator} does not take {' and '.join(_type_words(each) for each in types)}"
        fraction = set(types) == {"int", "double"}
        return where + said + (": write 4.0 for 4, or double(name) for a whole number" if fraction else "")
    return where + text.partition(" expecting ")[0].replace("<EOF>", "the end")


def _unknown(name: str, names: list[str], subject: str) -> str:
    near = get_close_matches(name, names, n=1)
    if near:
        return f"unknown name {name}, did you mean {near[0]}?"
    return f"unknown name {name}, about a {subject} there are {', '.join(sorted(names))}"


def _type_words(name: str) -> str:
    words = {"int": "a whole number", "double": "a fraction", "string": "a text", "bool": "true or false"}
    return words.get(name.lower(), name.lower())
