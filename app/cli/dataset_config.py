"""The configuration file of XTable's RunSync, ``my_config.yaml`` in its documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from converters.errors import InvalidRequest, LimitExceeded

__all__ = ["Dataset", "DatasetConfig", "read_dataset_config"]

_LARGEST = 4 * 2**20
_MOST_ALIASES = 20
_DEEPEST = 20
_NULLS = {"", "~", "null", "Null", "NULL"}
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Dataset(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One table."""

    table_base_path: _Text
    table_name: str | None = None
    table_data_path: str | None = None
    partition_spec: str | None = None
    namespace: str | None = None

    def options(self, source_format: str) -> dict[str, str]:
        """What the members mean as options of a conversion."""
        if self.partition_spec is None or source_format.upper() != "HUDI":
            return {}
        return {"hudi.source.partition-spec": self.partition_spec}

    def notes(self, source_format: str) -> list[str]:
        """Which of the members have no effect here, and why."""
        notes: list[str] = []
        if self.partition_spec is not None and source_format.upper() != "HUDI":
            notes.append("partitionSpec is for Hudi tables; it is ignored, as XTable does")
        if self.table_data_path not in {None, self.table_base_path}:
            notes.append("tableDataPath is not needed: targets go to tableBasePath, as XTable's RunSync puts them")
        if self.namespace is not None:
            notes.append("namespace is for catalogs; no catalog is used here")
        return notes


class DatasetConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The whole file."""

    source_format: _Text
    target_formats: Annotated[list[_Text], msgspec.Meta(min_length=1)]
    datasets: Annotated[list[Dataset], msgspec.Meta(min_length=1)]


def read_dataset_config(path: Path) -> DatasetConfig:
    """Read a file.

    Raises:
        LimitExceeded: It is unreasonably large or entangled.
        InvalidRequest: It is no such file; the message names the key or the line.
    """
    if path.stat().st_size > _LARGEST:
        raise LimitExceeded(f"'{path}' is larger than {_LARGEST:,} bytes.")
    hint = "See tablecast sync --help for an example."
    try:
        text = path.read_text("utf-8")
        _refuse_entangled(text, path)
        # Scalars as text: a table that is called 2024, or no, keeps its name.
        given = _without_nulls(yaml.load(text, Loader=yaml.BaseLoader))  # noqa: S506 - the safest of all loaders
        return msgspec.convert(given, DatasetConfig)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"'{path}' is no YAML: {' '.join(str(error).split())}.", hint=hint) from error
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"'{path}' is not understood: {str(error).replace('`', chr(39))}.", hint=hint) from error


def _refuse_entangled(text: str, path: Path) -> None:
    """Refuse depth, which costs its square, and many aliases of collections: they may stand for endless nodes."""
    aliases = depth = 0
    collections: set[str | None] = set()
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            collections.add(event.anchor)
            depth += 1
            if depth > _DEEPEST:
                raise LimitExceeded(f"'{path}' is nested too deeply.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) and event.anchor in collections:
            aliases += 1
            if aliases > _MOST_ALIASES:
                raise LimitExceeded(f"'{path}' has more than {_MOST_ALIASES} aliases of lists and maps.")


def _without_nulls(value: Any) -> Any:
    """The top level and its data sets without members that are null."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if not _is_null(each)}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _is_null(value: Any) -> bool:
    return isinstance(value, str) and value in _NULLS
