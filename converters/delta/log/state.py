"""What a table is apart from its files: the last ``protocol``, ``metaData``, ``txn`` and ``domainMetadata`` win."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from converters.delta.log.checkpoints import CheckpointReader
from converters.delta.log.commits import CommitReader, Lines
from converters.errors import CorruptTable

__all__ = [
    "CommitInfo",
    "DomainMetadata",
    "Format",
    "Metadata",
    "Protocol",
    "SmallActions",
    "TableState",
    "Transaction",
    "read_commit_info",
    "read_state",
    "small_actions",
]

_STATE_KEYS = (b'"protocol"', b'"metaData"')
_SMALL_PIECE = 2**20


class Protocol(msgspec.Struct, frozen=True, rename="camel"):
    """Versions and features that a reader and a writer must know (Delta protocol, "Protocol Evolution")."""

    min_reader_version: int = 1
    min_writer_version: int = 1
    reader_features: tuple[str, ...] | None = None
    writer_features: tuple[str, ...] | None = None


class Format(msgspec.Struct, frozen=True):
    """How the data files are encoded."""

    provider: str = "parquet"
    options: Mapping[str, str | None] | None = None


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """The table's schema and properties (Delta protocol, "Change Metadata")."""

    id: str
    schema_string: str
    name: str | None = None
    description: str | None = None
    format: Format = Format()
    partition_columns: tuple[str, ...] = ()
    configuration: Mapping[str, str | None] | None = None
    created_time: int | None = None

    @property
    def properties(self) -> dict[str, str]:
        """The configuration without null values."""
        return {key: value for key, value in (self.configuration or {}).items() if value is not None}


class Transaction(msgspec.Struct, frozen=True, rename="camel"):
    """How far an application came in writing to the table."""

    app_id: str
    version: int
    last_updated: int | None = None


class DomainMetadata(msgspec.Struct, frozen=True):
    """A system's own configuration."""

    domain: str
    configuration: str = ""
    removed: bool = False


class CommitInfo(msgspec.Struct, frozen=True, rename="camel"):
    """What is said of a commit; only what has a meaning here.

    Attributes:
        in_commit_timestamp: When it was committed, milliseconds since the epoch, where the table keeps that.
        timestamp: When its writer says that it wrote it, likewise; anything, as nobody checks it.
    """

    in_commit_timestamp: int | None = None
    timestamp: Any = None


class TableState(msgspec.Struct, frozen=True):
    """The small actions of a version.

    Attributes:
        protocol: What a reader must know.
        metadata: Schema and properties.
        transactions: By application; empty when only the first two were asked for.
        domains: By domain, removed ones left out; empty likewise.
    """

    protocol: Protocol
    metadata: Metadata
    transactions: Mapping[str, Transaction] = {}
    domains: Mapping[str, DomainMetadata] = {}

    @property
    def has_commit_times(self) -> bool:
        """Whether commits say when they were made (Delta protocol, "In-Commit Timestamps")."""
        return self.metadata.properties.get("delta.enableInCommitTimestamps", "").lower() == "true"


class SmallActions(msgspec.Struct, frozen=True):
    """What a commit, or a part of one, says that is not about files.

    Attributes:
        protocol: A new protocol.
        metadata: A new schema or new properties.
        commit_info: What is said of the commit.
    """

    protocol: Protocol | None = None
    metadata: Metadata | None = None
    commit_info: CommitInfo | None = None

    def before(self, newer: SmallActions) -> SmallActions:
        """These and newer ones: of each kind the newest wins."""
        return SmallActions(
            newer.protocol or self.protocol,
            newer.metadata or self.metadata,
            newer.commit_info or self.commit_info,
        )

    def applied_to(self, state: TableState) -> TableState:
        """The state after them; transactions and domains are left aside."""
        return TableState(self.protocol or state.protocol, self.metadata or state.metadata)


class _Action(msgspec.Struct, rename="camel"):
    protocol: Protocol | None = None
    meta_data: Metadata | None = None
    txn: Transaction | None = None
    domain_metadata: DomainMetadata | None = None
    commit_info: CommitInfo | None = None


_decoder = msgspec.json.Decoder(_Action)


def read_state(commits: CommitReader, checkpoint: CheckpointReader | None, *, everything: bool = False) -> TableState:
    """Read the small actions, commits before the checkpoint.

    Args:
        commits: The segment's commits.
        checkpoint: The segment's checkpoint, if it has one.
        everything: Also read transactions and domains, for which the whole log must be searched.

    Raises:
        CorruptTable: An action is not understood, or protocol or metadata are nowhere.
    """
    found = _Found()
    for lines in commits.newest_first(heads=not everything):
        if everything or _may_have_state(lines):
            found.take(_actions(lines))
        if found.is_enough and not everything:
            break
    if checkpoint is not None and (everything or not found.is_enough):
        found.take([_from_checkpoint(row, checkpoint.path) for row in checkpoint.small_actions(everything=everything)])
    if found.protocol is None or found.metadata is None:
        what = "protocol" if found.protocol is None else "metaData"
        msg = f"The log of the table has no '{what}' action."
        raise CorruptTable(msg)
    domains = {name: each for name, each in found.domains.items() if not each.removed}
    return TableState(found.protocol, found.metadata, found.transactions, domains)


def read_commit_info(commits: CommitReader) -> CommitInfo | None:
    """The newest ``commitInfo`` of some commits, if there is one.

    Raises:
        CorruptTable: It is not understood.
    """
    for lines in commits.newest_first(heads=True):
        for action in _actions(lines):
            if action.commit_info is not None:
                return action.commit_info
    return None


def small_actions(lines: Lines) -> SmallActions:
    """What some lines say that is not about files.

    Raises:
        CorruptTable: An action is not understood.
    """
    found = SmallActions()
    for action in _actions(lines):
        found = found.before(SmallActions(action.protocol, action.meta_data, action.commit_info))
    return found


def _may_have_state(lines: Lines) -> bool:
    """Whether the lines have to be looked at one by one; many lines mostly are about files only."""
    return len(lines.data) < _SMALL_PIECE or any(key in lines.data for key in _STATE_KEYS)


class _Found:
    """What was found so far, going from new to old."""

    def __init__(self) -> None:
        self.protocol: Protocol | None = None
        self.metadata: Metadata | None = None
        self.transactions: dict[str, Transaction] = {}
        self.domains: dict[str, DomainMetadata] = {}

    @property
    def is_enough(self) -> bool:
        return self.protocol is not None and self.metadata is not None

    def take(self, actions: list[_Action]) -> None:
        """Add older actions, themselves from old to new."""
        for action in reversed(actions):
            self.protocol = self.protocol or action.protocol
            self.metadata = self.metadata or action.meta_data
            if action.txn is not None:
                self.transactions.setdefault(action.txn.app_id, action.txn)
            if action.domain_metadata is not None:
                self.domains.setdefault(action.domain_metadata.domain, action.domain_metadata)


def _actions(lines: Lines) -> list[_Action]:
    return [_decoded(line, lines.path_of(start)) for start, line in lines.small_actions()]


def _decoded(line: bytes, path: str) -> _Action:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        msg = f"'{path}' has an action that is not understood: {error}."
        raise CorruptTable(msg) from error


def _from_checkpoint(row: Mapping[str, Any], path: str) -> _Action:
    present = {name: _without_nulls(action) for name, action in row.items()}
    try:
        return msgspec.convert(present, _Action)
    except (msgspec.ValidationError, RecursionError) as error:
        msg = f"'{path}' has an action that is not understood: {error}."
        raise CorruptTable(msg) from error


def _without_nulls(action: Any) -> Any:
    return {key: value for key, value in action.items() if value is not None} if isinstance(action, dict) else action
