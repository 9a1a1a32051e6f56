"""Make `.venv` from a bare python3: `python3 tools/bootstrap.py runtime|dev`.

Standard library only, and written so that an old Python still parses it and can say what is wrong. A second run with
nothing changed only compares two digests, so that `make demo` and `make test` start at once.
"""

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "ebb-stamp.json"
MINIMUM = (3, 11)
REQUIREMENTS = {"runtime": "requirements.txt", "dev": "requirements-dev.txt"}  # dev contains all of runtime


class BootstrapError(Exception):
    """A sentence for the person who typed `make`."""


def newer_python() -> Optional[str]:
    """Find another interpreter on PATH that is new enough and really starts, newest first; None without one."""
    for minor in range(14, MINIMUM[1] - 1, -1):
        path = shutil.which("python3.%d" % minor)
        if path and subprocess.run([path, "-c", "import venv"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return path
    return None


def digest(kind: str) -> str:
    """Identify what an environment of this kind is made from: requirements, our own metadata, the place."""
    content = hashlib.sha256()
    for name in (REQUIREMENTS[kind], "pyproject.toml"):
        content.update((ROOT / name).read_bytes())
    content.update(str(ROOT).encode())  # an environment holds absolute paths and does not survive a move
    return content.hexdigest()


def read_stamp() -> Dict[str, str]:
    """Digests of what is installed, by kind; empty when there is no usable environment."""
    if not PYTHON.exists() or not STAMP.exists():
        return {}
    try:
        stamp: Dict[str, str] = json.loads(STAMP.read_text(encoding="utf-8"))
    except ValueError:  # a torn write: set up again
        return {}
    return stamp


def pip(*arguments: str) -> None:
    """Run the environment's pip; BootstrapError when it fails."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise BootstrapError(
            "pip could not install the packages (its own message is above). A package index must be reachable once; "
            "after that, nothing is downloaded."
        )


def is_usable() -> bool:
    """Whether `.venv` is ours to add to: made for this place (its scripts name it), new enough, with pip."""
    activate = VENV / "bin" / "activate"
    if not PYTHON.exists() or not activate.exists() or str(VENV) not in activate.read_text(encoding="utf-8"):
        return False
    probe = "import pip, sys; sys.exit(sys.version_info < (%d, %d))" % MINIMUM
    return subprocess.run([str(PYTHON), "-c", probe], stderr=subprocess.DEVNULL, check=False).returncode == 0


def create() -> None:
    """Create `.venv` anew, when there is none that can be used."""
    if is_usable():
        return
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise BootstrapError(
            "This Python (%s) lacks its module %s. On Debian or Ubuntu: apt-get install python3-venv."
            % (sys.executable, " and ".join(missing))
        )
    print("Creating .venv with Python %s" % platform.python_version(), flush=True)
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False).returncode != 0:
        raise BootstrapError(
            "python3 -m venv failed (its message is above); on Debian or Ubuntu: apt-get install python3-venv."
        )


def ensure(kind: str) -> None:
    """Bring `.venv` to the given kind; does nothing when it is there already."""
    wanted = digest(kind)
    installed = read_stamp()
    if installed.get(kind) == wanted:
        return
    create()
    print("Installing %s into .venv (once, about a minute)" % REQUIREMENTS[kind], flush=True)
    if STAMP.exists():
        STAMP.unlink()
    pip("install", "--quiet", "--require-hashes", "-r", str(ROOT / REQUIREMENTS[kind]))
    # Compatible mode puts the root on the path: a new top-level package is found without another install.
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--config-settings", "editable_mode=compat"]
    pip("install", *options, "-e", str(ROOT))
    stamp = {"runtime": digest("runtime")}
    if kind == "dev":
        stamp["dev"] = wanted
    elif installed.get("dev") == digest("dev"):
        stamp["dev"] = installed["dev"]
    STAMP.write_text(json.dumps(stamp), encoding="utf-8")


def main(arguments: List[str]) -> int:
    """Command line; returns the exit code."""
    if len(arguments) != 1 or arguments[0] not in REQUIREMENTS:
        print("usage: python3 tools/bootstrap.py runtime|dev", file=sys.stderr)
        return 2
    if sys.version_info < MINIMUM:
        other = newer_python()
        if other:
            os.execv(other, [other, str(Path(__file__).resolve()), *arguments])
        print(
            "Ebb needs Python %d.%d or newer; python3 here is %s. Install one and run make again, "
            "or name it: make PYTHON=/path/to/python3.12 ..." % (*MINIMUM, platform.python_version()),
            file=sys.stderr,
        )
        return 1
    try:
        ensure(arguments[0])
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
