"""Files of facts: the order of their lines, whatever the order of the files."""

from hashlib import sha256
from pathlib import Path

import pytest

from agents.fact_files import FactFiles
from schemas.rejections import Rejected
from tests.streams.backtest.lines import clock


def places(files: FactFiles) -> list[tuple[str, int]]:
    return [(files.names[line.file], line.number) for line in files.lines()]


def test_a_folder_is_merged_by_arrival_then_file_name_then_line(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(b"\n".join((clock(1), clock(2), clock(2), clock(4))))
    (tmp_path / "a.jsonl").write_bytes(b"\n".join((clock(2), clock(3), clock(4))) + b"\n")
    (tmp_path / "c.txt").write_bytes(b"not read")
    assert places(FactFiles(tmp_path)) == [
        ("b.jsonl", 1), ("a.jsonl", 1), ("b.jsonl", 2), ("b.jsonl", 3), ("a.jsonl", 2), ("a.jsonl", 3), ("b.jsonl", 4),
    ]  # fmt: skip


def test_a_file_out_of_order_is_sorted_and_equal_instants_keep_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join((clock(5), clock(1), clock(5), clock(0))))
    assert [number for _, number in places(FactFiles(tmp_path / "a.jsonl"))] == [4, 2, 1, 3]


def test_empty_lines_are_no_lines_but_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n" + clock(1) + b"\n  \n\n" + clock(2) + b"\n\n")
    assert [number for _, number in places(FactFiles(tmp_path / "a.jsonl"))] == [2, 5]


def test_a_line_that_cannot_be_read_stays_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join((clock(1), b"nonsense", clock(2))))
    (tmp_path / "b.jsonl").write_bytes(clock(1))
    lines = list(FactFiles(tmp_path).lines())
    assert [(line.file, line.number) for line in lines] == [(0, 1), (0, 2), (1, 1), (0, 3)]
    assert isinstance(lines[1].content, Rejected)


def test_what_is_appended_later_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(clock(1) + b"\n")
    files = FactFiles(path)
    with path.open("ab") as file:
        file.write(clock(2) + b"\n")
    assert len(list(files.lines())) == 1


def test_the_hash_is_what_sha256sum_says(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_bytes(clock(ord(name)))
    one = FactFiles(tmp_path / "a.jsonl").content_hash
    assert one == sha256(clock(ord("a"))).hexdigest()
    listing = f"{one}  a.jsonl\n{FactFiles(tmp_path / 'b.jsonl').content_hash}  b.jsonl\n"
    assert FactFiles(tmp_path).content_hash == sha256(listing.encode()).hexdigest()


@pytest.mark.parametrize("is_in_order", [True, False])
def test_progress_is_told_as_lines_come_out_and_adds_up_to_the_size(tmp_path: Path, is_in_order: bool) -> None:
    instants = range(10_000) if is_in_order else range(10_000, 0, -1)
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(map(clock, instants)))
    files, told = FactFiles(tmp_path / "a.jsonl"), 0

    def tell(amount: int) -> None:
        nonlocal told
        told += amount

    lines = files.lines(tell)
    for _ in range(5_000):
        next(lines)
    assert 0 < told < 0.6 * files.size
    assert len(list(lines)) == 5_000
    assert told == files.size


def test_a_folder_without_files_of_facts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no"):
        FactFiles(tmp_path)
