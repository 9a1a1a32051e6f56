"""Runs a backtest: a recording in, a folder out, which appears only when it is whole.

What decides is `streams.backtest`. Here are the files: each partition's interventions are written as they are decided
and then merged by time, so that memory holds two numbers per intervention, however long the recording is.
"""

from __future__ import annotations

import gc
import heapq
import os
import shutil
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from agents.fact_files import FactFiles
from agents.recordings import Recording
from agents.version import VERSION
from schemas.outbound import encode_intervention
from schemas.rejections import Rejected
from streams import ruleset
from streams.backtest.replay import PARTITIONS, FactReplay, JournalReplay, Tally
from streams.backtest.report import render
from streams.backtest.summary import Output, Settings, merge, summarise
from streams.lifecycle import Decision
from streams.ruleset import RuleSet

FILES: Final = ("interventions.jsonl", "dead-letters.jsonl", "summary.json", "report.html")
_DRAIN_EVERY: Final = 8_192
_WORTH_PROCESSES: Final = 100_000

Progress = Callable[[int], None]
"""Told how much more was done: entries of a journal, bytes of facts."""


class OutputError(Exception):
    """The output cannot stand where it was asked for. The text is one sentence for the person who asked."""


class _Part:
    """The interventions of one partition: their lines in a file, their instants and lengths in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.instants = array("q")
        self.lengths = array("q")

    def write(self, file: BinaryIO, decisions: Sequence[Decision], tally: Tally) -> None:
        for at_ms, record in decisions:
            line = encode_intervention(record) + b"\n"
            file.write(line)
            self.instants.append(at_ms)
            self.lengths.append(len(line))
            tally["interventions", record.rule.id, record.change] += 1

    def lines(self, partition: int) -> Iterator[tuple[int, int, int, bytes]]:
        """Lines by instant, those of one instant in the order they were decided."""
        starts, at = array("q"), 0
        for length in self.lengths:
            starts.append(at)
            at += length
        with self.path.open("rb") as file:
            for number in sorted(range(len(starts)), key=self.instants.__getitem__):
                file.seek(starts[number])
                yield self.instants[number], partition, number, file.read(self.lengths[number])


def backtest_journal(
    recording: Recording,
    path: Path,
    out: Path,
    rules: RuleSet | None,
    jobs: int = 1,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Replay a recording of the journal into `out`.

    Args:
        recording: opened from `path`.
        rules: in force throughout; None obeys what the recording activates.
        jobs: how many processes may work, each on whole partitions.

    Returns: the summary.
    Raises: RecordingError, ReplayError, OutputError.
    """
    info = recording.info
    numbers = range(len(info.partitions))
    with _staged(out) as folder:
        tree = None if rules is None else rules.encoded()
        jobs = min(jobs, sum(1 for partition in info.partitions if partition.entries))
        done: dict[int, tuple[Tally, _Part]] = {}
        if jobs <= 1 or info.entries < _WORTH_PROCESSES:
            for number in numbers:
                done[number] = _replay_partition(path, number, tree, folder, recording, progress)
        else:
            with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
                # The largest first, so that no process is left alone with it at the end.
                order = sorted(numbers, key=lambda number: -info.partitions[number].entries)
                waiting = {pool.submit(_replay_partition, path, number, tree, folder): number for number in order}
                for future in as_completed(waiting):
                    number = waiting[future]
                    done[number] = future.result()
                    progress(info.partitions[number].entries)
        tally = merge(done[number][0] for number in numbers)
        tally["entries",] = info.entries
        settings = Settings(
            kind="journal",
            rules="recorded" if rules is None else rules.hash,
            engine=VERSION,
            recording=info.content_hash,
            partitions=len(info.partitions),
        )
        return _write_out(folder, [done[number][1] for number in numbers], [], tally, settings)


def backtest_facts(
    files: FactFiles, out: Path, rules: RuleSet | None, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Replay lines of facts into `out`; arguments, result and errors as of `backtest_journal`."""
    with _staged(out) as folder, _few_collections():
        replay = FactReplay(rules)
        bad: list[tuple[int, int, Rejected]] = []
        counted: Tally = Tally()
        parts = [_Part(folder / f".part-{number}") for number in range(PARTITIONS)]
        outputs = [part.path.open("wb") for part in parts]
        try:
            since = entries = 0
            for _, file, number, content in files.lines(progress):
                entries += 1
                rejected = content if isinstance(content, Rejected) else replay.feed(content)
                if rejected is not None:
                    bad.append((file, number, rejected))
                since += 1
                if since >= _DRAIN_EVERY:
                    since = 0
                    _drain(replay, parts, outputs, counted)
            tally = replay.close()
            _drain(replay, parts, outputs, counted)
        finally:
            for output in outputs:
                output.close()
        tally += counted
        tally["entries",] = entries
        tally["dead_letters",] = len(bad)
        letters = [_letter(files, *one) for one in sorted(bad, key=lambda one: one[:2])]
        settings = Settings(
            kind="facts",
            rules="recorded" if rules is None else rules.hash,
            engine=VERSION,
            recording=files.content_hash,
            partitions=PARTITIONS,
        )
        return _write_out(folder, parts, letters, tally, settings)


def _drain(replay: FactReplay, parts: list[_Part], outputs: list[Any], counted: Tally) -> None:
    for partition, decisions in replay.decisions():
        parts[partition].write(outputs[partition], decisions, counted)


def _letter(files: FactFiles, file: int, number: int, rejected: Rejected) -> dict[str, Any]:
    where = {"file": files.names[file]} if files.is_folder else {}
    return {**where, "line": number, "reason": rejected.reason, "message": rejected.message}


def _replay_partition(
    path: Path,
    partition: int,
    tree: bytes | None,
    folder: Path,
    recording: Recording | None = None,
    progress: Progress = lambda _: None,
) -> tuple[Tally, _Part]:
    """Replay one partition; when there are several processes, in one of them, which opens the recording itself."""
    recording = recording if recording is not None else Recording(path)
    replay = JournalReplay(partition, None if tree is None else ruleset.load(tree))
    part = _Part(folder / f".part-{partition}")
    counted: Tally = Tally()
    with part.path.open("wb") as file, _few_collections():
        for first_offset, values in recording.entries(partition):
            part.write(file, replay.feed(first_offset, values), counted)
            progress(len(values))
    return replay.close() + counted, part


def _write_out(
    folder: Path, parts: list[_Part], letters: list[dict[str, Any]], tally: Tally, settings: Settings
) -> dict[str, Any]:
    hasher, count, first_ms, last_ms = sha256(), 0, None, None
    with (folder / "interventions.jsonl").open("wb") as file:
        for at_ms, _, _, line in heapq.merge(*(part.lines(number) for number, part in enumerate(parts))):
            file.write(line)
            hasher.update(line)
            count += 1
            first_ms = at_ms if first_ms is None else first_ms
            last_ms = at_ms
    for part in parts:
        part.path.unlink()
    with (folder / "dead-letters.jsonl").open("wb") as file:
        for letter in letters:
            file.write(msgspec.json.encode(letter) + b"\n")
    output = Output(lines=count, sha256=hasher.hexdigest(), first_ms=first_ms, last_ms=last_ms)
    summary = summarise(tally, settings, output)
    (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    (folder / "report.html").write_text(render(summary), "utf-8")
    return summary


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when all went well, and goes away otherwise.

    Raises: OutputError when something stands there that is not the output of a backtest.
    """
    out = out.absolute()
    if out.is_symlink() or (out.exists() and not _is_replaceable(out)):
        raise OutputError(f"{out} holds something other than the output of a backtest: name a new folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.partial-{os.getpid()}")
    folder.mkdir()
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


def _is_replaceable(out: Path) -> bool:
    return out.is_dir() and all(one.name in FILES for one in out.iterdir())


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let the cycle collector rest: state is large and has no cycles, so walking it again and again finds nothing."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
