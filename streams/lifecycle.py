"""The life of an intervention: from a rule's verdicts to the records that go out.

One open intervention per (rule, subject). A verdict that becomes true opens it, a graver one escalates it, further
evidence joins it, the closing condition resolves it, time expires it. It opens on entering the condition: after
closing it is held until the condition has been false once, and for the cool-down. What comes out is a function of the
stored episode, the verdict and the instant, so a replay writes the same bytes.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from schemas import outbound
from schemas.interventions import Change, Delivery, DeliveryReason, ResolutionReason, State
from schemas.interventions import Severity as SeverityName
from schemas.journal import Coordinates
from streams.calendar import FOREVER
from streams.rule import Account, Moment, Rule, RuleParams, Severity, Subject, Verdict
from streams.state.episode import Episode, Evidence, Phase
from streams.view import TOPICS, View

MAX_EVIDENCE: Final = 20
#: Evidence kept in state for later records, so that one fact writes little however long an episode lasts.
KEPT_EVIDENCE: Final = 2

_SEVERITIES: Final[tuple[SeverityName, ...]] = ("info", "notice", "warning", "high", "critical")
_STATES: Final[dict[Phase, State]] = {Phase.OPEN: "open", Phase.ACKNOWLEDGED: "acknowledged", Phase.SNOOZED: "snoozed"}
_CLOSED_STATES: Final[dict[Change, State]] = {"resolved": "resolved", "expired": "expired", "retracted": "retracted"}


class Decision(NamedTuple):
    """One record for `interventions` and the instant it was decided (ms UTC)."""

    at_ms: int
    record: outbound.Intervention


class Context(msgspec.Struct, frozen=True, gc=False):
    """What the life cycle needs beside the verdict: the view, the rule's parameters, the rule set's hash and the
    occasion."""

    view: View
    params: RuleParams
    ruleset: str
    moment: Moment
    #: `none` / `silent` / `emit` while a rule set is being switched on, else empty
    backfill: str = ""


def move(rule: Rule, subject: Subject, verdict: Verdict, context: Context, out: list[Decision]) -> int | None:
    """Move the episode of (rule, subject) by one verdict, appending the records that this writes to `out`.

    Returns: when to look again (ms UTC), None when only a fact can change anything. The subject's record is changed in
    place when the verdict matters; `out` and the record's episodes are all that is written.
    """
    record = subject.record
    episode = record.episode(rule.code, subject.member)
    if episode is None:
        if not verdict.rung:
            return verdict.look_ms
        episode = Episode(rule.code, subject.member)
        record.episodes.append(episode)
    if episode.is_open:
        _continue(rule, subject, episode, verdict, context, out)
    else:
        _consider(rule, subject, episode, verdict, context, out)
    return _look_again(rule, episode, verdict, context)


def close(
    rule: Rule, subject: Subject, context: Context, out: list[Decision], reason: ResolutionReason, by: str | None = None
) -> None:
    """Resolve an open episode for a reason outside its rule: pair closed, subject changed, rule changed, a
    coordinator."""
    episode = subject.record.open_episode(rule.code, subject.member)
    if episode is None:
        return
    verdict = Verdict(rung=episode.rung, severity=Severity(episode.severity))
    _write(rule, subject, episode, verdict, context, out, "resolved", (reason, by))
    episode.phase = Phase.HELD if reason in ("dismissed", "false_alarm", "coordinator", "rule_changed") else Phase.ARMED
    if reason == "false_alarm":
        episode.mute_until_ms = context.moment.at_ms + context.params.mute


def switch_off(rule: Rule, subject: Subject, context: Context, out: list[Decision]) -> None:
    """The rule is disabled: an open episode resolves, and what is true when it is enabled again counts as new."""
    episode = subject.record.open_episode(rule.code, subject.member)
    if episode is not None:
        close(rule, subject, context, out, "rule_changed")
        episode.phase = Phase.ARMED


def leave(rule: Rule, subject: Subject, context: Context, out: list[Decision]) -> None:
    """Somebody concerned is no longer active: an open episode resolves, and the condition counts as false once."""
    close(rule, subject, context, out, "subject_changed")
    episode = subject.record.episode(rule.code, subject.member)
    if episode is not None:
        episode.phase = Phase.ARMED


def _continue(
    rule: Rule, subject: Subject, episode: Episode, verdict: Verdict, context: Context, out: list[Decision]
) -> None:
    at_ms = context.moment.at_ms
    if verdict.closes:
        late = not verdict.rung and verdict.closed_by_ms is not None and verdict.closed_by_ms < episode.opened_ms
        if late:
            _write(rule, subject, episode, verdict, context, out, "retracted", ("late_fact", None))
            episode.closed_ms = 0  # it should never have opened: no cool-down
        else:
            _write(rule, subject, episode, verdict, context, out, "resolved", ("condition_cleared", None))
        episode.phase = Phase.HELD if verdict.rung else Phase.ARMED
    elif verdict.rung > episode.rung or (verdict.rung and verdict.severity > episode.severity):
        rung = max(verdict.rung, episode.rung)
        account = rule.explain(context.view, subject, context.params, context.moment, "escalated", rung)
        episode.rung, episode.severity = rung, max(int(verdict.severity), episode.severity)
        _write(rule, subject, episode, verdict, context, out, "escalated", account=account)
    elif verdict.fresh:
        _write(rule, subject, episode, verdict, context, out, "evidence_added")
    elif rule.expires and at_ms >= episode.last_ms + context.params.expires_after:
        _write(rule, subject, episode, verdict, context, out, "expired", ("expired", None))
        episode.phase = Phase.HELD


def _consider(
    rule: Rule, subject: Subject, episode: Episode, verdict: Verdict, context: Context, out: list[Decision]
) -> None:
    """An episode that is not open: keep track of whether the condition has been false once, and open if it may."""
    at_ms = context.moment.at_ms
    if not verdict.rung:
        episode.phase = Phase.ARMED
        return
    if context.backfill == "none" and episode.phase is Phase.ARMED:
        episode.phase = Phase.SILENT
        return
    if context.backfill in ("silent", "emit") and episode.phase is Phase.SILENT:
        episode.phase = Phase.ARMED
    if episode.phase is not Phase.ARMED:
        # A new fact that causes the condition again is a new entry into it; mere duration is not.
        if not (verdict.fresh and rule.on_fact):
            return
        episode.phase = Phase.ARMED
    if at_ms < _silent_until(episode, context.params) and not verdict.breaks_silence:
        return
    ends_ms = context.view.program.ends_ms
    if ends_ms and at_ms >= ends_ms and not rule.opens_after_end:
        return
    # Before anything is changed: a rule that raises here leaves no episode behind that was never written.
    account = rule.explain(context.view, subject, context.params, context.moment, "opened", verdict.rung)
    episode.phase = Phase.OPEN
    episode.number += 1
    episode.sequence = -1
    episode.opened_ms = at_ms
    episode.rung, episode.severity = verdict.rung, int(verdict.severity)
    episode.evidence = []
    episode.silence = (
        "shadow" if context.params.mode == "shadow" else "backfill" if context.backfill == "silent" else ""
    )
    episode.id = _identify(rule, subject, verdict, context, episode.number)
    _write(rule, subject, episode, verdict, context, out, "opened", account=account)


def _silent_until(episode: Episode, params: RuleParams) -> int:
    cool = episode.closed_ms + params.cool_down if episode.closed_ms else 0
    return max(cool, episode.mute_until_ms)


def _look_again(rule: Rule, episode: Episode, verdict: Verdict, context: Context) -> int | None:
    params, now_ms = context.params, context.moment.now_ms
    looks = [] if verdict.look_ms is None or verdict.look_ms <= now_ms else [verdict.look_ms]
    # A fact may arrive behind the clock: what it sets off is due at once then, not lost.
    if episode.is_open:
        if rule.expires:
            looks.append(max(episode.last_ms + params.expires_after, now_ms + 1))
    elif verdict.rung and episode.phase is Phase.ARMED and context.moment.at_ms < _silent_until(episode, params):
        looks.append(max(_silent_until(episode, params), now_ms + 1))
    return min((look for look in looks if look < FOREVER), default=None)


def _identify(rule: Rule, subject: Subject, verdict: Verdict, context: Context, number: int) -> str:
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


def _write(
    rule: Rule,
    subject: Subject,
    episode: Episode,
    verdict: Verdict,
    context: Context,
    out: list[Decision],
    change: Change,
    resolution: tuple[ResolutionReason, str | None] | None = None,
    account: Account | None = None,
) -> None:
    """Append one record, and note in the episode that it was written."""
    view, params, moment = context.view, context.params, context.moment
    if account is None:
        account = rule.explain(view, subject, params, moment, change, episode.rung)
    episode.sequence += 1
    episode.last_ms = moment.at_ms
    closing = change in _CLOSED_STATES
    if closing:
        episode.closed_ms = moment.at_ms
    evidence = sorted([*episode.evidence, *account.evidence], key=lambda each: each.at_ms)[-MAX_EVIDENCE:]
    episode.evidence = [] if closing else evidence[-KEPT_EVIDENCE:]
    delivery, delivery_reason = _delivery(episode, verdict, params, change)
    expires = rule.expires and not closing and episode.phase is not Phase.SNOOZED
    record = outbound.Intervention(
        intervention_id=episode.id,
        sequence=episode.sequence,
        change=change,
        state=_CLOSED_STATES[change] if closing else _STATES[episode.phase],
        rule=outbound.RuleReference(rule.id, rule.version, context.ruleset),
        rule_class=rule.klass,
        severity=_SEVERITIES[episode.severity],
        stage=rule.rungs[episode.rung - 1].name,
        program_id=view.program_id,
        subject=outbound.Subject(subject.kind, subject.id),
        pair_ids=sorted(account.pair_ids),
        participant_ids=sorted(account.participant_ids),
        cause=None if account.cause is None else outbound.Cause(*account.cause),
        summary=account.summary,
        evidence=[_evidence(each) for each in evidence],
        actions=_actions(account),
        delivery=delivery,
        delivery_reason=delivery_reason,
        audience=rule.audience,
        opened_at=outbound.moment(episode.opened_ms),
        decided_at=outbound.moment(moment.at_ms),
        expires_at=outbound.moment(episode.last_ms + params.expires_after) if expires else None,
        resolution=None if resolution is None else outbound.Resolution(*resolution),
    )
    out.append(Decision(moment.at_ms, record))


def _delivery(
    episode: Episode, verdict: Verdict, params: RuleParams, change: Change
) -> tuple[Delivery, DeliveryReason | None]:
    if params.mode == "shadow":
        return "none", "shadow"
    if episode.silence:
        return "none", episode.silence
    if change in ("opened", "escalated", "woken") and (verdict.now or episode.severity == Severity.CRITICAL):
        return "now", None
    return "digest", None


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
