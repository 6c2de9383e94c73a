"""Which reader features we know (Delta protocol, "Table Features", and the list of valid feature names)."""

from __future__ import annotations

from converters.delta.log.state import TableState
from converters.errors import UnsupportedTableFeature

__all__ = ["DELETION_VECTORS", "check_readable", "feature_names", "mapping_mode"]

DELETION_VECTORS = "deletionVectors"
"""The reader feature without which no file has a deletion vector."""

_NEWEST_READER_VERSION = 3
_FEATURES_VERSION = 3

_KNOWN = frozenset(
    {
        "columnMapping",
        DELETION_VECTORS,
        "timestampNtz",
        "typeWidening",  # changes that others cannot follow are refused with the schema
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
        "variantShredding-preview",  # variant columns are refused with the schema
        "variantType",
        "variantType-preview",
    }
)
_MANAGED = frozenset({"catalogManaged", "catalogOwned", "catalogOwned-preview"})
_COORDINATORS = ("delta.coordinatedCommits.commitCoordinator", "delta.coordinatedCommits.commitCoordinator-preview")


def check_readable(state: TableState, location: str) -> None:
    """Refuse a table that needs a reader to know what we do not.

    Raises:
        UnsupportedTableFeature: Names the feature.
    """
    protocol = state.protocol
    if not 1 <= protocol.min_reader_version <= _NEWEST_READER_VERSION:
        msg = f"The table '{location}' needs Delta readers of version {protocol.min_reader_version}."
        raise UnsupportedTableFeature(msg, hint=f"Versions 1 to {_NEWEST_READER_VERSION} are known.")
    features = set(_reader_features(state))
    managed = sorted(features & _MANAGED) + [each for each in _COORDINATORS if state.metadata.properties.get(each)]
    if managed:
        msg = f"Commits to the table '{location}' are managed by a catalog ({managed[0]})."
        raise UnsupportedTableFeature(msg, hint="Its newest commits may not be in the log yet: drop the feature first.")
    unknown = sorted(features - _KNOWN)
    if unknown:
        msg = f"The table '{location}' needs the Delta reader feature '{unknown[0]}', which we do not know."
        raise UnsupportedTableFeature(msg, hint=f"ALTER TABLE … DROP FEATURE {unknown[0]}, if your engine can.")
    provider = state.metadata.format.provider
    if provider.lower() != "parquet":
        msg = f"The files of the table '{location}' are in the format '{provider[:64]}'."
        raise UnsupportedTableFeature(msg, hint="Only Parquet can be read.")


def mapping_mode(state: TableState) -> str:
    """The mode of column mapping that is in force: ``none``, ``name`` or ``id`` (Delta protocol, "Column Mapping")."""
    protocol = state.protocol
    if protocol.min_reader_version < 2 or (
        protocol.min_reader_version >= _FEATURES_VERSION and "columnMapping" not in _reader_features(state)
    ):
        return "none"
    return state.metadata.properties.get("delta.columnMapping.mode", "none")


def feature_names(state: TableState) -> tuple[str, ...]:
    """Table features in use, for people."""
    protocol = state.protocol
    names = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    if mapping_mode(state) != "none":
        names.add("columnMapping")
    return tuple(sorted(names))


def _reader_features(state: TableState) -> tuple[str, ...]:
    if state.protocol.min_reader_version < _FEATURES_VERSION:
        return ()
    return state.protocol.reader_features or ()
