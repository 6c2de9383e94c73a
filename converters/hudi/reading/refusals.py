"""What a Hudi table may have that its base files alone do not say, refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import UnsupportedTableFeature
from converters.hudi.containers.log_block import CDC_DATA, COMMAND, CORRUPT, TARGET_INSTANT_TIME, LogBlock, read_log
from converters.hudi.reading.file_slices import FileSlices
from converters.hudi.reading.table_state import TableState
from converters.storage.location import join

__all__ = ["live_logs", "refuse_base_files", "refuse_logs"]

_BOOTSTRAP_INSTANT = "00000000000001"
_NAMED = 3


def refuse_base_files(state: TableState, base_files: pa.Table) -> None:
    """Refuse base files that cannot be carried.

    Raises:
        UnsupportedTableFeature: A file is no Parquet file, or holds only the meta columns of rows that lie in the
            table that this one was bootstrapped from.
    """
    other = base_files.filter(pc.not_equal(base_files["extension"], "parquet"))
    if len(other):
        raise UnsupportedTableFeature(
            f"The base file '{_path(state.location, other)}' is no Parquet file, by its name.",
            hint="Rewrite the table with hoodie.table.base.file.format=PARQUET.",
        )
    if state.config.is_bootstrapped:
        skeletons = base_files.filter(pc.equal(base_files["instant"], _BOOTSTRAP_INSTANT))
        if len(skeletons):
            raise UnsupportedTableFeature(
                f"The base file '{_path(state.location, skeletons)}' is a bootstrap skeleton: most of its columns lie "
                f"in a file below '{state.config.properties.get('hoodie.bootstrap.base.path')}'.",
                hint="Rewrite such files first, by clustering or by a bootstrap in the mode FULL_RECORD.",
            )


def live_logs(state: TableState, slices: FileSlices) -> pa.Table:
    """The log files that do change what a snapshot reads.

    In timeline layout 1 a log file's name does not say which instants wrote to it, so that it is read: what instants
    that are not completed, or were rolled back, have written does not count.
    """
    logs = slices.log_files
    if not len(logs) or state.config.timeline_layout > 1:
        return logs
    counts = [_has_changes(state, _path(state.location, logs, row)) for row in range(len(logs))]
    return logs.filter(pa.array(counts, pa.bool_()))


def refuse_logs(state: TableState, logs: pa.Table) -> None:
    """Refuse file slices that have log files.

    Raises:
        UnsupportedTableFeature: There are some; the message names a few of them.
    """
    if not len(logs):
        return
    groups = pc.unique(pc.binary_join_element_wise(logs["partition"], logs["file_id"], "/"))
    named = ", ".join(f"'{text.removeprefix('/')}'" for text in groups[:_NAMED].to_pylist())
    more = f" and {len(groups) - _NAMED} more" if len(groups) > _NAMED else ""
    raise UnsupportedTableFeature(
        f"{len(groups)} file slice{'s have' if len(groups) > 1 else ' has'} log files, whose changes are not in base "
        f"files: {named}{more}; the first log file is '{_path(state.location, logs)}'.",
        hint=f"Compact the table first, in Spark SQL: CALL run_compaction(op => 'schedule', table => "
        f"'{state.config.name}', options => 'hoodie.compact.inline.max.delta.commits=1') and CALL run_compaction("
        f"op => 'run', table => '{state.config.name}'); or convert what its base files say "
        "(hudi.source.read-optimized=true).",
    )


def _has_changes(state: TableState, path: str) -> bool:
    blocks = read_log(state.storage.get(path), f"The log file '{path}'")
    undone = {block.header.get(TARGET_INSTANT_TIME, "") for block in blocks if block.type == COMMAND}
    return any(_is_change(block, state.is_committed, undone) for block in blocks)


def _is_change(block: LogBlock, is_committed: Callable[[str], bool], undone: set[str]) -> bool:
    if block.type in {COMMAND, CORRUPT, CDC_DATA}:
        return False
    return block.instant not in undone and is_committed(block.instant)


def _path(location: str, files: pa.Table, row: int = 0) -> str:
    partition, name = files["partition"][row].as_py(), files["name"][row].as_py()
    return join(join(location, partition) if partition else location, name)
