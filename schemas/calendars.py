"""Which time zones there are."""

from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """Return the names of all IANA time zones, as of the installed tzdata and not of the machine's files."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())
