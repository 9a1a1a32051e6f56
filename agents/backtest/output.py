"""The folder a backtest writes: staged beside its place, and moved there when all went well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

FILES: Final = ("interventions.jsonl", "dead-letters.jsonl", "summary.json", "report.html")
"""What every backtest writes."""
MORE_FILES: Final = ("comparison.jsonl", "sweep.json")
"""What some write beside them."""


class OutputError(Exception):
    """The output cannot stand where it was asked for. The text is one sentence for the person who asked."""


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when all went well, and goes away otherwise.

    Raises: OutputError when something stands there that is not the output of a backtest, or nothing can.
    """
    out = out.absolute()
    if out.is_symlink() or (out.exists() and not _is_replaceable(out)):
        raise OutputError(f"{out} holds something other than the output of a backtest: name a new folder.")
    folder = out.with_name(f".{out.name}.partial-{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep_up(out)
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror}.") from error
    try:
        yield folder
        if out.exists():
            former = out.with_name(f".{out.name}.former-{os.getpid()}")
            out.rename(former)
            folder.rename(out)
            shutil.rmtree(former)
        else:
            folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep_up(out: Path) -> None:
    """Remove what backtests to the same place left behind that were killed."""
    for left in out.parent.glob(f".{escape(out.name)}.partial-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and not _is_alive(int(pid)) and left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_lines(path: Path, lines: Iterable[bytes]) -> str:
    """Write lines that end themselves. Returns: SHA-256 of the file."""
    hasher = sha256()
    with path.open("wb") as file:
        for line in lines:
            file.write(line)
            hasher.update(line)
    return hasher.hexdigest()


def write_json(path: Path, tree: Any) -> None:
    """Write one readable JSON document."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(tree), indent=2) + b"\n")


def _is_replaceable(out: Path) -> bool:
    return out.is_dir() and all(one.name in (*FILES, *MORE_FILES) for one in out.iterdir())
