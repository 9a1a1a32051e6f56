"""Links permit one thing until a day; every message and every rule has its words."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from agents.notifier.config import load
from agents.notifier.links import PURPOSES, Grant, LinkError, sign, verify
from agents.notifier.render import MOST, Answering, Renderer
from schemas.interventions import Audience, ResolutionReason
from schemas.outbound import Evidence
from streams.clock import DAY_MS, HOUR_MS
from tests.streams.delivery.harness import ANNA, TUESDAY, World, record, resolved

ROOT = Path(__file__).resolve().parents[3]
OLD, NEW = "an-old-key-of-some-length", "a-new-key-of-some-length"
GRANT = Grant("ack", "i1", "p", "anna", "i1/0/email/anna", 1_000)


def test_a_link_is_good_until_its_time_and_under_either_key() -> None:
    token = sign(GRANT, lambda: [OLD])
    assert verify(token, lambda: [NEW, OLD], 999) == GRANT
    with pytest.raises(LinkError, match="expired"):
        verify(token, lambda: [OLD], 1_000)
    with pytest.raises(LinkError, match="bad"):
        verify(token, lambda: [NEW], 0)


def test_a_link_that_was_changed_or_cut_is_none() -> None:
    token = sign(GRANT, lambda: [OLD])
    for broken in (
        "",
        ".",
        "a.b",
        "éé",
        token[:-2],
        token[1:],
        token + "A",
        token + "=",
        token + token,
        token.swapcase(),
    ):
        with pytest.raises(LinkError, match="bad"):
            verify(broken, lambda: [OLD], 0)


def test_each_purpose_person_and_message_has_an_answer_of_its_own() -> None:
    grants = [Grant(p, "i1", "p", who, m, 1) for p in PURPOSES for who in ("anna", "bob") for m in ("a", "b")]
    assert len({grant.event_id for grant in grants}) == len(grants)


def test_a_message_says_why_since_when_what_first_and_how_to_answer_and_nothing_gets_through_unescaped() -> None:
    world = World(people=(ANNA,))
    hostile = record("<script>alert(1)</script>", delivery="now", severity="high")
    world.feed(hostile)
    world.pass_time(TUESDAY + HOUR_MS)
    renderer = Renderer(Answering(lambda grant: f"https://e.example/answer/{grant.purpose}", 14), "ebb@example.org")
    parcel = renderer.person(world.sent[0][1], {hostile.intervention_id: hostile}, ANNA, TUESDAY)
    assert "<script>" not in parcel.html
    assert "Since 2026-06-02 10:00" in parcel.text
    assert "First: Reach out to the mentee" in parcel.text
    assert all(f"https://e.example/answer/{purpose}" in parcel.text for purpose in PURPOSES)
    assert parcel.subject == "Important: Low rating (p)"
    with pytest.raises(LookupError):
        renderer.person(world.sent[0][1], {}, ANNA, TUESDAY)


def test_the_example_file_is_one() -> None:
    assert len(load(ROOT / "deploy" / "recipients.example.toml").recipients) == 4


def test_no_template_turns_escaping_off() -> None:
    for template in (ROOT / "agents" / "notifier" / "templates").glob("*.html.j2"):
        assert not re.search(r"\|\s*safe|autoescape", template.read_text("utf-8"))


def test_a_link_of_an_id_as_the_engine_makes_them_is_short() -> None:
    grant = Grant(
        "false_alarm", "97eb6fa8cf5cabe684e4ed443d5a26ef", "program-00", "coordinator-00", "0" * 12, 2_000_000_000
    )
    token = sign(grant, lambda: [OLD])
    assert verify(token, lambda: [OLD], 0) == grant
    assert len(token) < 120


def test_praise_asks_for_nothing_and_evidence_has_its_numbers() -> None:
    world = World(people=(ANNA,))
    kudos = record("k", severity="info", rule="positive.kudos")
    done = resolved("k", resolution="at_once", severity="info", rule="positive.kudos")
    quiet = replace(
        record("q", rule="pair.quiet"),
        evidence=[
            Evidence(text="days without a contact of the pair", value=31, threshold=30, at="2026-06-01T10:00:00.000Z"),
            Evidence(text="their mean", value=3.4567, at="2026-06-01T10:00:00.000Z"),
            Evidence(text="rated 2 of 5", value=2, threshold=3, at="2026-06-01T10:00:00.000Z"),
        ],
    )
    world.feed(kudos, done, quiet)
    world.pass_time(TUESDAY + DAY_MS)
    renderer = Renderer(Answering(lambda grant: f"https://e.example/{grant.intervention_id}", 14))
    parcel = renderer.person(world.sent[0][1], {"k": done, "q": quiet}, ANNA, TUESDAY)
    assert "https://e.example/k" not in parcel.text + parcel.html
    assert parcel.text.count("First:") == 1
    for line in ("days without a contact of the pair: 31, to compare with 30", "their mean: 3.46", "rated 2 of 5"):
        assert f"  Why: 2026-06-01: {line}\n" in parcel.text
    assert parcel.subject == "Your pairs on 2026-06-03: 2 new"


def test_a_message_about_very_much_spells_out_some_of_it_and_counts_the_rest() -> None:
    world = World(people=(replace(ANNA, programs=frozenset("*"), audiences=frozenset({"coordinator"})),))
    records = {f"i{n}": record(f"i{n}", program_id=f"p{n % 20}") for n in range(200)}
    world.feed(*records.values())
    world.pass_time(TUESDAY + DAY_MS)
    parcel = Renderer().person(world.sent[0][1], records, ANNA, TUESDAY)
    assert parcel.text.count("Something about") == MOST
    counted = sum(int(number) for number in re.findall(r"and (\d+) more of this kind", parcel.text))
    assert counted == 200 - MOST


@pytest.mark.parametrize(
    ("change", "audience", "reason"),
    [
        *((change, audience, None) for change in ("evidence_added", "escalated") for audience in get_args(Audience)),
        ("woken", "coordinator", None),
        *(("resolved", "coordinator", reason) for reason in get_args(ResolutionReason)),
        ("expired", "coordinator", "expired"),
    ],
)
def test_whatever_is_said_is_said_in_words(change: str, audience: Any, reason: str | None) -> None:
    one = record("i1", 1, change=change, state="open" if reason is None else change, audience=audience,
                 resolution=reason, severity="high", delivery="now")  # fmt: skip
    world = World(people=(replace(ANNA, programs=frozenset("*"), audiences=frozenset({audience})),))
    world.feed(record("i1", delivery="now", audience=audience))
    world.pass_time(TUESDAY + HOUR_MS)
    world.feed(one)
    world.pass_time(TUESDAY + 2 * DAY_MS)
    assert len(world.sent) > 1 or reason == "at_once"
    for _, message in world.sent:
        parcel = Renderer().person(message, {"i1": one}, ANNA, TUESDAY)
        assert not re.search(r"[a-z]_[a-z]", parcel.subject + parcel.text)
