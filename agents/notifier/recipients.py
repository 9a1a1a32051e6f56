"""The recipients' file while the notifier runs: a change is taken over, one that cannot be used is refused.

It is read every few seconds and compared by content, because times and sizes of mounted files tell little: editors
replace files, and Kubernetes swaps a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec import Struct

from agents.notifier.config import Config, ConfigError, load
from agents.notifier.outcome import PermanentError
from agents.notifier.parcel import Sender
from agents.notifier.senders import senders_of
from streams.delivery.people import Line


class InForce(Struct, frozen=True):
    """What the notifier goes by."""

    config: Config
    senders: Mapping[Line, Sender]


class RecipientsFile:
    """See the module.

    Args:
        first: what was read from it at the start.

    Attributes:
        problems: what is wrong with the newest content; empty when it is in force.
    """

    def __init__(self, path: Path, first: Config) -> None:
        self._path = path
        self._seen = _fingerprint(path)
        self.in_force = InForce(first, senders_of(first))
        self.problems: Final[list[str]] = []

    def look(self) -> bool:
        """Read it again if it has changed. Returns: whether something else is in force now, or is refused now."""
        seen = _fingerprint(self._path)
        if seen == self._seen:
            return False
        self._seen = seen
        before = self.in_force.config
        self.problems.clear()
        try:
            config = load(self._path)
            self.in_force = InForce(config, senders_of(config))
        except ConfigError as error:
            self.problems.extend(error.problems)
        except PermanentError as error:
            self.problems.append(f"a webhook's target: {error.reason}")
        return bool(self.problems) or self.in_force.config != before


def _fingerprint(path: Path) -> bytes:
    try:
        return blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError:
        return b""
