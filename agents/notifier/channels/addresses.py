"""Which addresses a webhook may go to: hosts on a list, https, and addresses that the whole world can reach.

A name is resolved once, every address it has is judged, and the connection goes to one that was judged: a name that
answers differently the next moment (DNS rebinding) changes nothing. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from agents.notifier.outcome import PermanentError, TransientError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_MOST_URL: Final = 2_000


class ForbiddenUrlError(PermanentError):
    """A URL that no webhook may go to. `reason` says which rule forbids it."""


def check_url(url: str, allowed: frozenset[str]) -> tuple[str, int]:
    """Judge a URL before anything is looked up.

    Args:
        allowed: hosts that may be reached, lower case, as `host` or `host:port`.

    Returns: host and port. Raises: ForbiddenUrlError.
    """
    if len(url) > _MOST_URL or not url.isascii() or any(sign <= " " or sign in "\\\x7f" for sign in url):
        raise ForbiddenUrlError("url_not_plain")
    try:
        parts = urlsplit(url)
        port = parts.port or 443
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise ForbiddenUrlError("url_not_plain") from None
    if parts.scheme != "https":
        raise ForbiddenUrlError("url_not_https")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise ForbiddenUrlError("url_with_user")
    if parts.fragment:
        raise ForbiddenUrlError("url_not_plain")
    literal = _literal(host)
    if literal is None and not _HOST.fullmatch(host):
        raise ForbiddenUrlError("url_not_plain")
    if literal is None and host.rpartition(".")[2].isdigit():
        raise ForbiddenUrlError("address_forbidden")  # 0177.0.0.1 and its like, which some resolvers read as addresses
    if f"{host}:{port}" not in allowed and not (port == 443 and host in allowed):
        raise ForbiddenUrlError("host_not_allowed")
    return host, port


def is_public(address: Address, trusted: Sequence[Network] = ()) -> bool:
    """Whether an address is one that the whole world can reach, or is trusted by name of its network.

    What carries an IPv4 address inside (mapped, 6to4, Teredo, NAT64) is judged by that one as well.
    """
    if any(address.version == network.version and address in network for network in trusted):
        return True
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return not address.is_site_local and all(one is None or is_public(one) for one in inner)


async def addresses_of(host: str, port: int, trusted: Sequence[Network], lookup: Lookup | None = None) -> list[str]:
    """Resolve a host once and judge all of its addresses; one forbidden address forbids the host.

    Raises: ForbiddenUrlError; TransientError when it cannot be resolved.
    """
    literal = _literal(host)
    try:
        found = [str(literal)] if literal is not None else await (lookup or _look_up)(host, port)
    except OSError:
        raise TransientError("name_not_resolved") from None
    if not found:
        raise TransientError("name_not_resolved")
    for text in found:
        # A scope (fe80::1%eth0) marks a local address in any case.
        if "%" in text or not is_public(ipaddress.ip_address(text), trusted):
            raise ForbiddenUrlError("address_forbidden")
    return list(found)


class Pinned(AbstractResolver):
    """A resolver that knows one host and the addresses that were judged."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host.rstrip(".") != self._host:
            raise OSError("another host than the one that was judged")
        return [
            ResolveResult(
                hostname=host,
                host=text,
                port=port,
                family=socket.AF_INET6 if ":" in text else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for text in self._addresses
            if family in (socket.AF_UNSPEC, socket.AF_INET6 if ":" in text else socket.AF_INET)
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


async def _look_up(host: str, port: int) -> Sequence[str]:
    found: list[tuple[Any, ...]] = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))
