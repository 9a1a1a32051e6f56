"""A named member gives way to whoever joined under its name, and to nobody else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalGenerationError, UnknownMemberIdError
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest

from agents.host.membership import FENCED_INSTANCE_ID, keep_the_name

JOIN = JoinGroupRequest("g", 1, 1, "old", "a", "consumer", [])
BEAT = HeartbeatRequest("g", 1, "old")


class Ended(Exception):  # noqa: N818  (stands for the end of the process)
    pass


class Coordinator:
    """As much of aiokafka's as is replaced; the broker answers with the next code."""

    def __init__(self, name: str | None) -> None:
        self._group_instance_id = name
        self.member_id = "old"
        self.rejoins = 0
        self.code = 0

    async def _send_req(self, _request: Any) -> Any:
        return SimpleNamespace(error_code=self.code)

    def reset_generation(self) -> None:
        self.member_id = ""
        self.rejoins += 1


def _end(sentence: str) -> None:
    raise Ended(sentence)


def named(name: str | None = "a") -> Any:
    coordinator = Coordinator(name)
    keep_the_name(coordinator, _end)
    return coordinator


@pytest.mark.parametrize("error", [UnknownMemberIdError, IllegalGenerationError])
async def test_who_is_not_recognised_asks_again_under_the_id_it_had(error: Any) -> None:
    coordinator = named()
    coordinator.code = error.errno
    await coordinator._send_req(BEAT)
    coordinator.reset_generation()
    assert (coordinator.member_id, coordinator.rejoins) == ("old", 1)


async def test_where_the_session_is_over_and_the_name_free_it_joins_anew() -> None:
    coordinator = named()
    coordinator.code = UnknownMemberIdError.errno
    await coordinator._send_req(JOIN)
    coordinator.reset_generation()
    assert coordinator.member_id == ""


@pytest.mark.parametrize("request_", [JOIN, BEAT])
async def test_where_another_has_the_name_it_ends_and_says_what_to_do(request_: Any) -> None:
    coordinator = named()
    coordinator.code = FENCED_INSTANCE_ID
    with pytest.raises(Ended, match=r"another worker has started as a .* EBB_INSTANCE_ID has to differ"):
        await coordinator._send_req(request_)


async def test_without_a_name_everything_is_as_aiokafka_has_it() -> None:
    coordinator = named(None)
    coordinator.reset_generation()
    assert coordinator.member_id == ""
    assert "_send_req" not in vars(coordinator)
