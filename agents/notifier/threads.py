"""Blocking calls of channels, each in a thread of its own.

Not asyncio's shared pool: it has few threads, so that one mail server or chat that hangs would take them all and delay
everybody else; and it is waited for when the process ends. How many calls run at a time is the dispatcher's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable


async def in_thread(call: Callable[[], None], name: str) -> None:
    """Run a blocking call and hear how it ended; whoever is cancelled meanwhile leaves the call to itself.

    Raises: whatever the call raises.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():  # nobody waits for it any more
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            call()
        except BaseException as caught:  # noqa: BLE001  (handed on to whoever waits)
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    await done
