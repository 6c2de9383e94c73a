"""Commits that have left the active timeline.

Layout 1 (``HoodieArchivedTimeline`` of Hudi 0.x): log files ``.hoodie/archived/.commits_.archive.<n>_<token>`` whose
Avro blocks have records ``HoodieArchivedMetaEntry``, one for each state of an instant.  Content of a block:
int32 version | int32 count | for each record: int32 length | record (``HoodieAvroDataBlock``); all big endian.

Layout 2 (``LSMTimeline``): ``timeline/history/_version_`` names the current ``manifest_<version>``, a JSON list of
Parquet files, one row a completed instant, the commit as in the active timeline.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import msgspec
import pyarrow as pa

from converters.errors import CorruptTable, LimitExceeded, ObjectNotFound
from converters.hudi.containers.log_block import AVRO_DATA, read_log
from converters.hudi.table_config import TableConfig
from converters.hudi.timeline.active import WRITES, Instant
from converters.hudi.timeline.commit_metadata import CommitMetadata, commit_from_record, parse_commit
from converters.hudi.timeline.instant_content import RecordDecoder
from converters.storage.base import ObjectMeta, Storage
from converters.storage.location import join

__all__ = ["archived_commits"]

_LOG = re.compile(r"^\.commits_\.archive\.([0-9]{1,9})(?:_.*)?$")
_HISTORY_FILE = re.compile(r"^([0-9]+)_([0-9]+)_[0-9]+\.parquet$")
_BLOCK_VERSIONS = (1, 2, 3)
_LONGEST_VERSION = 32
_INT = struct.Struct(">i")
_COMMITS = ("hoodieReplaceCommitMetadata", "hoodieCommitMetadata")
_HISTORY_COLUMNS = ("instantTime", "completionTime", "action", "metadata")


class _ManifestFile(msgspec.Struct, frozen=True, rename="camel"):
    file_name: str


class _Manifest(msgspec.Struct, frozen=True):
    files: tuple[_ManifestFile, ...] = ()


def archived_commits(storage: Storage, location: str, config: TableConfig) -> Iterator[CommitMetadata]:
    """Completed commits, delta commits and replace commits of the archive, newest first.

    One archive file is read after the other, so who needs only the newest commits reads no more than that.

    Args:
        storage: Where the table is.
        location: The table's directory.
        config: Its properties.

    Raises:
        CorruptTable: A file of the archive cannot be read.
        LimitExceeded: A file of the archive is larger than is read.
    """
    directory = config.archive_directory(location)
    return _from_logs(storage, directory) if config.timeline_layout == 1 else _from_history(storage, directory)


def _from_logs(storage: Storage, directory: str) -> Iterator[CommitMetadata]:
    logs: list[tuple[int, ObjectMeta]] = []
    for meta in storage.list(directory):
        match = _LOG.match(meta.path.rpartition("/")[2])
        if match is not None:
            logs.append((int(match[1]), meta))
    seen: set[tuple[str, str]] = set()
    for _, meta in sorted(logs, key=lambda log: log[0], reverse=True):
        found = [commit for commit in _from_log(storage, meta) if _key(commit) not in seen]
        seen.update(map(_key, found))
        yield from sorted(found, key=_key, reverse=True)


def _from_log(storage: Storage, meta: ObjectMeta) -> Iterator[CommitMetadata]:
    where = f"The archived timeline '{meta.path}'"
    for block in read_log(storage.get(meta.path), where):
        if block.type != AVRO_DATA:
            continue
        decoder = RecordDecoder(block.schema, where)
        for content in _records(block.content, where):
            entry = decoder.decode(content)
            commit = next((entry[name] for name in _COMMITS if entry.get(name) is not None), None)
            time, action, state = (entry.get(name) for name in ("commitTime", "actionType", "actionState"))
            if commit is None or action not in WRITES or state not in {"COMPLETED", None} or not isinstance(time, str):
                continue
            yield commit_from_record(commit, Instant(time, action, "completed", None, meta.path, meta.modified_at))


def _records(content: bytes, where: str) -> Iterator[bytes]:
    try:
        (version,), (count,) = _INT.unpack_from(content, 0), _INT.unpack_from(content, _INT.size)
        if version not in _BLOCK_VERSIONS or count < 0:
            raise CorruptTable(f"{where} has a block of version {version} with {count} records.")
        place = 2 * _INT.size
        for _ in range(count):
            (length,) = _INT.unpack_from(content, place)
            place += _INT.size
            if length <= 0 or place + length > len(content):
                raise CorruptTable(f"{where} has a truncated block.")
            yield content[place : place + length]
            place += length
    except struct.error as error:
        raise CorruptTable(f"{where} has a truncated block.") from error


def _from_history(storage: Storage, directory: str) -> Iterator[CommitMetadata]:
    names = [each.file_name for each in _manifest(storage, directory).files]
    for name in sorted(names, key=_last_instant, reverse=True):
        path = join(directory, name)
        if _HISTORY_FILE.match(name) is None:
            raise CorruptTable(f"The archived timeline '{directory}' names the file '{name[:128]}', which is none.")
        yield from sorted(_from_history_file(storage, path), key=_key, reverse=True)


def _manifest(storage: Storage, directory: str) -> _Manifest:
    path = join(directory, "_version_")
    try:
        version = storage.get(path, limit=_LONGEST_VERSION).decode("ascii", "replace").strip()
        if not version.isdecimal():
            raise CorruptTable(f"The version '{path}' of the archived timeline is no number.")
        path = join(directory, f"manifest_{version}")
        return msgspec.json.decode(storage.get(path), type=_Manifest)
    except ObjectNotFound as error:
        if path.endswith("_version_"):
            return _Manifest()
        raise CorruptTable(f"The manifest '{path}' of the archived timeline is missing.") from error
    except LimitExceeded as error:
        raise CorruptTable(f"The version '{path}' of the archived timeline is no number.") from error
    except msgspec.DecodeError as error:
        raise CorruptTable(f"The manifest '{path}' of the archived timeline is damaged: {error}.") from error


def _from_history_file(storage: Storage, path: str) -> Iterator[CommitMetadata]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    try:
        with storage.open(path) as file:
            table = pq.read_table(file, columns=list(_HISTORY_COLUMNS))
        rows = zip(*(table.column(name).to_pylist() for name in _HISTORY_COLUMNS), strict=True)
    except ObjectNotFound as error:
        raise CorruptTable(f"The file '{path}' of the archived timeline is missing.") from error
    except (pa.ArrowException, KeyError, OSError) as error:
        raise CorruptTable(f"The file '{path}' of the archived timeline cannot be read: {error}.") from error
    for time, completed_at, action, metadata in rows:
        if action in WRITES and metadata and isinstance(time, str):
            yield parse_commit(metadata, Instant(time, action, "completed", completed_at, path, 0))


def _last_instant(name: str) -> tuple[str, str]:
    match = _HISTORY_FILE.match(name)
    return (match[2], match[1]) if match is not None else ("", name)


def _key(commit: CommitMetadata) -> tuple[str, str]:
    return commit.instant.time, commit.instant.action
