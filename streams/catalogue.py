"""What a rule is, told to the person who owns a rule set: what it sees, what ends it, and its parameters with units,
bounds and defaults. Read from the rules themselves, so that no page can say anything else.
"""

import inspect
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from streams.clock import DAY_MS
from streams.rule import Rule, RuleParams, format_duration, parse_duration

_LISTS: Final = (list, tuple)
#: No duration in a rule file is longer.
_LONGEST_MS: Final = 3_660 * DAY_MS
#: Parameters that every rule has stand behind its own.
COMMON: Final = tuple(RuleParams.model_fields)
#: How docstrings begin what their rule decided itself.
_LEEWAY: Final = "Where the catalogue leaves room:"
_WORDS: Final = {
    "reach_out": "reach out",
    "rematch": "re-match",
    "mark_unavailable": "mark as unavailable",
    "remove": "remove",
    "send_probe": "ask by a short survey",
    "send_reminder": "send a reminder",
    "broadcast_check_in": "send a check-in to everybody",
    "offer_opt_out": "offer to stay, pause or leave",
    "bulk_clean_up": "clean up the list",
    "open_playbook": "open the playbook",
}


class Parameter(NamedTuple):
    """One parameter: its name, what a value is, between which bounds, the default as written in a file, and what it
    means."""

    name: str
    unit: str
    bounds: str
    default: str
    words: str


def parameters(model: type[BaseModel]) -> list[Parameter]:
    """The parameters of a model, its own first, then those that every rule has."""
    fields = model.model_fields
    names = [*(name for name in fields if name not in COMMON), *(name for name in COMMON if name in fields)]
    return [_parameter(name, fields[name]) for name in names]


def is_duration(field: FieldInfo) -> bool:
    """Whether a parameter is a duration (or a list of them), written "<n>d", "<n>h" or "<n>m" in a file."""
    return parse_duration.__name__ in repr((field.metadata, field.annotation))


def written(value: Any) -> str:
    """A parameter as it is written in a rule file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(each) for each in value) + "]"
    return f"{value}"


def action_words(code: str) -> str:
    return _WORDS[code]


def documented(rule: Rule) -> tuple[str, list[str], str]:
    """What the rule's module says of it: the headline, its paragraphs and list items (these begin with "- "), each on
    one line, and the source of its numbers ('' for none)."""
    module = inspect.getmodule(type(rule))
    text = inspect.cleandoc((module.__doc__ if module is not None else None) or "")
    headline, *blocks = (block.strip() for block in text.split("\n\n"))
    body = [each for block in blocks if not block.startswith("Source:") for each in _unwrapped(block)]
    source = next((block for block in blocks if block.startswith("Source:")), "")
    return _joined(headline.removeprefix(f"{rule.id}:")), body, _joined(source.removeprefix("Source:"))


def _unwrapped(block: str) -> list[str]:
    """The paragraphs and list items of a block, without the line breaks inside."""
    found: list[str] = []
    for line in block.replace(_LEEWAY, "In detail:").splitlines():
        if line.startswith("- ") or not found:
            found.append(line)
        else:
            found[-1] = f"{found[-1]} {line.strip()}"
    return found


def _joined(text: str) -> str:
    return " ".join(text.split())


def _parameter(name: str, field: FieldInfo) -> Parameter:
    default = "" if field.is_required() else _default(field)
    return Parameter(name, _unit(name, field), _bounds(field), default, field.description or "")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if is_duration(field):
        value = [format_duration(each) for each in value] if isinstance(value, list) else format_duration(value)
    return written(value)


def _item(field: FieldInfo) -> Any:
    """The type of one value, of a list that of its items."""
    kind = field.annotation
    return get_args(kind)[0] if get_origin(kind) in _LISTS else kind


def _metadata(field: FieldInfo) -> list[Any]:
    found = list(field.metadata)
    if get_origin(field.annotation) in _LISTS:
        found += [
            each for part in getattr(_item(field), "__metadata__", ()) for each in getattr(part, "metadata", [part])
        ]
    return found


def _unit(name: str, field: FieldInfo) -> str:
    kind = _item(field)
    many = "list of " if get_origin(field.annotation) in _LISTS else ""
    if is_duration(field):
        return many + ("durations" if many else "duration")
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(written(each) for each in get_args(kind))
    if kind is float:
        return many + (
            "share, 0 to 1" if "share" in name or "response_rate" in name else "numbers" if many else "number"
        )
    return many + {bool: "true or false", int: "whole number", str: "texts" if many else "text"}.get(kind, "value")


def _bounds(field: FieldInfo) -> str:
    """The bounds, in the words of the unit; empty where there are none that matter."""
    lows: list[tuple[float, str]] = []
    highs: list[tuple[float, str]] = []
    others: list[str] = []
    sizes: dict[str, int] = {}
    for each in _metadata(field):
        # All of them hold: those of the parameter and those of every duration.
        if isinstance(each, Ge | Gt):
            value: Any = each.ge if isinstance(each, Ge) else each.gt
            lows.append((value, ("at least " if isinstance(each, Ge) else "above ") + _number(field, value)))
        elif isinstance(each, Le | Lt):
            value = each.le if isinstance(each, Le) else each.lt
            highs.append((value, ("at most " if isinstance(each, Le) else "below ") + _number(field, value)))
        elif isinstance(each, MultipleOf):
            others.append(f"a multiple of {each.multiple_of}")
        elif isinstance(each, MinLen):
            sizes["min"] = each.min_length
        elif isinstance(each, MaxLen):
            sizes["max"] = each.max_length
    if sizes:
        few, most = sizes.get("min", 0), sizes.get("max")
        thing = "of them" if get_origin(field.annotation) in _LISTS else "characters"
        others.insert(0, f"{few} {thing}" if few == most else f"{few} to {most} {thing}")
    found = [text for value, text in sorted(lows)[-1:] if value or not is_duration(field)]
    found += [text for value, text in sorted(highs)[:1] if value != _LONGEST_MS or not is_duration(field)]
    return ", ".join([*found, *others])


def _number(field: FieldInfo, value: Any) -> str:
    return format_duration(value) if is_duration(field) else f"{value:g}"
