"""Files that appear whole or not at all, their hashes, and folders that one process works on at a time."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from understudy.domain import UserError

DRAFT_LIVES_S = 600
"""A file that is being written is done long before; what is older was left by a kill."""


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Hashes:
    """SHA-256 of files, each of which is read once unless it was written again since."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, int], str] = {}

    def __call__(self, path: Path) -> str:
        """Of one file, which is known again under another name; raises `OSError` where there is none."""
        file = path.stat()
        key = (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns)
        if key not in self._known:
            self._known[key] = hash_file(path)
        return self._known[key]


def make_folder(folder: Path) -> None:
    """Make a folder, where it is missing; raises `UserError` where nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"{folder} is a file: give a folder.") from error
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be made ({error.strerror}): give another.") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"The folder {folder} cannot be written to: allow it, or give another.")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, even if the power goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Make sure that a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and sys.platform == "win32":
        return  # a folder cannot be opened there, and its names need no flush
    descriptor = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_drafts(folder: Path) -> None:
    """Remove what `write_whole` left where it was killed; another process may be drawing here, though."""
    for draft in folder.rglob(".*.[0-9]*"):
        with suppress(OSError):
            if draft.is_file() and time.time() - draft.stat().st_mtime > DRAFT_LIVES_S:
                draft.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; the system frees it when the process ends, however it ends.

    Raises `UserError` where another one holds it.
    """
    with path.open("a+b") as file:
        try:
            _lock_file(file)
        except OSError as error:
            raise UserError(f"Another process works on {path.parent}: wait for it, or stop it.") from error
        yield


def _lock_file(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
