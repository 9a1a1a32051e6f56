"""Two rule sets compared in words: what a coordinator of which program will notice."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from streams.catalogue import is_duration, written
from streams.clock import DAY_MS, HOUR_MS
from streams.custom import CustomParams
from streams.rule import Rule, RuleParams, parse_duration
from streams.rules import RULES
from streams.ruleset import Neglect, RuleSet

_MINUTE_WORDS: Final = ((DAY_MS, "day"), (HOUR_MS, "hour"), (60_000, "minute"))


class Difference(NamedTuple):
    """One difference.

    Attributes:
        program: the program that it is about; "" for all without a word of their own.
        rule: id of the rule; "" when it is not about one.
        name: the parameter; "" when it is about the rule as a whole.
        before, after: as in a rule file, None where there is no such thing.
        text: the whole in words.
    """

    program: str
    rule: str
    name: str
    before: Any
    after: Any
    text: str


def differences(before: RuleSet, after: RuleSet) -> list[Difference]:
    """What is different in `after`, in the order of rules: for everybody first, then program by program."""
    found = [*_of_everybody(before, after), *_of_neglect(before, after), *_of_words(before, after)]
    for program_id in sorted(before.overridden() | after.overridden()):
        found += _of_program(program_id, before, after)
    return found


def _of_everybody(before: RuleSet, after: RuleSet) -> Iterator[Difference]:
    for rule in RULES:
        yield from _of_rule("", rule, before.params(rule, ""), after.params(rule, ""))
    ids = {rule.id: code for each in (before, after) for code, rule in each.custom.items()}
    for rule_id in sorted(ids):
        olds = [rule for rule in before.custom.values() if rule.id == rule_id]
        news = [rule for rule in after.custom.values() if rule.id == rule_id]
        if olds and news and olds[0].code == news[0].code:
            yield from _of_rule("", news[0], before.params(olds[0], ""), after.params(news[0], ""))
            continue
        if olds:
            yield Difference("", rule_id, "", True, None, f"{rule_id} is removed; what it has open is resolved")
        for rule in news:
            params = after.params(rule, "")
            assert isinstance(params, CustomParams)
            text = f"{rule_id} is new: about each {params.subject}, {params.severity}, when {params.when}"
            yield Difference("", rule_id, "", None, params.model_dump(mode="json"), text)


def _of_program(program_id: str, before: RuleSet, after: RuleSet) -> Iterator[Difference]:
    """What changes in a program otherwise than for everybody."""
    known = {rule.id: rule for rule in before.custom.values()}
    both = [(known[rule.id], rule) for rule in after.custom.values() if rule.id in known]
    for old, new in [*((rule, rule) for rule in RULES), *both]:
        common = {each.name: each for each in _of_rule("", new, before.params(old, ""), after.params(new, ""))}
        own = list(_of_rule(program_id, new, before.params(old, program_id), after.params(new, program_id)))
        for each in own:
            shared = common.get(each.name)
            if shared is None or (shared.before, shared.after) != (each.before, each.after):
                yield each
        changed = {each.name for each in own}
        values = after.params(new, program_id).model_dump(mode="json")
        for name in common:
            if name not in changed:
                said = _say(new, name, values[name])
                text = f"program {program_id}: {new.id} keeps {name} = {said}, whatever changes for the others"
                yield Difference(program_id, new.id, name, values[name], values[name], text)


def _of_rule(program_id: str, rule: Rule, before: RuleParams, after: RuleParams) -> Iterator[Difference]:
    olds, news = before.model_dump(mode="json"), after.model_dump(mode="json")
    where = f"program {program_id}: " if program_id else ""
    if not before.enabled and not after.enabled:
        return
    for name, new in news.items():
        old = olds.get(name)
        if old != new:
            yield Difference(program_id, rule.id, name, old, new, f"{where}{rule.id} {_change(rule, name, old, new)}")


def _change(rule: Rule, name: str, old: Any, new: Any) -> str:
    """The predicate of a sentence about a rule."""
    said = _SAID.get(name)
    if said is not None:
        return said(_say(rule, name, old), _say(rule, name, new))
    field = rule.Params.model_fields[name]
    then, now = _both(rule, name, old, new)
    rung = next((rung.name for rung in rule.rungs if rung.name is not None and f"{rung.name}_after" == name), None)
    if rung is not None:
        return f"will wait {now} instead of {then} before it says `{rung}` ({field.description})"
    if is_duration(field) and name.endswith(("_after", "_for", "after")):
        return f"will wait {now} instead of {then} ({name}: {field.description})"
    return f"uses {name} = {now} instead of {then} ({field.description})"


def _both(rule: Rule, name: str, old: Any, new: Any) -> tuple[str, str]:
    """Both values in words; a unit that both share is said once."""
    then, now = _say(rule, name, old), _say(rule, name, new)
    if (
        isinstance(old, str)
        and is_duration(rule.Params.model_fields[name])
        and then.split(" ")[1:] == now.split(" ")[1:]
    ):
        then = then.split(" ", maxsplit=1)[0]
    return then, now


def _say(rule: Rule, name: str, value: Any) -> str:
    field = rule.Params.model_fields[name]
    if is_duration(field):
        return ", ".join(duration_words(each) for each in value) if isinstance(value, list) else duration_words(value)
    return value if name in ("when", "says") else written(value).strip('"')


def duration_words(text: str) -> str:
    """A duration as people say it: "20 days" for "20d"."""
    duration_ms = parse_duration(text)
    for size, word in _MINUTE_WORDS:
        if duration_ms % size == 0:
            count = duration_ms // size
            return f"{count} {word}" if count == 1 else f"{count} {word}s"
    raise AssertionError("a duration is a whole number of minutes")


def _switched(_old: str, new: str) -> str:
    return "is switched on" if new == "true" else "is switched off; what it has open is resolved"


def _speaks(_old: str, new: str) -> str:
    return "speaks from now on" if new == "live" else "watches from now on and is not sent (shadow)"


_SAID: Final[Mapping[str, Callable[[str, str], str]]] = {
    "enabled": _switched,
    "mode": _speaks,
    "cool_down": lambda old, new: f"will stay silent for {new} instead of {old} after closing",
    "expires_after": lambda old, new: f"will let what is open expire after {new} instead of {old} without news",
    "mute": lambda old, new: f"will be mute for {new} instead of {old} after a false alarm",
    "sent_from": lambda old, new: f"is sent by itself from {new} on instead of from {old} on",
    "when": lambda old, new: f"opens when {new}, no longer when {old}",
    "says": lambda old, new: f"says “{new}” instead of “{old}”",
    "severity": lambda old, new: f"is {new} instead of {old}",
    "audience": lambda old, new: f"goes to {new} instead of {old}",
}


def _of_neglect(before: RuleSet, after: RuleSet) -> Iterator[Difference]:
    olds, news = before.neglect.model_dump(mode="json"), after.neglect.model_dump(mode="json")
    for name, new in news.items():
        if new != olds[name]:
            words = [
                duration_words(each) if is_duration(Neglect.model_fields[name]) else f"{each} working days"
                for each in (olds[name], new)
            ]
            what = (
                "an acknowledgement without an outreach lapses"
                if name == "ack_lapses_after"
                else f"a neglected {name.partition('_')[0]} intervention is told to somebody else"
            )
            yield Difference(
                "", "", f"neglect.{name}", olds[name], new, f"{what} after {words[1]} instead of {words[0]}"
            )


def _of_words(before: RuleSet, after: RuleSet) -> Iterator[Difference]:
    lists = sorted(
        {(language, name) for each in (before, after) for language in each.words for name in each.words[language]}
    )
    for language, name in lists:
        old = before.words.get(language, {}).get(name, [])
        new = after.words.get(language, {}).get(name, [])
        added, gone = [each for each in new if each not in old], [each for each in old if each not in new]
        if added or gone:
            said = [f"has {len(added)} more: {', '.join(added)}"] * bool(added)
            said += [f"lacks {len(gone)}: {', '.join(gone)}"] * bool(gone)
            text = f"the word list {name} ({language}) {' and '.join(said)}"
            yield Difference("", "", f"words.{language}.{name}", old, new, text)
