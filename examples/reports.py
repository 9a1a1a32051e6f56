"""The sample reports under `docs/samples`: what `ebb backtest` says of the example data and of a simulated platform.

    python -m examples.reports [--out docs/samples] [NAME …]

Equal data, rules and version of Ebb give equal pages. Made anew when rules or the page have changed; takes minutes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from click.testing import CliRunner

from agents.cli.backtest import command
from examples.oulad.facts import facts, line
from examples.platform.__main__ import year

_ROOT: Final = Path(__file__).resolve().parents[1]
_END: Final = datetime(2026, 6, 1, tzinfo=UTC)
_OULAD_PAIRS: Final = 500
_AGAINST: Final = (
    "--rules",
    str(_ROOT / "examples" / "earlier.toml"),
    "--against",
    str(_ROOT / "deploy" / "rulesets" / "default.toml"),
)
_SWEEP: Final = ("--sweep", "pair.quiet.quiet_for=21d,30d,45d,60d")


def _oulad() -> Iterator[bytes]:
    return map(line, facts(_END, _OULAD_PAIRS))


def _platform(pairs: int) -> Iterator[bytes]:
    records, _ = year("fates", 1, pairs)
    return iter(records.lines())


SAMPLES: Final[dict[str, tuple[Callable[[], Iterator[bytes]], tuple[str, ...]]]] = {
    "oulad": (_oulad, _AGAINST),
    "platform": (partial(_platform, 200), _AGAINST),
    "platform-sweep": (partial(_platform, 80), _SWEEP),
}
"""By name: the facts, and the options beside them."""


def make(name: str, out: Path) -> None:
    """Write one report.

    Raises: RuntimeError with the command's words when it fails.
    """
    written, options = SAMPLES[name]
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "facts.jsonl"
        with recording.open("wb") as file:
            for one in written():
                file.write(one.rstrip(b"\n") + b"\n")
        done = CliRunner().invoke(command, [str(recording), *options, "--out", f"{folder}/out"])
        if done.exit_code:
            raise RuntimeError(done.output)
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(folder) / "out" / "report.html", out / f"{name}.html")
    sys.stdout.write(f"{name}: {done.output.splitlines()[0]}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.reports", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(SAMPLES), help=", ".join(SAMPLES))
    parser.add_argument("--out", type=Path, default=_ROOT / "docs" / "samples")
    given = parser.parse_args()
    for name in given.names:
        make(name, given.out)


if __name__ == "__main__":
    main()
