"""What the peers need, fetched once into `.cache/peers/`: Python environments from hashed pins, jars by Maven."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_CACHE: Final = _HERE.parents[1] / ".cache" / "peers"


class UnavailableError(RuntimeError):
    """A peer cannot be set up here; the message says what is missing."""


def environment_of(kind: str) -> Path:
    """The interpreter of a peer's own environment, made from `requirements-KIND.txt` with the Python we run on."""
    pins = _HERE / f"requirements-{kind}.txt"
    folder = _CACHE / f"{kind}-{_digest(pins, sys.version)}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _do([getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(folder)])
        _do(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                str(pins),
            ]
        )
        (folder / "ready").touch()
    return python


def jars(kind: str) -> Path:
    """The folder of a peer's jars, as `java/KIND-pom.xml` lists them."""
    pom = _HERE / "java" / f"{kind}-pom.xml"
    folder = _CACHE / f"{kind}-{_digest(pom)}"
    if not (folder / "ready").exists():
        if shutil.which("mvn") is None:
            raise UnavailableError("The jars of the Java peers need Maven once: there is no `mvn` on the PATH.")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
        _do(["mvn", "-q", "-B", "-f", str(pom), *goal])
        (folder / "ready").touch()
    return folder


def compiled(kind: str, name: str) -> Path:
    """The folder with the classes of `java/NAME.java`."""
    source = _HERE / "java" / f"{name}.java"
    folder = _CACHE / f"{kind}-classes-{_digest(source)}"
    if not (folder / "ready").exists():
        if shutil.which("javac") is None:
            raise UnavailableError("The Java peers need a JDK: there is no `javac` on the PATH.")
        folder.mkdir(parents=True, exist_ok=True)
        _do(["javac", "-nowarn", "-cp", f"{jars(kind)}/*", "-d", str(folder), str(source)])
        (folder / "ready").touch()
    return folder


def _digest(path: Path, extra: str = "") -> str:
    return hashlib.sha256(path.read_bytes() + extra.encode()).hexdigest()[:12]


def _do(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"{command[0]} failed: {(done.stdout + done.stderr)[-1_000:]}")
