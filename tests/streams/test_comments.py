"""What is left of a comment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.comments import CommentScanner, default_scanner, guess_language

SCANNER = CommentScanner([{"en": {"safety": ["unsafe", "touched me", "STRASSE"], "praise": ["great"]}}])


@pytest.mark.parametrize(
    ("comment", "flags"),
    [
        ("I feel UNSAFE.", ("safety",)),
        ("unsafely", ()),
        ("un safe", ()),
        ("He touched\n  me!", ("safety",)),
        ("he touched men", ()),
        ("in der Straße", ("safety",)),
        ("ＵＮＳＡＦＥ", ("safety",)),
        ("great, but unsafe", ("praise", "safety")),
        ("", ()),
    ],
)
def test_whole_words_and_phrases_match_without_regard_to_case(comment: str, flags: tuple[str, ...]) -> None:
    assert SCANNER.scan(comment).flags == flags


def test_all_lists_in_force_are_tried_whatever_the_language() -> None:
    scanner = CommentScanner([{"en": {"safety": ["threat"]}}, {"de": {"safety": ["bedroht"]}}])
    assert scanner.scan("Ich werde bedroht.").flags == scanner.scan("a threat").flags == ("safety",)


def test_the_length_counts_characters_as_written() -> None:
    assert SCANNER.scan("Straße 🙂").length == 8


def test_apostrophes_of_any_shape_are_one() -> None:
    assert CommentScanner([{"en": {"safety": ["don't feel safe"]}}]).scan("I don’t feel safe").flags == ("safety",)


@pytest.mark.parametrize(
    ("comment", "language"),
    [
        ("I think that this was very good for us", "en"),
        ("Ich habe mich sehr über das Gespräch gefreut", "de"),
        ("Nous avons parlé de mon avenir avec beaucoup de plaisir", "fr"),
        ("ok", None),
        ("12345", None),
        ("", None),
    ],
)
def test_a_language_is_guessed_only_from_enough_stop_words(comment: str, language: str | None) -> None:
    assert guess_language(comment) == language


@given(st.text(max_size=200))
def test_any_text_can_be_scanned_and_case_does_not_matter(text: str) -> None:
    first = default_scanner().scan(text)
    assert first.length == len(text)
    assert (
        default_scanner().scan(f"{text} SUICIDE").flags
        == default_scanner().scan(f"{text} suicide").flags
        == ("safety",)
    )


def test_lists_without_words_match_nothing() -> None:
    assert CommentScanner([{"en": {"safety": ["", "  "]}}]).scan("  anything ").flags == ()
