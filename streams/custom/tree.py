"""The syntax tree of a compiled CEL expression, read from its serialised form.

The library checks and evaluates, but shows nothing of the tree. It does serialise it, as the `cel.expr.CheckedExpr`
message of the CEL specification, so a dozen lines of protobuf's wire format are all that is needed to see which names
an expression reads, against which numbers it compares them, and how large it is.

Source: https://protobuf.dev/programming-guides/encoding, https://github.com/google/cel-spec (proto/cel/expr).
"""

from collections.abc import Iterator
from struct import unpack
from typing import Final, Literal, NamedTuple

Field = tuple[int, int | bytes]


class Node(NamedTuple):
    """One node: a constant (`value`), a name, a call of a function or operator (`name`, `args`), a list (`args`), or
    something that conditions have no use for (`name` says what)."""

    kind: Literal["constant", "name", "call", "list", "other"]
    id: int
    name: str = ""
    value: bool | int | float | str | None = None
    args: tuple["Node", ...] = ()

    def walk(self) -> Iterator["Node"]:
        """Itself and everything below."""
        yield self
        for each in self.args:
            yield from each.walk()

    def depth(self) -> int:
        return 1 + max((each.depth() for each in self.args), default=0)


class Tree(NamedTuple):
    """The root, and where in the source each node stands (node id → character, from 0)."""

    root: Node
    positions: dict[int, int]


#: Fields of `Expr` that conditions have no use for, in words.
_OTHERS: Final = {5: "a field of something", 8: "an object or map", 9: "a macro"}


def read(serialised: bytes) -> Tree:
    """Read the tree of `Expression.serialize()`: a `google.protobuf.Any` around a `CheckedExpr`."""
    checked = dict(_fields(_bytes(dict(_fields(serialised))[2])))
    positions: dict[int, int] = {}
    for number, value in _fields(_bytes(checked.get(5, b""))):
        if number == 4:
            entry = dict(_fields(_bytes(value)))
            positions[_int(entry.get(1, 0))] = _int(entry.get(2, 0))
    return Tree(_node(_bytes(checked[4])), positions)


def _node(data: bytes) -> Node:
    node_id = 0
    for number, value in _fields(data):
        if number == 2:
            node_id = _int(value)
        elif number == 3:
            return Node("constant", node_id, value=_constant(_bytes(value)))
        elif number == 4:
            return Node("name", node_id, _text(dict(_fields(_bytes(value))).get(1, b"")))
        elif number == 6:
            call = list(_fields(_bytes(value)))
            name = next((_text(inner) for place, inner in call if place == 2), "")
            return Node(
                "call", node_id, name, args=tuple(_node(_bytes(each)) for place, each in call if place in (1, 3))
            )
        elif number == 7:
            items = (inner for place, inner in _fields(_bytes(value)) if place == 1)
            return Node("list", node_id, args=tuple(_node(_bytes(each)) for each in items))
        elif number in _OTHERS:
            return Node("other", node_id, _OTHERS[number])
    return Node("other", node_id, "nothing")


def _constant(data: bytes) -> bool | int | float | str | None:
    for number, value in _fields(data):
        if number == 2:
            return bool(value)
        if number == 3:
            whole = _int(value)
            return whole - (1 << 64) if whole >= 1 << 63 else whole
        if number == 5:
            fraction: float = unpack("<d", _bytes(value))[0]
            return fraction
        if number == 6:
            return _text(value)
    return None


def _fields(data: bytes) -> Iterator[Field]:
    """Fields of a protobuf message: number and raw value."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            whole, place = _varint(data, place)
            yield key >> 3, whole
            continue
        if kind == 2:
            size, place = _varint(data, place)
        else:
            size = 8 if kind == 1 else 4
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def _int(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()
