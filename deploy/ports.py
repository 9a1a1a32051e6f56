"""Loopback ports for servers that tests and examples start."""

import random
import socket

HOST = "127.0.0.1"
# Below the ports that Linux gives outgoing connections (32768 and up): those come and go by the hundred, and would take
# the port of a server that is about to start, or that was killed and is started again.
_LOWEST, _HIGHEST = 10_000, 32_000
_TRIES = 1_000


def free_port() -> int:
    """A TCP port nobody listens on at this moment, and no connection is given by itself.

    Raises: OSError when none is found.
    """
    draw = random.SystemRandom()
    for _ in range(_TRIES):
        port = draw.randint(_LOWEST, _HIGHEST)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {_LOWEST} and {_HIGHEST}")
