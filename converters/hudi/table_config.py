"""What a table says of itself: ``.hoodie/hoodie.properties`` (``HoodieTableConfig``, ``HoodieTableMetaClient``)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

import msgspec

from converters.errors import CorruptTable, ObjectNotFound, UnsupportedTableFeature
from converters.hudi.partitions.key_generator_types import partition_kinds, simple_key_generator
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = [
    "INDEXED_COLUMNS",
    "PARTITION_MARK",
    "PROPERTIES_FILE",
    "TableConfig",
    "archive_directory",
    "hoodie_directory",
    "metadata_table_location",
    "plain_properties",
    "properties_text",
    "read_table_config",
    "table_checksum",
    "timeline_directory",
]

PROPERTIES_FILE = "hoodie.properties"
PARTITION_MARK = ".hoodie_partition_metadata"
"""The file that says that a directory is a partition."""

INDEXED_COLUMNS = "hoodie.metadata.index.column.stats.column.list"
"""The property that names the columns whose statistics are kept."""

_PLAIN_LINE = re.compile(r"^([A-Za-z][\w.\-]*)=((?:[!-~][ -~]*)?)$", re.ASCII)
_BACKUP_FILE = "hoodie.properties.backup"
_VERSIONS = (5, 6, 8, 9)
_FIRST_WITH_LAYOUT_2 = 8
_LARGEST = 16 * 2**20
_NAME = "hoodie.table.name"
_VERSION = "hoodie.table.version"
_CHECKSUM = "hoodie.table.checksum"
_TIMELINE = "hoodie.timeline.path"
_HISTORY = "hoodie.timeline.history.path"
_ARCHIVE = "hoodie.archivelog.folder"
_DIRECTORIES = (_TIMELINE, _HISTORY, _ARCHIVE)


class TableConfig(msgspec.Struct, frozen=True):
    """A table's properties, and what is made of them.

    Attributes:
        properties: Everything that the file says, as text.
    """

    properties: Mapping[str, str]

    @property
    def name(self) -> str:
        """The table's name."""
        return self._text(_NAME)

    @property
    def database(self) -> str:
        """The database that it is registered in; empty where it says none."""
        return self._text("hoodie.database.name")

    @property
    def table_type(self) -> str:
        """``COPY_ON_WRITE`` or ``MERGE_ON_READ``."""
        return self._text("hoodie.table.type", "COPY_ON_WRITE")

    @property
    def version(self) -> int:
        """The table version: 5, 6, 8 or 9."""
        return int(self._text(_VERSION, "0"))

    @property
    def timeline_layout(self) -> int:
        """How the timeline is laid out: 1 (versions 5 and 6) or 2 (8 and 9)."""
        return _layout_of(self.version)

    @property
    def base_file_format(self) -> str:
        """Format of the base files, upper case: ``PARQUET``, ``ORC``, ``HFILE`` (metadata tables)."""
        return self._text("hoodie.table.base.file.format", "PARQUET").upper()

    @property
    def partition_fields(self) -> tuple[str, ...]:
        """Names of the columns that the table is partitioned by, in order; empty when it is not."""
        return tuple(name for name, _ in self._partition_fields())

    @property
    def partition_kinds(self) -> tuple[str, ...]:
        """How each partition field's values become text: ``SIMPLE`` or ``TIMESTAMP``, one a field.

        Empty texts where a custom key generator was used and its kinds were not written down (before Hudi 1.0).
        """
        return partition_kinds(self.key_generator, self._partition_fields())

    @property
    def key_generator(self) -> str:
        """The key generator, as Hudi's types name it.

        ``SIMPLE``, ``COMPLEX``, ``TIMESTAMP``, ``CUSTOM``, ``NON_PARTITION``, … whether the table names the type or
        a class of Hudi's, for Avro or not; the class's simple name for any other; empty where the table says nothing.
        """
        return simple_key_generator(self.properties)

    @property
    def hive_style(self) -> bool:
        """Whether partition directories are called ``name=value``."""
        return self._flag("hoodie.datasource.write.hive_style_partitioning")

    @property
    def url_encoded(self) -> bool:
        """Whether values in the names of partition directories are escaped (``%2F``)."""
        return self._flag("hoodie.datasource.write.partitionpath.urlencode")

    @property
    def drops_partition_columns(self) -> bool:
        """Whether data files lack the partition columns."""
        return self._flag("hoodie.datasource.write.drop.partition.columns")

    @property
    def populates_meta_fields(self) -> bool:
        """Whether the ``_hoodie_*`` columns have values."""
        return self._flag("hoodie.populate.meta.fields", default=True)

    @property
    def metadata_partitions(self) -> frozenset[str]:
        """Partitions of the metadata table that readers may use; empty where there is none to use."""
        return frozenset(self._texts("hoodie.table.metadata.partitions"))

    @property
    def indexed_columns(self) -> tuple[str, ...] | None:
        """Names of the columns whose statistics the metadata table keeps; None where the table does not say."""
        return self._texts(INDEXED_COLUMNS) if INDEXED_COLUMNS in self.properties else None

    @property
    def record_key_fields(self) -> tuple[str, ...]:
        """Names of the columns that identify a record; may be empty."""
        return self._texts("hoodie.table.recordkey.fields")

    @property
    def ordering_fields(self) -> tuple[str, ...]:
        """Names of the columns by which the newer of two versions of a record is known (precombine fields)."""
        return self._texts("hoodie.table.ordering.fields") or self._texts("hoodie.table.precombine.field")

    @property
    def timezone(self) -> str:
        """``UTC``, or ``LOCAL``: instants are local time of whoever wrote them, and nobody says where that was."""
        return self._text("hoodie.table.timeline.timezone", "LOCAL").upper()

    @property
    def timeline_path(self) -> str:
        """Name of the timeline's directory in layout 2."""
        return self._text(_TIMELINE, "timeline")

    @property
    def create_schema(self) -> str | None:
        """The Avro schema that the table was made with in SQL; it counts until a commit has one."""
        return self._text("hoodie.table.create.schema") or None

    @property
    def is_bootstrapped(self) -> bool:
        """Whether files' columns may lie in another table's files (bootstrap)."""
        return bool(self._text("hoodie.bootstrap.base.path"))

    @property
    def record_merge_mode(self) -> str:
        """How versions of a record are merged; empty where the table does not say."""
        return self._text("hoodie.record.merge.mode")

    def timeline_directory(self, location: str) -> str:
        """Where the timeline of this table, at ``location``, lies."""
        return timeline_directory(location, self.timeline_layout, self.timeline_path)

    def archive_directory(self, location: str) -> str:
        """Where the archived part of the timeline of this table, at ``location``, lies."""
        return archive_directory(location, self)

    def _partition_fields(self) -> list[tuple[str, str]]:
        found = (text.partition(":") for text in self._texts("hoodie.table.partition.fields"))
        return [(name.strip(), kind.strip().upper()) for name, _, kind in found]

    def _text(self, key: str, default: str = "") -> str:
        return self.properties.get(key, "").strip() or default

    def _texts(self, key: str) -> tuple[str, ...]:
        return tuple(text.strip() for text in self._text(key).split(",") if text.strip())

    def _flag(self, key: str, *, default: bool = False) -> bool:
        return self._text(key, str(default)).lower() == "true"


def hoodie_directory(location: str) -> str:
    """Where a table keeps its metadata."""
    return join(location, ".hoodie")


def timeline_directory(location: str, layout: int, name: str = "timeline") -> str:
    """Where a table's active timeline lies.

    Args:
        location: The table's directory.
        layout: 1 or 2.
        name: ``hoodie.timeline.path``, for layout 2.
    """
    directory = hoodie_directory(location)
    return directory if layout == 1 else join(directory, name)


def archive_directory(location: str, config: TableConfig) -> str:
    """Where the archived part of a table's timeline lies, whether there is one or not."""
    properties = config.properties
    if config.timeline_layout == 1:
        return join(hoodie_directory(location), properties.get(_ARCHIVE) or "archived")
    return join(config.timeline_directory(location), properties.get(_HISTORY) or "history")


def metadata_table_location(location: str) -> str:
    """Where a table's metadata table lies."""
    return join(hoodie_directory(location), "metadata")


def read_table_config(storage: Storage, location: str) -> TableConfig | None:
    """Read a table's properties, or their backup where an update of them broke off (``ConfigUtils.fetchConfigs``).

    Returns:
        None where there is neither: no table is here.

    Raises:
        CorruptTable: Neither can be read, or what they say cannot be.
        UnsupportedTableFeature: The table is of a version that is not supported.
    """
    directory = hoodie_directory(location)
    damaged: CorruptTable | None = None
    doubtful: list[tuple[TableConfig, str]] = []
    for name in (PROPERTIES_FILE, _BACKUP_FILE):
        path = join(directory, name)
        try:
            data = storage.get(path, limit=_LARGEST)
            config = TableConfig(_parsed(data, path))
        except ObjectNotFound:
            continue
        except CorruptTable as error:
            damaged = damaged or error
            continue
        if _is_whole(data, config):
            _check(config, path)
            return config
        doubtful.append((config, path))
    if doubtful:
        # Somebody edited it by hand: while Hudi itself updates the properties, there is a backup.
        _check(*doubtful[0])
        return doubtful[0][0]
    if damaged is not None:
        raise damaged
    return None


def table_checksum(name: str, database: str = "") -> int:
    """The value of ``hoodie.table.checksum`` (``HoodieTableConfig.generateChecksum``)."""
    return zlib.crc32(f"{database}.{name}".encode())


def properties_text(properties: Mapping[str, str], comment: str) -> bytes:
    r"""Properties as Java reads them, with a comment line first.

    Names and values are escaped; what is not ASCII becomes ``\uXXXX``.
    """
    import javaproperties  # noqa: PLC0415 - only Hudi tables need it

    text = javaproperties.dumps(properties, comments=comment, timestamp=None, ensure_ascii_comments=True)
    return text.encode("ascii")


def _parsed(data: bytes, path: str) -> dict[str, str]:
    properties = plain_properties(data)
    if properties is None:
        import javaproperties  # noqa: PLC0415 - takes longer to import than the rest of the file takes

        try:
            properties = javaproperties.loads(data)
        except ValueError as error:
            raise CorruptTable(f"The table properties '{path}' are damaged: {error}.") from error
    if not properties.get(_NAME) or not properties.get(_VERSION):
        raise CorruptTable(f"The table properties '{path}' are truncated: they name no table or no table version.")
    return properties


def plain_properties(data: bytes) -> dict[str, str] | None:
    """The properties of a file without anything peculiar: no escapes, ``name=value`` in each line; None for another."""
    if not data.isascii() or b"\\" in data:
        return None
    properties: dict[str, str] = {}
    for line in data.decode("ascii").split("\n"):
        if line and not line.startswith("#"):
            match = _PLAIN_LINE.match(line)
            if match is None:
                return None
            properties[match[1]] = match[2]
    return properties


def _is_whole(data: bytes, config: TableConfig) -> bool:
    """Whether a properties file ends as Hudi ends it, and its checksum, if any, is that of the table's name."""
    checksum = config.properties.get(_CHECKSUM)
    database = config.properties.get("hoodie.database.name", "")
    return data.endswith(b"\n") and checksum in {None, str(table_checksum(config.properties[_NAME], database))}


def _check(config: TableConfig, path: str) -> None:
    text = config.properties[_VERSION].strip()
    if not (text.isascii() and text.isdecimal()):
        raise CorruptTable(f"The table properties '{path}' have the table version '{text[:32]}', which is no number.")
    if config.version not in _VERSIONS:
        newer = config.version > max(_VERSIONS)
        raise UnsupportedTableFeature(
            f"The Hudi table '{path.rpartition('/.hoodie/')[0]}' has table version {text}; versions 5, 6, 8 and 9 are "
            "supported.",
            hint="Downgrade it with Hudi (hudi-cli, `downgrade table`)."
            if newer
            else "Upgrade it by a write of a current Hudi, or with hudi-cli (`upgrade table`).",
        )
    layout = config.properties.get("hoodie.timeline.layout.version", "")
    if layout not in {"", str(config.timeline_layout)}:
        raise CorruptTable(
            f"The table properties '{path}' have timeline layout '{layout[:32]}', which is not that of table version "
            f"{config.version}."
        )
    table_format = config.properties.get("hoodie.table.format") or "native"
    if table_format.lower() != "native":
        raise UnsupportedTableFeature(
            f"The Hudi table '{path.rpartition('/.hoodie/')[0]}' keeps its metadata in the table format "
            f"'{table_format[:64]}'; only Hudi's own ('native') is supported.",
            hint="Convert it as a table of that format.",
        )
    if config.table_type not in {"COPY_ON_WRITE", "MERGE_ON_READ"}:
        raise CorruptTable(f"The table properties '{path}' have the unknown table type '{config.table_type[:32]}'.")
    if any(".." in config.properties.get(key, "").split("/") for key in _DIRECTORIES):
        raise CorruptTable(f"The table properties '{path}' have a timeline outside the table.")


def _layout_of(version: int) -> int:
    return 2 if version >= _FIRST_WITH_LAYOUT_2 else 1
