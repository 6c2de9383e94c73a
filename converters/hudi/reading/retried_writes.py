"""Base files that a task wrote twice: Spark runs tasks again, and what a late one leaves behind nobody deletes.

Such files have the same file group and instant, and differ in their write tokens only.  The commit names the one that
counts, and so does the metadata table.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable
from converters.hudi.reading.table_state import TableState
from converters.hudi.timeline.commit_metadata import read_commit

__all__ = ["without_retries"]

_KEYS = ["partition", "file_id", "instant"]


def without_retries(state: TableState, base_files: pa.Table) -> pa.Table:
    """The base files without those that their commits do not name, where there are several of one slice.

    Args:
        state: The table.
        base_files: As ``file_names.base_files`` returns them.

    Raises:
        CorruptTable: The commit cannot be read, or is archived, so that nobody says which of the files counts.
    """
    counts = base_files.group_by(_KEYS).aggregate([("name", "count")])
    twice = counts.filter(pc.greater(counts["name_count"], 1))
    if not len(twice):
        return base_files
    for instant in twice["instant"].unique().to_pylist():
        if state.is_committed(instant):
            base_files = _named(state, base_files, instant)
    return base_files


def _named(state: TableState, base_files: pa.Table, instant: str) -> pa.Table:
    of_instant = pc.equal(base_files["instant"], instant)
    writes = [each for each in state.writes if each.time == instant]
    if not writes:
        path = base_files.filter(of_instant)["name"][0].as_py()
        raise CorruptTable(
            f"There are several base files of one file slice, such as '{path}', and the commit {instant} that says "
            "which of them counts is archived.",
            hint="Delete the one that Hudi does not read.",
        )
    paths = pa.concat_tables([read_commit(state.storage, each).write_stats for each in writes])["path"]
    names = pc.replace_substring_regex(paths, r"^.*/", "")
    named = pc.is_in(base_files["name"], value_set=names.combine_chunks())
    return base_files.filter(pc.or_(pc.invert(of_instant), named))
