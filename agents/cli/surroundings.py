"""What every command needs before its work: settings, with clear words when they are wrong, and answers as JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from agents.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

json_option: Callable[[Command], Command] = click.option(
    "--json", "as_json", is_flag=True, help="Print the answer as JSON, for programs."
)
yes_option: Callable[[Command], Command] = click.option("--yes", is_flag=True, help="Do not ask before acting.")


def load_settings() -> Settings:
    """Read the settings, or end with exit code 2 and a sentence for each problem."""
    from agents.settings import SettingsError, load

    try:
        return load()
    except SettingsError as error:
        raise click.UsageError("\n  ".join(("the settings cannot be used:", *error.problems))) from error


def check_new_file(out: Path) -> None:
    """End with exit code 2 unless `out` can be made: it must not exist, and its folder must."""
    if out.exists():
        raise click.BadParameter(f"{out} exists already", param_hint="--out")
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")


def print_json(tree: Any) -> None:
    """Write one JSON document to standard output."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(tree), indent=2).decode() + "\n")


@contextmanager
def failures(settings: Settings) -> Iterator[None]:
    """Turn what brokers and checks say into one sentence and exit code 1."""
    from aiokafka.errors import KafkaError
    from confluent_kafka import KafkaException

    from agents.host.process import Refusal

    try:
        yield
    except Refusal as error:
        raise click.ClickException(error.sentence) from error
    except (KafkaError, KafkaException, OSError, TimeoutError) as error:
        reason = error.args[0].str() if isinstance(error, KafkaException) else str(error) or type(error).__name__
        raise click.ClickException(f"The brokers at {settings.brokers} did not do it: {reason}.") from error
