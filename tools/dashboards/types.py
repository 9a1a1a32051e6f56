"""The generated dashboards against the types that Grafana publishes: TypeScript, in its strict mode.

What Grafana does not know in a dashboard it ignores without a word, so a misspelt option would only be noticed by eye.
`typescript/schema.ts` says what a board has to be. npm fetches compiler and types (33 MB) into `.cache/` once.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent / "typescript"
_CACHE: Final = HERE.parents[2] / ".cache"
_SOURCES: Final = ("package.json", "package-lock.json", "tsconfig.json", "schema.ts")
_PATIENCE_S: Final = 300


class TypesUnavailableError(RuntimeError):
    """The compiler cannot be had; the message is one sentence that says why."""


def complaints(boards: Iterable[str], folder: Path) -> list[str]:
    """What the compiler has to say against dashboards.

    Args:
        boards: dashboards as JSON.
        folder: an empty one to work in.

    Returns: its errors, a line each; empty when all is well.
    Raises: TypesUnavailableError.
    """
    for name in _SOURCES:
        shutil.copy(HERE / name, folder / name)
    (folder / "boards").mkdir()
    for number, text in enumerate(boards):
        source = f"import type {{ Board }} from '../schema.js';\nexport const board: Board = {text}"
        (folder / "boards" / f"board{number}.ts").write_text(source, "utf-8")
    (folder / "node_modules").symlink_to(_modules())
    done = _run(["node_modules/.bin/tsc", "--project", "."], folder)
    found = [line for line in done.stdout.splitlines() if "error TS" in line]
    if done.returncode != 0 and not found:
        raise RuntimeError(f"the compiler failed: {done.stdout}{done.stderr}")
    return found


def _modules() -> Path:
    """Where compiler and types are; the first call lets npm fetch them."""
    version = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    made = _CACHE / f"dashboard-types-{version}"
    if not made.is_dir():
        if shutil.which("npm") is None:
            raise TypesUnavailableError("npm is not on the PATH, so Grafana's types cannot be fetched.")
        _CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix="dashboard-types-") as place:
            making = Path(place) / "made"
            making.mkdir()
            for name in _SOURCES[:2]:
                shutil.copy(HERE / name, making / name)
            done = _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], making)
            if done.returncode != 0:
                said = [line for line in done.stderr.splitlines() if line.strip()]
                raise TypesUnavailableError(f"npm could not fetch Grafana's types: {said[-1] if said else 'no reason'}")
            try:
                making.rename(made)
            except OSError:
                if not made.is_dir():  # somebody else may have been faster: then theirs is as good
                    raise
    return made / "node_modules"


def _run(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
