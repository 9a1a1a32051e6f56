"""Rule sets: what is asked of which program, as data.

A rule file is a tree (TOML on disk, JSON on a topic): `rules.<id>` with parameters, `programs.<program>.rules.<id>`
with
overrides, `neglect`, `words`. An empty tree is the shipped defaults. What comes into force is the *expanded* tree,
in which
every parameter of every rule is written out; its content hash covers that, so new shipped defaults change nothing until
somebody activates them. Parameters of rules this code does not know any more are refused, not ignored.
"""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streams.clock import DAY_MS, HOUR_MS
from streams.custom import MAX_RULES, CustomParams, CustomRule, check_id, define, is_custom
from streams.rule import Duration, Rule, RuleParams, format_duration, parse_duration
from streams.rules import RULES, RULES_BY_ID
from streams.words import DEFAULT_WORDS

HASH_CHARACTERS: Final = 32


class RulesetError(ValueError):
    """A rule set that cannot come into force. `problems` has one sentence each, naming the place and the nearest
    valid name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Neglect(BaseModel):
    """How long an unacknowledged intervention may wait before somebody else is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    critical: Duration = Field(default=1 * HOUR_MS, description="of a critical one, in real time")
    high: Duration = Field(default=1 * DAY_MS, description="of a high one, in real time")
    warning_working_days: int = Field(
        default=3, ge=1, le=1_000, description="of a warning, Monday to Friday in the program's time zone"
    )
    ack_lapses_after: Duration = Field(
        default=7 * DAY_MS, description="after this an acknowledgement without the outreach it needs does not count"
    )


class RuleSet:
    """An expanded rule set, ready to be asked. Immutable.

    Attributes:
        tree: the expanded tree, JSON-ready.
        hash: content hash, 32 hexadecimal characters.
        words: word lists by language and list name.
        custom: code → rule, of the rules that it defines itself.
    """

    __slots__ = ("_base", "_programs", "custom", "hash", "neglect", "tree", "words")

    def __init__(
        self,
        tree: dict[str, Any],
        base: tuple[RuleParams, ...],
        programs: dict[str, tuple[RuleParams, ...]],
        neglect: Neglect,
        custom: Mapping[int, CustomRule],
    ) -> None:
        self.tree = tree
        self.custom = custom
        self._base = base
        self._programs = programs
        self.neglect = neglect
        self.words: Mapping[str, Mapping[str, list[str]]] = tree["words"]
        self.hash = sha256(_canonical(tree)).hexdigest()[:HASH_CHARACTERS]

    def params(self, rule: Rule, program_id: str) -> RuleParams:
        """Parameters of a rule in a program."""
        return self._programs.get(program_id, self._base)[rule.place]

    def all_params(self, program_id: str) -> tuple[RuleParams, ...]:
        """Parameters of all rules in a program, by their place in `RULES`; the same object each time."""
        return self._programs.get(program_id, self._base)

    def changes(self, former: "RuleSet", program_id: str = "") -> list[int]:
        """Codes of the rules that are told anything else than by a former rule set: in one program, or in all
        without an override."""
        changed = [rule.code for rule in RULES if self.params(rule, program_id) != former.params(rule, program_id)]
        if self.custom:
            known = former.custom
            changed += [
                code
                for code, rule in self.custom.items()
                if code not in known or self.params(rule, program_id) != former.params(known[code], program_id)
            ]
        return changed

    def removed(self, former: "RuleSet") -> dict[str, bytes]:
        """Custom rules of a former rule set that this one does not have: id → parameters as JSON."""
        gone = [rule for code, rule in former.custom.items() if code not in self.custom]
        return {rule.id: former.params(rule, "").model_dump_json().encode() for rule in gone}

    def overridden(self) -> set[str]:
        """Programs with parameters of their own."""
        return set(self._programs)

    def encoded(self) -> bytes:
        """The expanded tree as canonical JSON."""
        return _canonical(self.tree)


def _canonical(tree: Any) -> bytes:
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parse(tree: Mapping[str, Any]) -> RuleSet:
    """Check a tree and expand it. Expanding an expanded tree gives the same tree.

    Raises: RulesetError naming every problem.
    """
    problems: list[str] = []
    _check_names(tree, ("rules", "programs", "neglect", "words"), "", problems)
    rules = _table(tree, "rules", problems)
    own = _custom_rules(rules, problems)
    base = _rules(RULES, rules, {}, "rules", own, problems) | own
    programs: dict[str, dict[str, RuleParams]] = {}
    for program_id, override in _table(tree, "programs", problems).items():
        where = f"programs.{program_id}"
        if not isinstance(override, Mapping):
            problems.append(f"{where} is not a table")
            continue
        _check_names(override, ("rules",), where, problems)
        its_own = _table(override, "rules", problems)
        # What is wrong for everybody is said once.
        sound = {rule_id: values for rule_id, values in rules.items() if rule_id in base or is_custom(rule_id)}
        named = [rule for rule in RULES if rule.id in its_own]
        programs[program_id] = _rules(named, its_own, sound, f"{where}.rules", own, problems)
        programs[program_id] |= _custom_overrides(its_own, rules, own, f"{where}.rules", problems)
    neglect = _model(Neglect, _table(tree, "neglect", problems), "neglect", problems)
    words = _words(tree.get("words", DEFAULT_WORDS), problems)
    if problems:
        raise RulesetError(problems)
    assert isinstance(neglect, Neglect)
    expanded = {
        "rules": {rule_id: params.model_dump(mode="json") for rule_id, params in base.items()},
        "programs": {
            program_id: {"rules": {rule_id: params.model_dump(mode="json") for rule_id, params in override.items()}}
            for program_id, override in sorted(programs.items())
        },
        "neglect": neglect.model_dump(mode="json"),
        "words": words,
    }
    order = [*(rule.id for rule in RULES), *own]
    ordered = {
        program_id: tuple(override.get(rule_id, base[rule_id]) for rule_id in order)
        for program_id, override in programs.items()
    }
    return RuleSet(expanded, tuple(base[rule_id] for rule_id in order), ordered, neglect, _defined(own, programs))


@lru_cache(maxsize=64)
def load(encoded: bytes) -> RuleSet:
    """Read a tree back from its JSON; trees that expand to the same are one object.

    Raises: RulesetError when this code cannot obey it.
    """
    rules = parse(json.loads(encoded))
    expanded = rules.encoded()
    return rules if expanded == encoded else load(expanded)


def shipped() -> RuleSet:
    """The defaults this code ships with: the rule set of an empty file."""
    return load(b"{}")


def _table(tree: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    value = tree.get(name, {})
    if isinstance(value, Mapping):
        return value
    problems.append(f"{name} is not a table")
    return {}


def _check_names(tree: Mapping[str, Any], valid: tuple[str, ...], where: str, problems: list[str]) -> None:
    prefix = f"{where}." if where else ""
    problems += [f"{prefix}{name}: {_unknown(name, valid)}" for name in tree if name not in valid]


def _unknown(name: str, valid: Any) -> str:
    near = get_close_matches(str(name), list(valid), n=1)
    return f"unknown name, did you mean {near[0]}?" if near else f"unknown name, known are {', '.join(sorted(valid))}"


def _custom_rules(tree: Mapping[str, Any], problems: list[str]) -> dict[str, CustomParams]:
    """The rules that a rule set defines itself, in the order of ids."""
    found: dict[str, CustomParams] = {}
    named = sorted(rule_id for rule_id in tree if is_custom(rule_id))
    if len(named) > MAX_RULES:
        problems.append(f"rules: {len(named)} custom rules, at most {MAX_RULES} are allowed")
    for rule_id in named:
        place, trouble = f'rules."{rule_id}"', check_id(rule_id)
        if trouble is not None:
            problems.append(f"{place}: {trouble}")
        elif not isinstance(tree[rule_id], Mapping):
            problems.append(f"{place} is not a table")
        elif isinstance(params := _model(CustomParams, tree[rule_id], place, problems), CustomParams):
            found[rule_id] = params
    return found


def _custom_overrides(
    tree: Mapping[str, Any], under: Mapping[str, Any], own: Mapping[str, CustomParams], where: str, problems: list[str]
) -> dict[str, RuleParams]:
    """What a program says otherwise about custom rules."""
    found: dict[str, RuleParams] = {}
    for rule_id, values in tree.items():
        if not is_custom(rule_id) or rule_id not in own:
            continue
        place = f'{where}."{rule_id}"'
        if not isinstance(values, Mapping):
            problems.append(f"{place} is not a table")
        elif values.get("subject", own[rule_id].subject) != own[rule_id].subject:
            problems.append(f"{place}.subject: a rule is about the same kind of subject in every program")
        elif isinstance(params := _model(CustomParams, {**under[rule_id], **values}, place, problems), CustomParams):
            found[rule_id] = params
    return found


def _defined(
    own: Mapping[str, CustomParams], programs: Mapping[str, Mapping[str, RuleParams]]
) -> dict[int, CustomRule]:
    rules = []
    for place, (rule_id, base) in enumerate(own.items(), len(RULES)):
        overrides = (override.get(rule_id) for override in programs.values())
        rules.append(define(rule_id, place, base, [each for each in overrides if isinstance(each, CustomParams)]))
    assert len({rule.code for rule in rules}) == len(rules), "codes of custom rules are digests of 48 bits"
    return {rule.code: rule for rule in rules}


def _rules(
    rules: Iterable[Rule],
    tree: Mapping[str, Any],
    under: Mapping[str, Any],
    where: str,
    own: Mapping[str, Any],
    problems: list[str],
) -> dict[str, RuleParams]:
    for rule_id in tree:
        if is_custom(rule_id) and where != "rules" and rule_id not in own and rule_id not in under:
            hint = f'a rule that only one program has is defined in rules."{rule_id}" with enabled = false'
            problems.append(
                f'{where}."{rule_id}": {_unknown(rule_id, own)}; {hint}' if own else f'{where}."{rule_id}": {hint}'
            )
        elif not is_custom(rule_id) and rule_id not in RULES_BY_ID:
            problems.append(f'{where}."{rule_id}": {_unknown(rule_id, RULES_BY_ID)}')
    found: dict[str, RuleParams] = {}
    for rule in rules:
        own, base = tree.get(rule.id, {}), under.get(rule.id, {})
        place = f'{where}."{rule.id}"'
        if not isinstance(own, Mapping) or not isinstance(base, Mapping):
            problems.append(f"{place} is not a table")
            continue
        params = _model(rule.Params, {**base, **own}, place, problems)
        if params is not None:
            assert isinstance(params, RuleParams)
            found[rule.id] = params
    return found


def _model(model: type[BaseModel], values: Mapping[str, Any], where: str, problems: list[str]) -> BaseModel | None:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = ".".join(map(str, problem["loc"]))
            words = (
                _unknown(name, model.model_fields) if problem["type"] == "extra_forbidden" else _said(model, problem)
            )
            problems.append(f"{where}.{name}: {words}" if name else f"{where}: {words}")
        return None


_BOUNDS: Final = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}


def _said(model: type[BaseModel], problem: Any) -> str:
    """What is wrong with a value, in the words of a rule file."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        field = model.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
        is_duration = field is not None and parse_duration.__name__ in repr((field.metadata, field.annotation))
        return f"should be {words} {format_duration(context[name]) if is_duration else context[name]}"
    return str(problem["msg"]).replace("Input should be", "should be")


def _words(tree: Any, problems: list[str]) -> dict[str, dict[str, list[str]]]:
    words: dict[str, dict[str, list[str]]] = {}
    if not isinstance(tree, Mapping):
        problems.append("words is not a table")
        return words
    for language, lists in tree.items():
        if not isinstance(lists, Mapping):
            problems.append(f"words.{language} is not a table")
            continue
        for name, phrases in lists.items():
            if isinstance(phrases, str) or not all(isinstance(phrase, str) and phrase.strip() for phrase in phrases):
                problems.append(f"words.{language}.{name} is not a list of words or phrases")
            else:
                words.setdefault(language, {})[name] = list(phrases)
    return words
