"""What has been counted of a program since it began, for metrics and for nothing else.

These stand in state, not in the memory of a worker, because the next owner of a partition must go on where the last
one stopped: a total that falls at each hand-over cannot be summed over workers. No rule reads them.
"""

from msgspec import Struct, field


class Counted(Struct, array_like=True, gc=False):
    """Totals of one program; they only rise. Repeats and facts about erased people are not in them."""

    #: facts on `sentiment`, by polarity
    positive: int = 0
    neutral: int = 0
    negative: int = 0
    #: facts on `ratings` that rate, by value, 1 first
    ratings: list[int] = field(default_factory=lambda: [0] * 5)
    meetings_held: int = 0
    #: rule code → interventions opened, and how many of these are closed
    interventions: dict[int, tuple[int, int]] = {}

    def opened(self, rule: int) -> None:
        """Count an intervention that opens."""
        opened, closed = self.interventions.get(rule, (0, 0))
        self.interventions[rule] = (opened + 1, closed)

    def closed(self, rule: int) -> None:
        """Count an intervention that resolves, expires or is retracted."""
        opened, closed = self.interventions.get(rule, (0, 0))
        self.interventions[rule] = (opened, closed + 1)
