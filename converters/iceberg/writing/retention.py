"""Deleting metadata that no version refers to any more: former table metadata, and what expired snapshots had.

Only files that a sync wrote, delete files too, only under the table's ``metadata/``, and never a data file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

from converters.errors import TablecastError
from converters.iceberg.manifests.entry_search import find_entries
from converters.iceberg.manifests.list_reader import DELETES
from converters.iceberg.manifests.listed import ListedManifest, read_listed
from converters.iceberg.metadata.structs import SnapshotJson, TableMetadata
from converters.iceberg.writing.commit import metadata_directory
from converters.iceberg.writing.next_metadata import NextVersion
from converters.storage.base import Storage
from converters.storage.location import canonical, parent
from converters.sync.state import XTABLE_KEY

__all__ = ["sweep"]

_DELETE_AFTER_COMMIT = "write.metadata.delete-after-commit.enabled"
_VERSION_FILE = re.compile(r"^v\d+(?:\.gz)?\.metadata\.json(?:\.gz)?$")


def sweep(storage: Storage, location: str, committed: NextVersion) -> None:
    """Delete what the committed version has dropped, as far as the storage allows."""
    directory = metadata_directory(location)
    for path in (*_former_metadata(committed), *_of_expired_snapshots(storage, committed)):
        with contextlib.suppress(TablecastError):
            here = canonical(path)
            if parent(here) == directory:
                storage.delete(here)


def _former_metadata(committed: NextVersion) -> Iterator[str]:
    if committed.metadata.properties.get(_DELETE_AFTER_COMMIT, "").lower() != "true":
        return
    for path in committed.forgotten:
        if _VERSION_FILE.match(path.rpartition("/")[2]):
            yield path


def _of_expired_snapshots(storage: Storage, committed: NextVersion) -> Iterator[str]:
    ours = [each for each in committed.expired if XTABLE_KEY in (each.summary or {})]
    if not ours or not _is_linear(committed.metadata):
        return
    added_by = {each.snapshot_id for each in ours}
    try:
        # A manifest stays in one snapshot after another until it is dropped for good: what the oldest
        # snapshot that is left does not have, none has.  The same is true of delete files.
        needed = _manifests(storage, committed.metadata.snapshots[0])
        garbage = {
            path: listed
            for snapshot in ours
            for path, listed in _manifests(storage, snapshot).items()
            if path not in needed and listed.snapshot_id in added_by
        }
        deletes = [listed for listed in garbage.values() if listed.content == DELETES]
        files = _delete_files(storage, deletes) if deletes else set[str]()
        if files:
            files -= _delete_files(storage, [each for each in needed.values() if each.content == DELETES])
    except TablecastError:
        return
    yield from files
    yield from garbage
    yield from (each.manifest_list for each in ours if each.manifest_list is not None)


def _is_linear(metadata: TableMetadata) -> bool:
    """Whether the snapshots are one chain, oldest first, and main is the only name."""
    if len(metadata.refs) != 1 or not metadata.snapshots:
        return False
    parents = [each.parent_snapshot_id for each in metadata.snapshots]
    return parents[1:] == [each.snapshot_id for each in metadata.snapshots[:-1]]


def _manifests(storage: Storage, snapshot: SnapshotJson) -> dict[str, ListedManifest]:
    """A snapshot's manifests, by their paths."""
    return {each.path: each for each in read_listed(storage, snapshot)}


def _delete_files(storage: Storage, manifests: Sequence[ListedManifest]) -> set[str]:
    """The delete files that are live in some manifests."""
    return {entry.path for _, entries in find_entries(storage, manifests, None) for entry in entries}
