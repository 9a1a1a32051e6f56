"""What aiokafka leaves to its user and Faust does not do: look whether its tasks still run, and take its errors.

Faust fetches below `AIOKafkaConsumer.getmany`, the place where aiokafka tells of trouble. So two things went unnoticed:

* A coordination that met an error it cannot judge waits until somebody has taken the error. Nobody does, no heartbeat
  is sent and no rebalance is joined ever again.
* A task that has ended by a mistake (coordination asserts that it knows a broker, and one that has just come back is
  fenced for a moment and tells of none) is gone for good.

Both look like a healthy worker to which nothing comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)

log = logging.getLogger("ebb.host")

LOOK_EVERY_S = 0.5
FLOW_PATIENCE_S = 30.0
_FINAL = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)


def ask_patiently(client: AIOKafkaClient) -> None:
    """Let a client that knows no broker yet ask again for its coordinator, where aiokafka asserts that it knows one."""
    lookup = client.coordinator_lookup

    async def coordinator_lookup(kind: int, key: str) -> int:
        if client.get_random_node() is None:
            if ("bootstrap", ConnectionGroup.DEFAULT) not in client._conns:
                # Nobody is left who could be asked about brokers; only a new client would find one.
                raise KafkaConnectionError("the broker went away before it had told of any")
            raise NodeNotReadyError("no broker is known yet")  # those who ask update metadata and ask again
        found: int = await lookup(kind, key)
        return found

    client.coordinator_lookup = coordinator_lookup


async def keep(consumer: Any, is_flowing: Callable[[], bool], end: Callable[[str, BaseException | None], None]) -> None:
    """Look after a group consumer until cancelled.

    Args:
        consumer: the AIOKafkaConsumer; on its own loop.
        is_flowing: whether its user lets records through; not so during a rebalance.
        end: called when there is nothing left to keep, with the reason; expected to end the process.
    """
    coordinator = consumer._coordinator
    tasks = {
        "coordination": coordinator._coordination_task,
        "fetching": consumer._fetcher._fetch_task,
        "metadata": consumer._client._sync_task,
    }
    held_s = 0.0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        for name, task in tasks.items():
            if task.done() and not consumer._closed:
                error = None if task.cancelled() else task.exception()
                end(f"{name} of group {coordinator.group_id} has ended", error)
        try:
            coordinator.check_errors()
        except _FINAL as error:
            end(f"group {coordinator.group_id}", error)
        except KafkaError as error:
            log.warning("group %s goes on after %r", coordinator.group_id, error)
        if is_flowing() or coordinator._performed_join_prepare or coordinator.coordinator_id is None:
            held_s = 0.0
        elif consumer.assignment():
            held_s += LOOK_EVERY_S  # counted in looks: on a busy machine those come late, like everything else
            if held_s > FLOW_PATIENCE_S:
                end(f"group {coordinator.group_id} has settled but records were not let through again", None)
