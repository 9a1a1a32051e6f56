from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from agents.host.failpoints import NAMES, failpoint_from

CODE = """
import os
from agents.host.failpoints import failpoint_from
pass_ = failpoint_from(os.environ)
for number in (1, 2, 3):
    print(number, flush=True)
    pass_("after_apply")
    pass_("after_commit")
"""


def test_without_the_variable_there_is_nothing_to_pass() -> None:
    assert failpoint_from({}) is None
    assert failpoint_from({"EBB_FAILPOINT": ""}) is None


@pytest.mark.parametrize(
    ("text", "code", "printed"),
    [("after_apply:2:kill", -signal.SIGKILL, "1\n2\n"), ("after_commit:3:exit,after_apply:9:kill", 1, "1\n2\n3\n")],
)
def test_the_action_happens_at_its_passage(text: str, code: int, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={"EBB_FAILPOINT": text}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, printed)


@pytest.mark.parametrize("text", ["nowhere:1:kill", "after_apply:0:kill", "after_apply:1:dance", "after_apply"])
def test_a_failpoint_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        failpoint_from({"EBB_FAILPOINT": text})


def test_every_name_is_explained() -> None:
    import agents.host.failpoints as module

    assert module.__doc__ is not None
    assert all(f"    {name} " in module.__doc__ for name in NAMES)
