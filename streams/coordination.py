"""What coordinators do about interventions, as facts: acknowledge, snooze, dismiss, note, reach out, answer whether it
was useful.

The engine suggests, it never acts; here it takes in what people did. An action names an intervention by id; `note` and
`reached_out` may name a pair or person instead (or, a note, nobody: then the program) and join whatever is open about
them. What cannot be used (no such intervention, already closed, a snooze without an end) is counted and ignored,
because the click did happen.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import schemas.facts as f
from schemas.base import to_ms
from schemas.interventions import ResolutionReason
from streams.clock import DAY_MS
from streams.lifecycle import close
from streams.neglect import is_outreach_missing
from streams.rule import Account, Rule, Subject, subject_of_episode
from streams.rules import rule_of
from streams.state.episode import Episode, Evidence, FactRef, Phase
from streams.state.record import Record
from streams.state.table import program_of
from streams.view import View
from streams.writing import Context, Decision, arm_life, explain, gather, write

_CLOSING: Final[dict[str, ResolutionReason]] = {
    "dismiss": "dismissed",
    "false_alarm": "false_alarm",
    "resolve": "coordinator",
}
#: What says that there was nothing.
_NOTHING: Final = ("dismiss", "false_alarm")
#: Measures: they count as a step of a playbook.
_STEPS: Final = ("note", "reached_out", "rematch", "pause", "mark_unavailable", "remove", "close_pair")
#: Actions that may stand without an intervention.
_FREE: Final = ("note", "reached_out", "review_done")
_WORDS: Final = {
    "ack": "a coordinator acknowledged it",
    "assign": "a coordinator assigned it",
    "snooze": "a coordinator snoozed it",
    "dismiss": "a coordinator dismissed it",
    "false_alarm": "a coordinator called it a false alarm",
    "note": "a coordinator left a note",
    "rematch": "a coordinator arranged a new match",
    "pause": "a coordinator paused it",
    "mark_unavailable": "a coordinator marked the person unavailable",
    "remove": "a coordinator removed the person",
    "close_pair": "a coordinator closed the pair",
    "resolve": "a coordinator resolved it",
    "review_done": "a coordinator finished a review",
}
_OUTCOMES: Final = {"answered": ", who answered", "no_answer": ", without an answer", None: ""}

#: How an episode's context is made: its rule and program.
ContextOf = Callable[[Rule, View], Context]


class Acted(NamedTuple):
    """An intervention that a coordinator's action concerns. `sequence` is that of its latest record before the rules
    were asked; None when what the action does to it is written already."""

    rule: Rule
    subject: Subject
    episode: Episode
    sequence: int | None

    @property
    def key(self) -> bytes:
        return self.subject.key

    @property
    def record(self) -> Record:
        return self.subject.record


def act(
    view: View,
    fact: f.ActionTaken,
    ref: FactRef,
    touched_pairs: tuple[str, ...],
    context_of: ContextOf,
    out: list[Decision],
) -> list[Acted]:
    """Let an action do what it does to open interventions. What merely joins one (a note, an outreach) is gathered
    and written by `join`, once the rules have been asked: if the same fact moves it further, that is one record.

    Args:
        touched_pairs: pairs in which an outreach was noted.
        context_of: the context of a rule in this program at this occasion.
        out: decisions are appended here.

    Returns: what it concerns; empty and counted as ignored when the action is of no use.
    """
    acted: list[Acted] = []
    named = _named(view, fact)
    if named is not None:
        _act_on(*named, view, fact, ref, context_of, out, acted)
    elif fact.action in ("note", "reached_out"):
        for key, record, member in _about(view, fact, touched_pairs):
            for episode in record.episodes:
                if episode.is_open and rule_of(episode.rule, view) is not None and member in ("", episode.member):
                    _act_on(key, record, episode, view, fact, ref, context_of, out, acted)
    if not acted and not _is_free(fact):
        view.partition.counts["ignored_actions",] += 1
    return acted


def _is_free(fact: f.ActionTaken) -> bool:
    """Whether an action means something though no intervention was changed."""
    if fact.action == "reached_out":
        return fact.pair_id is not None or fact.participant_id is not None
    return fact.action in _FREE


def _named(view: View, fact: f.ActionTaken) -> tuple[bytes, Record, Episode] | None:
    """The open intervention that an action names."""
    if fact.intervention_id is None:
        return None
    key = view.partition.interventions.get(fact.intervention_id)
    record = None if key is None or program_of(key) != view.program_id else view.partition.table.get(key)
    if key is None or record is None:
        return None
    found = (each for each in record.episodes if each.is_open and each.id == fact.intervention_id)
    episode = next(found, None)
    return None if episode is None or rule_of(episode.rule, view) is None else (key, record, episode)


def _about(view: View, fact: f.ActionTaken, touched_pairs: tuple[str, ...]) -> list[tuple[bytes, Record, str]]:
    """Records about whom an action speaks that names no intervention, and of which member (empty = all)."""
    found: list[tuple[bytes, Record, str]] = []
    pair_ids = (fact.pair_id,) if fact.pair_id is not None else touched_pairs
    for pair_id in pair_ids:
        pair = view.pair(pair_id)
        if pair is not None:
            found.append((view.pair_key(pair_id), pair, ""))
    if fact.participant_id is not None:
        person = view.participant(fact.participant_id)
        if person is not None:
            found.append((view.participant_key(fact.participant_id), person, ""))
            if fact.action == "note":
                pairs = ((each, view.pair(each)) for each in person.pair_ids if each not in pair_ids)
                found += [(view.pair_key(i), pair, fact.participant_id) for i, pair in pairs if pair is not None]
    if fact.pair_id is None and fact.participant_id is None and fact.action == "note":
        found.append((view.program_key, view.program, ""))
    return found


def _act_on(
    key: bytes,
    record: Record,
    episode: Episode,
    view: View,
    fact: f.ActionTaken,
    ref: FactRef,
    context_of: ContextOf,
    out: list[Decision],
    acted: list[Acted],
) -> None:
    """One action on one open intervention."""
    rule = rule_of(episode.rule, view)
    assert rule is not None
    subject = subject_of_episode(rule, key, record, episode)
    if subject is None or (fact.action == "review_done"):
        return
    context = context_of(rule, view)
    at_ms = context.moment.at_ms
    told = (_evidence(fact, ref),)
    if fact.action == "snooze" and (fact.until is None or to_ms(fact.until) <= max(at_ms, context.moment.now_ms)):
        return
    _answer(view, rule, episode, fact, ref)
    sequence = None
    if fact.action in _CLOSING:
        close(rule, subject, context, out, _CLOSING[fact.action], fact.actor_id, told)
        if fact.action in _NOTHING:
            rule.relearn(view, subject, context.params, context.moment)
    elif fact.action == "snooze":
        assert fact.until is not None
        episode.phase, episode.due_ms = Phase.SNOOZED, to_ms(fact.until)
        account = explain(rule, subject, episode, context, "snoozed")
        write(rule, subject, episode, context, out, "snoozed", account, evidence=told)
    elif fact.action == "ack":
        episode.phase, episode.level = Phase.ACKNOWLEDGED, 0
        account = explain(rule, subject, episode, context, "acknowledged")
        _await_outreach(subject, episode, account, context)
        write(rule, subject, episode, context, out, "acknowledged", account, evidence=told)
    else:
        episode.steps += fact.action in _STEPS
        gather(episode, told)
        account = explain(rule, subject, episode, context, "evidence_added")
        _await_outreach(subject, episode, account, context)
        sequence = episode.sequence
    arm_life(record)
    acted.append(Acted(rule, subject, episode, sequence))


def join(acted: Acted, context: Context, out: list[Decision]) -> None:
    """Write that an action joined an intervention, unless the rule has written since: then that record has it."""
    rule, subject, episode, sequence = acted
    if sequence is not None and episode.is_open and episode.sequence == sequence:
        account = explain(rule, subject, episode, context, "evidence_added")
        write(rule, subject, episode, context, out, "evidence_added", account, evidence=())
        arm_life(subject.record)


def _await_outreach(subject: Subject, episode: Episode, account: Account, context: Context) -> None:
    """An acknowledgement lapses a while after the latest action, as long as a suggested outreach has not been made."""
    if episode.phase is Phase.ACKNOWLEDGED:
        missing = is_outreach_missing(context.view, subject, account, episode.opened_ms)
        episode.due_ms = context.moment.at_ms + context.rules.neglect.ack_lapses_after if missing else 0


def _answer(view: View, rule: Rule, episode: Episode, fact: f.ActionTaken, ref: FactRef) -> None:
    """Count whether an intervention was useful: once, the latest answer stands."""
    if fact.action != "false_alarm" and fact.usefulness is None:
        return
    if episode.answer:
        view.count_answer(rule.code, episode.answer // 2, useful=bool(episode.answer % 2), change=-1)
    day, is_useful = ref.at_ms // DAY_MS, fact.action != "false_alarm" and fact.usefulness == "useful"
    view.count_answer(rule.code, day, useful=is_useful, change=1)
    view.touch_program()
    episode.answer = 2 * day + is_useful


def _evidence(fact: f.ActionTaken, ref: FactRef) -> Evidence:
    text = _WORDS.get(fact.action)
    if text is None:
        whom = f"the {fact.party}" if fact.party is not None else "the person"
        text = f"a coordinator reached out to {whom}{_OUTCOMES[fact.outcome]}"
    return Evidence(text, ref.at_ms, ref.event_id, ref.topic, ref.partition, ref.offset)
