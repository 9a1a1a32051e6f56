"""Links permit one thing until a day; every message and every rule has its words."""

import re
from pathlib import Path

import pytest

from agents.notifier.config import load
from agents.notifier.links import PURPOSES, Grant, LinkError, sign, verify
from agents.notifier.render import Answering, Renderer
from streams.clock import HOUR_MS
from tests.streams.delivery.harness import ANNA, TUESDAY, World, record

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
    for broken in ("", ".", "a.b", "é.é", token[:-2], token[1:], token.replace(".", ""), token + "." + token):
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
