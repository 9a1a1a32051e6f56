from schemas.dead_letters import failure_headers, original_headers, read_headers
from schemas.rejections import Rejected

ORIGINAL: list[tuple[str, bytes | None]] = [("producer", b"platform"), ("trace", None), ("raw", b"\xff")]
REJECTED = Rejected("missing_field", "`rating` is missing.")


def test_headers_name_the_record_and_the_reason() -> None:
    headers = failure_headers("test-ratings", 3, 12345, REJECTED)
    assert headers == [
        ("__streams.errors.topic", b"test-ratings"),
        ("__streams.errors.partition", b"3"),
        ("__streams.errors.offset", b"12345"),
        ("__streams.errors.exception", b"missing_field"),
        ("__streams.errors.message", b"`rating` is missing."),
        ("__streams.errors.attempt", b"1"),
    ]
    read = read_headers([*ORIGINAL, *headers])
    assert read is not None
    assert failure_headers(read.topic, read.partition, read.offset, REJECTED, read.attempt) == headers


def test_after_a_redrive_the_last_headers_count_and_the_originals_stay() -> None:
    first = failure_headers("ratings", 3, 12345, REJECTED)
    second = failure_headers("ratings", 0, 7, REJECTED, attempt=2)
    read = read_headers([*ORIGINAL, *first, *second])
    assert read is not None
    assert (read.partition, read.offset, read.attempt) == (0, 7, 2)
    assert original_headers([*ORIGINAL, *first, *second]) == ORIGINAL


def test_headers_of_something_else_are_none() -> None:
    headers = failure_headers("ratings", 3, 12345, REJECTED)
    assert read_headers(ORIGINAL) is None
    assert read_headers(headers[:-1]) is None
    assert read_headers([*headers[:-1], ("__streams.errors.attempt", b"often")]) is None
    assert read_headers([*headers, ("__streams.errors.offset", b"\xff")]) is None
