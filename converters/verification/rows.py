"""Comparing all rows of two tables, read by DuckDB: their number, and a hash that their order does not change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from converters.model.snapshot import Snapshot
from converters.model.types import Field
from converters.storage.location import local_path, split
from converters.verification.duck import Duck, DuckFailed, identifier, text
from converters.verification.listing import Listing
from converters.verification.report import Check
from converters.verification.source_versions import SourceAt
from converters.verification.sql_types import canonical_column

__all__ = ["RowComparison"]

_FILES_AT_ONCE = 500
_PLACE = "_tablecast_place"
_PREFIX = "_tablecast_partition_"
_MODULUS = 1 << 128

_Parameters = dict[str, object]


class _Digest(msgspec.Struct, frozen=True):
    """How many rows there are, and the sum of their hashes."""

    rows: int
    hash: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows, hash {self.hash:x}"


class RowComparison:
    """The check ``rows``, for each target of a call."""

    def __init__(self) -> None:
        """Start DuckDB.

        Raises:
            InvalidRequest: It, or one of its extensions, is not installed.
        """
        self._duck = Duck()
        self._known: dict[tuple[str, bool, tuple[str, ...]], _Digest] = {}

    def check(self, source: SourceAt, target: Snapshot, target_listing: Listing) -> Check:
        """Read both tables and compare them.

        Args:
            source: The source.
            target: The target's snapshot, its newest.
            target_listing: The target's files.
        """
        ours, theirs = source.snapshot, target
        left_out = _misread(ours) | _misread(theirs)
        fields = [field for field in ours.table.schema.fields if field.name not in left_out]
        key = (ours.version, source.is_newest, tuple(field.name for field in fields))
        try:
            if key not in self._known:
                self._known[key] = self._digest(ours, source.listing, fields, pinned=not source.is_newest)
            left = self._known[key]
            right = self._digest(theirs, target_listing, fields, pinned=False)
        except DuckFailed as error:
            return Check(name="rows", result="not-compared", detail=str(error))
        readers = f"{ours.table.format} by {_reader(ours)}, {theirs.table.format} by {_reader(theirs)}"
        if left_out:
            readers += f"; without {', '.join(sorted(left_out))}, which DuckDB is known to misread"
        if left == right:
            return Check(name="rows", result="ok", detail=f"{left}; {readers}")
        return Check(
            name="rows",
            result="differs",
            detail=readers,
            examples=(f"{left} in the source", f"{right} in the target"),
        )

    def _digest(self, snapshot: Snapshot, listing: Listing, fields: Sequence[Field], *, pinned: bool) -> _Digest:
        try:
            return self._summed(self._relations(snapshot, listing, pinned=pinned), fields)
        except DuckFailed as error:
            msg = f"DuckDB cannot read the {snapshot.table.format} table: {error}"
            raise DuckFailed(msg) from error

    def _relations(
        self, snapshot: Snapshot, listing: Listing, *, pinned: bool
    ) -> Iterator[tuple[str, _Parameters, Mapping[str, str]]]:
        """What yields the rows, in SQL; with parameters, and expressions for columns that are not in it by name."""
        table = snapshot.table
        if table.format == "DELTA":
            yield f"delta_scan({text(self._place(table.location))}, version = {int(snapshot.version)})", {}, {}
        elif table.format == "ICEBERG":
            at = f", snapshot_from_id = {int(snapshot.version)}" if pinned else ""
            yield f"iceberg_scan({text(self._place(table.metadata_path))}{at})", {}, {}
        else:
            for batch in listing.batches():
                for start in range(0, len(batch), _FILES_AT_ONCE):
                    yield self._file_rows(snapshot, batch.slice(start, _FILES_AT_ONCE))

    def _file_rows(self, snapshot: Snapshot, files: pa.RecordBatch) -> tuple[str, _Parameters, Mapping[str, str]]:
        """Rows of data files, with the values that readers take from partitions."""
        if files.column("deletion_vector").null_count < len(files):
            raise DuckFailed("rows of its files are deleted, which are not left out when files are read one by one")
        paths = [self._place(path) for path in files.column("path").to_pylist()]
        values: dict[str, pa.Array] = {}
        expressions: dict[str, str] = {}
        for number, field in enumerate(snapshot.table.default_spec.fields):
            if field.transform.kind == "identity":
                column = snapshot.table.schema.by_id[field.source_id]
                name = f"{_PREFIX}{number}"
                values[name] = files.column("partition").field(str(field.id))
                expressions[column.path[0]] = name
        self._duck.register("files", pa.table({_PLACE: pa.array(paths, pa.string()), **values}))
        options = f"union_by_name = true, filename = {text(_PLACE)}, hive_partitioning = false"
        return f"read_parquet($paths, {options}) JOIN files USING ({_PLACE})", {"paths": paths}, expressions

    def _summed(
        self, relations: Iterator[tuple[str, _Parameters, Mapping[str, str]]], fields: Sequence[Field]
    ) -> _Digest:
        rows = total = 0
        for relation, parameters, expressions in relations:
            found = self._duck.columns(relation, parameters)
            columns: list[str] = []
            for field in fields:
                expression = expressions.get(field.name)
                if expression is None and field.stored_name not in found and field.name not in found:
                    columns.append("NULL")  # no file of these has the column
                    continue
                name = field.name if field.name in found else field.stored_name
                kind = found[expression or name]
                columns.append(canonical_column(field, kind, expression or identifier(name)))
            hashed = f"hash({', '.join(columns)})" if columns else "0"
            ((count, summed),) = self._duck.rows(f"SELECT count(*), sum({hashed}) FROM {relation}", parameters)  # noqa: S608 - of quoted names
            rows, total = rows + count, total + int(summed or 0)
        return _Digest(rows, total % _MODULUS)

    def _place(self, location: str) -> str:
        """A location as DuckDB is told it."""
        path = local_path(location)
        if path is not None:
            return path
        if split(location)[0] != "s3":
            raise DuckFailed(f"it does not reach '{location}'")
        self._duck.use_s3()
        return location


def _reader(snapshot: Snapshot) -> str:
    if snapshot.table.format == "DELTA":
        return "DuckDB's delta_scan"
    if snapshot.table.format == "ICEBERG":
        return "DuckDB's iceberg_scan"
    return "DuckDB's read_parquet over the files and partition values that the metadata says"


def _misread(snapshot: Snapshot) -> set[str]:
    """Columns that DuckDB 1.5 is known to read wrongly.

    Lists in Parquet's old two-level form it takes for structs; partition columns that have another name inside the
    Delta log (column mapping) it shows as null.
    """
    table = snapshot.table
    nodes = table.schema.by_id
    found = {nodes[id_].path[0] for id_ in table.two_level_lists if id_ in nodes}
    if table.format == "DELTA":
        partitioned = {field.source_id for spec in table.specs for field in spec.fields}
        found |= {field.name for field in table.schema.fields if field.id in partitioned and field.physical_name}
    return found
