"""Conditions: what is refused when a rule set is loaded, with words that help, and what a checked one says."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from streams.custom.expression import MAX_CHARACTERS, MAX_NODES, ExpressionError, compiled


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("days_since_contct > 30", "character 1: unknown name days_since_contct, did you mean days_since_contact?"),
        ("zzzz", "about a pair there are days_since_contact, days_since_match"),
        ("days_since_contact > 30.0", "character 20: > does not take a whole number and a fraction: write 4.0"),
        ("days_since_contact > 'x'", "> does not take a whole number and a text"),
        ("days_since_contact", "gives a whole number, but a condition is true or false"),
        ("days_since_contact >", "character 21: Syntax error: mismatched input 'the end'"),
        ("true", "reads nothing about the pair"),
        ("", "Syntax error"),
        ("now() > 3", "unknown name now"),
        ("'abc'.matches('a+') && has_met", "character 14: matches() is not allowed"),
        ("[1, 2].all(x, x > days_since_contact)", "a macro is not allowed"),
        ("{'a': has_met}['a']", "is not allowed"),
        ("has({'a': 1}.a) && has_met", "is not allowed"),
        ("dyn(days_since_contact) > 3", "dyn() is not allowed"),
        ("timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z') && has_met", "is not allowed"),
        ("has_met && " + "(" * 40 + "has_met" + ")" * 40, "recursion limit"),
        ("has_met && " * 50 + "has_met", f"at most {MAX_CHARACTERS}"),
        ("has_met||" * 45 + "has_met", f"at most {MAX_NODES}"),
        ("!(has_met && " * 9 + "has_met" + ")" * 9, "is nested"),
        ("meetings_held\n> zz", "line 2, character 3: unknown name zz"),
    ],
)
def test_what_is_no_condition_is_refused_in_words(source: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compiled("pair", source)
    assert hint in str(caught.value)


def test_each_kind_of_subject_has_its_own_names() -> None:
    assert compiled("participant", "role == 'mentor' && active_pairs == 0").names == ("active_pairs", "role")
    with pytest.raises(ExpressionError, match="unknown name role"):
        compiled("pair", "role == 'mentor'")


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("days_since_contact > 30 && has_met", {"days_since_contact": (30,)}),
        ("days_since_contact > 30 || 7 == days_since_contact", {"days_since_contact": (7, 30)}),
        ("days_since_contact - meetings_held > 3", {"days_since_contact": None, "meetings_held": None}),
        ("days_since_contact > meetings_held", {"days_since_contact": None, "meetings_held": None}),
        ("days_since_contact > 3 && days_since_contact % 2 == 0", {"days_since_contact": None}),
        ("days_since_contact in [3, 9]", {"days_since_contact": None}),
        ("days_since_contact > -3", {"days_since_contact": (-3,)}),
    ],
)
def test_it_is_known_which_numbers_a_count_is_compared_with(
    source: str, counts: dict[str, tuple[int, ...] | None]
) -> None:
    assert compiled("pair", source).counts == counts


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("meetings_held >= 3 && !has_met", False),
        ("meetings_held >= 3 ? has_met : is_group", True),
        ("double(meetings_held) / 7.0 > 0.5", True),
        ("meetings_held in [1, 4]", True),
        ("meetings_held * 2 - 1 == 7 // because", True),
    ],
)
def test_a_condition_says_whether_it_holds(source: str, answer: bool) -> None:
    values = {"meetings_held": 4, "has_met": True, "is_group": False}
    condition = compiled("pair", source)
    assert condition.holds({name: values[name] for name in condition.names}) is answer


@pytest.mark.parametrize("source", ["100 / meetings_held > 3", "9223372036854775807 + 1 > meetings_held"])
def test_a_condition_without_a_value_raises(source: str) -> None:
    with pytest.raises(ExpressionError, match=r"no value: (divide by zero|integer overflow)"):
        compiled("pair", source).holds({"meetings_held": 0})


def test_conditions_are_compiled_and_asked_from_several_threads_at_once() -> None:
    def ask(limit: int) -> list[bool]:
        condition = compiled("pair", f"meetings_held > {limit} && days_since_contact < {limit * 2}")
        return [condition.holds({"meetings_held": n, "days_since_contact": n}) for n in range(300)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(1, 60)))
    assert answers == [[limit < n < limit * 2 for n in range(300)] for limit in range(1, 60)]
