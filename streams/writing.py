"""One record of an intervention: what it says, to whom, and how it is delivered.

`write` notes in the episode that it was written, and until when nobody may neglect it. The order in which reasons
against delivery count is the catalogue's: shadow, backfill, inhibited, review list, a coordinator's own action.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from schemas import outbound
from schemas.facts import ActionTaken
from schemas.interventions import Audience, Change, Delivery, ResolutionReason, State
from schemas.interventions import Severity as SeverityName
from schemas.journal import Coordinates
from streams.inhibition import inhibitor_of
from streams.neglect import TOLD, span_end_ms
from streams.rule import Account, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict, subject_of_episode
from streams.rules import RULES_BY_CODE, rule_of
from streams.ruleset import RuleSet
from streams.state.episode import Episode, Evidence, Phase
from streams.state.record import LIFE, Record
from streams.view import TOPICS, View

MAX_EVIDENCE: Final = 20
#: Evidence kept in state for later records, so that one fact writes little however long an episode lasts.
KEPT_EVIDENCE: Final = 2

_SEVERITIES: Final[tuple[SeverityName, ...]] = ("info", "notice", "warning", "high", "critical")
_STATES: Final[dict[Phase, State]] = {Phase.OPEN: "open", Phase.ACKNOWLEDGED: "acknowledged", Phase.SNOOZED: "snoozed"}
_CLOSED_STATES: Final[dict[Change, State]] = {"resolved": "resolved", "expired": "expired", "retracted": "retracted"}
#: Changes that are news in themselves.
SPOKEN: Final = ("opened", "escalated", "woken")


class Decision(NamedTuple):
    """One record for `interventions` and the instant it was decided (ms UTC)."""

    at_ms: int
    record: outbound.Intervention


class Context(msgspec.Struct, frozen=True, gc=False):
    """What the life cycle needs beside the verdict: the view, the rule's parameters, the rule set in force and the
    occasion."""

    view: View
    params: RuleParams
    rules: RuleSet
    moment: Moment
    #: `none` / `silent` / `emit` while a rule set is being switched on, else empty
    backfill: str = ""


def explain(rule: Rule, subject: Subject, episode: Episode, context: Context, change: Change) -> Account:
    """Let the rule account for a record about to be written."""
    return rule.explain(context.view, subject, context.params, context.moment, change, episode.rung)


def write(
    rule: Rule,
    subject: Subject,
    episode: Episode,
    context: Context,
    out: list[Decision],
    change: Change,
    account: Account,
    *,
    evidence: tuple[Evidence, ...] | None = None,
    resolution: tuple[ResolutionReason, str | None] | None = None,
    anew: bool = False,
) -> None:
    """Append one record, and note in the episode that it was written.

    Args:
        evidence: what is new; None = what the account has.
        resolution: reason, and who did it, of a record that closes.
        anew: the span in which nobody may neglect it starts again.
    """
    view, params, moment = context.view, context.params, context.moment
    rung = rule.rungs[episode.rung - 1]
    episode.sequence += 1
    episode.last_ms = moment.at_ms
    closing = change in _CLOSED_STATES
    told = sorted(
        [*episode.evidence, *(account.evidence if evidence is None else evidence)], key=lambda each: each.at_ms
    )[-MAX_EVIDENCE:]
    # What time alone added can be said again; a fact that is forgotten here cannot.
    facts = [each for each in told if each.event_id is not None]
    episode.evidence = [] if closing else (facts or told)[-KEPT_EVIDENCE:]
    waits = account.review_list or (episode.severity < params.sent_from_severity and not episode.urgent)
    listed = rung.review_list or (waits and not episode.spoke)
    delivery, delivery_reason = _deliver(rule, subject, episode, context, change, listed)
    if closing:
        episode.closed_ms = moment.at_ms
        episode.due_ms = episode.withheld = episode.level = 0
        view.partition.interventions.pop(episode.id, None)
    else:
        view.partition.interventions[episode.id] = subject.key
        if anew and episode.phase is Phase.OPEN:
            episode.level = 0
            episode.due_ms = span_end_ms(episode.severity, moment.at_ms, context.rules.neglect, view)
        if episode.phase is Phase.OPEN and (episode.silence or episode.withheld or listed):
            episode.due_ms = 0
    arm_life(subject.record)
    due_ms = 0 if closing else account.due_ms or episode.due_ms
    expires = rule.expires and not closing and episode.phase is not Phase.SNOOZED
    if expires:
        timers, last_ms = subject.record.timers, episode.last_ms + params.expires_after
        timers[rule.code] = min(timers.get(rule.code, last_ms), last_ms)
    record = outbound.Intervention(
        intervention_id=episode.id,
        sequence=episode.sequence,
        change=change,
        state=_CLOSED_STATES[change] if closing else _STATES[episode.phase],
        rule=outbound.RuleReference(rule.id, rule.version, context.rules.hash),
        rule_class=rule.klass,
        severity=_SEVERITIES[episode.severity],
        stage=rung.name,
        program_id=view.program_id,
        subject=outbound.Subject(subject.kind, subject.id),
        pair_ids=sorted(account.pair_ids),
        participant_ids=sorted(account.participant_ids),
        cause=None if account.cause is None else outbound.Cause(*account.cause),
        summary=account.summary,
        evidence=[_evidence(each) for each in told],
        actions=_actions(account),
        delivery=delivery,
        delivery_reason=delivery_reason,
        audience=_audience(rule, rung, episode, account),
        opened_at=outbound.moment(episode.opened_ms),
        decided_at=outbound.moment(moment.at_ms),
        due_at=outbound.moment(due_ms) if due_ms else None,
        expires_at=outbound.moment(episode.last_ms + params.expires_after) if expires else None,
        resolution=None if resolution is None else outbound.Resolution(*resolution),
    )
    out.append(Decision(moment.at_ms, record))
    if closing or change == "opened":
        counted = view.program.counted
        (counted.closed if closing else counted.opened)(rule.code)
        view.touch_program()


def arm_life(record: Record) -> None:
    """Set the one timer for everything that happens to the episodes of a record by the clock alone."""
    due_ms = min((each.due_ms for each in record.episodes if each.due_ms), default=0)
    if due_ms:
        record.timers[LIFE] = due_ms
    else:
        record.timers.pop(LIFE, None)


def gather(episode: Episode, told: tuple[Evidence, ...]) -> None:
    """Keep evidence for the next record of the episode."""
    kept = sorted([*episode.evidence, *told], key=lambda each: each.at_ms)
    episode.evidence = kept[-MAX_EVIDENCE:]


def identify(rule: Rule, subject: Subject, verdict: Verdict, context: Context, number: int) -> str:
    """A function of rule, program, subject, cause and number of the episode; never of a position."""
    origin = verdict.origin
    parts = [
        rule.id,
        context.view.program_id,
        subject.kind,
        subject.id,
        TOPICS[origin.topic] if origin is not None else "",
        origin.event_id if origin is not None else "",
        "" if verdict.due_ms is None else str(verdict.due_ms),
        str(number),
    ]
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def _deliver(
    rule: Rule, subject: Subject, episode: Episode, context: Context, change: Change, listed: bool
) -> tuple[Delivery, str | None]:
    if context.params.mode == "shadow":
        return "none", "shadow"
    if episode.silence:
        return "none", episode.silence
    inhibitor = inhibitor_of(rule, subject, context.view)
    if inhibitor is None and episode.withheld and not episode.spoke and change != "woken":
        inhibitor = RULES_BY_CODE.get(episode.withheld)  # what never spoke closes without a word as well
    episode.withheld = 0 if inhibitor is None else inhibitor.code
    if inhibitor is not None:
        return "none", f"inhibited:{inhibitor.id}"
    if listed or (change not in SPOKEN and not episode.spoke):
        return "none", "review_list"
    if change in SPOKEN:
        episode.spoke = True
        return "now" if episode.urgent or episode.severity == Severity.CRITICAL else "digest", None
    if isinstance(context.moment.fact, ActionTaken):
        return "none", "coordinator_action"
    return "digest", None


def _audience(rule: Rule, rung: Rung, episode: Episode, account: Account) -> Audience:
    if episode.level and not rule.keeps_audience:
        return TOLD[episode.level - 1]
    return account.audience or rung.audience or rule.audience


def _actions(account: Account) -> list[outbound.SuggestedAction]:
    return [
        outbound.SuggestedAction(
            code=action.code,
            party=action.party,
            order=order,
            needs_approval=action.needs_approval,
            unlocked=action.unlocked,
        )
        for order, action in enumerate(account.actions, 1)
    ]


def _evidence(item: Evidence) -> outbound.Evidence:
    source = None
    if item.offset >= 0:
        source = Coordinates(topic=TOPICS[item.topic], partition=item.partition, offset=item.offset)
    return outbound.Evidence(
        text=item.text,
        event_id=item.event_id,
        source=source,
        value=item.value,
        threshold=item.threshold,
        window_days=item.window_days,
        at=outbound.moment(item.at_ms),
    )


def withhold(inhibitor: Rule, view: View, decisions: list[Decision]) -> list[Decision]:
    """Withhold what was decided in the very occasion in which an inhibitor opened, and let it follow the inhibitor.

    Args:
        decisions: of this occasion, in order.

    Returns: the same ones; what is withheld comes last, so that a reader meets first what explains it.
    """
    first: list[Decision] = []
    withheld: list[Decision] = []
    for decision in decisions:
        record = decision.record
        key = view.partition.interventions.get(record.intervention_id)
        state = None if key is None else view.partition.table.get(key)
        episode = None
        if key is not None and state is not None and record.delivery != "none":
            episode = next((each for each in state.episodes if each.id == record.intervention_id), None)
        rule = None if episode is None else rule_of(episode.rule, view)
        if episode is None or rule is None or key is None or state is None:
            first.append(decision)
            continue
        subject = subject_of_episode(rule, key, state, episode)
        if subject is None or inhibitor_of(rule, subject, view) is not inhibitor:
            first.append(decision)
            continue
        # Nothing of it was heard if its opening is among these decisions, and the opening comes first.
        episode.spoke = episode.spoke and record.change != "opened"
        is_span = episode.due_ms and record.due_at == outbound.moment(episode.due_ms)
        episode.withheld, episode.due_ms = inhibitor.code, 0
        arm_life(state)
        view.partition.table.touch(key)
        silent = replace(
            record,
            delivery="none",
            delivery_reason=f"inhibited:{inhibitor.id}",
            due_at=None if is_span else record.due_at,
        )
        withheld.append(Decision(decision.at_ms, silent))
    return first + withheld
