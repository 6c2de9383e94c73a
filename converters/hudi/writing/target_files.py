"""The files that a Hudi target lists, and how the source's differ from them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import UnsupportedTableFeature
from converters.hudi.reading.file_names import base_files, log_files
from converters.hudi.reading.file_slices import file_slices
from converters.hudi.timeline.active import REPLACING
from converters.hudi.writing.base import Base
from converters.hudi.writing.source_files import file_keys

__all__ = ["Difference", "TargetFiles", "compare", "read_target_files", "replaced_groups"]

BoolArray = npt.NDArray[np.bool_]

_READERS = 16


class TargetFiles(msgspec.Struct, frozen=True):
    """What a target lists.

    Attributes:
        listed: All files in the metadata table: ``partition``, ``name`` (as recorded), ``size``.
        parsed: The same as ``file_names.base_files`` returns them, without what is none.
        live: Those of ``parsed`` that readers of the newest state read.
        replaced: ``partition``, ``file_id`` and ``instant`` of the file groups that commits replaced.
    """

    listed: pa.Table
    parsed: pa.Table
    live: pa.Table
    replaced: pa.Table


class Difference(msgspec.Struct, frozen=True):
    """What a sync changes.

    Attributes:
        added: Which of the source's files the commit has to add.
        rewritten: Which of these the target lists already, with another size.
        removed: Ids of the file groups to replace, by partition.
        files_removed: How many they are.
        returning: The newest of the instants that replaced files which are to be added; empty where there are none.
    """

    added: BoolArray
    rewritten: BoolArray
    removed: Mapping[str, list[str]]
    files_removed: int
    returning: str


def read_target_files(base: Base, listed: pa.Table) -> TargetFiles:
    """Find the live ones.

    Args:
        base: The target.
        listed: What its metadata table lists: ``partition``, ``name``, ``size``.

    Raises:
        CorruptTable: A commit cannot be read.
        UnsupportedTableFeature: Files have log files on top of them.
    """
    replaced = replaced_groups(base)
    parsed = base_files(listed)
    timeline = base.timeline
    slices = file_slices(parsed, log_files(listed), replaced, timeline.is_committed, lambda time: time)
    if len(slices.log_files):
        raise UnsupportedTableFeature(
            f"The Hudi table at '{base.location}' is merge on read and has log files, so that it cannot be continued.",
            hint="Convert to another path, or delete its directory '.hoodie'.",
        )
    return TargetFiles(listed, parsed, slices.base_files, replaced)


def compare(files: pa.Table, target: TargetFiles) -> Difference:
    """Compare the source's files with the target's.

    Args:
        files: The source's, of ``SOURCE_FILES``.
        target: The target's.
    """
    keys = file_keys(files)
    live = target.live
    there = pc.index_in(keys, value_set=file_keys(live))
    known = there.is_valid()
    same = pc.fill_null(pc.equal(live["size"].combine_chunks().take(there), files["size"].combine_chunks()), False)  # noqa: FBT003
    added = pc.invert(same).to_numpy(zero_copy_only=False)
    rewritten = added & known.to_numpy(zero_copy_only=False)
    gone = np.ones(len(live), np.bool_)
    kept = there.drop_null().to_numpy()
    gone[kept] = False
    if rewritten.any():
        # A file that Hudi named itself is of another file group than the same file under its whole name.
        changed = there.filter(pa.array(rewritten)).to_numpy()
        gone[changed] = ~live["external"].combine_chunks().to_numpy(zero_copy_only=False)[changed]
    removed = live.filter(pa.array(gone))
    ids: dict[str, list[str]] = {}
    for partition, file_id in zip(removed["partition"].to_pylist(), removed["file_id"].to_pylist(), strict=True):
        ids.setdefault(partition, []).append(file_id)
    returning = _returning(keys.filter(pa.array(added)), target)
    return Difference(added, rewritten, ids, len(removed), returning)


def _returning(added: pa.Array, target: TargetFiles) -> str:
    """The newest commit that replaced a file which is added: its id would stay hidden for all readers."""
    if not len(target.replaced) or not len(added):
        return ""
    by_group = file_keys(target.replaced, "file_id")
    hidden = pc.is_in(by_group, value_set=added)
    groups = file_keys(target.parsed, "file_id")
    again = groups.filter(pc.is_in(file_keys(target.parsed), value_set=added))
    hidden = pc.or_(hidden, pc.is_in(by_group, value_set=again))
    return pc.max(target.replaced["instant"].combine_chunks().filter(hidden)).as_py() or ""


def replaced_groups(base: Base) -> pa.Table:
    """The file groups that commits of the active timeline replaced: ``partition``, ``file_id``, ``instant``.

    Raises:
        CorruptTable: A commit cannot be read.
    """
    instants = [each for each in base.writes if each.action in REPLACING]
    if base.location.startswith("file:") or len(instants) <= 2:
        heads = [base.head(each) for each in instants]
    else:
        with ThreadPoolExecutor(_READERS) as pool:
            heads = list(pool.map(base.head, instants))
    partitions: list[str] = []
    ids: list[str] = []
    times: list[str] = []
    for instant, head in zip(instants, heads, strict=True):
        for partition, replaced in head.replaced.items():
            partitions += [partition] * len(replaced)
            ids += replaced
            times += [instant.time] * len(replaced)
    return pa.table(
        {
            "partition": pa.array(partitions, pa.string()),
            "file_id": pa.array(ids, pa.string()),
            "instant": pa.array(times, pa.string()),
        }
    )
