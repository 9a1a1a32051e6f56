"""Ports for servers: none that a connection may be given."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.ports import HOST, free_port

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(not RANGE.exists(), reason="only Linux says which ports it gives connections")
def test_no_connection_is_given_a_port_that_a_server_is_to_have() -> None:
    lowest = int(RANGE.read_text().split()[0])
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    assert max(ports) < lowest


def test_a_port_that_is_taken_is_not_given() -> None:
    with ExitStack() as taken:
        ports = []
        for _ in range(20):
            server = taken.enter_context(socket.socket())
            server.bind((HOST, free_port()))
            server.listen()
            ports.append(server.getsockname()[1])
        rest = {free_port() for _ in range(200)}
        assert 40 < len(rest) <= 80
        assert not rest & set(ports)


def test_when_all_are_taken_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, port := free_port()))
        monkeypatch.setattr("deploy.ports._LOWEST", port)
        monkeypatch.setattr("deploy.ports._HIGHEST", port + 1)
        monkeypatch.setattr("deploy.ports._RANGE", 1)
        with pytest.raises(OSError, match="no free port"):
            free_port()
