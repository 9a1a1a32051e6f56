"""The latent truth of a simulated platform: what rules are scored against and never see. Instants are ms UTC."""

from __future__ import annotations

from pathlib import Path

import msgspec


class PairTruth(msgspec.Struct, frozen=True, kw_only=True):
    """How a pair fared.

    Attributes:
        matched_ms, over_ms: when it began, and when it was closed or the year ended: in between it counts as a pair.
        fate: `well`, or the way in which it failed.
        onset_ms, ended_ms: since when it was in trouble, and when the relationship was over in fact; None where it did
            well or had not got there by the end of the year.
        patches: rough weeks from which it recovered, [from, to].
    """

    program_id: str
    pair_id: str
    people: tuple[str, str]
    matched_ms: int
    over_ms: int
    fate: str
    onset_ms: int | None = None
    ended_ms: int | None = None
    patches: list[tuple[int, int]] = []


class ProgramTruth(msgspec.Struct, frozen=True, kw_only=True):
    """Trouble of a whole program: `slump` (feedback dries up) or `cooling` (its tone falls), from when to when."""

    program_id: str
    trouble: str
    from_ms: int
    to_ms: int


class Truth(msgspec.Struct, frozen=True):
    """Everything about one platform."""

    pairs: list[PairTruth]
    programs: list[ProgramTruth]


def write(truth: Truth, folder: Path) -> None:
    """Write `pairs.jsonl` and `programs.jsonl` into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = msgspec.json.Encoder()
    (folder / "pairs.jsonl").write_bytes(encoder.encode_lines(truth.pairs))
    (folder / "programs.jsonl").write_bytes(encoder.encode_lines(truth.programs))


def read(folder: Path) -> Truth:
    """Read what `write` wrote.

    Raises: OSError, msgspec.DecodeError.
    """
    pairs = msgspec.json.Decoder(PairTruth).decode_lines((folder / "pairs.jsonl").read_bytes())
    programs = msgspec.json.Decoder(ProgramTruth).decode_lines((folder / "programs.jsonl").read_bytes())
    return Truth(pairs, programs)
