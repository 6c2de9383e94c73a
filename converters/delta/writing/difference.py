"""What a sync changes: the source's files against those that the target lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.entry_search import ENTRY
from converters.delta.log.file_actions import unique_ids
from converters.delta.partitions.values import texts_of
from converters.errors import UnsupportedTableFeature

__all__ = ["Difference", "Matched", "vector_tags"]

_Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


class Matched(msgspec.Struct, frozen=True):
    """A batch of the source's files against the target.

    Attributes:
        changed: Which of them have to be written.
        replaced: Which of them the target lists with another deletion vector, so that this entry has to go.
        known: The target's entries, null where it lists none; without their locations.
        keeps_vector: Which of them have the deletion vector already that their entry says.
    """

    changed: pa.Array
    replaced: pa.Array
    known: pa.Table
    keeps_vector: pa.Array


class Difference:
    """Compares batch by batch, once all locations are known."""

    def __init__(self, paths: Sequence[pa.Array], live: pa.Table | None, *, everything: bool) -> None:
        """Match files by their locations.

        Args:
            paths: The locations of the source's files, batch by batch.
            live: The target's files, as ``ENTRY`` and with ``rows``, their row counts; None where there is no target
                yet.
            everything: Write all files anew, also those that the target lists as they are.

        Raises:
            UnsupportedTableFeature: The source lists a file twice.
        """
        new = pa.chunked_array(list(paths), pa.string())
        _refuse_duplicates(new)
        self._live: pa.Table | None = None
        self._everything = everything
        self._position = 0
        self._matches: pa.ChunkedArray | None = None
        gone: _Flags = np.ones(0 if live is None else len(live), dtype=np.bool_)
        if live is not None:
            matches = self._matches = pc.index_in(new, value_set=live["path"])
            gone[np.asarray(matches.drop_null())] = False
            # In one piece: otherwise every ``take`` would put the chunks together anew.
            self._live = live.drop_columns(["path"]).combine_chunks()
        self._gone = gone
        kept = int(len(gone) - gone.sum())
        self.files_added = len(new) - kept
        self.files_removed = int(gone.sum())

    def gone(self) -> pa.Table | None:
        """The target's files that the source does not have."""
        return None if self._live is None else self._live.filter(pa.array(self._gone))

    def next(self, batch: pa.RecordBatch, partition_values: Mapping[str, pa.Array]) -> Matched:
        """Compare the next batch, in the order of ``paths``; ``partitions.values`` are its texts by column."""
        start = self._position
        self._position += len(batch)
        vectors = batch.column("deletion_vector")
        if self._matches is None or self._live is None:
            nothing, everything = (pa.repeat(pa.scalar(value), len(batch)) for value in (False, True))
            none = pa.table([pa.nulls(len(batch), field.type) for field in ENTRY], schema=ENTRY)
            return Matched(everything, nothing, none, nothing)
        matches = self._matches.slice(start, len(batch)).combine_chunks()
        known = self._live.take(matches)
        present = known["vector"].combine_chunks()
        # A vector that we do not remember may be any: it is written anew.
        remembered = vector_tags(present, vectors)
        keeps_vector = pc.fill_null(pc.equal(known["vector_tag"].combine_chunks(), remembered), fill_value=False)
        same_vector = pc.or_(keeps_vector, pc.and_(pc.is_null(present), pc.is_null(vectors)))
        replaced = pc.and_(pc.is_valid(matches), pc.invert(same_vector))
        if self._everything:
            return Matched(pa.repeat(pa.scalar(value=True), len(batch)), replaced, known, keeps_vector)
        same = pc.and_(
            pc.equal(known["size"].combine_chunks(), batch.column("size")),
            pc.equal(known["rows"].combine_chunks(), batch.column("row_count")),
        )
        for name, texts in partition_values.items():
            before = texts_of(known["partition_values"], name)
            both_null = pc.and_(pc.is_null(before), pc.is_null(texts))
            same = pc.and_(same, pc.or_kleene(pc.equal(before, texts), both_null))
        same = pc.and_(pc.fill_null(same, fill_value=False), same_vector)
        return Matched(pc.invert(same), replaced, known, keeps_vector)


def vector_tags(written: pa.StructArray, vectors: pa.StructArray) -> pa.Array:
    """What the target remembers of deletion vectors, see ``VECTOR_TAG``; null where one of the two is.

    Args:
        written: As the target has them, ``VECTOR``.
        vectors: As the source has them, ``DELETION_VECTOR``.
    """
    if vectors.null_count == len(vectors) or written.null_count == len(written):
        return pa.nulls(len(vectors), pa.string())
    return pc.binary_join_element_wise(unique_ids(written), pc.struct_field(vectors, "id"), " ")


def _refuse_duplicates(paths: pa.ChunkedArray) -> None:
    if pc.count_distinct(paths).as_py() == len(paths):
        return
    counted = paths.value_counts()
    twice = counted.filter(pc.greater(pc.struct_field(counted, "counts"), 1))
    raise UnsupportedTableFeature(
        f"The table lists the data file '{pc.struct_field(twice, 'values')[0]}' more than once, so that its rows count "
        "more than once; Delta counts a file once.",
        hint="Rewrite the table's data files.",
    )
