"""The Hugging Face Hub: what a repository holds, what of it is here already, and getting the rest.

Each thing that can go wrong is one sentence with what to type next. A token is looked for where it is kept
and handed to the Hub alone: it is never told, logged or written.
"""

from __future__ import annotations

import importlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError, HTTPError
from huggingface_hub.utils import logging, tqdm, validate_repo_id

from understudy.domain import UserError
from understudy.events import Cancelled, Notify, Step
from understudy.hub_errors import explain

TOKEN = "HF_TOKEN"
ANSWER_WITHIN_S = 15.0
MB = 1_000_000
ROOM_LEFT_BYTES = 1_000_000_000
"""Left free on the disk when all has come."""
TELL_EVERY_S = 0.2
FAULTS = (HTTPError, OSError, RuntimeError)
"""What the Hub's library raises: its own errors, its HTTP library's, and xet's, which are RuntimeErrors."""


@dataclass(frozen=True)
class Hub:
    """Which Hub, and the folder that keeps what came from it; both are the library's own unless told."""

    endpoint: str | None = None
    cache: Path | None = None

    @property
    def folder(self) -> Path:
        """Where all that comes from it is kept."""
        return Path(constants.HF_HUB_CACHE) if self.cache is None else self.cache


@dataclass(frozen=True)
class HubFile:
    """A file of a repository."""

    path: str
    size: int


@dataclass(frozen=True)
class Listing:
    """What a repository held at one commit."""

    repository: str
    commit: str
    files: tuple[HubFile, ...]


def find_token() -> str | None:
    """From the environment's HF_TOKEN, a Kaggle or Colab secret of that name, or `hf auth login`."""
    token = os.environ.get(TOKEN) or _kaggle_secret() or _colab_secret() or huggingface_hub.get_token()
    return str(token).strip() if token else None


def is_repository(name: str) -> bool:
    """Whether the Hub allows such a name of a repository."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def list_files(repository: str, hub: Hub) -> Listing:
    """Ask the Hub; raises `UserError` where it cannot be asked or does not let this user read."""
    token = find_token()
    api = huggingface_hub.HfApi(endpoint=hub.endpoint, token=token or False)
    try:
        found = api.model_info(repository, files_metadata=True, timeout=ANSWER_WITHIN_S)
    except FAULTS as error:
        raise explain(error, repository, token is not None) from error
    files = tuple(HubFile(one.rfilename, one.size or 0) for one in found.siblings or ())
    return Listing(repository, str(found.sha), files)


def find_cached(repository: str, file: str, hub: Hub, commit: str | None = None) -> Path | None:
    """Where a file of a repository lies here, at a commit or as it last came; the Hub is not asked."""
    found = huggingface_hub.try_to_load_from_cache(repository, file, cache_dir=hub.folder, revision=commit)
    return Path(found) if isinstance(found, str) else None


def download(listing: Listing, files: Sequence[HubFile], hub: Hub, phase: str, notify: Notify) -> Path:
    """Get those files of a repository, but none twice; returns the folder that holds them.

    What has come stays, so the same call goes on after a stop. Raises `UserError` where there is not enough
    room for them, before anything is fetched, and where something fails.
    """
    missing = [file for file in files if not find_cached(listing.repository, file.path, hub, listing.commit)]
    refuse_full_disk(listing.repository, sum(file.size for file in missing), hub.folder)
    told = _Told(phase, sum(file.size for file in missing), notify)
    token = find_token()
    try:
        with _quiet():
            folder = huggingface_hub.snapshot_download(
                listing.repository,
                revision=listing.commit,
                allow_patterns=[file.path for file in files],
                cache_dir=hub.folder,
                endpoint=hub.endpoint,
                token=token or False,
                tqdm_class=told.bar(),
            )
    except FAULTS as error:
        raise explain(error, listing.repository, token is not None) from error
    told.finish()
    _remember_as_newest(listing, hub)
    return Path(folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own warnings, as of each retry: what they come to is said in one sentence."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def refuse_full_disk(name: str, size: int, folder: Path) -> None:
    """Raise `UserError` where a base of so many bytes has no room in a folder that is there or will be."""
    place = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(place).free
    if size and size + ROOM_LEFT_BYTES > free:
        raise UserError(
            f"{name} needs {(size + ROOM_LEFT_BYTES) / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are "
            f"free at {folder}: make room, or set HF_HOME to a folder on a larger disk, then give the same "
            "command again."
        )


def _remember_as_newest(listing: Listing, hub: Hub) -> None:
    """So that it is found again without asking: downloads by commit leave no name behind."""
    name = huggingface_hub.file_download.repo_folder_name(repo_id=listing.repository, repo_type="model")
    reference = hub.folder / name / "refs" / "main"
    reference.parent.mkdir(parents=True, exist_ok=True)
    reference.write_text(listing.commit, encoding="utf-8")


@dataclass
class _Told:
    """Tells a listener of the bytes that come in, from whichever thread; a listener's stop stops them all."""

    phase: str
    total: int
    notify: Notify
    done: int = 0
    when: float = 0.0
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int) -> None:
        with self.lock:
            self.done = min(self.done + size, self.total)
            if self.stopped:
                raise Cancelled
            if time.monotonic() - self.when >= TELL_EVERY_S:
                self._tell()

    def finish(self) -> None:
        if self.total and not (self.when and self.done == self.total):
            self.done = self.total
            self._tell()

    def _tell(self) -> None:
        self.when = time.monotonic()
        try:
            self.notify(Step(self.phase, self.done // MB, max(self.total // MB, 1)))
        except Cancelled:
            self.stopped = True
            raise

    def bar(self) -> type:
        """A class of progress bars for the Hub's library that shows nothing."""
        told = self

        class Bar(tqdm):  # type: ignore[misc]
            def __init__(self, *args: object, **options: object) -> None:
                # The library has other bars beside, of the files and of what xet transfers.
                self.counts = options.get("name") == "huggingface_hub.snapshot_download"
                super().__init__(*args, **{**options, "disable": True})

            def update(self, n: float | None = 1) -> None:
                if self.counts:
                    told.add(int(n or 0))

        return Bar


def _kaggle_secret() -> str | None:
    try:
        return str(importlib.import_module("kaggle_secrets").UserSecretsClient().get_secret(TOKEN))
    except Exception:  # not on Kaggle, no such secret, or the notebook may not read it: kinds of its own
        return None


def _colab_secret() -> str | None:
    try:
        return str(importlib.import_module("google.colab.userdata").get(TOKEN))
    except Exception:  # not on Colab, no such secret, or the notebook may not read it: kinds of its own
        return None
