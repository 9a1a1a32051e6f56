"""What a fold reports back: whom the rules should be asked about."""

from typing import Final, NamedTuple


class Touched(NamedTuple):
    """Pairs and participants a fact is about, by id. `everybody`: the program changed so that each of its pairs may be due anew."""

    pairs: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    everybody: bool = False


NOBODY: Final = Touched()
