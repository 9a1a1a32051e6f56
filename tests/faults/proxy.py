"""A TCP proxy that worsens: latency, rate, resets, and black holes in one direction or both."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import Final

_BLOCK: Final = 64 * 1024


@dataclass(slots=True)
class Weather:
    """What the network is like now; change it at any time.

    Attributes:
        latency_s: added to every piece, in each direction.
        bytes_per_s: of each connection and direction; 0: as fast as it goes.
        swallows_up: what clients send disappears, connections stay.
        swallows_down: what the broker sends disappears.
        refuses: new connections are closed at once.
    """

    latency_s: float = 0.0
    bytes_per_s: int = 0
    swallows_up: bool = False
    swallows_down: bool = False
    refuses: bool = False


class Proxy:
    """Listens on a loopback port and passes on to the broker, on a thread of its own, from `with` on.

    The broker must advertise the proxy's address on the listener it is reached by.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.weather = Weather()
        self.passed = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def reset(self) -> int:
        """Cut every connection (RST). Returns: how many there were."""

        async def cut() -> int:
            writers = list(self._open)
            for writer in writers:
                writer.transport.abort()
            return len(writers) // 2

        return asyncio.run_coroutine_threadsafe(cut(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", self.port))
        self._ready.set()
        self._loop.run_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather.refuses:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there_writer}
        await asyncio.gather(self._pass(reader, there_writer, up=True), self._pass(there_reader, writer, up=False))
        self._open -= {writer, there_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while block := await reader.read(_BLOCK):
                weather = self.weather
                if weather.latency_s:
                    await asyncio.sleep(weather.latency_s)
                if weather.bytes_per_s:
                    await asyncio.sleep(len(block) / weather.bytes_per_s)
                if weather.swallows_up if up else weather.swallows_down:
                    continue
                self.passed += len(block)
                writer.write(block)
                await writer.drain()
        writer.transport.abort()
