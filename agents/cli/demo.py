"""`ebb demo`: a year of real data becomes interventions, on a broker that starts by itself."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from agents.cli.surroundings import load_settings

if TYPE_CHECKING:
    from agents.demo.run import Demo, Files, Result

_FOLDER: Final = "ebb-demo"


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave broker and worker running, with the metrics port open, until Ctrl-C.")
def command(keep: bool) -> None:
    """A year of real data becomes interventions, on a broker that starts by itself.

    Starts an embedded Kafka broker and a worker, feeds them a year of course work by 4,400 students and their tutors
    (see examples/README.md), and shows what a coordinator would have been told. Takes less than a minute and leaves a
    recording of it in EBB_DATA_DIR, by default ./ebb-demo.
    """
    from rich.console import Console

    from agents.demo.feed import StalledError
    from agents.demo.run import Demo, DemoError, Files
    from agents.demo.screen import Screen

    settings = load_settings()
    console = Console(soft_wrap=not sys.stdout.isatty())
    files = Files((settings.data_dir or Path(_FOLDER)).resolve())
    screen = Screen(console)
    demo = Demo(files, screen, int(os.environ.get("EBB_PORT") or 0) if keep else 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: demo.ask_to_stop())
    try:
        with screen:
            demo.start()
            result = demo.feed(_facts())
        _tell(console, result, files, is_kept=keep)
        if keep:
            _tell_kept(console, demo)
            demo.wait()
    except (DemoError, StalledError) as error:
        starts = ("stopped", "cannot write")
        raise click.ClickException(f"The demo {error}" if str(error).startswith(starts) else str(error)) from error
    finally:
        demo.stop()


def _facts() -> Sequence[Any]:
    """The year that ends now. Generating it takes two seconds, while the worker starts."""
    from datetime import UTC, datetime

    import agents

    root = Path(agents.__file__).resolve().parent.parent
    if not (root / "examples" / "oulad" / "facts.py").is_file():
        raise click.ClickException("The demo's data are part of the repository: run `ebb demo` in a clone of it.")
    if str(root) not in sys.path:
        sys.path.append(str(root))
    facts = import_module("examples.oulad.facts")
    return list(facts.facts(datetime.now(UTC), facts.DEMO_PAIRS))


def _tell(console: Any, result: Result, files: Files, *, is_kept: bool) -> None:
    from agents.demo.screen import counts_table

    opened = sum(count for (_, change), count in result.counts.items() if change == "opened")
    console.print(
        f"{result.facts:,} facts were applied in {result.seconds:.0f} s: {opened:,} interventions, "
        f"{sum(result.counts.values()):,} records in all. Nothing is left over.\n",
        highlight=False,
    )
    console.print(counts_table(result.counts, console.width))
    recording, interventions = _shown(files.recording), _shown(files.interventions)
    out, ebb = _shown(files.folder / "backtest"), _ebb()
    console.print("\nWhat it left", style="bold")
    console.print(f"  {recording}  the journal, {result.entries:,} entries", highlight=False, soft_wrap=True)
    console.print(f"  {interventions}  every intervention record, one a line", highlight=False, soft_wrap=True)
    console.print("\nWhat to try next", style="bold")
    ideas = [
        (f"head -1 {interventions} | python3 -m json.tool", "look at one"),
        (f"{ebb} backtest {recording} --out {out}", "the same again from the recording,"),
        (f"cmp {interventions} {out}/interventions.jsonl", "byte for byte"),
    ]
    if not is_kept:
        ideas.append((f"{ebb} demo --keep", "leave it running, and look at its metrics"))
    for line, about in ideas:
        console.print(f"  {line}", style="bold", highlight=False, markup=False, soft_wrap=True)  # to be pasted
        console.print(f"      {about}", highlight=False)


def _tell_kept(console: Any, demo: Demo) -> None:
    console.print("\nStill running until Ctrl-C. Metrics are on\n", highlight=False)
    for half, address in demo.addresses.items():
        console.print(f"  http://{address}/metrics  {half}", highlight=False)
    console.print("\nOther commands reach it with\n", highlight=False)
    console.print(f"  export EBB_BROKERS={demo.brokers} EBB_KAFKA_EMBEDDED=true\n", highlight=False)


def _ebb() -> str:
    """How to call ebb from here: by its name where the shell finds this one, else by its path."""
    own = Path(sys.executable).parent / "ebb"
    found = shutil.which("ebb")
    return "ebb" if found is not None and Path(found).resolve() == own.resolve() else _shown(own)


def _shown(path: Path) -> str:
    """A path to paste into a shell, short where it can be."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
