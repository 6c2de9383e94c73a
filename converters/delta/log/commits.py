"""Reading JSON commits: their lines, newest first (Delta protocol, "Delta Log Entries").

A line is an action.  Files are read in pieces, so that neither a commit of a gigabyte nor ten thousand small ones need
more memory than a piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np

from converters.errors import CorruptTable, LimitExceeded, ObjectNotFound
from converters.storage.base import METADATA_LIMIT, ObjectMeta, Storage

__all__ = ["CommitReader", "Lines", "lines_with"]

_PIECE = 16 * 2**20
_HEAD = 2**20
_KEPT = 64 * 2**20
_READERS = 16

# How a line of "add", "remove" or "cdc" begins, as every known writer has it.
_FILE_ACTION = {b'{"add"', b'{"remo', b'{"cdc"'}


class Lines(msgspec.Struct, frozen=True):
    """A piece of the log: whole lines, older before newer.

    Attributes:
        data: The lines' bytes.
        origins: The byte at which each commit file begins in ``data``, with its path.
    """

    data: bytes
    origins: tuple[tuple[int, str], ...]

    def path_of(self, position: int) -> str:
        """The commit file that a byte of ``data`` came from."""
        return next(path for start, path in reversed(self.origins) if start <= position)

    def starts(self) -> np.ndarray:
        """Where each line begins, and at last where the last one ends."""
        data = np.frombuffer(self.data, np.uint8)
        ends = np.flatnonzero(data == ord("\n")) + 1
        if len(data) and (not len(ends) or ends[-1] != len(data)):
            ends = np.append(ends, len(data))
        return np.concatenate([np.zeros(1, np.int64), ends.astype(np.int64)])

    def small_actions(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not about files, in order, each with its place in ``data``.

        A line that is about files may be among them if it is written in an uncommon way.
        """
        starts = self.starts()
        data = np.frombuffer(self.data, np.uint8)
        first = np.stack([data[np.minimum(starts[:-1] + n, len(data) - 1)] for n in range(6)], axis=1)
        is_file = np.zeros(len(first), dtype=bool)
        for beginning in _FILE_ACTION:
            is_file |= (first == np.frombuffer(beginning, np.uint8)).all(axis=1)
        for row in np.flatnonzero(~is_file).tolist():
            line = self.data[starts[row] : starts[row + 1]]
            if line.strip():
                yield int(starts[row]), line


class CommitReader:
    """Reads some commits; small ones are kept, because they are asked for more than once."""

    def __init__(self, storage: Storage, files: Sequence[ObjectMeta]) -> None:
        """Take the files in ascending order of their versions; nothing is read yet."""
        self._storage = storage
        self._files = files
        self._kept = _Kept()

    def of(self, files: Sequence[ObjectMeta]) -> CommitReader:
        """A reader of other commits of the same log, which shares what is kept."""
        other = CommitReader(self._storage, files)
        other._kept = self._kept
        return other

    def newest_first(self, *, heads: bool = False) -> Iterator[Lines]:
        """All lines in pieces, newest piece first; within a piece the newest line is the last.

        Args:
            heads: Give the beginning of each large file before its pieces, the last of which has it again: writers put
                there what is not about files.

        Raises:
            CorruptTable: A commit disappeared.
            LimitExceeded: A line is larger than any we read.
        """
        group: list[ObjectMeta] = []
        size = 0
        for file in reversed(self._files):
            if group and size + file.size > _PIECE:
                yield self._together(group)
                group, size = [], 0
            if file.size > _PIECE:
                if heads:
                    yield _head(self._storage, file)
                yield from _backwards(self._storage, file)
            else:
                group.append(file)
                size += file.size
        if group:
            yield self._together(group)

    def _together(self, newest_first: list[ObjectMeta]) -> Lines:
        origins: list[tuple[int, str]] = []
        pieces: list[bytes] = []
        position = 0
        files = newest_first[::-1]
        for file, data in zip(files, self._read(files), strict=True):
            piece = data if data.endswith(b"\n") else data + b"\n"
            origins.append((position, file.path))
            pieces.append(piece)
            position += len(piece)
        return Lines(b"".join(pieces), tuple(origins))

    def _read(self, files: list[ObjectMeta]) -> list[bytes]:
        kept = self._kept.by_path
        missing = [file for file in files if file.path not in kept]
        found = dict(zip((file.path for file in missing), self._fetch(missing), strict=True))
        for path, data in found.items():
            self._kept.keep(path, data)
        return [found[file.path] if file.path in found else kept[file.path] for file in files]

    def _fetch(self, files: list[ObjectMeta]) -> list[bytes]:
        few = len(files) <= 2 or all(file.path.startswith("file:") for file in files[:1])
        if few:
            return [_get(self._storage, file) for file in files]
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(lambda file: _get(self._storage, file), files))


class _Kept:
    """Commits that were read, as long as there is room."""

    def __init__(self) -> None:
        self.by_path: dict[str, bytes] = {}
        self._room = _KEPT

    def keep(self, path: str, data: bytes) -> None:
        if len(data) <= self._room:
            self.by_path[path] = data
            self._room -= len(data)


def _head(storage: Storage, file: ObjectMeta) -> Lines:
    """The first lines of a large file."""
    data = _range(storage, file, 0, _HEAD)
    return Lines(data[: data.rfind(b"\n") + 1], ((0, file.path),))


def _range(storage: Storage, file: ObjectMeta, start: int, length: int) -> bytes:
    try:
        return storage.get_range(file.path, start, length)
    except ObjectNotFound as error:
        raise _disappeared(file) from error


def _disappeared(file: ObjectMeta) -> CorruptTable:
    msg = f"The commit '{file.path}' disappeared while the log was read."
    return CorruptTable(msg, hint="Is the log being cleaned up? Try again.")


def _get(storage: Storage, file: ObjectMeta) -> bytes:
    try:
        return storage.get(file.path)
    except ObjectNotFound as error:
        raise _disappeared(file) from error


def _backwards(storage: Storage, file: ObjectMeta) -> Iterator[Lines]:
    """The pieces of one large file, last piece first."""
    end, carried, size = file.size, b"", _PIECE
    while end > 0:
        start = max(0, end - size)
        data = _range(storage, file, start, end - start) + carried
        if start > 0:
            cut = data.find(b"\n") + 1
            if cut in {0, len(data)}:
                carried, end, size = data, start, size * 2
                if len(carried) > METADATA_LIMIT:
                    msg = f"'{file.path}' has a line of more than {METADATA_LIMIT:,} bytes."
                    raise LimitExceeded(msg)
                continue
            carried, data = data[:cut], data[cut:]
        yield Lines(data, ((0, file.path),))
        end, size = start, _PIECE


def lines_with(lines: Lines, needle: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that contain ``needle``, in order, each with its place in ``lines.data``."""
    data = lines.data
    position = data.find(needle)
    while position >= 0:
        start = data.rfind(b"\n", 0, position) + 1
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end
        yield start, data[start:end]
        position = data.find(needle, end)
