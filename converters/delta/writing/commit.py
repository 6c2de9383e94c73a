"""Writing one commit of a Delta table, and the deletion vectors that it refers to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.file_actions import VECTOR
from converters.delta.log.listing import LOG_DIRECTORY
from converters.delta.log.path_spelling import log_paths
from converters.delta.partitions.columns import texts_by_name
from converters.delta.statistics.writer import Statistics
from converters.delta.writing.difference import Difference, Matched, vector_tags
from converters.delta.writing.file_actions import Adds, Removes
from converters.delta.writing.layout import Layout
from converters.delta.writing.table_actions import TableActions
from converters.delta.writing.vector_files import VectorFiles
from converters.errors import CommitConflict, ObjectAlreadyExists, StorageError
from converters.formats import Commit
from converters.staging import Spool, no_room
from converters.storage.base import Storage
from converters.storage.location import join

if TYPE_CHECKING:
    from converters.delta.writing.checkpoint import CheckpointWriter

__all__ = ["CommitWriter"]

_ROWS_AT_ONCE = 10_000
_HEAD = 64 * 2**10


class CommitWriter:
    """From the decisions to the commit."""

    def __init__(self, storage: Storage, location: str, layout: Layout, actions: TableActions) -> None:
        """Name the parts; nothing is written yet.

        Args:
            storage: Where to write.
            location: The table's directory.
            layout: How the table is written.
            actions: What the commit says of the table.
        """
        self._storage = storage
        self._location = location
        self._layout = layout
        self._actions = actions

    def run(
        self, batches: Iterable[pa.RecordBatch], difference: Difference, checkpoint: CheckpointWriter | None = None
    ) -> Commit:
        """Write the commit, once all of it is known to be right.

        Args:
            batches: The source's files, those that ``difference`` compares.
            difference: What becomes of them, and which others go.
            checkpoint: Takes all files, too, with those that have not changed.

        Raises:
            CommitConflict: Somebody else wrote this version; nothing of ours is visible.
            CorruptTable: A deletion vector is missing or damaged; nothing was written.
            StorageError: The storage failed, or there is no room for temporary files.
        """
        actions = self._actions
        with contextlib.ExitStack() as opened:
            text = opened.enter_context(Spool())
            vectors = VectorFiles(self._storage, self._location, opened)
            with no_room():
                text.write(actions.lines(difference.files_added, difference.files_removed))
                self._removed(difference.gone(), text, checkpoint)
                for batch in _pieces(batches):
                    self._batch(batch, difference, text, vectors, checkpoint)
            try:
                vectors.put()
            except BaseException:
                vectors.discard()
                raise
            self._commit(text, vectors)
        return Commit(
            version=str(actions.version),
            metadata_path=join(self._location, LOG_DIRECTORY),
            schema_text=self._layout.schema_string,
            files_added=difference.files_added,
            files_removed=difference.files_removed,
        )

    def _batch(
        self,
        batch: pa.RecordBatch,
        difference: Difference,
        text: Spool,
        vectors: VectorFiles,
        checkpoint: CheckpointWriter | None,
    ) -> None:
        partition_values = texts_by_name(self._layout.partitions, batch)
        matched = difference.next(batch, partition_values)
        if checkpoint is None and not pc.all(matched.changed).as_py():
            batch, partition_values, matched = _only_changed(batch, partition_values, matched)
        if not len(batch):
            return
        self._removed(matched.known.filter(matched.replaced), text, checkpoint)
        vector = self._vectors(batch, matched, vectors)
        adds = Adds(
            path=pc.coalesce(
                matched.known["log_path"].combine_chunks(), log_paths(batch.column("path"), self._location)
            ),
            partition_values=partition_values,
            size=batch.column("size"),
            modified_at=pc.fill_null(batch.column("modified_at"), 0),
            stats=Statistics(batch, self._layout.schema, self._layout.without_statistics),
            vector=vector,
            vector_tag=vector_tags(vector, batch.column("deletion_vector")),
        )
        if checkpoint is None:
            text.write(adds.lines())
        else:
            text.write(adds.lines(matched.changed))
            checkpoint.adds(adds.checkpoint_column())

    def _removed(self, entries: pa.Table | None, text: Spool, checkpoint: CheckpointWriter | None) -> None:
        """Write that entries of the target go."""
        if entries is None or not len(entries):
            return
        names = ("log_path", "partition_values", "size", "vector")
        path, values, size, vector = (entries[name].combine_chunks() for name in names)
        removes = Removes(path=path, partition_values=values, size=size, vector=vector, at=self._actions.now)
        text.write(removes.lines())
        if checkpoint is not None:
            checkpoint.removes(removes.checkpoint_column())

    def _vectors(self, batch: pa.RecordBatch, matched: Matched, files: VectorFiles) -> pa.StructArray:
        """The deletion vectors of files as the target has them, written where it does not have them yet."""
        wanted = batch.column("deletion_vector")
        if wanted.null_count == len(wanted):
            return pa.nulls(len(batch), VECTOR)
        known = matched.known["vector"].combine_chunks()
        is_new = pc.and_(pc.is_valid(wanted), pc.invert(matched.keeps_vector))
        written = files.add(wanted.filter(is_new), batch.column("path").filter(is_new))
        # New ones after all known ones, and each row takes its own.
        rows = pa.array(range(len(batch)), pa.int64())
        numbers = pc.add(pc.cumulative_sum(is_new.cast(pa.int64())), len(batch) - 1)
        places = pc.if_else(is_new, numbers, pc.if_else(pc.is_valid(wanted), rows, None))
        return pa.concat_arrays([known, written]).take(places)

    def _commit(self, text: Spool, vectors: VectorFiles) -> None:
        version = self._actions.version
        path = join(self._location, f"{LOG_DIRECTORY}/{version:020d}.json")
        try:
            self._storage.put_if_absent(path, text.content())
        except ObjectAlreadyExists as error:
            if self._is_ours(path):
                return  # a storage that asked twice was answered by its own first word
            vectors.discard()
            raise CommitConflict(f"Somebody else wrote version {version} of '{self._location}'.") from error
        except StorageError:
            # It may have been written all the same, and remotely it may yet be: then its vectors are needed.
            with contextlib.suppress(StorageError):
                if path.startswith("file:") and self._storage.head(path) is None:
                    vectors.discard()
            raise

    def _is_ours(self, path: str) -> bool:
        try:
            return self._actions.transaction.encode() in self._storage.get_range(path, 0, _HEAD)
        except StorageError:
            return False


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches so small that their text stays in the processor's cache."""
    for batch in batches:
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            yield batch.slice(start, _ROWS_AT_ONCE)


def _only_changed(
    batch: pa.RecordBatch, partition_values: Mapping[str, pa.Array], matched: Matched
) -> tuple[pa.RecordBatch, Mapping[str, pa.Array], Matched]:
    rows = matched.changed
    kept = Matched(
        changed=rows.filter(rows),
        replaced=matched.replaced.filter(rows),
        known=matched.known.filter(rows),
        keeps_vector=matched.keeps_vector.filter(rows),
    )
    return batch.filter(rows), {name: texts.filter(rows) for name, texts in partition_values.items()}, kept
