from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import EPOCH, clamp_ms, from_ms, instant_text, normalised, parse_instant, parse_local_date, to_ms

NEPAL = timezone(timedelta(hours=5, minutes=45))
NAIVE = datetime(2026, 1, 5, tzinfo=UTC).replace(tzinfo=None)
AWARE = st.integers(
    to_ms(datetime(1, 1, 3, tzinfo=UTC)) * 1_000, to_ms(datetime(9999, 12, 29, tzinfo=UTC)) * 1_000
).map(lambda microseconds: (EPOCH + timedelta(microseconds=microseconds)).astimezone(NEPAL))


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00.000Z"),
        ("2026-01-05t10:00:00z", "2026-01-05T10:00:00.000Z"),
        ("2026-01-05 12:00:00+02:00", "2026-01-05T10:00:00.000Z"),
        ("2026-01-05T00:30:00-00:30", "2026-01-05T01:00:00.000Z"),
        ("2026-01-05T10:00:00.1Z", "2026-01-05T10:00:00.100Z"),
        ("2026-01-05T10:00:00.123999Z", "2026-01-05T10:00:00.123Z"),
        ("2026-01-05T10:00:00.1239999Z", "2026-01-05T10:00:00.124Z"),
        ("2024-02-29T23:59:59.999Z", "2024-02-29T23:59:59.999Z"),
    ],
)
def test_an_instant_becomes_utc_with_whole_milliseconds(text: str, read_as: str) -> None:
    assert instant_text(parse_instant(text)) == read_as


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-05T10:00:00",
        "2026-01-05T10:00Z",
        "2026-01-05",
        "2026-02-29T10:00:00Z",
        "2026-01-05T24:00:00Z",
        "2026-01-05T23:59:60Z",
        "2026-01-05T10:00:00+24:00",
        "2026-01-05T10:00:00+02:60",
        "2026-01-05T10:00:00.Z",
        "٢٠٢٦-01-05T10:00:00Z",
        " 2026-01-05T10:00:00Z",
        "2026-01-05T10:00:00Z\n",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-02:00",
        "9999-12-31T23:59:59.9999999Z",
        "0000-01-01T00:00:00Z",
        1_767_607_200,
        NAIVE,
        None,
    ],
)
def test_what_is_no_instant_with_an_offset_is_refused(value: object) -> None:
    with pytest.raises(
        ValueError,
        match=r"instant|offset|(day|year|month|hour|second) (is out of range|must be in)|Invalid isoformat|year 0",
    ):
        parse_instant(value)


@given(AWARE)
def test_milliseconds_and_instants_turn_into_each_other(instant: datetime) -> None:
    assert from_ms(to_ms(instant)) == normalised(instant)
    assert normalised(instant) <= instant < normalised(instant) + timedelta(milliseconds=1)
    assert parse_instant(instant_text(instant)) == normalised(instant)


def test_milliseconds_before_1970_round_down() -> None:
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC)) == -1


def test_clamped_milliseconds_fit_a_datetime() -> None:
    assert from_ms(clamp_ms(-(10**18))).year == 1
    assert from_ms(clamp_ms(10**18)).year == 9999
    assert clamp_ms(-1) == -1


def test_a_naive_instant_is_not_written() -> None:
    with pytest.raises(ValueError, match="offset"):
        instant_text(NAIVE)


def test_a_local_date_has_one_form() -> None:
    assert parse_local_date("2026-01-05") == date(2026, 1, 5)
    assert parse_local_date(date(2026, 1, 5)) == date(2026, 1, 5)
    for wrong in ("2026-1-5", "20260105", "2026-02-30", "2026-01-05T00:00:00", 20260105, NAIVE):
        with pytest.raises(ValueError):
            parse_local_date(wrong)
