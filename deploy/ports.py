"""Loopback ports for servers that tests and examples start."""

import itertools
import os
import random
import socket

HOST = "127.0.0.1"
# Below the ports that Linux gives outgoing connections (32768 and up): those come and go by the hundred, and would take
# the port of a server that is about to start, or that was killed and is started again.
_LOWEST, _HIGHEST = 10_000, 32_000
# Each process has a range of its own and goes round in it, so that nobody else is given a port that was handed out
# and is not listened on yet.
_RANGE = 100
_turn = itertools.count(random.SystemRandom().randrange(_RANGE))


def free_port() -> int:
    """A TCP port nobody listens on at this moment, that no connection is given by itself and hardly another process.

    Raises: OSError when none is left in this process's range.
    """
    first = _LOWEST + os.getpid() % ((_HIGHEST - _LOWEST) // _RANGE) * _RANGE
    for _ in range(_RANGE):
        port = first + next(_turn) % _RANGE
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port from {first} to {first + _RANGE - 1}")
