"""Recordings: what is written comes back, and a damaged one ends with a sentence."""

from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.recordings import METADATA_KEY, Recording, RecordingError, RecordingWriter, is_parquet, reader, writer

ENTRIES = [
    [b'{"n":%d,"p":%d}' % (number, partition) for number in range(count)] for partition, count in enumerate((25, 0, 7))
]


def write(path: Path, entries: list[list[bytes]] = ENTRIES, firsts: tuple[int, ...] = (0, 0, 0)) -> None:
    with RecordingWriter(path, firsts) as writer:
        for number in range(max(map(len, entries))):
            for partition, values in enumerate(entries):
                if number < len(values):
                    offset = firsts[partition] + number
                    writer.add(partition, offset, 1_000 + number, b"key" if number % 2 else None, values[number])
        writer.close()


def read(path: Path, partition: int) -> list[tuple[int, bytes]]:
    found = []
    for first, values in Recording(path).entries(partition):
        found += list(enumerate(values, first))
    return found


def test_what_is_written_comes_back_by_partition_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "GROUP_ROWS", 10)
    monkeypatch.setattr(reader, "READ_ROWS", 4)
    write(tmp_path / "r")
    for partition, values in enumerate(ENTRIES):
        assert read(tmp_path / "r", partition) == list(enumerate(values))
    info = Recording(tmp_path / "r").info
    assert info.entries == 32
    assert [len(one.groups) for one in info.partitions] == [3, 0, 1]


def test_columns_hold_timestamps_and_keys_as_they_were(tmp_path: Path) -> None:
    write(tmp_path / "r")
    table = pq.read_table(tmp_path / "r").to_pylist()
    assert table[1] == {"partition": 0, "offset": 1, "timestamp_ms": 1_001, "key": b"key", "value": b'{"n":1,"p":0}'}
    assert table[0]["key"] is None


def test_the_content_hash_goes_by_entries_and_not_by_how_they_lie_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "large groups")
    monkeypatch.setattr(writer, "GROUP_ROWS", 3)
    write(tmp_path / "small groups")
    changed = [ENTRIES[0], [], [*ENTRIES[2][:-1], b'{"n":6,"p":3}']]
    write(tmp_path / "changed", changed)
    hashes = [Recording(tmp_path / name).info.content_hash for name in ("large groups", "small groups", "changed")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_missing_entry_is_noticed_while_recording_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="Entry 1 of journal/0 is missing, 2 follows"):  # noqa: SIM117, PT012
        with RecordingWriter(tmp_path / "r", [0]) as writer:
            writer.add(0, 0, 0, None, b"{}")
            writer.add(0, 2, 0, None, b"{}")
    assert list(tmp_path.iterdir()) == []


def test_a_recording_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", [0]) as writer:
        writer.add(0, 0, 0, None, b"{}")
        assert not (tmp_path / "r").exists()
        writer.close()
        assert [one.name for one in tmp_path.iterdir()] == ["r"]


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "r")
    whole = (tmp_path / "r").read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        (tmp_path / "r").write_bytes(whole[:size])
        with pytest.raises(RecordingError, match="no complete Parquet file"):
            Recording(tmp_path / "r")


def test_a_parquet_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "r")
    assert is_parquet(tmp_path / "r")
    with pytest.raises(RecordingError, match="no recording made by `ebb record`"):
        Recording(tmp_path / "r")


def test_a_recording_that_begins_later_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "r", firsts=(0, 0, 12))
    with pytest.raises(RecordingError, match="begins at offset 12 of journal partition 2"):
        Recording(tmp_path / "r")


def rewrite(path: Path, table: pa.Table, metadata: bytes) -> None:
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({METADATA_KEY: metadata})


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "r")
    table, metadata = pq.read_table(tmp_path / "r"), pq.read_metadata(tmp_path / "r").metadata[METADATA_KEY]
    rewrite(tmp_path / "r", table, metadata.replace(b'"format":2', b'"format":3'))
    with pytest.raises(RecordingError, match="has format 3, this version reads up to 2"):
        Recording(tmp_path / "r")
    rewrite(tmp_path / "r", table, b'{"format":2}')
    with pytest.raises(RecordingError, match="does not say what it holds"):
        Recording(tmp_path / "r")


@pytest.mark.parametrize("damage", ["hole", "end", "value"])
def test_content_other_than_what_was_recorded_is_refused(tmp_path: Path, damage: str) -> None:
    write(tmp_path / "r", [[b'{"n":%d}' % number for number in range(9)]], (0,))
    table, metadata = pq.read_table(tmp_path / "r"), pq.read_metadata(tmp_path / "r").metadata[METADATA_KEY]
    if damage == "hole":
        table = pa.concat_tables([table.slice(0, 4), table.slice(5)])
    elif damage == "end":
        table = table.slice(0, 8)
    else:
        values = [b'{"n":7}', *table.column("value").to_pylist()[1:]]
        table = table.set_column(4, table.schema.field(4), [values])
    rewrite(tmp_path / "r", table, metadata)
    with pytest.raises(RecordingError, match="has a hole" if damage == "hole" else "does not hold what was recorded"):
        read(tmp_path / "r", 0)


def test_flipped_bits_are_noticed(tmp_path: Path) -> None:
    write(tmp_path / "r")
    whole = bytearray((tmp_path / "r").read_bytes())
    info = pq.read_metadata(tmp_path / "r").row_group(0).column(4)
    whole[info.data_page_offset + info.total_compressed_size // 2] ^= 0xFF
    (tmp_path / "r").write_bytes(whole)
    with pytest.raises(RecordingError, match=r"damaged|does not hold|hole"):
        read(tmp_path / "r", 0)


def test_the_metadata_is_readable_json(tmp_path: Path) -> None:
    write(tmp_path / "r")
    stated = msgspec.json.decode(pq.read_metadata(tmp_path / "r").metadata[METADATA_KEY])
    assert (stated["format"], stated["topic"], stated["partitions"][2]["entries"]) == (2, "journal", 7)
