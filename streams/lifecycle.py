"""The life of an intervention: from a rule's verdicts, time and people to the records that go out.

One open intervention per (rule, subject). A verdict that becomes true opens it, a graver one escalates it, further
evidence joins it, the closing condition resolves it, time expires it. It opens on entering the condition: after
closing it is held until the condition has been false once, and for the cool-down. What comes out is a function of the
stored episode, the verdict and the instant, so a replay writes the same bytes.

    ARMED ──opens──► OPEN ◄──lapse, woken──┐          OPEN, ACKNOWLEDGED, SNOOZED ──closes──► HELD or ARMED
      ▲               ├──ack──► ACKNOWLEDGED           (`streams.coordination`: what people do)
      │               └──snooze──► SNOOZED
    false once ◄── HELD, SILENT
"""

from schemas.interventions import Change, ResolutionReason
from streams.calendar import FOREVER
from streams.clock import DAY_MS
from streams.inhibition import inhibitor_of
from streams.neglect import TOLD, is_outreach_missing, span_end_ms, span_words
from streams.rule import Rule, RuleParams, Subject, Verdict
from streams.state.episode import KEPT_CLOSED_MS, Episode, Evidence, Phase
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.program import ProgramState
from streams.writing import Context, Decision, arm_life, explain, gather, identify, write

__all__ = ["Context", "Decision", "bury", "close", "leave", "live_on", "move", "switch_off", "wake_withheld"]


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
        assert isinstance(record, PairState | ParticipantState | ProgramState)
        episode = Episode(rule.code, subject.member, number=record.retired)
        record.episodes += (episode,)
    if episode.is_open:
        _continue(rule, subject, episode, verdict, context, out)
    else:
        _consider(rule, subject, episode, verdict, context, out)
        if _is_over(episode, verdict, context):
            bury(rule, subject)
            return verdict.look_ms
    return _look_again(rule, episode, verdict, context)


def bury(rule: Rule, subject: Subject) -> None:
    """Forget an episode that is not open, but not its number: no other may have its id."""
    record, episode = subject.record, subject.record.episode(rule.code, subject.member)
    if episode is not None:
        assert isinstance(record, PairState | ParticipantState | ProgramState)
        record.retired = max(record.retired, episode.number)
        record.drop_episode(rule.code, subject.member)


def close(
    rule: Rule,
    subject: Subject,
    context: Context,
    out: list[Decision],
    reason: ResolutionReason,
    by: str | None = None,
    evidence: tuple[Evidence, ...] | None = None,
) -> None:
    """Resolve an open episode for a reason outside its rule: pair closed, subject changed, rule changed, a
    coordinator."""
    episode = subject.record.open_episode(rule.code, subject.member)
    if episode is None:
        return
    account = explain(rule, subject, episode, context, "resolved")
    write(rule, subject, episode, context, out, "resolved", account, evidence=evidence, resolution=(reason, by))
    episode.phase = Phase.HELD if reason in ("dismissed", "false_alarm", "coordinator", "rule_changed") else Phase.ARMED
    if reason == "false_alarm" and rule.mutes:
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


def live_on(rule: Rule, subject: Subject, episode: Episode, context: Context, out: list[Decision]) -> None:
    """The instant has come that an open episode waited for (`Episode.due_ms`): a snooze ends, an acknowledgement
    lapses, or nobody has taken care of it."""
    episode.due_ms = 0
    at_ms, neglect = context.moment.at_ms, context.rules.neglect
    if episode.phase is Phase.SNOOZED:
        account = explain(rule, subject, episode, context, "woken")
        episode.phase = Phase.OPEN
        write(rule, subject, episode, context, out, "woken", account, evidence=(), anew=True)
    elif episode.phase is Phase.ACKNOWLEDGED:
        account = explain(rule, subject, episode, context, "escalated")
        if is_outreach_missing(context.view, subject, account, episode.opened_ms):
            episode.phase = Phase.OPEN
            days = neglect.ack_lapses_after // DAY_MS
            told = Evidence(f"acknowledged, but no outreach was recorded in {days} days", at_ms)
            write(rule, subject, episode, context, out, "escalated", account, evidence=(told,), anew=True)
    elif (inhibitor := inhibitor_of(rule, subject, context.view)) is not None:
        episode.withheld = inhibitor.code  # neglect pauses; it starts again when this one is woken
    elif context.params.mode != "shadow" and episode.level < len(TOLD):
        account = explain(rule, subject, episode, context, "escalated")
        told = Evidence(f"not acknowledged within {span_words(episode.severity, neglect)}", at_ms)
        episode.level += 1
        if episode.level < len(TOLD):
            episode.due_ms = span_end_ms(episode.severity, at_ms, neglect, context.view)
        write(rule, subject, episode, context, out, "escalated", account, evidence=(told,))
    arm_life(subject.record)


def wake_withheld(rule: Rule, subject: Subject, episode: Episode, context: Context, out: list[Decision]) -> None:
    """Let an open episode speak that was withheld, unless something still withholds it. One that a coordinator has
    taken up in the meantime needs no waking."""
    if inhibitor_of(rule, subject, context.view) is not None:
        return
    if episode.phase is Phase.OPEN:
        account = explain(rule, subject, episode, context, "woken")
        write(rule, subject, episode, context, out, "woken", account, evidence=(), anew=True)
    episode.withheld = 0


def _continue(
    rule: Rule, subject: Subject, episode: Episode, verdict: Verdict, context: Context, out: list[Decision]
) -> None:
    if verdict.closes:
        late = not verdict.rung and verdict.closed_by_ms is not None and verdict.closed_by_ms < episode.opened_ms
        account = explain(rule, subject, episode, context, "retracted" if late else "resolved")
        if late:
            write(rule, subject, episode, context, out, "retracted", account, resolution=("late_fact", None))
            episode.closed_ms = 0  # it should never have opened: no cool-down
        else:
            write(rule, subject, episode, context, out, "resolved", account, resolution=("condition_cleared", None))
        episode.phase = Phase.HELD if verdict.rung else Phase.ARMED
        return
    is_graver = bool(verdict.rung) and verdict.severity > episode.severity
    is_worse = is_graver or verdict.rung > episode.rung
    if episode.phase is Phase.SNOOZED:
        _continue_asleep(rule, subject, episode, verdict, context, out, is_worse, is_graver)
    elif episode.withheld and episode.phase is Phase.OPEN and inhibitor_of(rule, subject, context.view) is None:
        _write_verdict(rule, subject, episode, verdict, context, out, "woken", anew=True)
    elif is_worse:
        _write_verdict(rule, subject, episode, verdict, context, out, "escalated", anew=is_graver)
    elif verdict.fresh:
        _write_verdict(rule, subject, episode, verdict, context, out, "evidence_added")
    elif rule.expires and context.moment.at_ms >= episode.last_ms + context.params.expires_after:
        account = explain(rule, subject, episode, context, "expired")
        write(rule, subject, episode, context, out, "expired", account, resolution=("expired", None))
        episode.phase = Phase.HELD


def _continue_asleep(
    rule: Rule,
    subject: Subject,
    episode: Episode,
    verdict: Verdict,
    context: Context,
    out: list[Decision],
    is_worse: bool,
    is_graver: bool,
) -> None:
    """A snoozed episode writes nothing but gathers, until a fact (never a timer) makes it graver."""
    if is_graver and context.moment.ref is not None:
        episode.phase = Phase.OPEN
        _write_verdict(rule, subject, episode, verdict, context, out, "woken", anew=True)
    elif is_worse or verdict.fresh:
        change: Change = "escalated" if is_worse else "evidence_added"
        rung = max(verdict.rung, episode.rung)
        gather(episode, rule.explain(context.view, subject, context.params, context.moment, change, rung).evidence)
        _rise(episode, verdict)


def _write_verdict(
    rule: Rule,
    subject: Subject,
    episode: Episode,
    verdict: Verdict,
    context: Context,
    out: list[Decision],
    change: Change,
    anew: bool = False,
) -> None:
    """Write what a verdict says of an open episode; its rung and severity never fall."""
    rung = max(verdict.rung, episode.rung)
    account = rule.explain(context.view, subject, context.params, context.moment, change, rung)
    _rise(episode, verdict)
    write(rule, subject, episode, context, out, change, account, anew=anew)


def _rise(episode: Episode, verdict: Verdict) -> None:
    if verdict.rung:
        episode.rung = max(verdict.rung, episode.rung)
        episode.severity = max(int(verdict.severity), episode.severity)
        episode.urgent = episode.urgent or verdict.now


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
    _open(rule, subject, episode, verdict, context, out)


def _open(
    rule: Rule, subject: Subject, episode: Episode, verdict: Verdict, context: Context, out: list[Decision]
) -> None:
    # Before anything is changed: a rule that raises here leaves no episode behind that was never written.
    account = rule.explain(context.view, subject, context.params, context.moment, "opened", verdict.rung)
    episode.phase = Phase.OPEN
    episode.number += 1
    episode.sequence = -1
    episode.opened_ms = context.moment.at_ms
    episode.rung, episode.severity, episode.urgent = verdict.rung, int(verdict.severity), verdict.now
    episode.evidence = []
    episode.silence = (
        "shadow" if context.params.mode == "shadow" else "backfill" if context.backfill == "silent" else ""
    )
    episode.spoke, episode.steps, episode.answer = False, 0, 0
    episode.id = identify(rule, subject, verdict, context, episode.number)
    write(rule, subject, episode, context, out, "opened", account, anew=True)
    if verdict.at_once:
        account = explain(rule, subject, episode, context, "resolved")
        write(rule, subject, episode, context, out, "resolved", account, evidence=(), resolution=("at_once", None))
        episode.phase = Phase.HELD


def _is_over(episode: Episode, verdict: Verdict, context: Context) -> bool:
    """Whether nothing of a closed episode matters any more: false since, and every span that counts from it is over."""
    if verdict.rung or episode.phase is not Phase.ARMED or episode.since_ms:
        return False
    kept_ms = episode.closed_ms + KEPT_CLOSED_MS if episode.closed_ms else 0
    return context.moment.at_ms >= max(kept_ms, _silent_until(episode, context.params))


def _silent_until(episode: Episode, params: RuleParams) -> int:
    cool = episode.closed_ms + params.cool_down if episode.closed_ms else 0
    return max(cool, episode.mute_until_ms)


def _look_again(rule: Rule, episode: Episode, verdict: Verdict, context: Context) -> int | None:
    params, now_ms = context.params, context.moment.now_ms
    looks = [] if verdict.look_ms is None or verdict.look_ms <= now_ms else [verdict.look_ms]
    # A fact may arrive behind the clock: what it sets off is due at once then, not lost.
    if episode.is_open:
        if rule.expires and episode.phase is not Phase.SNOOZED:
            looks.append(max(episode.last_ms + params.expires_after, now_ms + 1))
    elif verdict.rung and episode.phase is Phase.ARMED and context.moment.at_ms < _silent_until(episode, params):
        looks.append(max(_silent_until(episode, params), now_ms + 1))
    return min((look for look in looks if look < FOREVER), default=None)
