"""Finding the object that is a dictionary's key: the dictionary does not give it, but compares it with what is looked
up."""


class Probe:
    """Looked up in a dictionary, it stands for `wanted`; afterwards `found` is the dictionary's own key."""

    __slots__ = ("found", "wanted")

    def __init__(self) -> None:
        self.found = self.wanted = b""

    def __hash__(self) -> int:
        return hash(self.wanted)

    def __eq__(self, key: object) -> bool:
        if isinstance(key, bytes) and key == self.wanted:
            self.found = key
            return True
        return False
