"""Entries that are taken over undecoded: what they say stays, and only of what they do not say is anything new."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.iceberg.manifests.entry_copy import CopiedEntries
from converters.iceberg.manifests.entry_layout import ADDED, EntryLayout
from converters.iceberg.manifests.entry_rows import OpenManifest
from converters.iceberg.manifests.entry_search import find_entries
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.manifests.spool import ManifestSpool
from converters.model import PartitionSpec, Schema, data_file_batch, data_file_schema
from converters.storage import ObjectStorage
from tests.iceberg_target.test_manifests import decoded, tables, written

_SNAPSHOT, _SEQUENCE = 4242, 7
_MOST = 2**60


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_entries_are_taken_over_as_they_are(
    table: tuple[Schema, PartitionSpec, pa.RecordBatch, EntryLayout], data: st.DataObject
) -> None:
    schema, spec, batch, layout = table
    rows = batch.column("row_count").to_pylist()
    first_row_id = data.draw(st.none() | st.integers(0, 2**40)) if sum(rows) < _MOST else None
    _, (listed,), (content,) = written(schema, spec, (batch, layout, ADDED, None))
    before = _entries(content)
    storage = ObjectStorage()
    manifest = _opened(storage, listed, content, first_row_id)
    gone = data.draw(st.sets(st.integers(0, len(batch) - 1), max_size=len(batch) - 1))
    copied, deleted, after = _copy(manifest, gone)
    kept = [entry for number, entry in enumerate(before) if number not in gone]
    ids = _row_ids([entry["data_file"]["record_count"] for entry in before], first_row_id)
    _check(copied, kept, 0, _SNAPSHOT, [id_ for number, id_ in enumerate(ids) if number not in gone])
    _check(deleted, [before[number] for number in sorted(gone)], 2, 99, [ids[number] for number in sorted(gone)])
    again, _, _ = _copy(_opened(storage, after[0], after[1], first_row_id), set())
    assert again == copied


def test_files_are_found_whether_they_are_few_or_many() -> None:
    storage, schema = ObjectStorage(), Schema(())
    names = [f"file:///t/part-{number:03d}.parquet" for number in range(100)]
    layout = EntryLayout(2, 0, (), ())
    manifests: list[ListedManifest] = []
    for place in (0, 50):
        part = names[place : place + 50]
        batch = _files(part)
        _, (listed,), (content,) = written(schema, PartitionSpec(0), (batch, layout, ADDED, None))
        manifests.append(_opened(storage, listed, content, None).listed)
    for wanted in (names[:3], names[47:53], names[10:90], names, [*names, "file:///t/absent.parquet"]):
        found = find_entries(storage, manifests, pa.chunked_array([wanted], pa.string()))
        assert sorted(entry.key for _, entries in found for entry in entries) == sorted({*wanted} & {*names})
    absent = pa.chunked_array([["file:///t/part-1.parquet", "file:///t/part-001.parquet.crc"]], pa.string())
    assert [entries for _, entries in find_entries(storage, manifests, absent)] == []


def _files(paths: list[str]) -> pa.RecordBatch:
    rows = len(paths)
    columns = {
        "path": pa.array(paths),
        "size": pa.array(range(rows), pa.int64()),
        "row_count": pa.array(range(rows), pa.int64()),
        "spec_id": pa.repeat(pa.scalar(0, pa.int32()), rows),
    }
    return data_file_batch(data_file_schema(Schema(()), [PartitionSpec(0)]), columns, {}, {})


def _opened(storage: ObjectStorage, listed: ListedManifest, content: bytes, first_row_id: int | None) -> OpenManifest:
    path = f"memory:///{id(content)}-{listed.files[0]}.avro"
    storage.put(path, content)
    return OpenManifest(storage, msgspec.structs.replace(listed, path=path, first_row_id=first_row_id))


def _copy(
    manifest: OpenManifest, gone: set[int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], tuple[ListedManifest, bytes]]:
    """What is kept and what is deleted, decoded; and the manifest of what is kept."""
    copied = CopiedEntries(manifest)
    entries = [entry for place in range(len(manifest.blocks)) for entry in manifest.live(place)]
    deleted = copied.deleted([entry for entry in entries if entry.number in gone], 99)
    with ManifestSpool(99, 8) as spool:
        for content, count in (
            (copied.blocks(gone), len(entries) - len(gone)),
            ([(len(deleted), b"".join(deleted))], 0),
        ):
            spool.write(
                copied.header,
                content,
                spec_id=3,
                files=(0, count, 0),
                rows=(0, 0, 0),
                min_sequence_number=7,
                partitions=None,
            )
        kept, removed = (data() for _, data in spool.name("m"))
        return _entries(kept), _entries(removed), (spool.manifests[0], kept)


def _entries(content: bytes) -> list[dict[str, Any]]:
    return decoded(content)[1]


def _row_ids(rows: list[int], first: int | None) -> list[int | None]:
    return [None if first is None else first + sum(rows[:place]) for place in range(len(rows))]


def _check(
    found: list[dict[str, Any]], wanted: list[dict[str, Any]], status: int, snapshot: int, ids: list[int | None]
) -> None:
    assert len(found) == len(wanted)
    for entry, before, id_ in zip(found, wanted, ids, strict=True):
        assert (entry["status"], entry["snapshot_id"]) == (status, snapshot)
        assert (entry["sequence_number"], entry["file_sequence_number"]) == (_SEQUENCE, _SEQUENCE)
        file = dict(entry["data_file"])
        assert file.pop("first_row_id", None) == id_
        assert file == {key: value for key, value in before["data_file"].items() if key != "first_row_id"}
