"""Who holds a pending instant: what stands in its ``.requested`` file, and whether that writer is still there."""

from __future__ import annotations

import os
import platform
import secrets
import threading
from pathlib import Path

import msgspec

from converters.avro.writer import EMPTY, avro_bytes, varint

__all__ = ["OWNER_KEY", "Owner", "requested_content"]

OWNER_KEY = "TABLECAST_OWNER"
"""Name of the note in the extra metadata of a ``.requested`` file."""

_ENDED = {"Z", "X"}
"""States of processes that nobody has asked about yet, but that do nothing any more."""

_alive: set[str] = set()
_lock = threading.Lock()


class Owner(msgspec.Struct, frozen=True):
    """One attempt to write.

    Attributes:
        machine: Where its process runs, so that another process there can look for it; empty where that is not known.
        pid: The process.
        started: When the process was started, as the system counts; tells it from a later one of the same number.
        id: The attempt; random.
    """

    machine: str
    pid: int
    started: str
    id: str

    @classmethod
    def begin(cls) -> Owner:
        """A new attempt of this process; it counts as alive until ``end``."""
        owner = cls(_machine(), os.getpid(), _started(os.getpid()) or "", secrets.token_hex(8))
        with _lock:
            _alive.add(owner.id)
        return owner

    @classmethod
    def parse(cls, text: str | None) -> Owner | None:
        """Read what ``text`` wrote; None where that is not understood."""
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            return None

    @property
    def text(self) -> str:
        """The owner as JSON."""
        return msgspec.json.encode(self).decode()

    def end(self) -> None:
        """The attempt is over, whether it succeeded or not."""
        with _lock:
            _alive.discard(self.id)

    def is_gone(self) -> bool:
        """Whether the attempt is known to be over; False where nothing can be known."""
        if not self.machine or not self.started or self.machine != _machine():
            return False
        if _started(self.pid) != self.started:
            return True
        with _lock:
            return self.pid == os.getpid() and self.id not in _alive


def requested_content(owner: Owner) -> bytes:
    """A ``.requested`` file: one ``HoodieRequestedReplaceMetadata`` in an Avro object container."""
    metadata = {"avro.schema": _SCHEMA, "avro.codec": "null"}
    header = varint(len(metadata))
    header += b"".join(avro_bytes(key.encode()) + avro_bytes(value.encode()) for key, value in metadata.items())
    note = varint(1) + varint(1) + avro_bytes(OWNER_KEY.encode()) + avro_bytes(owner.text.encode()) + EMPTY
    row = EMPTY + EMPTY + note + varint(0) + varint(1)
    sync = secrets.token_bytes(16)
    return b"Obj\x01" + header + EMPTY + sync + varint(1) + avro_bytes(row) + sync


def _machine() -> str:
    """What processes must have in common to see each other; empty where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process was started, in the system's ticks; None where there is none of this number."""
    try:
        # The name, in parentheses, may hold anything.
        found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if found[0] in _ENDED else found[19]
    except (OSError, IndexError):
        return None


_STRING = '{"type":"string","avro.java.string":"String"}'
_TEXTS = '{"type":"map","values":' + _STRING + ',"avro.java.string":"String"}'
_INFO = (
    '{"type":"record","name":"HoodieSliceInfo","fields":['
    f'{{"name":"dataFilePath","type":["null",{_STRING}],"default":null}},'
    f'{{"name":"deltaFilePaths","type":["null",{{"type":"array","items":{_STRING}}}],"default":null}},'
    f'{{"name":"fileId","type":["null",{_STRING}]}},'
    f'{{"name":"partitionPath","type":["null",{_STRING}],"default":null}},'
    f'{{"name":"bootstrapFilePath","type":["null",{_STRING}],"default":null}},'
    '{"name":"version","type":["int","null"],"default":1}]}'
)
_GROUP = (
    '{"type":"record","name":"HoodieClusteringGroup","fields":['
    f'{{"name":"slices","type":["null",{{"type":"array","items":{_INFO}}}],"default":null}},'
    '{"name":"metrics","type":["null",{"type":"map","values":"double","avro.java.string":"String"}],"default":null},'
    '{"name":"numOutputFileGroups","type":["int","null"],"default":1},'
    f'{{"name":"extraMetadata","type":["null",{_TEXTS}],"default":null}},'
    '{"name":"version","type":["int","null"],"default":1}]}'
)
_STRATEGY = (
    '{"type":"record","name":"HoodieClusteringStrategy","fields":['
    f'{{"name":"strategyClassName","type":["null",{_STRING}],"default":null}},'
    f'{{"name":"strategyParams","type":["null",{_TEXTS}],"default":null}},'
    '{"name":"version","type":["int","null"],"default":1}]}'
)
_PLAN = (
    '{"type":"record","name":"HoodieClusteringPlan","fields":['
    f'{{"name":"inputGroups","type":["null",{{"type":"array","items":{_GROUP}}}],"default":null}},'
    f'{{"name":"strategy","type":["null",{_STRATEGY}],"default":null}},'
    f'{{"name":"extraMetadata","type":["null",{_TEXTS}],"default":null}},'
    '{"name":"version","type":["int","null"],"default":1},'
    '{"name":"preserveHoodieMetadata","type":["null","boolean"],"default":null}]}'
)
_SCHEMA = (
    '{"type":"record","name":"HoodieRequestedReplaceMetadata","namespace":"org.apache.hudi.avro.model","fields":['
    f'{{"name":"operationType","type":["null",{_STRING}],"default":null}},'
    f'{{"name":"clusteringPlan","type":["null",{_PLAN}],"default":null}},'
    f'{{"name":"extraMetadata","type":["null",{_TEXTS}],"default":null}},'
    '{"name":"version","type":["int","null"],"default":1}]}'
)
