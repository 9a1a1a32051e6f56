"""A worker of slightly other code, for scenarios: `python -m tests.faults.patched_worker worker …`.

`EBB_FAULTS_PATCH` names what is different, separated by commas:

    raise     the rule rating.low raises on every 20th pair
    slice     due work is cut into slices of 20 records
    version   it calls itself another version
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

PATCHES = "EBB_FAULTS_PATCH"
SLICE = 20
NEXT_VERSION = "99.0.0"


def raise_in_rule(set_attribute: Callable[[Any, str, Any], None] = setattr) -> None:
    """Make rating.low raise on some pairs; with pytest's `monkeypatch.setattr` for as long as a test lasts."""
    from streams.rules.rating_low import RatingLow

    judge = RatingLow.judge

    def raising(self: RatingLow, view: Any, subject: Any, params: Any, moment: Any) -> Any:
        if subject.id.partition("/")[0].endswith(("20", "40", "60", "80", "00")):
            raise ZeroDivisionError("on purpose")
        return judge(self, view, subject, params, moment)

    set_attribute(RatingLow, "judge", raising)


def main() -> int:
    """Patch, then be the command line."""
    wanted = os.environ.get(PATCHES, "").split(",")
    if "version" in wanted:
        import agents.version

        agents.version.VERSION = NEXT_VERSION  # type: ignore[misc]
    if "raise" in wanted:
        raise_in_rule()
    if "slice" in wanted:
        from streams import engine

        engine.SLICE = SLICE  # type: ignore[misc]
    from agents.cli import main as command

    sys.argv[0] = "ebb"
    command()
    return 0


if __name__ == "__main__":
    sys.exit(main())
