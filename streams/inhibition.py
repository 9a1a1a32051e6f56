"""Inhibition: while one thing is open that explains another, the other is written but not sent.

A rule names what it withholds in `Rule.inhibits`. Whether a record is withheld is judged for each record when it is
written; when the last rule that withholds an open intervention closes, it is woken. A rule in shadow mode withholds
nothing: nobody would hear of either.
"""

from typing import Final

from streams.rule import ABSENCE_RULES, Rule, Subject
from streams.rules import RULES
from streams.state.pair import PairState
from streams.state.record import Record
from streams.state.table import program_key
from streams.view import View

#: Where rules that look across programs keep their episodes.
ACROSS: Final = "*"


def withholds(inhibitor: Rule, rule: Rule) -> bool:
    """Whether one rule withholds another."""
    named = rule.id in inhibitor.inhibits or (rule.is_absence and ABSENCE_RULES in inhibitor.inhibits)
    return named and rule is not inhibitor


_INHIBITORS: Final[dict[str, tuple[Rule, ...]]] = {
    rule.id: tuple(each for each in RULES if withholds(each, rule)) for rule in RULES
}
#: what withholds a custom rule about absence
_OF_ABSENCE: Final = tuple(rule for rule in RULES if ABSENCE_RULES in rule.inhibits)


def inhibitor_of(rule: Rule, subject: Subject, view: View) -> Rule | None:
    """The rule that withholds what is about to be said of a subject, None when nothing does."""
    for inhibitor in _INHIBITORS.get(rule.id, _OF_ABSENCE if rule.is_absence else ()):
        if any(is_open(inhibitor, record) for record in _records(inhibitor, subject, view)):
            return inhibitor
    return None


def is_open(inhibitor: Rule, record: Record) -> bool:
    """Whether a rule has an open episode on a record that may withhold others."""
    return any(each.rule == inhibitor.code and each.is_open and each.silence != "shadow" for each in record.episodes)


def _records(inhibitor: Rule, subject: Subject, view: View) -> list[Record]:
    """Where an episode would stand that withholds something about a subject."""
    if inhibitor.subject == "program":
        across = view.partition.table.get(program_key(ACROSS))
        return [view.program] if across is None else [view.program, across]
    pair = subject.record
    if inhibitor.subject == "participant" and isinstance(pair, PairState):
        return [person for each in pair.members if (person := view.participant(each.id)) is not None]
    return []
