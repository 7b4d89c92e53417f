"""A base is told from another without reading gigabytes, and never takes a changed file for the old one."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.toy_base import make_toy_base
from understudy.bases.catalog import hash_base
from understudy.bases.fetching import hashing
from understudy.bases.fetching.hashing import hash_file

LONG_AGO = 1_700_000_000
CONTENT = b"weights" * 100


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's, empty; files of any size are remembered there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hashing, "REMEMBERED_FROM_BYTES", 1)
    return tmp_path / "cache" / "understudy" / "hashes"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write(tmp_path / "model.safetensors", CONTENT)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr(hashing, "_read", refuse)


def test_a_file_is_read_once(cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hash_file(weights) == sha256(CONTENT)
    assert len(list(cache.iterdir())) == 1
    forbid_reading(monkeypatch)
    assert hash_file(weights) == sha256(CONTENT)
    with pytest.raises(AssertionError, match="is read"):
        hash_file(write(weights.with_name("other.safetensors"), CONTENT))


def test_a_changed_file_is_noticed(cache: Path, weights: Path) -> None:
    hash_file(weights)
    longer = CONTENT + b"more"
    assert hash_file(write(weights, longer)) == sha256(longer)
    # The same size and, by a date set back, the same time of writing.
    other = longer[::-1]
    time.sleep(0.02)  # more than a disk's clock counts in
    assert hash_file(write(weights, other)) == sha256(other)
    weights.unlink()
    assert hash_file(write(weights, CONTENT)) == sha256(CONTENT)


def test_a_file_that_is_still_being_written_is_not_remembered(cache: Path, weights: Path) -> None:
    os.utime(weights)
    assert hash_file(weights) == sha256(CONTENT)
    assert not cache.exists()


def test_a_small_file_is_read(cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "REMEMBERED_FROM_BYTES", len(CONTENT) + 1)
    assert hash_file(weights) == sha256(CONTENT)
    assert not cache.exists()


@pytest.mark.parametrize(
    "said", [b"", b"{", b"[]", b"\xff", b"null", b'{"size": 700}', b'{"sha256": 1}', b'{"sha256": "abc"}']
)
def test_a_damaged_note_is_left_aside(cache: Path, weights: Path, said: bytes) -> None:
    hash_file(weights)
    (note,) = cache.iterdir()
    note.write_bytes(said)
    assert hash_file(weights) == sha256(CONTENT)
    assert note.read_bytes() != said  # and written anew


def test_a_note_with_half_a_hash_is_left_aside(cache: Path, weights: Path) -> None:
    hash_file(weights)
    (note,) = cache.iterdir()
    note.write_text(note.read_text().replace(sha256(CONTENT).hex(), "abcd"))
    assert hash_file(weights) == sha256(CONTENT)


def test_a_cache_that_cannot_be_written_is_no_error(cache: Path, weights: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder would be")
    assert hash_file(weights) == hash_file(weights) == sha256(CONTENT)


def test_without_a_home_nothing_is_remembered(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(hashing, "REMEMBERED_FROM_BYTES", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/paths/do/not/count")
    monkeypatch.setattr(Path, "home", homeless)
    assert hash_file(weights) == sha256(CONTENT)


def put_into_hub_cache(folder: Path, hub: Path) -> Path:
    """A snapshot as the Hub's cache has it: links to contents, by SHA-256 where these are large."""
    snapshot = hub / "models--someone--toy" / "snapshots" / "main"
    blobs = hub / "models--someone--toy" / "blobs"
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        kind = hashlib.sha256 if path.suffix == ".safetensors" else hashlib.sha1
        blob = write(blobs / kind(content).hexdigest(), content)
        link = snapshot / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def test_a_hubs_cache_knows_the_hashes_of_its_weights(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = put_into_hub_cache(toy_base, tmp_path / "hub")
    read: list[Path] = []

    def note_and_read(path: Path) -> bytes:
        read.append(path)
        return sha256(path.read_bytes())

    whole = hash_base(toy_base)
    monkeypatch.setattr(hashing, "_read", note_and_read)
    assert hash_base(snapshot) == whole
    assert read
    assert not [path for path in read if path.suffix == ".safetensors"]


@pytest.mark.parametrize("blobs", ["blobs", "models--someone--toy/others", "someone/blobs"])
def test_other_links_are_read(blobs: str, tmp_path: Path) -> None:
    blob = write(tmp_path / blobs / ("ab" * 32), CONTENT)
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert hash_file(link) == sha256(CONTENT)


def test_a_link_to_nothing_is_not_taken_for_its_name(tmp_path: Path) -> None:
    link = tmp_path / "model.safetensors"
    link.symlink_to(tmp_path / "models--someone--toy" / "blobs" / ("ab" * 32))
    with pytest.raises(FileNotFoundError):
        hash_file(link)


def test_the_template_of_a_chat_is_part_of_the_base(tmp_path: Path) -> None:
    base = make_toy_base(tmp_path / "base")
    before = hash_base(base)
    (base / "tokenizer" / "chat_template.jinja").write_text("{{ messages }}")
    assert hash_base(base) != before


def test_a_copy_is_the_same_base(cache: Path, toy_base: Path, tmp_path: Path) -> None:
    before = hash_base(toy_base)
    shutil.copytree(toy_base, tmp_path / "copy")
    assert hash_base(tmp_path / "copy") == before == hash_base(tmp_path / "copy")
