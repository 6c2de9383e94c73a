"""Reading a table whole: its live files, and what only they tell of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import pyarrow.compute as pc

from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.partitions.key_generators import PathField
from converters.hudi.partitions.reader import PartitionReader
from converters.hudi.partitions.values import PathStyle
from converters.hudi.reading.columns import TableColumns
from converters.hudi.reading.file_batches import TableFiles
from converters.hudi.reading.indexed_statistics import statistics_index
from converters.hudi.reading.live_files import LiveFiles, find_live_files
from converters.hudi.reading.samples import sample_files
from converters.hudi.reading.statistics import StatisticsReader
from converters.hudi.reading.stored_columns import promotions, two_level_lists
from converters.hudi.reading.table_state import TableState
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.parquet.field_ids import Samples, settle_field_ids
from converters.parquet.footers import Footer

__all__ = ["PartitionPaths", "WholeTable", "log_note", "notes_of", "read_whole_table"]


class PartitionPaths(msgspec.Struct, frozen=True):
    """What a table's partition paths are.

    Attributes:
        fields: What they consist of.
        style: How they are written.
        asked: Whether a caller said what the fields are, not the table.
    """

    fields: Sequence[PathField]
    style: PathStyle
    asked: bool


class WholeTable(msgspec.Struct, frozen=True):
    """A table that was read whole.

    Attributes:
        table: As the model has it.
        files: Its live files.
        reader: Of the files' statistics.
        notes: What a person should know of how its partition paths are read.
        left_out: Of how many file slices the log files are left out.
    """

    table: Table
    files: TableFiles
    reader: StatisticsReader
    notes: tuple[str, ...]
    left_out: int


def read_whole_table(
    state: TableState,
    columns: TableColumns,
    now: Table,
    metadata_table: MetadataTable | None,
    paths: PartitionPaths,
    samples: Samples,
    *,
    leave_out_logs: bool,
) -> WholeTable:
    """Read a table whole.

    Args:
        state: The table.
        columns: Its columns.
        now: What does not depend on its files.
        metadata_table: Its metadata table, if it has one to be used.
        paths: What its partition paths are.
        samples: Reads what may be missing.
        leave_out_logs: Whether log files are left out.

    Raises:
        InvalidOption: The caller names a partition column that is not there.
        CorruptTable: The timeline, the metadata table or a data file cannot be read.
        UnsupportedTableFeature: A file slice has log files, or a file cannot be carried.
    """
    live = find_live_files(state, metadata_table, leave_out_logs=leave_out_logs)
    located = live.paths(state.location).combine_chunks()
    found = sample_files(state.storage, samples, live.files, located)
    schema, field_ids = settle_field_ids(columns.schema, found.footers, mapped=False, complete=False)
    indexed_columns = state.config.indexed_columns
    index = statistics_index(metadata_table, columns.parsed, schema, found.shapes, indexed_columns)
    reader = StatisticsReader(state.storage, index)
    partitioned = PartitionReader(reader, live.files, located).read(
        schema, paths.fields, paths.style, asked=paths.asked, dropped=state.config.drops_partition_columns
    )
    partitioning = partitioned.partitioning
    shapes = (*found.shapes, *partitioned.shapes)
    table = msgspec.structs.replace(
        now,
        schema=schema,
        specs=(partitioning.spec,),
        default_spec_id=partitioning.spec.spec_id,
        names_are_stable=columns.history.names_are_stable(live.files["instant"].unique().to_pylist()),
        field_ids=field_ids,
        promotions=promotions(schema, shapes),
        two_level_lists=two_level_lists(schema, shapes),
        other_columns=_other_columns(schema, (*found.footers, *(shape.footer for shape in shapes))),
    )
    files = TableFiles(live.files, located, partitioning, partitioned.statistics)
    return WholeTable(table, files, reader, partitioning.notes, _slices_with_logs(live))


def notes_of(table: Table) -> list[str]:
    """What a person should know of a table's files."""
    return _list_notes(table.schema, table.two_level_lists)


def log_note(count: int | None) -> str:
    """What a person should know of log files that are left out, of so many file slices; None where nobody counted."""
    slices = {None: "File slices may have", 1: "One file slice has"}.get(count, f"{count} file slices have")
    return f"{slices} log files, which are left out as asked: rows are those of the base files alone."


def _slices_with_logs(live: LiveFiles) -> int:
    return len(pc.unique(pc.binary_join_element_wise(live.logs["partition"], live.logs["file_id"], "/")))


def _other_columns(schema: Schema, footers: Iterable[Footer]) -> tuple[str, ...]:
    """Columns that files have and the schema has not: meta columns, columns that were dropped."""
    known = {field.stored_name for field in schema.fields}
    found = dict.fromkeys(path[0] for footer in footers for path in footer.columns)
    return tuple(name for name in found if name not in known)


def _list_notes(schema: Schema, old_lists: Mapping[int, str]) -> list[str]:
    if not old_lists:
        return []
    names = ", ".join(f"'{schema.by_id[id_].dotted}'" for id_ in old_lists)
    form = f"Data files hold lists in Parquet's old two-level form ({names})"
    return [f"{form}: Spark and delta-rs read them right in Delta tables, but DuckDB 1.5 does not."]
