"""The demo's workers, watched: a real Prometheus and Alertmanager beside it, and what would reach an operator.

    python -m deploy.prometheus.observe                                    # until Ctrl-C
    python -m deploy.prometheus.observe --answers docs/observability.md    # write the table there, and end

A year passes in half a minute, so scrapes, evaluations and waits take a second each; in earnest they are those of
`prometheus.yml`, `alerts.yml` and `alertmanager.yml`. Everything is on loopback and ends with this program.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from agents.demo.feed import StalledError
from agents.demo.run import Demo, DemoError, Files
from agents.demo.screen import Screen, counts_table
from deploy.prometheus.programs import ProgramsUnavailableError, install
from deploy.prometheus.receiver import Message, Receiver
from deploy.prometheus.servers import Alertmanager, Prometheus, ServerError
from examples.oulad.facts import DEMO_PAIRS, facts
from tools.dashboards.answers import put, table

FOLDER: Final = Path("ebb-demo")
_START_S: Final = 60.0
_SETTLE_S: Final = 5.0
_FIRING: Final = 'ALERTS{alertstate="firing"}'


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--answers", type=Path, help="put what the dashboards' queries returned into this page, and end"
    )
    parser.add_argument("--pairs", type=int, default=DEMO_PAIRS, help="of the example data (%(default)s)")
    options = parser.parse_args()
    console = Console(soft_wrap=not sys.stdout.isatty())
    try:
        install()
    except ProgramsUnavailableError as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    screen = Screen(console)
    demo = Demo(Files(FOLDER.resolve()), screen)
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()
        demo.ask_to_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        return _observe(console, screen, demo, options.pairs, options.answers)
    except (DemoError, StalledError, ServerError) as error:
        if stopped.is_set():
            return 0
        console.print(str(error), markup=False)
        return 1
    finally:
        demo.stop()
        console.print("Everything that was started has ended.")


def _observe(console: Console, screen: Screen, demo: Demo, pairs: int, answers: Path | None) -> int:
    def told(message: Message) -> None:
        for line in message.lines():
            console.print(line, markup=False, highlight=False)

    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(told))
        alertmanager = stack.enter_context(Alertmanager(receiver.address, hurry=True))
        demo.start()
        stack.callback(demo.stop)
        for address in demo.addresses.values():
            _wait_up(address)
        targets = {"ebb": list(demo.addresses.values()), "alertmanager": [alertmanager.address]}
        prometheus = stack.enter_context(Prometheus(targets, alertmanager.address, hurry=True))
        for line in (
            *(f"{half:12}  http://{address}/metrics" for half, address in demo.addresses.items()),
            f"Prometheus    http://{prometheus.address}/",
            f"Alertmanager  http://{alertmanager.address}",
            f"webhook       {receiver.address}: what comes there is printed here",
        ):
            console.print(line, markup=False, highlight=False)
        with screen:
            result = demo.feed(list(facts(datetime.now(UTC), pairs)))
        console.print(f"{result.facts:,} facts were applied in {result.seconds:.0f} s.\n", highlight=False)
        console.print(counts_table(result.counts, console.width))
        time.sleep(_SETTLE_S)  # the last scrape, what is recorded of it, and the alerts
        _tell_alerts(console, prometheus)
        if answers is not None:
            put(answers, table(prometheus.query, _program_to_show(prometheus)))
            return 0
        console.print("\nThe year is over and stands still. Look around; Ctrl-C ends it all.")
        demo.wait()
    return 0


def _wait_up(address: str) -> None:
    """Wait until a worker answers, or EbbWorkerDown would be the first thing told. Raises: DemoError."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/livez", timeout=5):
            return
        time.sleep(0.1)
    raise DemoError(f"a worker did not answer within {_START_S:.0f} s.")


def _tell_alerts(console: Console, prometheus: Prometheus) -> None:
    console.print("\nAlerts that fire now", style="bold")
    for labels in sorted(prometheus.query(_FIRING)):
        named = dict(labels)
        about = ", ".join(f"{name} {named[name]}" for name in ("program", "topic", "rule", "instance") if name in named)
        console.print(f"  {named['alertname']}  {about}", highlight=False)


def _program_to_show(prometheus: Prometheus) -> str:
    """Of the programs that still answer, the one nearest to an alarm: there is most to see."""
    levels = prometheus.query("ebb_sentiment_alarm_level_seconds and on (program) (ebb_sentiment_answers > 0)")
    nearest, _ = max((levels or prometheus.query("ebb_active_pairs")).items(), key=lambda each: each[1])
    return dict(nearest)["program"]


if __name__ == "__main__":
    sys.exit(main())
