"""Old schema versions → the next one: a registry of pure steps, one per type and version.

A step takes the decoded JSON object of version *n* and returns that of version *n + 1*; the codec walks the steps until
it reaches the version the twins in `facts` describe. There is only version 1 so far, so the registry is empty; a new
version of a type adds its step here, and its golden payloads stay in the tests.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Step = Callable[[dict[str, Any]], dict[str, Any]]
"""From the payload of one version to that of the next. Pure: the given payload is left alone."""

Steps = Mapping[tuple[str, int], Step]
"""By type and the version a step starts from."""

CURRENT_VERSION: Final = 1
"""The version that `facts` describes."""

UPCASTS: Final[Steps] = {}


def lift(payload: dict[str, Any], steps: Steps = UPCASTS) -> dict[str, Any] | None:
    """Bring an old payload to the current version.

    Args:
        payload: the decoded JSON object of an inbound record.
        steps: the registry to use.

    Returns: the payload at `CURRENT_VERSION`, or None when it is of no older version or a step is missing.
    """
    kind, version = payload.get("type"), payload.get("schema_version", CURRENT_VERSION)
    if not isinstance(kind, str) or type(version) is not int or version >= CURRENT_VERSION:
        return None
    while version < CURRENT_VERSION:
        step = steps.get((kind, version))
        if step is None:
            return None
        version += 1
        payload = {**step(payload), "schema_version": version}
    return payload
