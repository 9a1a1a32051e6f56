"""Logging: one line per event, JSON or for people: ids, numbers and classes of errors, never what a record said.

Our own code logs only such things. Libraries do not know our promise, so what they log is cut down here: an exception
shows as its class and where it was raised, not its message (a decoder's message quotes the record); arguments show only
if they are numbers, short texts or made of these.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any, Final, TextIO

import msgspec
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from agents.host.process import Refusal
from streams.ruleset import RulesetError
from streams.state.table import NewerStateError

_SPEAKING: Final = (Refusal, KafkaError, KafkaException, OSError, TimeoutError, NewerStateError, RulesetError)
"""Errors whose message is about machinery, and needed to mend it."""
_LONGEST: Final = 200
_FRAMES: Final = 12
_OURS: Final = "ebb"
# "agents" is ours by name only: Faust logs the lives of our subclasses of its services there.
_LEVELS: Final = {
    "ebb": 0,
    "agents": 30,
    "faust": 30,
    "mode": 30,
    "aiokafka": 30,
    "kafka": 30,
    "aiohttp": 30,
    "asyncio": 30,
}


def name_of(error: BaseException) -> str:
    """An error as it may be logged: its class, with its message only where that cannot quote a record."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, _SPEAKING) and text:
        return text if text.startswith(name) else f"{name}: {text}"
    return name


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else _Shown(f"<{len(value)} characters>")
    if isinstance(value, BaseException):
        return _Shown(name_of(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return _Shown(f"<{len(value)} bytes>")
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in list(value.items())[:20]}
    if isinstance(value, tuple | list | set | frozenset):
        shown = ", ".join(str(_plain(item)) for item in list(value)[:20])
        return _Shown(f"({shown})" if not hasattr(value, "_fields") else f"{type(value).__name__}({shown})")
    return _Shown(f"<{type(value).__name__}>")


class _Shown(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _message(record: logging.LogRecord) -> str:
    args = record.args
    if record.name.partition(".")[0] == _OURS:
        # Ours logs only what may be logged; an error among the arguments still must not quote a record.
        if isinstance(args, tuple):
            args = tuple(_Shown(name_of(arg)) if isinstance(arg, BaseException) else arg for arg in args)
    else:
        args = tuple(_plain(arg) for arg in args) if isinstance(args, tuple) else _plain(args)
        if not args:
            # Text put together before it was logged may hold anything: its beginning says what it is about.
            first = str(record.msg).partition("\n")[0]
            return first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"
    try:
        return str(record.msg) % args if args else str(record.msg)
    except (TypeError, ValueError):
        return str(record.msg)


def _frames(error: BaseException) -> list[str]:
    """Where an error was raised, innermost last, with what caused it; no source lines, no messages."""
    frames: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(frames) < 3 * _FRAMES:
        stack = traceback.extract_tb(cause.__traceback__)[-_FRAMES:]
        frames += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in stack]
        following = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if following is not None:
            frames.append(f"caused by {name_of(following)}")
        cause = following
    return frames


class _Formatter(logging.Formatter):
    def _moment(self, record: logging.LogRecord) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


class JsonFormatter(_Formatter):
    """One JSON object per line: `at`, `level`, `logger`, `message`, and for an exception `error` and `frames`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": self._moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line |= {"error": name_of(error), "frames": _frames(error)}
        return msgspec.json.encode(line).decode()


class TextFormatter(_Formatter):
    """For people: time of day, level where it matters, message; an exception as its class and frames."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        lines = [f"{self._moment(record)[11:]} {record.name} {level}{_message(record)}"]
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            lines.append(f"    {name_of(error)}")
            lines += [f"      {frame}" for frame in _frames(error)]
        return "\n".join(lines)


def set_up(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to one stream, cut down as described above.

    Args:
        level: least level of our own lines; libraries speak from `warning` on, unless it is `debug`.
        form: `json`, `text`, or `auto`: text on a terminal.
        stream: default: standard error.
    """
    stream = stream or sys.stderr
    is_text = form == "text" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if is_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(least, root.level) if level != "debug" else logging.DEBUG)
    logging.captureWarnings(True)
