"""The pages behind links in messages: each shows one matter and a button; only the button acts.

Mail scanners and previews follow links, so looking changes nothing. A press becomes `action.taken` on
`coordinator-actions`, and that topic is also the memory of which links were used: its ids are derived from the links.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agents.host.process import Refusal
from agents.notifier.config import AnswersTable
from agents.notifier.links import EVENT_PREFIX, Grant, LinkError, sign, verify
from agents.notifier.render import Answering
from agents.notifier.texts import FALLBACK, Texts, texts
from agents.settings import Settings
from schemas.outbound import Intervention, decode_intervention, moment
from streams.clock import DAY_MS

log = logging.getLogger("ebb.notifier")

ACTIONS: Final = "coordinator-actions"
SNOOZES: Final = (3, 7, 14)
_ACTION_OF: Final = {"ack": "ack", "snooze": "snooze", "false_alarm": "false_alarm", "done": "resolve"}
_CLOSED: Final = ("resolved", "expired", "retracted")
_MOST_FORM: Final = 4_096
_ANSWER_S: Final = 10.0
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


def action_value(grant: Grant, now_ms: int, days: int | None = None) -> bytes:
    """Write the fact that an answer is.

    Args:
        days: how long to snooze; None for other answers.
    """
    fact: dict[str, Any] = {
        "type": "action.taken",
        "event_id": grant.event_id,
        "program_id": grant.program_id,
        "occurred_at": moment(now_ms),
        "actor_id": grant.actor,
        "action": _ACTION_OF[grant.purpose],
        "intervention_id": grant.intervention_id,
    }
    if days is not None:
        fact["until"] = moment(now_ms + days * DAY_MS)
    if grant.purpose == "false_alarm":
        fact["usefulness"] = "false_alarm"
    return msgspec.json.encode(fact)


class AnswerPages:
    """Serves them.

    Args:
        keys: reads the active keys, newest first.
        newest: looks up the newest record of an intervention; None when it is not kept (any more).
        language_of: the language of whoever answers.
    """

    def __init__(
        self,
        table: AnswersTable,
        keys: Callable[[], Sequence[str]],
        settings: Settings,
        newest: Callable[[str], bytes | None],
        language_of: Callable[[str], str] = lambda _: FALLBACK,
    ) -> None:
        self._table = table
        self._keys = keys
        self._settings = settings
        self._topic = settings.topics.real(ACTIONS)
        self._newest = newest
        self._language_of = language_of
        self._used: set[str] = set()
        self._pressing: dict[str, asyncio.Lock] = {}
        self._runner: web.AppRunner | None = None
        self._producer: AIOKafkaProducer | None = None
        self._reading: asyncio.Task[None] | None = None
        self.is_ready = False
        environment = ImmutableSandboxedEnvironment(
            loader=PackageLoader("agents.notifier"), autoescape=True, undefined=StrictUndefined
        )
        self._page = environment.get_template("answer.html.j2")
        base = table.url.rstrip("/")
        self.answering: Final = Answering(lambda grant: f"{base}/answer/{sign(grant, keys)}", table.valid_days)

    async def start(self) -> str:
        """Open the port. Returns its address. Raises: Refusal when it cannot be opened."""
        kafka = self._settings.kafka
        self._producer = AIOKafkaProducer(**kafka.aiokafka(), enable_idempotence=True, acks="all")
        await self._producer.start()
        self._reading = asyncio.get_running_loop().create_task(self._read_used(), name="answers")
        app = web.Application(client_max_size=_MOST_FORM)
        app.router.add_get("/answer/{token}", self._show)
        app.router.add_post("/answer/{token}", self._press)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._table.host, self._table.port).start()
        except OSError as error:
            await runner.cleanup()
            raise Refusal(
                f"The port {self._table.host}:{self._table.port} for answer pages cannot be opened ({error.strerror}). "
                "Choose another in [answers]."
            ) from error
        self._runner = runner
        address = runner.addresses[0]
        return f"{address[0]}:{address[1]}"

    async def stop(self) -> None:
        """Close the port and the connections."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._runner is not None:
            await self._runner.cleanup()
        if self._producer is not None:
            await self._producer.stop()

    async def _show(self, request: web.Request) -> web.Response:
        try:
            grant = self._grant(request)
        except LinkError as error:
            return self._notice(error.why, texts(FALLBACK))
        if grant.event_id in self._used:
            return self._notice("used", self._texts(grant))
        return self._answer_page(grant, self._texts(grant))

    async def _press(self, request: web.Request) -> web.Response:
        try:
            grant = self._grant(request)
        except LinkError as error:
            return self._notice(error.why, texts(FALLBACK))
        t = self._texts(grant)
        if not self.is_ready:
            return self._notice("later", t, 503)
        days = None
        if grant.purpose == "snooze":
            form = await request.post()
            chosen = form.get("days")
            if chosen not in {str(one) for one in SNOOZES}:
                return self._notice("bad", t, 400)
            days = int(str(chosen))
        lock = self._pressing.setdefault(grant.event_id, asyncio.Lock())
        try:
            async with lock:
                if grant.event_id in self._used:
                    return self._notice("used", t)
                await self._note(grant, days)
                self._used.add(grant.event_id)
        except (KafkaError, TimeoutError) as error:
            log.warning("an answer could not be noted: %r", error)
            return self._notice("later", t, 503)
        finally:
            self._pressing.pop(grant.event_id, None)
        return self._notice("thanks", t)

    def _texts(self, grant: Grant) -> Texts:
        return texts(self._language_of(grant.actor))

    async def _note(self, grant: Grant, days: int | None) -> None:
        assert self._producer is not None
        value = action_value(grant, int(time.time() * 1_000), days)
        async with asyncio.timeout(_ANSWER_S):
            await self._producer.send_and_wait(self._topic, key=grant.program_id.encode(), value=value)

    async def _read_used(self) -> None:
        """Know which links were used, here or by another notifier: they stand on the topic as long as links live."""
        consumer = AIOKafkaConsumer(**self._settings.kafka.aiokafka_consumer(), auto_offset_reset="earliest")
        await consumer.start()
        try:
            numbers = await consumer._client.fetch_all_metadata()
            places = [TopicPartition(self._topic, one) for one in numbers.partitions_for_topic(self._topic) or ()]
            consumer.assign(places)
            since_ms = int(time.time() * 1_000) - (self._table.valid_days + 1) * DAY_MS
            found = await consumer.offsets_for_times(dict.fromkeys(places, since_ms))
            ends = await consumer.end_offsets(places)
            for place in places:
                at = found.get(place)
                consumer.seek(place, at.offset if at is not None else ends[place])
            while True:
                if not self.is_ready:
                    at_end = [await consumer.position(place) >= ends[place] for place in places]
                    self.is_ready = all(at_end)
                    if self.is_ready:
                        log.info("answer links are known: %d were used", len(self._used))
                for messages in (await consumer.getmany(timeout_ms=500)).values():
                    for message in messages:
                        self._take(message.value)
        finally:
            await consumer.stop()

    def _take(self, value: bytes | None) -> None:
        if value is None or EVENT_PREFIX.encode() not in value:
            return
        try:
            event_id = msgspec.json.decode(value, type=_Answer).event_id
        except msgspec.DecodeError:
            return
        if event_id.startswith(EVENT_PREFIX):
            self._used.add(event_id)

    def _grant(self, request: web.Request) -> Grant:
        return verify(request.match_info["token"], self._keys, time.time())

    def _answer_page(self, grant: Grant, t: Texts) -> web.Response:
        value = self._newest(grant.intervention_id)
        record: Intervention | None = None if value is None else decode_intervention(value)
        notes = []
        if record is None:
            notes.append(t("page", "gone"))
        elif record.state in _CLOSED:
            reason = record.resolution.reason if record.resolution is not None else record.state
            notes.append(t("page", "over", how=t("resolution", reason)))
        if grant.purpose == "snooze":
            buttons: list[dict[str, Any]] = [
                {"days": one, "label": t("page", "button_snooze", days=one)} for one in SNOOZES
            ]
        else:
            buttons = [{"days": None, "label": t("page", f"button_{grant.purpose}")}]
        return self._respond(
            title=t("page", f"title_{grant.purpose}"),
            matter=None if record is None else {"rule": t("rule", record.rule.id), "summary": record.summary,
                                                "program": t("words", "in_program", program=record.program_id)},
            notes=[*notes, t("page", f"about_{grant.purpose}")],
            buttons=buttons,
            status=200,
            language=t.language,
        )  # fmt: skip

    def _notice(self, what: str, t: Texts, status: int | None = None) -> web.Response:
        title = t("page", "thanks" if what == "thanks" else f"{what}_title")
        about = t("page", "thanks_more" if what == "thanks" else what, days=self._table.valid_days)
        codes = {"thanks": 200, "used": 410, "expired": 410, "bad": 404}
        return self._respond(
            title=title, matter=None, notes=[about], buttons=[], status=status or codes[what], language=t.language
        )

    def _respond(self, *, status: int, **tree: Any) -> web.Response:
        text = self._page.render(**tree)
        return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)


class _Answer(msgspec.Struct):
    event_id: str
