"""Facts of the simulated platform on the wire: ids, arrival, JSON. Knows nothing of why something happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, Literal

import msgspec

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
#: Older pairs are followed from their matching, so that nothing of theirs is unknown.
BEFORE_DAYS: Final = 160
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_JSON: Final = msgspec.json.Encoder()

Polarity = Literal["positive", "neutral", "negative"]
Kind = Literal["mqs", "post_meeting", "closing"]


def instant_text(moment_ms: int) -> str:
    """Write ms UTC as RFC 3339 with milliseconds and ``Z``."""
    moment = _EPOCH + timedelta(milliseconds=moment_ms)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class Records:
    """Collects facts of one year of a platform and of the months before it, in which its older pairs began."""

    def __init__(self, seed: int, begin_ms: int, end_ms: int) -> None:
        """Start empty.

        Args:
            seed: of arrival delays and event ids, apart from everything else.
            begin_ms, end_ms: the year, ms UTC; observation begins `BEFORE_DAYS` earlier.
        """
        self.begin_ms, self.end_ms = begin_ms, end_ms
        self.since_ms = begin_ms - BEFORE_DAYS * DAY_MS
        self._random = Random(f"records/{seed}")
        self._rows: list[tuple[int, int, bytes]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def lines(self) -> Iterator[bytes]:
        """Yield the facts as lines of a recording, by arrival."""
        self._rows.sort()
        return (line for _, _, line in self._rows)

    def program(self, program_id: str, at_ms: int, **fields: object) -> None:
        self._add("programs", "program.changed", program_id, at_ms, fields)

    def person(
        self, program_id: str, person: str, role: str, state: str, at_ms: int, joined_ms: int, until_ms: int = 0
    ) -> None:
        fields: dict[str, object] = {
            "participant_id": person, "roles": [role], "state": state, "joined_at": instant_text(joined_ms),
        }  # fmt: skip
        if until_ms:
            fields["paused_until"] = instant_text(until_ms)
        self._add("participants", "participant.changed", program_id, at_ms, fields)

    def pair(
        self,
        program_id: str,
        pair_id: str,
        people: tuple[str, str],
        state: str,
        at_ms: int,
        matched_ms: int,
        reason: str | None = None,
    ) -> None:
        """State a pair of (mentor, mentee)."""
        fields: dict[str, object] = {
            "pair_id": pair_id, "kind": "one_to_one", "mentor_ids": [people[0]], "mentee_ids": [people[1]],
            "state": state, "matched_at": instant_text(matched_ms),
        }  # fmt: skip
        if reason is not None:
            fields["closed_at"] = instant_text(at_ms)
            fields["close_reason"] = reason
        self._add("pairs", "pair.changed", program_id, at_ms, fields)

    def signed_in(self, program_id: str, person: str, at_ms: int) -> None:
        self._add("participant-activity", "activity.signed_in", program_id, at_ms, {"participant_id": person})

    def message(self, program_id: str, pair_id: str, person: str, at_ms: int) -> None:
        fields = {"participant_id": person, "pair_id": pair_id}
        self._add("participant-activity", "activity.message_sent", program_id, at_ms, fields)

    def help(self, program_id: str, pair_id: str, person: str, topic: str, at_ms: int) -> None:
        fields = {"participant_id": person, "pair_id": pair_id, "topic": topic}
        self._add("participant-activity", "help.requested", program_id, at_ms, fields, enveloped=True)

    def request(self, program_id: str, what: str, request_id: str, asker: str, asked: str, at_ms: int) -> None:
        fields = {"request_id": request_id, "participant_id": asker, "counterpart_id": asked}
        self._add("participant-activity", f"match_request.{what}", program_id, at_ms, fields)

    def meeting(
        self,
        program_id: str,
        what: str,
        meeting_id: str,
        pair_id: str,
        person: str,
        at_ms: int,
        starts_ms: int,
        origin: str = "platform",
    ) -> None:
        """State what happened to a meeting (`scheduled`, `rescheduled`, `held`, `cancelled`, `no_show`)."""
        fields = {
            "meeting_id": meeting_id, "pair_id": pair_id, "participant_id": person, "origin": origin,
            "starts_at": instant_text(starts_ms), "duration_minutes": 45,
        }  # fmt: skip
        self._add("meetings", f"meeting.{what}", program_id, at_ms, fields)

    def survey(
        self, program_id: str, what: str, survey_id: str, kind: Kind, pair_id: str, person: str, at_ms: int, due_ms: int
    ) -> None:
        fields = {
            "survey_id": survey_id, "kind": kind, "participant_id": person, "pair_id": pair_id,
            "due_at": instant_text(due_ms),
        }  # fmt: skip
        self._add("ratings", f"survey.{what}", program_id, at_ms, fields)

    def rating(
        self, program_id: str, kind: Kind, rating: int, pair_id: str, person: str, at_ms: int, survey_id: str
    ) -> None:
        fields = {
            "kind": kind, "rating": rating, "participant_id": person, "pair_id": pair_id, "survey_id": survey_id,
        }  # fmt: skip
        self._add("ratings", "rating.submitted", program_id, at_ms, fields)

    def sentiment(
        self, program_id: str, polarity: Polarity, pair_id: str, person: str, at_ms: int, survey_id: str | None = None
    ) -> None:
        fields: dict[str, object] = {
            "participant_id": person, "pair_id": pair_id, "about": "match", "polarity": polarity,
        }  # fmt: skip
        if survey_id is not None:
            fields["survey_id"] = survey_id
        self._add("sentiment", "sentiment.submitted", program_id, at_ms, fields)

    def reviewed(self, program_id: str, coordinator: str, at_ms: int) -> None:
        fields = {"actor_id": coordinator, "action": "review_done"}
        self._add("coordinator-actions", "action.taken", program_id, at_ms, fields)

    def _add(
        self,
        topic: str,
        type_name: str,
        program_id: str,
        at_ms: int,
        fields: Mapping[str, object],
        enveloped: bool = False,
    ) -> None:
        is_reference = topic in ("programs", "participants", "pairs")
        if at_ms >= self.end_ms or (at_ms < self.since_ms and not is_reference):
            return
        number = len(self._rows)
        arrived_ms = max(at_ms, self.since_ms) + 500 + int(self._random.expovariate(1 / 8_000))
        fact = {
            "event_id": f"{self._random.getrandbits(64):016x}", "type": type_name, "program_id": program_id,
            "occurred_at": instant_text(at_ms), **fields,
        }  # fmt: skip
        head: dict[str, object] = {"topic": topic, "arrived_at": instant_text(arrived_ms)}
        # A request for help has a topic of its own, so it travels whole.
        line: dict[str, object] = {**head, "key": program_id, "value": fact} if enveloped else {**head, **fact}
        # Reference facts of one instant keep the order of their making: a program before its people and pairs.
        if is_reference and at_ms <= self.since_ms:
            arrived_ms = self.since_ms
            line["arrived_at"] = instant_text(arrived_ms)
        self._rows.append((arrived_ms, number, _JSON.encode(line) + b"\n"))
