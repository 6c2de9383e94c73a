"""Reading checkpoints: classic, multi-part and v2, in Parquet or JSON, with sidecars.

Delta protocol, "Checkpoints".
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from converters.delta.log.commits import CommitReader
from converters.delta.log.file_actions import file_actions, file_columns
from converters.delta.log.listing import Checkpoint
from converters.delta.log.paths import locations
from converters.errors import CorruptTable, ObjectNotFound
from converters.storage.base import Storage
from converters.storage.location import parent

__all__ = ["CheckpointReader"]

_BATCH_BYTES = 8 * 2**20  # the allocator hands larger pieces back to the system, which costs a third more
_MOST_ROWS = 65_536
_FEWEST_ROWS = 1_000
_SEARCHED_ROWS = 8_192
_STATE = ("protocol", "metaData")
_MORE_STATE = ("txn", "domainMetadata")


class CheckpointReader:
    """Reads one checkpoint; nothing is read before it is asked for."""

    def __init__(self, storage: Storage, checkpoint: Checkpoint) -> None:
        """Name the checkpoint to read."""
        self._storage = storage
        self._checkpoint = checkpoint
        self._metadata: dict[str, pq.FileMetaData] = {}

    @property
    def path(self) -> str:
        """The checkpoint's first file, for messages."""
        return self._checkpoint.files[0].path

    def small_actions(self, *, everything: bool) -> list[Mapping[str, Any]]:
        """The actions that are not about files, each a mapping from its kind to its content.

        Raises:
            CorruptTable: A file is missing or unreadable.
        """
        kinds = _STATE + (_MORE_STATE if everything else ())
        if self._checkpoint.kind == "json":
            return list(self._json_actions(kinds))
        found: list[Mapping[str, Any]] = []
        for file in self._checkpoint.files:
            with self._opened(file.path) as parquet:
                for kind in kinds:
                    found += [{kind: each} for each in _rows(parquet, kind)]
            if not everything and {next(iter(each)) for each in found} >= set(kinds):
                break
        return found

    def adds(self, *, content: bool, most: int = _MOST_ROWS) -> Iterator[pa.Table]:
        """The live files as of the checkpoint, in batches of the columns of ``file_columns``.

        At most ``most`` rows of the checkpoint are read at once.  With ``content`` there may be a column
        ``stats_parsed`` (a struct); where its ``numRecords`` is null, ``stats`` counts.

        Raises:
            CorruptTable: A file is missing or unreadable.
        """
        yield from self._adds_in_json(content=content)
        for parquet, path in self._parquet_files():
            with _parquet_errors(path):
                yield from _adds(parquet, path, content=content, most=most)

    def search(self, chosen: Callable[[pa.Array], np.ndarray]) -> Iterator[pa.Table]:
        """Some of the live files as of the checkpoint, of whose row groups no more is read than has to be.

        Args:
            chosen: From paths as they are written to whether they are meant.

        Yields:
            The columns of ``file_columns``.

        Raises:
            CorruptTable: A file is missing or unreadable.
        """
        if self._checkpoint.kind == "json":
            for adds in self._adds_in_json(content=True):
                yield adds.filter(pa.array(chosen(adds["path"].combine_chunks())))
        for parquet, path in self._parquet_files():
            for group in range(parquet.num_row_groups):
                with _parquet_errors(path):
                    yield from _search(parquet, path, group, chosen)

    def _adds_in_json(self, *, content: bool) -> Iterator[pa.Table]:
        if self._checkpoint.kind != "json":
            return
        for lines in CommitReader(self._storage, self._checkpoint.files).newest_first():
            actions = file_actions(lines, content=content)
            adds = actions.filter(actions["is_add"]).drop_columns(["is_add"])
            if len(adds):
                yield adds

    def _parquet_files(self) -> Iterator[tuple[pq.ParquetFile, str]]:
        """The checkpoint's Parquet files, opened, and their paths: those that hold all actions, then sidecars."""
        sidecars: list[str] = []
        if self._checkpoint.kind == "json":
            sidecars += [self._sidecar(each["sidecar"], self.path) for each in self._json_actions(("sidecar",))]
        else:
            for file in self._checkpoint.files:
                with self._opened(file.path) as parquet:
                    yield parquet, file.path
                    sidecars += [self._sidecar(each, file.path) for each in _rows(parquet, "sidecar")]
        for path in sidecars:
            with self._opened(path) as parquet:
                yield parquet, path

    def _json_actions(self, kinds: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        reader = CommitReader(self._storage, self._checkpoint.files)
        for lines in reader.newest_first():
            for _, line in lines.small_actions():
                try:
                    action: object = msgspec.json.decode(line)
                except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                    msg = f"'{self.path}' is not understood: a line is no JSON ({error})."
                    raise CorruptTable(msg) from error
                if isinstance(action, dict):
                    yield from ({kind: action[kind]} for kind in kinds if isinstance(action.get(kind), dict))

    def _sidecar(self, action: Mapping[str, Any], path: str) -> str:
        found = action.get("path")
        if not isinstance(found, str) or not found:
            msg = f"'{path}' names a sidecar without a path."
            raise CorruptTable(msg)
        [location] = locations(pa.array([found]), f"{parent(path)}/_sidecars").to_pylist()
        return str(location)

    @contextmanager
    def _opened(self, path: str) -> Generator[pq.ParquetFile]:
        remote = not path.startswith("file:")
        try:
            with self._storage.open(path) as file, _parquet_errors(path):
                # Spark writes times as INT96, which in nanoseconds does not reach the year 9999.
                known = self._metadata.get(path)
                parquet = pq.ParquetFile(file, metadata=known, coerce_int96_timestamp_unit="us", pre_buffer=remote)
                self._metadata[path] = parquet.metadata
                yield parquet
        except ObjectNotFound as error:
            msg = f"A part of the checkpoint is missing: {error.message}"
            raise CorruptTable(msg) from error


@contextmanager
def _parquet_errors(path: str) -> Generator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, KeyError) as error:
        msg = f"The checkpoint file '{path}' cannot be read: {str(error)[:200]}"
        raise CorruptTable(msg) from error


def _rows(parquet: pq.ParquetFile, kind: str) -> list[dict[str, Any]]:
    """The rows of one kind of action, passing over row groups that have none."""
    if kind not in parquet.schema_arrow.names:
        return []
    found: list[dict[str, Any]] = []
    leaves = [n for n in range(len(parquet.schema)) if parquet.schema.column(n).path.startswith(f"{kind}.")]
    for group in range(parquet.num_row_groups):
        if _is_all_null(parquet.metadata.row_group(group), leaves):
            continue
        column = parquet.read_row_group(group, columns=[kind])[kind].combine_chunks()
        found += column.drop_null().to_pylist(maps_as_pydicts="lossy")
    return found


def _is_all_null(group: pq.RowGroupMetaData, leaves: list[int]) -> bool:
    """Whether the statistics say so of flat leaves; those in lists and maps count otherwise."""
    for number in leaves:
        column = group.column(number)
        if not column.is_stats_set or not column.statistics.has_null_count:
            return False
        if column.statistics.null_count < group.num_rows:
            return False
    return bool(leaves)


def _adds(parquet: pq.ParquetFile, path: str, *, content: bool, most: int) -> Iterator[pa.Table]:
    schema = parquet.schema_arrow
    if "add" not in schema.names:
        return
    add = schema.field("add").type
    members = {field.name for field in add}
    wanted = [each for each in ("path", "size", "modificationTime", "deletionVector") if each in members]
    if content:
        wanted += [each for each in ("partitionValues", "tags", *_stats_columns(parquet, members)) if each in members]
    columns = [f"add.{each}" for each in wanted]
    rows = min(most, _batch_rows(parquet, columns))
    for batch in parquet.iter_batches(rows, columns=columns, use_threads=False):
        found = batch.column("add")
        live = pc.is_valid(pc.struct_field(found, "path"))
        if not pc.all(live).as_py():
            if pc.any(pc.and_(pc.is_valid(found), pc.invert(live))).as_py():
                _check_empty(found.filter(pc.invert(live)), path)
            found = found.filter(live)
        if len(found):
            yield _add_table(found, path)


def _search(
    parquet: pq.ParquetFile, path: str, group: int, chosen: Callable[[pa.Array], np.ndarray]
) -> Iterator[pa.Table]:
    if "add" not in parquet.schema_arrow.names:
        return
    hits = [
        chosen(pc.struct_field(batch.column("add"), "path"))
        for batch in parquet.iter_batches(_SEARCHED_ROWS, row_groups=[group], columns=["add.path"], use_threads=False)
    ]
    if not any(each.any() for each in hits):
        return
    members = {field.name for field in parquet.schema_arrow.field("add").type}
    wanted = [each for each in ("path", "size", "deletionVector", "partitionValues", "tags") if each in members]
    columns = [f"add.{each}" for each in wanted]
    batches = parquet.iter_batches(_SEARCHED_ROWS, row_groups=[group], columns=columns, use_threads=False)
    for batch, rows in zip(batches, hits, strict=True):
        if rows.any():
            yield _add_table(batch.column("add").filter(pa.array(rows)), path)


def _check_empty(without_path: pa.StructArray, path: str) -> None:
    """Some writers leave a valid struct of nulls where there is no add."""
    if pc.any(pc.is_valid(pc.struct_field(without_path, "size"))).as_py():
        msg = f"'{path}' has an add action without a path."
        raise CorruptTable(msg)


def _add_table(add: pa.StructArray, path: str) -> pa.Table:
    columns = file_columns(add, add.type)
    if columns["size"].null_count:
        msg = f"'{path}' has an add action without a size."
        raise CorruptTable(msg)
    return pa.table(columns)


def _stats_columns(parquet: pq.ParquetFile, members: set[str]) -> list[str]:
    """Which form of the statistics to read: the parsed one where it says as much, else the text as well."""
    if "stats_parsed" not in members:
        return ["stats"]
    if "stats" not in members:
        return ["stats_parsed"]
    parsed, path = (_null_count(parquet, each) for each in ("add.stats_parsed.numRecords", "add.path"))
    return ["stats_parsed"] if parsed is not None and parsed == path else ["stats_parsed", "stats"]


def _null_count(parquet: pq.ParquetFile, leaf: str) -> int | None:
    numbers = [n for n in range(len(parquet.schema)) if parquet.schema.column(n).path == leaf]
    total = 0
    for group in range(parquet.num_row_groups):
        for number in numbers:
            column = parquet.metadata.row_group(group).column(number)
            if not column.is_stats_set or not column.statistics.has_null_count:
                return None
            total += column.statistics.null_count
    return total if numbers else None


def _batch_rows(parquet: pq.ParquetFile, columns: list[str]) -> int:
    total = 0
    for group in range(parquet.num_row_groups):
        metadata = parquet.metadata.row_group(group)
        for number in range(metadata.num_columns):
            if metadata.column(number).path_in_schema.startswith(tuple(columns)):
                total += metadata.column(number).total_uncompressed_size
    per_row: int = total // max(1, parquet.metadata.num_rows) + 1
    return max(_FEWEST_ROWS, min(_MOST_ROWS, _BATCH_BYTES // per_row))
