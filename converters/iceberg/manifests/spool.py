"""Finished manifests that wait until they may be stored.

Nothing reaches the storage from here.  They wait in memory, then in a temporary file, so that a commit whose last file
is refused leaves no trace.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO, Self, cast

import msgspec

from converters.avro.writer import ContainerWriter
from converters.errors import StorageError
from converters.iceberg.manifests.list_reader import DATA
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.partitions.order import PartitionSummary
from converters.iceberg.writing.commit import NewFile

__all__ = ["Keep", "ManifestSpool"]

_MEMORY_BYTES = 32 * 2**20

Block = tuple[int, bytes | memoryview]
"""How many entries, and these, encoded."""

Keep = Callable[[bytes], Callable[[], bytes]]
"""Puts bytes where they wait for the commit, and gives what reads them back."""


class ManifestSpool:
    """The new manifests of one snapshot; to be used in a ``with`` statement.

    Attributes:
        snapshot_id: The snapshot.
        sequence_number: Its sequence number.
        manifests: The manifests, as they will be listed; nameless until ``name``.
    """

    def __init__(self, snapshot_id: int, sequence_number: int) -> None:
        """Hold nothing yet."""
        self.snapshot_id = snapshot_id
        self.sequence_number = sequence_number
        self.manifests: list[ListedManifest] = []
        self._starts: list[int] = []
        self._spool = cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))  # noqa: SIM115 - closed on exit

    def write(
        self,
        header: Mapping[str, str],
        content: Iterable[Block],
        *,
        spec_id: int,
        files: tuple[int, int, int],
        rows: tuple[int, int, int],
        min_sequence_number: int,
        partitions: tuple[PartitionSummary, ...] | None,
        kind: int = DATA,
        first_row_id: int | None = None,
    ) -> None:
        """Write a manifest.

        Args:
            header: Of the Avro container.
            content: Its entries.
            spec_id: Their partition spec.
            files: How many are added, existing and deleted.
            rows: How many rows these have.
            min_sequence_number: The lowest data sequence number of a live one.
            partitions: A summary for each partition field.
            kind: ``DATA`` or ``DELETES``.
            first_row_id: The first id for rows that have none yet.
        """
        with _spooling():
            start = self._spool.seek(0, 2)
            container = ContainerWriter(self._spool, header)
            for count, data in content:
                container.block(count, data)
        self._starts.append(start)
        self.manifests.append(
            ListedManifest(
                path="",
                length=container.size,
                spec_id=spec_id,
                content=kind,
                sequence_number=self.sequence_number,
                min_sequence_number=min_sequence_number,
                snapshot_id=self.snapshot_id,
                files=files,
                rows=rows,
                partitions=partitions,
                first_row_id=first_row_id,
            )
        )

    def keep(self, data: bytes) -> Callable[[], bytes]:
        """Hold another file's bytes; gives what reads them back."""
        with _spooling():
            start = self._spool.seek(0, 2)
            self._spool.write(data)
        return partial(self._data, start, len(data))

    def name(self, prefix: str) -> list[NewFile]:
        """Name the manifests, in their order; gives the files that have to be stored."""
        self.manifests = [
            msgspec.structs.replace(each, path=f"{prefix}-m{number}.avro") for number, each in enumerate(self.manifests)
        ]
        return [
            (each.path, partial(self._data, start, each.length))
            for each, start in zip(self.manifests, self._starts, strict=True)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what is held."""
        self._spool.close()

    def _data(self, start: int, length: int) -> bytes:
        with _spooling():
            self._spool.seek(start)
            return self._spool.read(length)


@contextmanager
def _spooling() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Manifests cannot be kept in the temporary directory '{tempfile.gettempdir()}': {error.strerror}.",
            hint="Make room there, or set TMPDIR to another directory.",
        ) from error
