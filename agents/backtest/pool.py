"""Tasks in this process, or in several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

Result = TypeVar("Result")


def run_all(
    tasks: Sequence[tuple[Callable[..., Result], tuple[object, ...], int]],
    jobs: int,
    progress: Callable[[int], None],
) -> list[Result]:
    """Run tasks, in `jobs` processes if more than one. Returns: their results in the order of the tasks.

    Args:
        tasks: function, arguments, and how much progress the task is. In this process the function also gets `progress`
            and tells it itself.

    Raises: whatever a task raises; the others are then not waited for.
    """
    if jobs <= 1:
        return [work(*arguments, progress) for work, arguments, _ in tasks]
    found: dict[int, Result] = {}
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(work, *arguments): number for number, (work, arguments, _) in enumerate(tasks)}
        try:
            for future in as_completed(waiting):
                number = waiting[future]
                found[number] = future.result()
                progress(tasks[number][2])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[number] for number in range(len(tasks))]
