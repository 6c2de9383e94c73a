"""Iceberg tables with deleted rows, whose data files and delete files are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from converters.deletes.blob import blob_of, positions_in
from converters.deletes.reader import read_blobs
from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.model.deletion_vector import DELETION_VECTOR
from converters.storage.object_store import ObjectStorage
from tests.iceberg_source.made import SNAPSHOT_ID, Table, avro, entry, entry_schema, field, list_schema

FILE_PATH, POSITION = 2147483546, 2147483545
PARTITION = {"name": "p", "type": ["null", "long"], "field-id": 1000}
_COUNTS = {516: "min_sequence_number", 512: "added_rows_count", 513: "existing_rows_count", 514: "deleted_rows_count"}
SPECS = [
    {"spec-id": 0, "fields": [{"name": "p", "transform": "identity", "source-id": 1, "field-id": 1000}]},
    {"spec-id": 1, "fields": []},
]


def columns(names: Mapping[int, str], **values: Any) -> pa.Table:
    """A table with field ids; columns without an id have none."""
    ids = {name: id_ for id_, name in names.items()}
    table = pa.table(values)
    fields = [
        each.with_metadata({b"PARQUET:field_id": str(ids[each.name]).encode()}) if each.name in ids else each
        for each in table.schema
    ]
    return table.cast(pa.schema(fields))


@dataclasses.dataclass
class _Snapshot:
    """What the metadata says of a snapshot; its manifests, each with what it is for and its live entries."""

    said: dict[str, Any]
    manifests: list[tuple[dict[str, Any], tuple[int, int], list[dict[str, Any]]]]


class DeletedRows:
    """A table in the making: partitioned by its first column under spec 0, not partitioned under spec 1."""

    def __init__(self, folder: Path) -> None:
        self.table = Table(folder)
        self._entries: dict[tuple[int, int], list[dict[str, Any]]] = {}
        self._snapshots: list[_Snapshot] = []

    def path(self, name: str) -> str:
        """The location of a file."""
        return f"file://{self.table.folder}/{name}"

    def data(self, name: str, rows: pa.Table, *, sequence: int = 1, spec: int = 1, p: int | None = None) -> None:
        """Add a data file."""
        pq.write_table(rows, self.table.folder / name)
        self.add(name, sequence=sequence, spec=spec, p=p, record_count=len(rows))

    def positions(
        self,
        name: str,
        deleted: Sequence[tuple[str, int]],
        *,
        sequence: int = 1,
        spec: int = 1,
        p: int | None = None,
        **members: Any,
    ) -> None:
        """Add a position delete file; names of data files as they are, or whole paths."""
        paths = [path if "/" in path else str(self.table.folder / path) for path, _ in deleted]
        rows = columns({FILE_PATH: "file_path", POSITION: "pos"}, file_path=paths, pos=[at for _, at in deleted])
        pq.write_table(rows, self.table.folder / name)
        self.add(name, content=1, sequence=sequence, spec=spec, p=p, record_count=max(len(rows), 1), **members)

    def vector(self, name: str, data_file: str, deleted: Sequence[int], *, sequence: int = 1, **members: Any) -> None:
        """Add a deletion vector."""
        blob = blob_of(np.array(deleted, np.uint64))
        (self.table.folder / name).write_bytes(b"PFA1" + blob)
        said = {
            "file_format": "puffin",
            "referenced_data_file": self.path(data_file),
            "content_offset": 4,
            "content_size_in_bytes": len(blob),
            "record_count": len(deleted),
            **members,
        }
        self.add(name, content=1, sequence=sequence, spec=1, p=None, **said)

    def values(
        self,
        name: str,
        rows: pa.Table,
        ids: Sequence[int],
        *,
        sequence: int = 2,
        spec: int = 1,
        p: int | None = None,
        **members: Any,
    ) -> None:
        """Add an equality delete file."""
        pq.write_table(rows, self.table.folder / name)
        said = {"equality_ids": list(ids), "record_count": len(rows), **members}
        self.add(name, content=2, sequence=sequence, spec=spec, p=p, **said)

    def add(self, name: str, *, content: int = 0, sequence: int, spec: int, p: int | None, **members: Any) -> None:
        """Add an entry."""
        partition = {} if spec else {"p": p}
        place = self.table.folder / name
        size = members.pop("size", place.stat().st_size if place.exists() else 100)
        found = entry(str(place), size=size, content=content, partition=partition, **members)
        self._entries.setdefault((min(content, 1), spec), []).append(
            found | {"sequence_number": sequence, "file_sequence_number": sequence}
        )

    def commit(self, *, removed: Collection[str] = (), rewritten: bool = False, parent: int | None = None) -> int:
        """Make a snapshot of what was added since the last one, and give its id.

        Args:
            removed: Names of data files and delete files to leave out.
            rewritten: Whether what stays goes into new manifests.
            parent: Id of the snapshot to build on; the last one when None.
        """
        number = SNAPSHOT_ID + len(self._snapshots)
        base = self._snapshots[parent - SNAPSHOT_ID if parent is not None else -1] if self._snapshots else None
        listed = []
        for manifest, key, entries in base.manifests if base is not None else ():
            kept = [each for each in entries if Path(each["data_file"]["file_path"]).name not in removed]
            if rewritten or kept != entries:
                self._entries.setdefault(key, [])[:0] = [each | {"status": 0} for each in kept]
            else:
                listed.append((manifest, key, entries))
        for (content, spec), entries in self._entries.items():
            data = avro(entry_schema([] if spec else [PARTITION], newer=True), entries)
            counts = dict.fromkeys(_COUNTS.values(), 0)
            self.table.manifest(data, content=content, partition_spec_id=spec, sequence_number=number, **counts)
            live = [each for each in entries if each["status"] != 2]
            listed.append((self.table.listed[-1], (content, spec), live))
        self._entries = {}
        members = list_schema()
        members["fields"] += [field(id_, name, "long") for id_, name in _COUNTS.items()]
        members["fields"].append(field(515, "sequence_number", "long"))
        name = f"snap-{number}.avro"
        manifests = [manifest for manifest, _, _ in listed]
        (self.table.folder / "metadata" / name).write_bytes(avro(members, manifests))
        said = {
            "snapshot-id": number,
            "timestamp-ms": number,
            "sequence-number": number,
            "schema-id": 0,
            "summary": {"operation": "overwrite"},
            "manifest-list": self.path(f"metadata/{name}"),
        }
        if base is not None:
            said["parent-snapshot-id"] = base.said["snapshot-id"]
        self._snapshots.append(_Snapshot(said, listed))
        return number

    def finish(self, **members: Any) -> IcebergSource:
        """Write the metadata, and give the source that may read data, of the last snapshot."""
        if self._entries or not self._snapshots:
            self.commit()
        last = self._snapshots[-1].said
        self.table.finish(
            **{
                "format_version": 3,
                "partition_specs": SPECS,
                "default_spec_id": 1,
                "snapshots": [snapshot.said for snapshot in self._snapshots],
                "current_snapshot_id": last["snapshot-id"],
                "last_sequence_number": last["sequence-number"],
                "last_partition_id": 1000,
                "default_sort_order_id": 0,
                "sort_orders": [{"order-id": 0, "fields": []}],
                "properties": {},
                "refs": {"main": {"snapshot-id": last["snapshot-id"], "type": "branch"}},
                **members,
            }
        )
        return self.source(snapshot=last["snapshot-id"])

    def source(self, *, read_data: bool = True, snapshot: int = SNAPSHOT_ID) -> IcebergSource:
        """The source of a snapshot, the first one by default."""
        options = IcebergSourceOptions(read_data=read_data, snapshot_id=snapshot)
        return IcebergSource.open(ObjectStorage(), self.table.location, options)


def deleted_rows(source: IcebergSource) -> dict[str, list[int]]:
    """The deleted positions of each data file, by its name."""
    found = {}
    for batch in source.data_files(source.snapshot()):
        batch.validate(full=True)
        for row in batch.select(["path", "deletion_vector"]).to_pylist():
            positions: list[int] = []
            if row["deletion_vector"] is not None:
                vector = pa.array([row["deletion_vector"]], DELETION_VECTOR)
                (blob,) = read_blobs(ObjectStorage(), vector, pa.array([row["path"]]))
                positions = positions_in(blob, "it").tolist()
                assert len(positions) == row["deletion_vector"]["cardinality"]
            found[row["path"].rpartition("/")[2]] = positions
    return found
