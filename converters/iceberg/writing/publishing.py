"""From the manifests of a new snapshot to the version that has it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

import msgspec

from converters.formats import Commit
from converters.iceberg.manifests.list_reader import DATA
from converters.iceberg.manifests.list_writer import encode_manifest_list
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.metadata.file import encode_metadata
from converters.iceberg.metadata.location import LoadedTable
from converters.iceberg.metadata.structs import SnapshotJson
from converters.iceberg.schema.json_form import schema_text
from converters.iceberg.writing.commit import NewFile, Publication, metadata_directory
from converters.iceberg.writing.next_metadata import NextVersion, Retention, next_metadata, next_timestamp
from converters.iceberg.writing.properties import target_properties
from converters.iceberg.writing.table_plan import TablePlan
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["Publisher"]


class Publisher:
    """One attempt to commit what a plan came to."""

    def __init__(
        self,
        storage: Storage,
        location: str,
        plan: TablePlan,
        state: Mapping[str, str],
        loaded: LoadedTable | None,
        retention: Retention,
    ) -> None:
        """Name the parts; nothing is written yet.

        Args:
            storage: Where the target lies.
            location: The target's directory.
            plan: The next version.
            state: The sync state as properties.
            loaded: The target as it stands; None where there is none.
            retention: How long snapshots are kept.
        """
        self._storage = storage
        self._plan = plan
        self._state = state
        self._loaded = loaded
        self._retention = retention
        self._location = location
        self._attempt = str(uuid.uuid4())
        self._timestamp = next_timestamp(plan.base)
        self._files: list[NewFile] = []

    @property
    def prefix(self) -> str:
        """What the names of this attempt's own files begin with."""
        return join(metadata_directory(self._location), self._attempt)

    def add(self, files: Iterable[NewFile]) -> None:
        """Have files stored that the new version refers to."""
        self._files += files

    def snapshot(self, manifests: Iterable[ListedManifest], summary: dict[str, str]) -> SnapshotJson:
        """Make a snapshot of manifests, data first; its list is stored with the rest."""
        plan = self._plan
        listed, next_row_id = _with_row_ids(sorted(manifests, key=lambda each: each.content), plan.next_row_id)
        name = f"snap-{plan.snapshot_id}-1-{self._attempt}.avro"
        first = plan.next_row_id
        snapshot = SnapshotJson(
            sequence_number=plan.sequence_number,
            snapshot_id=plan.snapshot_id,
            parent_snapshot_id=plan.base.current_snapshot_id if plan.base and not plan.schema.restarted else None,
            timestamp_ms=self._timestamp,
            summary=summary,
            manifest_list=join(metadata_directory(self._location), name),
            schema_id=plan.schema.json.schema_id,
            first_row_id=first,
            added_rows=None if first is None or next_row_id is None else next_row_id - first,
        )
        data = encode_manifest_list(listed, snapshot, plan.format_version)
        self._files.append((snapshot.manifest_list or "", lambda: data))
        return snapshot

    def commit(
        self, snapshot: SnapshotJson | None, *, inexact: Iterable[int], files_added: int, files_removed: int
    ) -> tuple[Commit, NextVersion]:
        """Store what was added, then the version.

        Args:
            snapshot: The new state of the main branch; None to keep the one it has.
            inexact: Field ids of columns of which a bound is no value.
            files_added: For the report.
            files_removed: For the report.

        Raises:
            CommitConflict: Somebody committed meanwhile; nothing of ours is visible.
        """
        plan, loaded = self._plan, self._loaded
        current = snapshot.snapshot_id if snapshot else plan.base.current_snapshot_id if plan.base else None
        following = next_metadata(
            plan.base,
            base_path=loaded.path if loaded and plan.base else None,
            location=self._location,
            format_version=plan.format_version,
            timestamp=self._timestamp,
            schema=plan.schema,
            specs=plan.specs,
            properties=target_properties(
                plan.base,
                plan.source,
                plan.schema,
                self._state,
                inexact=inexact,
                head=(current or 0, plan.schema.json.schema_id or 0, plan.specs.default_spec_id),
            ),
            snapshot=snapshot,
            retention=self._retention,
        )
        data = encode_metadata(following.metadata)
        version = (loaded.version or 0) + 1 if loaded else 1
        publication = Publication(self._storage, self._location)
        publication.put_all(self._files)
        path = publication.publish(version, data)
        commit = Commit(
            version=f"v{version}",
            metadata_path=path,
            schema_text=schema_text(plan.schema.json),
            files_added=files_added,
            files_removed=files_removed,
        )
        return commit, following


def _with_row_ids(manifests: list[ListedManifest], first: int | None) -> tuple[list[ListedManifest], int | None]:
    """Give row ids to data manifests that have none yet (spec, "Row Lineage"); also the first id that is free then."""
    if first is None:
        return manifests, None
    listed: list[ListedManifest] = []
    for each in manifests:
        if each.content == DATA and each.first_row_id is None:
            listed.append(msgspec.structs.replace(each, first_row_id=first))
            first += each.live_rows
        else:
            listed.append(each)
    return listed, first
