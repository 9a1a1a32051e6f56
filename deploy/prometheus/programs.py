"""Prometheus and Alertmanager with their tools: those on the PATH, else Debian's packages, which root may install.

Debian's Alertmanager reads its templates where the package puts them, so unpacking the packages somewhere else is not
enough. Their services are not wanted and not started: what runs is what we start, on loopback.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

Program = Literal["prometheus", "promtool", "prometheus-alertmanager", "amtool"]

PACKAGES = ("prometheus", "prometheus-alertmanager")
_POLICY = Path("/usr/sbin/policy-rc.d")
_PATIENCE_S = 600


class ProgramsUnavailableError(RuntimeError):
    """This machine cannot run Prometheus; the message is one sentence that says what is missing."""


def find(program: Program) -> str:
    """Path of a program. Raises: ProgramsUnavailableError."""
    found = shutil.which(program)
    if found is None:
        raise ProgramsUnavailableError(
            f"`{program}` is not installed: `apt-get install {' '.join(PACKAGES)}`, or put it on the PATH."
        )
    return found


def install() -> None:
    """Install what is missing, as root and from Debian. Raises: ProgramsUnavailableError."""
    if all(shutil.which(package) for package in PACKAGES):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        find("prometheus")
        find("prometheus-alertmanager")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    is_ours = not _POLICY.exists()
    if is_ours:  # Debian's way to say that packages start no services
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            done = subprocess.run(
                ["apt-get", "-qq", *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
                env=environment,
                check=False,
            )
            if done.returncode != 0:
                said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
                raise ProgramsUnavailableError(
                    f"`apt-get {command[0]}` could not install Prometheus: {said[-1] if said else 'no reason'}"
                )
        if Path("/run/systemd/system").exists():
            subprocess.run(["systemctl", "disable", *PACKAGES], capture_output=True, timeout=60, check=True)
    finally:
        if is_ours:
            _POLICY.unlink()
