"""Tasks in this process, or in several."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

_LOOK_S: Final = 0.2
"""How often it is looked up what the processes have told."""
_told: Final[list[Any]] = []
"""In a process of the pool: the number that all of them add to."""


def run_all(
    tasks: Sequence[tuple[Callable[..., Result], tuple[object, ...]]], jobs: int, progress: Callable[[int], None]
) -> list[Result]:
    """Run tasks, in `jobs` processes if more than one. Returns: their results in the order of the tasks.

    Args:
        tasks: functions and their arguments. Each function also gets a `progress` of its own, last.
        progress: told of all that the tasks tell theirs, wherever they run.

    Raises: whatever a task raises; the others are then not waited for but ended. They also end when this process does.
    """
    if jobs <= 1:
        return [work(*arguments, progress) for work, arguments in tasks]
    context = get_context("spawn")
    told, shown = context.Value("q", 0), 0
    found: dict[int, Result] = {}
    others = set(active_children())
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_share, initargs=(told,)) as pool:
        waiting: dict[Future[Result], int] = {
            pool.submit(_run, work, arguments): number for number, (work, arguments) in enumerate(tasks)
        }
        try:
            while waiting:
                done, _ = wait(waiting, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
                for future in done:
                    found[waiting.pop(future)] = future.result()
                if (now := told.value) > shown:
                    progress(now - shown)
                    shown = now
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(active_children()) - others:
                process.terminate()
            raise
    return [found[number] for number in range(len(tasks))]


def _share(told: Any) -> None:
    _told[:] = [told]
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process that is killed cannot end its children: they would work on for nobody, for as long as a task takes."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run(work: Callable[..., Result], arguments: tuple[object, ...]) -> Result:
    return work(*arguments, _tell)


def _tell(amount: int) -> None:
    (told,) = _told
    with told.get_lock():
        told.value += amount
