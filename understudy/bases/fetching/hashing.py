"""SHA-256 of files as large as a base's weights, without reading them anew each time. Needs no torch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from understudy.runs import write_whole

REMEMBERED_FROM_BYTES = 1 << 25
"""Smaller files take less than a tenth of a second to read."""
SETTLED_NS = 2_000_000_000
"""A file that changed a shorter time ago may change again without a new time: some disks count in seconds."""
SHA256 = re.compile(r"[0-9a-f]{64}")


def hash_file(path: Path) -> bytes:
    """SHA-256 of a file's content: read, or known where a Hub's cache names it so or it was read before.

    What was read is remembered in the user's cache folder as long as the file has the same size and times.
    """
    named = _find_hub_name(path)
    if named is not None:
        return bytes.fromhex(named)
    before = path.stat()
    if before.st_size < REMEMBERED_FROM_BYTES:
        return _read(path)
    note = _find_note(path)
    remembered = _remembered(note, before)
    if remembered is not None:
        return remembered
    found = _read(path)
    is_settled = time.time_ns() - before.st_mtime_ns > SETTLED_NS
    if note is not None and is_settled and _stamp(path.stat()) == _stamp(before):
        with suppress(OSError):  # a folder that cannot be written costs time, nothing else
            write_whole(note, json.dumps({**_stamp(before), "sha256": found.hex()}).encode())
    return found


def _find_hub_name(path: Path) -> str | None:
    """What the Hub's cache calls the content: files above its limit are links to it by its SHA-256.

    Source: huggingface.co/docs/huggingface_hub, "Understand caching".
    """
    if not path.is_symlink():
        return None
    blob = path.resolve()
    in_cache = blob.parent.name == "blobs" and blob.parents[1].name.startswith("models--")
    return blob.name if in_cache and blob.is_file() and SHA256.fullmatch(blob.name) else None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _find_note(path: Path) -> Path | None:
    """Where the file's hash is remembered; nowhere for a user without a home."""
    with suppress(RuntimeError):
        given = Path(os.environ.get("XDG_CACHE_HOME", ""))
        cache = given if given.is_absolute() else Path.home() / ".cache"
        name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
        return cache / "understudy" / "hashes" / f"{name}.json"
    return None


def _stamp(stat: os.stat_result) -> dict[str, int]:
    """The time of the last change of any kind nobody can set: an old date does not hide a new file."""
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}


def _remembered(note: Path | None, stat: os.stat_result) -> bytes | None:
    if note is None:
        return None
    try:
        said = json.loads(note.read_bytes())
        is_same = {name: said[name] for name in _stamp(stat)} == _stamp(stat)
        return bytes.fromhex(said["sha256"]) if is_same and SHA256.fullmatch(said["sha256"]) else None
    except (OSError, ValueError, TypeError, KeyError):  # not there, or damaged: the file is read again
        return None
