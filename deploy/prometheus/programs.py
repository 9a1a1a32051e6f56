"""Prometheus and Alertmanager with their tools: those on the PATH, else Debian's packages unpacked into `.cache/`.

Nothing is installed and no service starts: apt fetches the packages with lists of its own, which needs no rights, and
they are only unpacked. Where there is neither, `ProgramsUnavailableError` says so in a sentence.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

Program = Literal["prometheus", "promtool", "prometheus-alertmanager", "amtool"]

_PACKAGES = ("prometheus", "prometheus-alertmanager")
_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "prometheus"
_PATIENCE_S = 300


class ProgramsUnavailableError(RuntimeError):
    """This machine cannot run Prometheus; the message is one sentence that says what is missing."""


def find(program: Program) -> str:
    """Path of a program; the first call on a bare machine downloads about 30 MB of packages, and 15 MB of lists.

    Raises: ProgramsUnavailableError.
    """
    found = shutil.which(program)
    if found is not None:
        return found
    unpacked = _CACHE / "usr" / "bin" / program
    if not unpacked.is_file():
        _unpack()
    return str(unpacked)


def _unpack() -> None:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise ProgramsUnavailableError(
            f"Prometheus is not on the PATH, and without {' and '.join(missing)} its Debian packages cannot be fetched."
        )
    _CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE.parent, prefix="prometheus-") as place:
        folder = Path(place)
        for name in ("state/lists/partial", "cache/archives/partial", "unpacked"):
            (folder / name).mkdir(parents=True)
        own = ["-o", f"Dir::State={folder}/state", "-o", f"Dir::Cache={folder}/cache"]
        own += ["-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "APT::Sandbox::User=root"]
        _run(folder, "apt-get", "-qq", *own, "update")
        _run(folder, "apt-get", "-qq", *own, "download", *_PACKAGES)
        for package in folder.glob("*.deb"):
            _run(folder, "dpkg-deb", "-x", package.name, "unpacked")
        try:
            (folder / "unpacked").rename(_CACHE)
        except OSError:
            if not _CACHE.is_dir():  # somebody else may have been faster: then theirs is as good
                raise


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )
    if done.returncode != 0:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise ProgramsUnavailableError(
            f"Prometheus is not on the PATH, and `{command[0]}` could not fetch it: {said[-1] if said else 'no reason'}"
        )
