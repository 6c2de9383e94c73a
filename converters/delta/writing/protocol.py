"""The protocol of a table that is written: the lowest that says what is in it, never lower than what is there.

Delta protocol, "Protocol Evolution", "Table Features" and "Requirements for Writers".
"""

from __future__ import annotations

from collections.abc import Iterable

from converters.delta.log.protocol import check_readable
from converters.delta.log.state import Protocol, TableState
from converters.errors import UnsupportedTableFeature

__all__ = ["check_writable", "needed_protocol", "protocol_json", "supports"]

_FEATURES_READER = 3
_FEATURES_WRITER = 7
_LOWEST = Protocol(1, 2)

_LEGACY = {
    "appendOnly": (1, 2),
    "invariants": (1, 2),
    "checkConstraints": (1, 3),
    "changeDataFeed": (1, 4),
    "generatedColumns": (1, 4),
    "columnMapping": (2, 5),
    "identityColumns": (1, 6),
}
"""Features that older protocols imply: the reader and writer version that do."""

_FOR_READERS = {"columnMapping", "deletionVectors", "timestampNtz"}
"""Features, of those that we write, that readers must know as well."""

_KNOWN_TO_WRITER = {
    *_LEGACY,
    *_FOR_READERS,
    "allowColumnDefaults",
    "domainMetadata",
    "inCommitTimestamp",
    "v2Checkpoint",  # we leave checkpoints of such a table to others
    "vacuumProtocolCheck",
}


def needed_protocol(features: Iterable[str], present: Protocol | None = None) -> Protocol:
    """The lowest protocol that has all the features and all that the present one has."""
    wanted = set(features)
    if present is None:
        return _with(_LOWEST, wanted, wanted)
    kept = _features(present)
    return present if wanted <= kept else _with(present, wanted, wanted | kept)


def supports(protocol: Protocol, feature: str) -> bool:
    """Whether a protocol has a feature, be it by name or by version."""
    return feature in _features(protocol)


def protocol_json(protocol: Protocol) -> dict[str, object]:
    """The protocol as the content of its action."""
    found: dict[str, object] = {
        "minReaderVersion": protocol.min_reader_version,
        "minWriterVersion": protocol.min_writer_version,
    }
    if protocol.min_reader_version >= _FEATURES_READER:
        found["readerFeatures"] = list(protocol.reader_features or ())
    if protocol.min_writer_version >= _FEATURES_WRITER:
        found["writerFeatures"] = list(protocol.writer_features or ())
    return found


def check_writable(state: TableState, location: str) -> None:
    """Refuse to write to a table that asks of its writers what we do not do.

    Raises:
        UnsupportedTableFeature: Names the feature.
    """
    check_readable(state, location)
    protocol = state.protocol
    hint = "Convert to another path, or drop the feature."
    if not 1 <= protocol.min_writer_version <= _FEATURES_WRITER:
        version = protocol.min_writer_version
        raise UnsupportedTableFeature(f"The target '{location}' needs Delta writers of version {version}.", hint=hint)
    unknown = sorted(set(protocol.writer_features or ()) - _KNOWN_TO_WRITER)
    if unknown:
        raise UnsupportedTableFeature(
            f"The target '{location}' needs the Delta writer feature '{unknown[0]}', which we do not know.", hint=hint
        )
    for key, value in state.metadata.properties.items():
        if key.startswith("delta.constraints."):
            raise UnsupportedTableFeature(
                f"The target '{location}' has the check constraint '{key}', which we cannot hold.", hint=hint
            )
        if key == "delta.appendOnly" and value.lower() == "true":
            raise UnsupportedTableFeature(f"The target '{location}' is append-only.", hint=hint)


def _features(protocol: Protocol) -> set[str]:
    """Every feature that a protocol has, those implied by its versions included."""
    named = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    if protocol.min_writer_version >= _FEATURES_WRITER:
        return named
    return named | {name for name, (_, writer) in _LEGACY.items() if writer <= protocol.min_writer_version}


def _with(present: Protocol, wanted: set[str], features: set[str]) -> Protocol:
    """``present`` with what is wanted; ``features`` is all that it has to name if it comes to naming them."""
    reader, writer = present.min_reader_version, present.min_writer_version
    if wanted <= set(_LEGACY) and writer < _FEATURES_WRITER:
        versions = [_LEGACY[name] for name in wanted]
        return Protocol(max([reader, *(each[0] for each in versions)]), max([writer, *(each[1] for each in versions)]))
    for_readers = {*(present.reader_features or ()), *(features & _FOR_READERS)}
    if for_readers or reader >= _FEATURES_READER:
        return Protocol(_FEATURES_READER, _FEATURES_WRITER, tuple(sorted(for_readers)), tuple(sorted(features)))
    return Protocol(reader, _FEATURES_WRITER, None, tuple(sorted(features)))
