"""Merging small manifests, so that many small commits do not make many manifests to plan over.

As Java's library does by default, nothing happens below a hundred of them (``commit.manifest.min-count-to-merge``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.writer import ROWS_PER_BLOCK
from converters.iceberg.manifests.entry_copy import CopiedEntries
from converters.iceberg.manifests.entry_rows import OpenManifest
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.manifests.spool import ManifestSpool
from converters.iceberg.partitions.order import PartitionSummary
from converters.iceberg.statistics.bounds import decode_bounds
from converters.model.types import Type
from converters.storage.base import Storage

__all__ = ["FEWEST_TO_MERGE", "merge_small"]

FEWEST_TO_MERGE = 100
_SMALL_BYTES = 2**19
"""Manifests below half a megabyte are small; ours are about two megabytes when full."""


def merge_small(
    storage: Storage,
    manifests: Sequence[ListedManifest],
    spool: ManifestSpool,
    types: Mapping[int, tuple[Type, ...]],
) -> list[ListedManifest]:
    """Merge small manifests of one kind and spec where they are many.

    Args:
        storage: Where they lie.
        manifests: The manifests that a snapshot keeps.
        spool: Takes what they are merged into.
        types: The types of each spec's partition values; manifests of other specs stay.

    Returns:
        The manifests that are still kept.

    Raises:
        CorruptTable: One cannot be read.
        FullSyncNeeded: One is written in a way that we do not write.
    """
    groups: dict[tuple[int, int], list[ListedManifest]] = {}
    for each in manifests:
        if each.length < _SMALL_BYTES and each.spec_id in types and each.partitions is not None:
            groups.setdefault((each.content, each.spec_id), []).append(each)
    merged: set[str] = set()
    for (_, spec_id), group in groups.items():
        if len(group) >= FEWEST_TO_MERGE:
            merged |= _merge(storage, group, spool, types[spec_id])
    return [each for each in manifests if each.path not in merged]


def _merge(
    storage: Storage, group: Sequence[ListedManifest], spool: ManifestSpool, types: tuple[Type, ...]
) -> set[str]:
    """Merge what has the same schema of entries; gives the paths of what was merged."""
    by_schema: dict[str, list[CopiedEntries]] = {}
    for listed in group:
        copied = CopiedEntries(OpenManifest(storage, listed))
        by_schema.setdefault(copied.header["avro.schema"], []).append(copied)
    merged: set[str] = set()
    for parts in by_schema.values():
        listed_parts = [part.listed for part in parts]
        partitions = _together(listed_parts, types)
        if len(parts) < 2 or partitions is None:
            continue
        newest = max(parts, key=lambda part: part.listed.sequence_number)
        first = listed_parts[0]
        spool.write(
            newest.header,
            _larger(block for part in parts for block in part.blocks(frozenset())),
            spec_id=first.spec_id,
            files=(0, sum(each.live_files for each in listed_parts), 0),
            rows=(0, sum(each.live_rows for each in listed_parts), 0),
            min_sequence_number=min(each.min_sequence_number for each in listed_parts),
            partitions=partitions,
            kind=first.content,
        )
        merged |= {each.path for each in listed_parts}
    return merged


def _larger(blocks: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Join blocks until they have as many entries as they should."""
    held: list[bytes] = []
    total = 0
    for count, data in blocks:
        held.append(data)
        total += count
        if total >= ROWS_PER_BLOCK:
            yield total, b"".join(held)
            held, total = [], 0
    if total:
        yield total, b"".join(held)


def _together(manifests: Sequence[ListedManifest], types: tuple[Type, ...]) -> tuple[PartitionSummary, ...] | None:
    """What is known of the partitions of several manifests; None where that cannot be told."""
    found: list[PartitionSummary] = []
    for place, type_ in enumerate(types):
        known = [manifest.partitions or () for manifest in manifests]
        if any(len(summaries) != len(types) for summaries in known):
            return None
        each = [summaries[place] for summaries in known]
        bounds: list[bytes | None] = []
        for end, ends in ((0, [one.lower for one in each]), (-1, [one.upper for one in each])):
            values = [value for value in dict.fromkeys(ends) if value is not None]
            decoded = decode_bounds(type_, pa.array(values, pa.binary()))
            if decoded.null_count:
                return None
            bounds.append(values[pc.sort_indices(decoded)[end].as_py()] if values else None)
        found.append(
            PartitionSummary(
                contains_null=any(one.contains_null for one in each),
                contains_nan=None
                if any(one.contains_nan is None for one in each)
                else any(o.contains_nan for o in each),
                lower=bounds[0],
                upper=bounds[1],
            )
        )
    return tuple(found)
