"""What a target's history says of itself: which of its versions equals which version of the source.

Read as anybody could who knows XTable's state, and not with the code that is tested.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from tests.readers.tables import Format, ObjectStore, metadata_of, storage_files

__all__ = ["STATE", "Past", "history", "state_of"]

STATE = "XTABLE_METADATA"


@dataclasses.dataclass(frozen=True)
class Past:
    """One version of a target.

    Attributes:
        version: What to travel to: a Delta version, an Iceberg snapshot id, a Hudi instant.
        text: XTable's state that its commit carries, as it stands there.
    """

    version: int | str
    text: str

    @property
    def state(self) -> dict[str, Any]:
        """The state's members, in their order."""
        return _read(self.text)

    @property
    def source_version(self) -> str:
        """The version of the source that it equals."""
        return str(self.state["sourceIdentifier"])


def history(table_format: Format, location: str | Path, store: ObjectStore | None = None) -> list[Past]:
    """The versions of a target that a sync made, oldest first, as far as the target still knows of them."""
    location = str(location).removeprefix("file://")
    files, folder = storage_files(location, store)
    match table_format:
        case "delta":
            return list(_delta(files, folder))
        case "iceberg":
            return list(_iceberg(metadata_of(location, store)))
        case "hudi":
            return list(_hudi(files, folder))


def state_of(table_format: Format, location: str | Path, store: ObjectStore | None = None) -> dict[str, Any]:
    """The state of the target as it is now, where XTable would read it."""
    location = str(location).removeprefix("file://")
    if table_format == "iceberg":
        return _read(metadata_of(location, store)["properties"][STATE])
    return history(table_format, location, store)[-1].state


def _read(text: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(text)
    return state


def _names(files: pafs.FileSystem, folder: str) -> list[str]:
    found = files.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
    return sorted(file.base_name for file in found)


def _text(files: pafs.FileSystem, path: str) -> str:
    with files.open_input_stream(path) as stream:
        text: bytes = stream.read()
        return text.decode()


def _delta(files: pafs.FileSystem, folder: str) -> Iterator[Past]:
    log = f"{folder}/_delta_log"
    for name in _names(files, log):
        if not name.endswith(".json") or not name.removesuffix(".json").isdecimal():
            continue
        actions = [json.loads(line) for line in _text(files, f"{log}/{name}").splitlines()]
        tags = [action["commitInfo"].get("tags") or {} for action in actions if "commitInfo" in action]
        settings = [action["metaData"].get("configuration", {}) for action in actions if "metaData" in action]
        said = [place[STATE] for place in (*settings, *tags) if STATE in place]
        # Both places of one commit say the same.
        assert len(set(said)) <= 1, name
        if said:
            yield Past(int(name.removesuffix(".json")), said[0])


def _iceberg(metadata: dict[str, Any]) -> Iterator[Past]:
    known = {snapshot["snapshot-id"]: snapshot for snapshot in metadata["snapshots"]}
    line: list[Past] = []
    at: Any = metadata.get("current-snapshot-id")
    while at in known:
        state = known[at]["summary"].get(STATE)
        if state is not None:
            line.append(Past(at, state))
        at = known[at].get("parent-snapshot-id")
    yield from reversed(line)


def _hudi(files: pafs.FileSystem, folder: str) -> Iterator[Past]:
    timeline = f"{folder}/.hoodie"
    if "hoodie.properties" not in _names(files, timeline):
        raise FileNotFoundError(f"{folder} is no Hudi table")
    for name in _names(files, timeline):
        instant, _, action = name.partition(".")
        if action in {"commit", "replacecommit"} and instant.isdecimal():
            extra = json.loads(_text(files, f"{timeline}/{name}")).get("extraMetadata") or {}
            if STATE in extra:
                yield Past(instant, extra[STATE])
