"""A worker of its own, to be killed: `python -m tests.agents.ingest.worker_process BOOTSTRAP PREFIX FOLDER`."""

import asyncio
import logging
import sys
from pathlib import Path

from agents.host.clients import KafkaSettings
from agents.host.worker import serve
from agents.ingest.agent import build_ingest
from tests.agents.ingest.harness import options


def main() -> int:
    logging.basicConfig(level=logging.WARNING)
    bootstrap, prefix, folder = sys.argv[1:]
    ingest = build_ingest(KafkaSettings(brokers=bootstrap), options(prefix, Path(folder), unit_records=50))
    return asyncio.run(serve(ingest.app))


if __name__ == "__main__":
    sys.exit(main())
