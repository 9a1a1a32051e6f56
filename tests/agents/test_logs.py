"""What is logged, and what never is."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import msgspec
import pytest

from agents import logs
from agents.host.process import Refusal

SECRET = "she hit me"

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.set_up("info", "json", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object(lines: Lines) -> None:
    logging.getLogger("ebb.ingest").info("%d records", 3)
    (line,) = lines()
    assert (line["level"], line["logger"], line["message"]) == ("info", "ebb.ingest", "3 records")
    assert str(line["at"]).endswith("Z")


def test_an_exception_shows_its_class_and_place_but_not_what_it_says(stream: io.StringIO, lines: Lines) -> None:
    try:
        raise ValueError(f"cannot decode {SECRET}")
    except ValueError:
        logging.getLogger("ebb.engine").exception("the lane")
    (line,) = lines()
    assert line["error"] == "ValueError"
    assert "test_logs.py" in str(line["frames"])
    assert SECRET not in stream.getvalue()


def test_what_caused_an_exception_is_named_without_its_words(stream: io.StringIO, lines: Lines) -> None:
    try:
        try:
            msgspec.json.decode(b'{"comment":"' + SECRET.encode())
        except msgspec.DecodeError as error:
            raise RuntimeError(SECRET) from error
    except RuntimeError:
        logging.getLogger("faust.agents").exception("Agent crashed")
    assert "caused by DecodeError" in str(lines()[0]["frames"])
    assert SECRET not in stream.getvalue()


def test_an_error_among_the_arguments_is_cut_down_too(stream: io.StringIO) -> None:
    error = ValueError(SECRET)
    logging.getLogger("ebb.host").error("ending: %s (%r)", "the lane failed", error)
    logging.getLogger("aiokafka").error("failed: %s", error)
    assert SECRET not in stream.getvalue()
    assert stream.getvalue().count("ValueError") == 2


def test_errors_about_machinery_keep_their_words(lines: Lines) -> None:
    logging.getLogger("ebb.host").error("%s", Refusal("The topic is missing."))
    logging.getLogger("ebb.host").error("%r", ConnectionRefusedError(111, "Connection refused"))
    assert [line["message"] for line in lines()] == [
        "Refusal: The topic is missing.",
        "ConnectionRefusedError: [Errno 111] Connection refused",
    ]


@pytest.mark.parametrize(
    "argument",
    [
        SECRET.encode(),
        {"value": SECRET.encode()},
        [SECRET.encode()],
        type("Record", (), {"__repr__": lambda _: SECRET})(),
        SECRET * 100,
    ],
)
def test_a_library_cannot_log_a_record(argument: object, stream: io.StringIO) -> None:
    logging.getLogger("faust.transport").error("got %r and %s", argument, argument)
    assert "got" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_numbers_and_names_in_a_library_line_stay(lines: Lines) -> None:
    logging.getLogger("aiokafka").warning("node %d of %s at %s", 3, "group", ("topic", 1))
    assert lines()[0]["message"] == "node 3 of group at (topic, 1)"


def test_libraries_are_silent_below_warning(stream: io.StringIO) -> None:
    logging.getLogger("faust.app").info("rebalancing")
    logging.getLogger("agents.host.chunks").info("[^ChunkApp]: Stopping...")
    assert stream.getvalue() == ""


def test_on_a_terminal_lines_are_for_people() -> None:
    record = logging.LogRecord("ebb.host", logging.WARNING, __file__, 1, "lane %d", (2,), None)
    text = logs.TextFormatter().format(record)
    assert text.endswith("Z ebb.host warning: lane 2")
