"""What must be true of the inbound topics before a source is read, each with the sentence that says what to do when it
is not.
"""

from collections.abc import Mapping

from agents.host.process import Refusal
from agents.ingest.merge import Source
from schemas.topics import Topics


def check_position(topics: Topics, source: Source, committed: int | None, begin: int, end: int) -> None:
    """Compare the group's position with what the source still holds.

    Args:
        committed: the next offset to read; None when nothing was ever read.
        begin, end: offset of the oldest record, and after the newest.

    Raises: Refusal when records were lost, or the topic is shorter than what was read of it.
    """
    if committed is None or begin <= committed <= end:
        return
    name = f"{topics.real(source.topic)}/{source.partition}"
    if committed < begin:
        raise Refusal(
            f"{name} begins at {begin} but was read up to {committed}: {begin - committed} records were removed "
            f"before they were read; restore them, or accept the loss with `ebb ingest accept-gap {source}`."
        )
    raise Refusal(
        f"{name} ends at {end} but was read up to {committed}: it was recreated, or cut by {committed - end} records; "
        f"restore it, or accept the loss with `ebb ingest accept-gap {source}`."
    )


def check_topic_ids(topics: Topics, known: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Compare the topics' identities with those that were read before, by catalogue name.

    Raises: Refusal when a topic was deleted and made again, so that offsets mean something else.
    """
    for name, before in known.items():
        if now.get(name, before) != before:
            raise Refusal(
                f"Topic {topics.real(name)} was deleted and recreated since it was read; restore it, or accept "
                f"the loss with `ebb ingest accept-gap {name}/0`, which covers all its partitions."
            )


def check_complete(topics: Topics, counts: Mapping[str, int]) -> None:
    """Raises: Refusal when a topic that ingest needs does not exist."""
    missing = [name for name in counts if not counts[name]]
    if missing:
        listed = ", ".join(topics.real(name) for name in missing)
        raise Refusal(f"Topics are missing: {listed}. Create the topics first (ebb topics create).")
