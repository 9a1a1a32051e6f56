"""Static membership (KIP-345): a worker that starts again under its name takes its partitions back at once.

A group keeps the place of a named member that went silent for a session. Whoever joins under that name within it gets
the place, assignment and all, without a rebalance; whoever had it before is out.

aiokafka sends the name when it joins, and nowhere else. So a member that was replaced is told by its next heartbeat or
commit that nobody knows it, as if its session had ended; aiokafka then forgets its member id and joins anew under the
name, which throws out its successor, which does the same: two workers that take turns for ever. Here a named member
that is not recognised asks again under the member id it had. That the coordinator answers precisely: either the name
has passed to another member, and we have to end; or the session is over and the name is free, and we join anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiokafka.errors import UnknownMemberIdError
from aiokafka.protocol.group import JoinGroupRequest

FENCED_INSTANCE_ID = 82  # Kafka's error code, of which aiokafka does not know


def keep_the_name(coordinator: Any, end: Callable[[str], None]) -> None:
    """Make a coordinator of aiokafka with a group instance id give way to a successor. Call it before it joins.

    Args:
        end: called with a sentence when another member has the name; expected to end the process.
    """
    name = coordinator._group_instance_id
    if name is None:
        return
    send, reset = coordinator._send_req, coordinator.reset_generation

    async def send_and_look(request: Any) -> Any:
        response = await send(request)
        code = getattr(response, "error_code", 0)
        if code == FENCED_INSTANCE_ID:
            end(
                f"another worker has started as {name} and has taken over. EBB_INSTANCE_ID has to differ between "
                "workers that run at the same time: give this one another, or leave it stopped."
            )
        if code == UnknownMemberIdError.errno and isinstance(request, JoinGroupRequest):
            coordinator.member_id = JoinGroupRequest.UNKNOWN_MEMBER_ID  # nobody has the name: only now forget ours
        return response

    def reset_but_for_the_id() -> None:
        member_id = coordinator.member_id
        reset()
        coordinator.member_id = member_id

    coordinator._send_req = send_and_look
    coordinator.reset_generation = reset_but_for_the_id
