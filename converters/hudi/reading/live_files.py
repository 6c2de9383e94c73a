"""The base files that a snapshot of a table reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable
from converters.hudi.reading.file_names import base_files, log_files
from converters.hudi.reading.file_slices import file_slices
from converters.hudi.reading.listing import list_files
from converters.hudi.reading.refusals import live_logs, refuse_base_files, refuse_logs
from converters.hudi.reading.retried_writes import without_retries
from converters.hudi.reading.table_state import TableState
from converters.storage.location import join

if TYPE_CHECKING:
    from converters.hudi.metadata_table.table import MetadataTable

__all__ = ["LiveFiles", "find_live_files"]


class LiveFiles(msgspec.Struct, frozen=True):
    """The live base files.

    Attributes:
        files: As ``file_names.base_files`` returns them, ordered by partition and name.
        logs: Log files that are left out.
    """

    files: pa.Table
    logs: pa.Table

    def paths(self, location: str) -> pa.ChunkedArray:
        """The locations of the files of a table at ``location``."""
        partition, name = self.files["partition"], self.files["name"]
        below = pc.if_else(pc.equal(partition, ""), name, pc.binary_join_element_wise(partition, name, "/"))
        return pc.binary_join_element_wise(location, below, "/")


def find_live_files(state: TableState, metadata_table: MetadataTable | None, *, leave_out_logs: bool) -> LiveFiles:
    """Find the base files that are the table now.

    Args:
        state: The table.
        metadata_table: Its metadata table, if it has one to be used; else its directories are listed.
        leave_out_logs: Read base files alone where a file slice has log files.

    Raises:
        CorruptTable: The timeline cannot be read, or a file that the newest commit wrote is missing.
        UnsupportedTableFeature: A file slice has log files, or a base file cannot be carried.
    """
    replaced = state.replaced()
    written = state.newest_files()
    if metadata_table is None:
        files = list_files(state.storage, state.location, written["partition"].unique().to_pylist())
    else:
        files = metadata_table.files()
    _check_newest(state, files, written)
    base = base_files(files)
    if metadata_table is None:
        base = without_retries(state, base)
    slices = file_slices(base, log_files(files), replaced, state.is_committed, state.log_time)
    logs = live_logs(state, slices)
    if not leave_out_logs:
        refuse_logs(state, logs)
    refuse_base_files(state, slices.base_files)
    return LiveFiles(slices.base_files, logs)


def _check_newest(state: TableState, files: pa.Table, written: pa.Table) -> None:
    """A list of files does not show what it lacks, but the newest commit's files cannot have been cleaned yet."""
    written = written.filter(pc.and_(pc.invert(written["is_log"]), pc.greater(pc.fill_null(written["size"], 0), 0)))
    if not len(written):
        return
    there, paths = (
        pc.binary_join_element_wise(each["partition"], pc.replace_substring_regex(each[name], r"^.*/", ""), "/")
        for each, name in ((files, "name"), (written, "path"))
    )
    lacking = paths.filter(pc.invert(pc.is_in(paths, value_set=there.combine_chunks())))
    if len(lacking) and state.newest is not None:
        path = join(state.location, lacking[0].as_py().removeprefix("/"))
        raise CorruptTable(
            f"The base file '{path}' is missing, but {state.newest.where} wrote it.",
            hint="Was it deleted, or the table copied without it?",
        )
