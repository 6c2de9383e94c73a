"""Which base files are the table now (``AbstractTableFileSystemView``).

A file group is the history of one set of records: all files of one file id in one partition.  Each base file starts a
file slice, and log files hold changes to it.  A snapshot reads, of each file group that nothing has replaced, the
newest slice whose instant is committed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["FileSlices", "file_slices"]


class FileSlices(msgspec.Struct, frozen=True):
    """The newest file slices.

    Attributes:
        base_files: Their base files, as ``file_names.base_files`` returns them, ordered by partition and name.
        log_files: Log files that may change what the base files say, or that have none, as ``file_names.log_files``
            returns them.
    """

    base_files: pa.Table
    log_files: pa.Table


def file_slices(
    base_files: pa.Table,
    log_files: pa.Table,
    replaced: pa.Table,
    is_committed: Callable[[str], bool],
    log_time: Callable[[str], str | None],
) -> FileSlices:
    """Find the newest file slices.

    Args:
        base_files: As ``file_names.base_files`` returns them.
        log_files: As ``file_names.log_files`` returns them.
        replaced: ``partition`` and ``file_id`` of the file groups that committed instants have replaced.
        is_committed: Whether what the instant of this time wrote is to be seen.
        log_time: From the instant in a log file's name, the time by which it belongs to a slice: the one that started
            at this time or last before it; None where the log file does not count.
    """
    gone = _groups(replaced)
    base_files = _of_live_groups(_of_instants(base_files, _wanted(base_files, is_committed)), gone)
    newest = base_files.take(pa.array(_newest(base_files)))
    logs = _of_live_groups(log_files, gone)
    return FileSlices(newest, _newer_logs(logs, newest, log_time) if len(logs) else logs)


def _wanted(files: pa.Table, is_committed: Callable[[str], bool]) -> list[str]:
    return [instant for instant in pc.unique(files["instant"]).to_pylist() if is_committed(instant)]


def _of_instants(files: pa.Table, instants: list[str]) -> pa.Table:
    return files.filter(pc.is_in(files["instant"], value_set=pa.array(instants, pa.string())))


def _of_live_groups(files: pa.Table, gone: pa.Array) -> pa.Table:
    return files.filter(pc.invert(pc.is_in(_groups(files), value_set=gone))) if len(gone) else files


def _groups(files: pa.Table) -> pa.ChunkedArray:
    """What names a file group: partition and file id; neither has a NUL character."""
    return pc.binary_join_element_wise(files["partition"], files["file_id"], "\0")


def _newest(files: pa.Table) -> npt.NDArray[np.int64]:
    """The places of the newest base file of each group, ordered by partition and name."""
    group = _codes(_groups(files))
    order = np.lexsort((_ranks(files["instant"]), group))
    last = np.ones(len(order), bool)
    last[:-1] = group[order][1:] != group[order][:-1]
    places = np.sort(order[last])
    sorting = pc.sort_indices(
        files.select(["partition", "name"]).take(pa.array(places)),
        sort_keys=[("partition", "ascending"), ("name", "ascending")],
    )
    in_order: npt.NDArray[np.int64] = places[sorting.to_numpy()]
    return in_order


def _codes(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    codes: npt.NDArray[np.int64] = texts.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return codes


def _ranks(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Numbers that are ordered as the texts are: there are few different instants."""
    encoded = texts.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    rank = {value: number for number, value in enumerate(sorted(values))}
    ranks: npt.NDArray[np.int64] = np.array([rank[value] for value in values], np.int64)[encoded.indices.to_numpy()]
    return ranks


def _newer_logs(logs: pa.Table, newest: pa.Table, log_time: Callable[[str], str | None]) -> pa.Table:
    """Log files that belong to the newest slices or to later ones, whose base files are not there (yet)."""
    encoded = logs["instant"].combine_chunks().dictionary_encode()
    times = pa.array([log_time(instant) for instant in encoded.dictionary.to_pylist()], pa.string())
    time = times.take(encoded.indices)
    places = pc.index_in(_groups(logs), value_set=_groups(newest).combine_chunks())
    base = newest["instant"].take(places)
    counts = pc.and_(pc.is_valid(time), pc.fill_null(pc.greater_equal(time, base), fill_value=True))
    return logs.filter(pc.fill_null(counts, fill_value=False))
