"""How a worker process ends when it must: one sentence, exit code 1, nothing half-closed in between.

A lane that met an error cannot know what the broker has stored, and an orderly shutdown would run code that assumes it
does. So the process ends on the spot; the next owner's InitProducerId finishes or aborts what was under way.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

log = logging.getLogger("ebb.host")


class Refusal(Exception):  # noqa: N818  (not an error of ours: an answer)
    """The worker must not start or go on. `sentence` says what is wrong and what to do; it holds no secrets."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def fatal(why: str, error: BaseException | None = None) -> NoReturn:
    """Log one line and end the process with exit code 1, without running any clean-up."""
    if error is None:
        log.critical("ending: %s", why)
    else:
        log.critical("ending: %s (%r)", why, error)  # an argument, so that the log decides what of it may be shown
    for handler in logging.getLogger().handlers + log.handlers:
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
