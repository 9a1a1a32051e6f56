"""The command line: one module per command, imported only when asked for, so that `ebb --help` answers at once.

A command module exports a click command called `command`. Exit codes: 0 done, 1 the work failed, 2 wrong usage.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from agents.version import VERSION

_COMMANDS: Final = {
    "demo": ("demo", "A year of real data becomes interventions, on a broker that starts by itself."),
    "worker": ("worker", "Run ingest and engine until SIGTERM."),
    "notifier": ("notifier", "Tell people what needs them, until SIGTERM."),
    "topics": ("topics", "Create or check the topics on a cluster."),
    "rules": ("rules", "Check, compare and explain rule sets, fit them to history, put one in force."),
    "record": ("record", "Write the journal, or inbound topics, to a Parquet file."),
    "import": ("import_", "Turn facts from files of your own into a recording."),
    "replay": ("replay", "Send a recording to the inbound topics of a test cluster."),
    "backtest": ("backtest", "Replay a recording and say what would have come out."),
    "dead-letters": ("dead_letters", "Look at records we could not use, and send them again."),
    "ingest": ("ingest", "Resume a stopped source, or accept that records are lost."),
    "state": ("state", "Look at what the engine remembers."),
    "doctor": ("doctor", "Say what is wrong with broker, topics, rule set and state, and how to mend it."),
}


class _Commands(click.Group):
    """Finds commands by module name; their one-line help stands in the table above, so that none is imported for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"agents.cli.{_COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="ebb")
def main() -> None:
    """Ebb watches mentoring pairs on Kafka and says which of them need a human, with evidence.

    Settings come from EBB_* environment variables, then from ebb.toml in the current folder: EBB_BROKERS,
    EBB_TOPIC_PREFIX, EBB_DATA_DIR, EBB_PORT, EBB_CLOCK, EBB_KAFKA_SECURITY_PROTOCOL and others.
    """
