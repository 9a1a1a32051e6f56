"""When a source stops."""

from agents.ingest.limits import BadRecordLimit


def test_a_hundred_bad_records_in_a_row_stop_a_source_and_ninety_nine_do_not() -> None:
    limit = BadRecordLimit()
    assert [limit.bad() for _ in range(99)] == [None] * 99
    limit.good(1)
    assert [limit.bad() for _ in range(99)] == [None] * 99
    assert limit.bad() == "100 bad records in a row"


def test_fifty_bad_of_a_thousand_are_borne_and_the_fifty_first_stops() -> None:
    limit = BadRecordLimit()
    for _ in range(50):
        limit.good(19)
        assert limit.bad() is None
    reason = None
    limit.good(1)
    reason = limit.bad()
    assert reason == "51 bad among 1,000 records in a row"


def test_bad_records_are_forgotten_after_a_thousand() -> None:
    limit = BadRecordLimit()
    for _ in range(50):
        assert limit.bad() is None
    limit.good(1_000)
    for _ in range(50):
        assert limit.bad() is None


def test_a_few_bad_records_at_the_very_start_do_not_stop_a_source() -> None:
    limit = BadRecordLimit()
    assert [limit.bad() for _ in range(60)] == [None] * 60
