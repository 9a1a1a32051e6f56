"""Where no webhook may go: about fifty ways to reach something that is not the public Internet."""

import ipaddress
from collections.abc import Sequence

import pytest

from agents.notifier.channels.addresses import ForbiddenUrlError, Pinned, addresses_of, check_url, is_public
from agents.notifier.channels.webhook import WebhookSender
from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel

FORBIDDEN_ADDRESSES = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",  # carrier-grade NAT
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",  # metadata of clouds
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",  # documentation
    "192.168.0.1",
    "198.18.0.1",  # benchmarks
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",  # multicast
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::ffff:127.0.0.1",  # IPv4-mapped
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",  # discard
    "2001:db8::1",  # documentation
    "2001:0:7f00:1::1",  # Teredo
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:a9fe:a9fe::1",
    "2002:a00:1::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata of a cloud
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",  # site-local
    "ff02::1",
]
PUBLIC_ADDRESSES = ["93.184.216.34", "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]
FORBIDDEN_URLS = [
    "http://hooks.example.org/x",
    "ftp://hooks.example.org/x",
    "file:///etc/passwd",
    "gopher://hooks.example.org/",
    "//hooks.example.org/x",
    "https://",
    "https:///x",
    "https://user@hooks.example.org/x",
    "https://user:secret@hooks.example.org/x",
    "https://hooks.example.org@127.0.0.1/x",
    "https://127.0.0.1\\@hooks.example.org/x",
    "https://hooks.example.org#@evil.example/x",
    "https://hooks.example.org:8443/x",  # another port than the one allowed
    "https://other.example.org/x",
    "https://sub.hooks.example.org/x",
    "https://hooks.example.org.evil.example/x",
    "https://localhost/x",
    "https://127.1/x",
    "https://2130706433/x",  # 127.0.0.1 as one number
    "https://0x7f000001/x",
    "https://0177.0.0.1/x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://hooks.example.org\n.evil.example/x",
    "https://hooks.example.org/ x",
    "https://hooks.еxample.org/x",  # a Cyrillic е
    "https://hooks.example.org:99999/x",
    "https://hooks.example.org/" + "x" * 3_000,
]
ALLOWED = frozenset({"hooks.example.org", "hooks.example.org:9443"})


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
async def test_a_host_that_resolves_to_an_address_of_ours_or_of_nobody_is_refused(address: str) -> None:
    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", address]  # one bad address among good ones is enough

    with pytest.raises(ForbiddenUrlError, match="address_forbidden"):
        await addresses_of("hooks.example.org", 443, (), lookup)


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
def test_a_url_that_is_not_plainly_an_allowed_one_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenUrlError):
        check_url(url, ALLOWED)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_an_allowed_url_passes_with_its_port() -> None:
    assert check_url("https://hooks.example.org/a?b=c", ALLOWED) == ("hooks.example.org", 443)
    assert check_url("https://hooks.example.org:9443/", ALLOWED) == ("hooks.example.org", 9443)
    assert check_url("https://HOOKS.example.org/", ALLOWED) == ("hooks.example.org", 443)


async def test_a_name_is_asked_for_once_and_the_connection_knows_no_other_address() -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return answers.pop(0)

    found = await addresses_of("hooks.example.org", 443, (), lookup)
    resolver = Pinned("hooks.example.org", found)
    assert [one["host"] for one in await resolver.resolve("hooks.example.org", 443)] == ["93.184.216.34"]
    assert len(answers) == 1
    with pytest.raises(OSError, match="another host"):
        await resolver.resolve("evil.example", 443)


async def test_a_name_that_does_not_resolve_may_later() -> None:
    async def lookup(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(TransientError, match="name_not_resolved"):
        await addresses_of("hooks.example.org", 443, (), lookup)


async def test_a_sender_refuses_for_good_before_it_opens_a_connection() -> None:
    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return ["169.254.169.254"]

    sender = WebhookSender(
        "https://hooks.example.org/x",
        lambda: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        allowed=ALLOWED,
        lookup=lookup,
    )
    with pytest.raises(PermanentError, match="address_forbidden"):
        await sender.send(Parcel(message_id="a/0/webhook/b", recipient="b", body=b"{}"))
