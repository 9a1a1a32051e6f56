"""Messages as people read them: what, why, since when, what to do first, how to answer. English unless translated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, Final

import msgspec
from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from agents.notifier.links import PURPOSES, Grant, question
from agents.notifier.parcel import Parcel
from agents.notifier.texts import Texts, texts
from schemas.base import parse_instant, to_ms
from schemas.outbound import Intervention
from streams.delivery.case import CLOSED, Message, Section
from streams.delivery.people import RANK, Recipient
from streams.zones import zone

SHOWN: Final = 5
"""How many of one kind a message spells out."""
MOST: Final = 40
"""How many a message spells out altogether; mail programs cut off what is longer than about 100 KB."""
_EVIDENCE: Final = 3
_LISTS: Final = frozenset({"review.due", "cleanup.due", "relaunch.opt_out_open"})
"""Rules whose evidence is the matter itself: a list to go through."""
_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)?")
_SECTIONS: Final[tuple[Section, ...]] = ("worse", "new", "waiting", "news", "closed")


class Answering(Struct, frozen=True):
    """How links for answers are made.

    Attributes:
        url_of: makes the address of a page from what it permits.
        days: how long links work.
    """

    url_of: Callable[[Grant], str]
    days: int


class Renderer:
    """Turns messages into parcels.

    Args:
        answering: None where there are no answer pages: messages then have no links.
        how: how a reader can change what they get.
    """

    def __init__(self, answering: Answering | None = None, how: str = "") -> None:
        self._answering = answering
        self._how = how
        loader = PackageLoader("agents.notifier")
        self._html = ImmutableSandboxedEnvironment(loader=loader, autoescape=True, undefined=StrictUndefined)
        self._plain = ImmutableSandboxedEnvironment(
            loader=loader, autoescape=False, undefined=StrictUndefined, trim_blocks=True
        )

    def person(self, message: Message, records: dict[str, Intervention], recipient: Recipient, now_ms: int) -> Parcel:
        """Render for a person.

        Args:
            records: the newest record of each intervention in the message.
        """
        t = texts(recipient.language)
        items = [(item.section, records[item.entry.intervention_id]) for item in message.items]
        subject = self._subject(t, message, items)
        tree: dict[str, Any] = {
            "t": t,
            "language": t.language,
            "subject": subject,
            "programs": self._programs(t, message, items, recipient, now_ms),
            "foot": self._foot(t),
        }
        return Parcel(
            message_id=message.message_id,
            recipient=recipient.id,
            subject=subject,
            text=self._plain.get_template("message.txt.j2").render(tree).strip() + "\n",
            html=self._html.get_template("message.html.j2").render(tree),
            thread=items[0][1].intervention_id if len(items) == 1 else None,
        )

    def machine(self, message: Message, value: bytes) -> Parcel:
        """Wrap a record for a webhook: `type`, `timestamp`, `data`, as Standard Webhooks suggests.

        Args:
            value: the record's value as it stands on `interventions`, passed on byte for byte.
        """
        record = msgspec.json.decode(value, type=_Head)
        body = msgspec.json.encode(
            {
                "type": f"ebb.intervention.{record.change}.v1",
                "timestamp": record.decided_at,
                "data": msgspec.Raw(value),
            }
        )
        return Parcel(message_id=message.message_id, recipient=message.line[0], body=body)

    def _subject(self, t: Texts, message: Message, items: list[tuple[Section, Intervention]]) -> str:
        worst = max((record for _, record in items), key=lambda record: RANK[record.severity])
        programs = sorted({record.program_id for _, record in items})
        named = programs[0] if len(programs) == 1 else t("words", "programs", count=len(programs))
        title = t("rule", worst.rule.id)
        if message.kind == "digest" and message.digest_id is not None:
            counted = [(section, sum(one == section for one, _ in items)) for section in _SECTIONS]
            parts = [t("subject", f"digest_{section}", count=count) for section, count in counted if count]
            day = message.digest_id.rpartition("/")[2]
            return t("subject", "digest", day=day, parts=", ".join(parts))
        if all(section == "waiting" for section, _ in items):
            if len(items) > 1:
                return t("subject", "reminders", count=len(items))
            return t("subject", "reminder", title=title, program=named)
        if worst.severity == "critical":
            # A subject is read on locked screens: it says that, not what.
            return t("subject", "critical", program=named)
        severity = t("severity", worst.severity)
        if len(items) == 1:
            return t("subject", "one", severity=severity, title=title, program=named)
        return t("subject", "group", severity=severity, count=len(items), programs=named)

    def _programs(
        self,
        t: Texts,
        message: Message,
        items: list[tuple[Section, Intervention]],
        recipient: Recipient,
        now_ms: int,
    ) -> list[dict[str, Any]]:
        def place(one: tuple[Section, Intervention]) -> tuple[Any, ...]:
            section, record = one
            worst = -RANK[record.severity]
            return (record.program_id, _SECTIONS.index(section), worst, record.rule.id, record.opened_at)

        programs = []
        room = MOST
        for program_id, of_program in groupby(sorted(items, key=place), key=lambda one: one[1].program_id):
            sections = []
            for section, of_section in groupby(of_program, key=lambda one: one[0]):
                groups = []
                for rule, of_rule in _by_rule(record for _, record in of_section):
                    few = of_rule[: min(SHOWN, room)]
                    room -= len(few)
                    shown = [self._item(t, message, section, one, recipient, now_ms) for one in few]
                    rest = len(of_rule) - len(few)
                    more = t("words", "more", count=rest, program=program_id) if rest > 0 else ""
                    groups.append({"title": t("rule", rule), "count": len(of_rule), "entries": shown, "more": more})
                sections.append({"title": t("section", section), "groups": groups})
            programs.append({"name": program_id, "sections": sections})
        return programs

    def _item(
        self, t: Texts, message: Message, section: Section, record: Intervention, recipient: Recipient, now_ms: int
    ) -> dict[str, Any]:
        ending, note = "", ""
        if section == "closed":
            how = t("resolution", record.resolution.reason if record.resolution is not None else record.state)
            ending = t("words", "over", how=how)
        elif record.change == "escalated" and record.audience in ("backup_coordinator", "customer_success"):
            note = t("words", f"escalated_{record.audience}")
        # Praise and the like: closed as soon as it is said, so there is nothing to do and nothing to answer.
        is_news = not ending and record.state in CLOSED
        first = min((one for one in record.actions if one.unlocked), key=lambda one: one.order, default=None)
        todo = t("action", first.code if first is not None else None, party=t("party", first.party if first else None))
        if first is not None and first.needs_approval:
            todo += " " + t("words", "approval")
        opened = zone(recipient.timezone).local(to_ms(parse_instant(record.opened_at)))
        return {
            "summary": record.summary,
            "ending": ending,
            "note": note,
            "since": t("words", "since", when=opened.strftime("%Y-%m-%d %H:%M")),
            "severity": t("severity", record.severity),
            "level": record.severity,
            "evidence": [] if is_news else self._evidence(t, record, recipient),
            "first": "" if is_news else todo,
            "links": [] if ending or is_news else self._links(t, message, record, recipient, now_ms),
        }

    def _evidence(self, t: Texts, record: Intervention, recipient: Recipient) -> list[str]:
        newest = record.evidence if record.rule.id in _LISTS else record.evidence[-_EVIDENCE:]
        lines = []
        for one in newest:
            value, beside = _number(one.value), _number(one.threshold)
            is_said = one.value is None or value in _NUMBERS.findall(one.text)
            kind = "evidence" if is_said else "evidence_value" if one.threshold is None else "evidence_beside"
            when = zone(recipient.timezone).local(to_ms(parse_instant(one.at)))
            lines.append(t("words", kind, day=when.strftime("%Y-%m-%d"), text=one.text, value=value, beside=beside))
        return lines

    def _links(
        self, t: Texts, message: Message, record: Intervention, recipient: Recipient, now_ms: int
    ) -> list[dict[str, str]]:
        if self._answering is None:
            return []
        until_s = now_ms // 1_000 + self._answering.days * 86_400
        grants = [
            Grant(
                purpose, record.intervention_id, record.program_id, recipient.id, question(message.message_id), until_s
            )
            for purpose in PURPOSES
        ]
        return [{"label": t("words", one.purpose), "url": self._answering.url_of(one)} for one in grants]

    def _foot(self, t: Texts) -> list[str]:
        foot = [t("foot", "why"), t("foot", "pseudonyms")]
        if self._answering is not None:
            foot.append(t("foot", "links", days=self._answering.days))
        if self._how:
            foot.append(t("foot", "fewer", how=self._how))
        return foot


def _number(value: float | None) -> str:
    """Three digits, whole numbers as they are: what a person compares."""
    if value is None or value == round(value):
        return "" if value is None else f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


class _Head(Struct):
    change: str
    decided_at: str


def _by_rule(records: Iterable[Intervention]) -> list[tuple[str, list[Intervention]]]:
    found: dict[str, list[Intervention]] = {}
    for record in records:
        found.setdefault(record.rule.id, []).append(record)
    return list(found.items())
