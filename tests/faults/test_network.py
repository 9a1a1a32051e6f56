"""The network between workers and broker: slow, narrow, cut, and silent in one direction."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from deploy.kafka.broker import KafkaBroker
from deploy.ports import free_port
from tests.conftest import start_kafka
from tests.faults.arena import SHORT_LIVED
from tests.faults.conftest import NewArena
from tests.faults.proxy import Proxy, Weather

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(2400)]

RESETS = 120


@pytest.fixture
def proxied() -> Iterator[tuple[KafkaBroker, Proxy]]:
    """A broker with a second listener whose advertised address is the proxy's."""
    inner, outer, plain = free_port(), free_port(), free_port()
    controller = free_port()
    broker = KafkaBroker(
        port=plain,
        environment=SHORT_LIVED,
        properties={
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{plain},PROXIED://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},PROXIED://127.0.0.1:{outer}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        },
    )
    start_kafka(broker)
    try:
        with Proxy(outer, inner) as proxy:
            yield broker, proxy
    finally:
        broker.stop()


def test_network(new_arena: NewArena, proxied: tuple[KafkaBroker, Proxy]) -> None:
    broker, proxy = proxied
    arena = new_arena(on=broker, bootstrap=f"127.0.0.1:{proxy.port}")
    arena.worker()
    arena.worker()
    with arena.fault("latency 100 ms for 15 s"):
        proxy.weather = Weather(latency_s=0.1)
        time.sleep(15)
        proxy.weather = Weather()
    with arena.fault("256 kB/s a connection for 15 s"):
        proxy.weather = Weather(bytes_per_s=256 * 1024)
        time.sleep(15)
        proxy.weather = Weather()
    for _ in range(RESETS):
        with arena.fault("all connections reset"):
            time.sleep(arena.dice.random() * 2)
            assert proxy.reset() > 0
    for way in ("up", "down") * 2:
        with arena.fault(f"black hole {way} for 12 s", 300):
            proxy.weather = Weather(swallows_up=way == "up", swallows_down=way == "down")
            time.sleep(12)
            # What was swallowed leaves a hole in the stream: nobody could go on with such a connection.
            proxy.reset()
            proxy.weather = Weather()
    with arena.fault("cut off for 20 s", 300):
        proxy.weather = Weather(refuses=True)
        proxy.reset()
        time.sleep(20)
        proxy.weather = Weather()
    assert proxy.passed > 10_000_000
    arena.settle()
    arena.judge()
