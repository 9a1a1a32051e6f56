"""`python -m agents.cli`: the same as `ebb`."""

from agents.cli import main

main(prog_name="ebb")
