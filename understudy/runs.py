"""One run folder: what was asked for, what came of it, and how far it is. Needs no torch.

    recipe.toml   what was asked for
    run.json      the manifest: versions, character, base, plan
    log.jsonl     one line per entry
    checkpoints/  000400/ with the weights, what going on needs, and checkpoint.json with their hashes
    pictures/     what was drawn
    verdicts.jsonl  what the judge says of it

Every file appears whole or not at all: it is written beside its place, flushed to the disk, then renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from understudy.domain import Character, Drawing, Rights, UserError
from understudy.recipes import Recipe, read_recipe, write_toml

StrPath = str | os.PathLike[str]

RECIPE_FILE = "recipe.toml"
MANIFEST_FILE = "run.json"
LOG_FILE = "log.jsonl"
VERDICTS_FILE = "verdicts.jsonl"
JUDGED_FILE = "judged.json"
LOCK_FILE = ".lock"
CHECKPOINT_FILE = "checkpoint.json"
STATE_FILE = "state.safetensors"
"""What going on needs beyond the weights; dropped from older checkpoints."""
DRAFT_LIVES_S = 600
"""A file that is being written is done long before; what is older was left by a kill."""
NUM_STATES_KEPT = 2
"""The newest may turn out broken, so the one before stays usable."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Plan(_Frozen):
    """How a run computes: recorded once and used again, so that going on is exact (bit for bit on a CPU)."""

    device: str
    """A torch device: "cpu", "cuda", "mps"."""

    precision: Literal["fp32", "bf16"]
    """The precision of the frozen base; what is trained is always fp32."""

    threads: int
    """Threads of the CPU, which decide the order of sums."""


class DrawingRecord(_Frozen):
    """One drawing that a run learned from."""

    file: str
    caption: str
    sha256: str


class Manifest(_Frozen):
    """What a run was made with."""

    format: Literal[1] = 1
    name: str
    noun: str
    drawings: tuple[DrawingRecord, ...]
    base: str | None = None
    """None where the method begins from nothing, as is the hash."""

    base_sha256: str | None = None
    plan: Plan
    versions: dict[str, str]
    stopped_at: int | None = None
    """The step at which the reviewer said that it is enough."""

    rights: Rights = Rights()
    """Whose the drawings are; runs from before this was recorded state nothing."""

    learned_with: tuple[str, ...] = ()
    """The names of the folders of all runs that were learned at once, its own among them; none if alone."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights that were saved at a step, in a folder of their own."""

    folder: Path
    step: int
    sha256: Mapping[str, str]
    """Hash by file, as it was when written; files in folders are named with them: "pipeline/unet/..."."""
    keep: bool
    """Whether the weights stay for good; the others go when two newer checkpoints are there."""

    def is_whole(self, *files: str) -> bool:
        """Whether these files are there as they were written."""
        try:
            return all(hash_file(self.folder / file) == self.sha256[file] for file in files)
        except OSError:  # also where learning thins them out just now
            return False

    @property
    def weights(self) -> tuple[str, ...]:
        """The names of the files that drawing needs; none where nothing is learned."""
        return tuple(file for file in self.sha256 if file != STATE_FILE)


@dataclass(frozen=True)
class Run:
    """A run folder that exists; a path wherever a path is asked for."""

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def recipe(self) -> Recipe:
        """What was asked for."""
        return read_recipe(self.folder / RECIPE_FILE)

    @property
    def manifest(self) -> Manifest:
        """What it was made with; raises `UserError` if it cannot be read."""
        return _read_manifest(self.folder / MANIFEST_FILE)

    @property
    def pictures(self) -> Path:
        """Where pictures go if nobody says otherwise."""
        return self.folder / "pictures"

    def checkpoints(self) -> list[Checkpoint]:
        """All checkpoints, by step; those whose record cannot be read are left out."""
        records = self._checkpoints.glob(f"[0-9]*/{CHECKPOINT_FILE}")
        found = (_read_checkpoint(record.parent) for record in records)
        return sorted((checkpoint for checkpoint in found if checkpoint), key=lambda one: one.step)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint whose weights are whole."""
        return next((c for c in reversed(self.checkpoints()) if c.is_whole(*c.weights)), None)

    def newest_state(self) -> Checkpoint | None:
        """The newest checkpoint from which learning can go on."""
        return next((c for c in reversed(self.checkpoints()) if c.is_whole(*c.sha256)), None)

    def states(self) -> list[Checkpoint]:
        """All checkpoints from which learning can go on, by step."""
        return [checkpoint for checkpoint in self.checkpoints() if checkpoint.is_whole(*checkpoint.sha256)]

    def save(self, step: int, write: Callable[[Path], None], keep: bool) -> Checkpoint:
        """Let `write` fill a new checkpoint's folder; older ones go when it is safe on the disk.

        Weights with `keep` stay for good, those without until the next two checkpoints are there.
        """
        draft = self._checkpoints / f".draft-{step:06d}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write(draft)
        inside = sorted(draft.rglob("*"))
        sha256 = {file.relative_to(draft).as_posix(): hash_file(file) for file in inside if file.is_file()}
        record = {"step": step, "keep": keep, "sha256": sha256}
        for path in inside:
            _flush(path)
        write_whole(draft / CHECKPOINT_FILE, json.dumps(record, indent=1).encode())
        folder = self._checkpoints / f"{step:06d}"
        shutil.rmtree(folder, ignore_errors=True)  # a broken one of the same step
        draft.rename(folder)
        _flush(self._checkpoints)
        self._thin_out()
        return Checkpoint(folder, step, sha256, keep)

    def log(self, entry: Mapping[str, object]) -> None:
        """Append one line to the log."""
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def read_log(self) -> list[dict[str, object]]:
        """The log's entries; a line cut off by a kill is left out."""
        path = self.folder / LOG_FILE
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [entry for entry in map(_parse_line, lines) if entry is not None]

    def rewind(self, step: int) -> None:
        """Forget what was saved and logged after `step`, because it is done again.

        A broken checkpoint that stayed would count as newer than those to come, which would be thinned out.
        """
        for folder in self._checkpoints.glob("[0-9]*"):
            if folder.name.isdigit() and int(folder.name) > step:
                shutil.rmtree(folder, ignore_errors=True)
        entries = [entry for entry in self.read_log() if int(str(entry.get("step", 0))) <= step]
        write_whole(self.folder / LOG_FILE, "".join(json.dumps(e) + "\n" for e in entries).encode())

    def stop(self, step: int) -> None:
        """Record that the run is done at `step`, before its recipe's last one."""
        manifest = self.manifest.model_copy(update={"stopped_at": step})
        write_whole(self.folder / MANIFEST_FILE, manifest.model_dump_json(indent=1).encode())

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def _thin_out(self) -> None:
        for old in self.checkpoints()[:-NUM_STATES_KEPT]:
            if old.keep:
                (old.folder / STATE_FILE).unlink(missing_ok=True)
            else:
                shutil.rmtree(old.folder, ignore_errors=True)


def open_run(folder: StrPath) -> Run:
    """The run in `folder`; raises `UserError` if there is none."""
    run = Run(Path(folder))
    if not (run.folder / MANIFEST_FILE).is_file():
        raise UserError(f"There is no run in {run.folder}: learn one first, or give another folder.")
    return run


@contextmanager
def begin_run(folder: StrPath, recipe: Recipe, manifest: Manifest) -> Iterator[Run]:
    """Begin the run in `folder`, or go on with it, while no other process does.

    Going on keeps the plan it was begun with. Raises `UserError` where the folder holds something else,
    where another process is at work, and where anything but a larger number of steps differs; the same base
    may lie elsewhere.
    """
    run = Run(Path(folder))
    _refuse_other_folders(run.folder)
    make_folder(run.folder)
    with locked(run.folder / LOCK_FILE):
        if (run.folder / MANIFEST_FILE).is_file():
            _refuse_differences(run, recipe, manifest)
            _take_up(run, recipe, manifest)
        else:
            write_whole(run.folder / RECIPE_FILE, write_toml(recipe).encode())
            # Last, because its presence is what makes the folder a run.
            write_whole(run.folder / MANIFEST_FILE, manifest.model_dump_json(indent=1).encode())
        for draft in run.folder.glob("checkpoints/.draft-*"):
            shutil.rmtree(draft, ignore_errors=True)
        _clear_drafts(run.folder)
        yield run


def _take_up(run: Run, recipe: Recipe, manifest: Manifest) -> None:
    """Record the steps that are asked for now, where the base lies now, and rights that are stated now."""
    before, begun = run.recipe, run.manifest
    rights = manifest.rights if manifest.rights.stated() else begun.rights
    if recipe == before and (manifest.base, rights) == (begun.base, begun.rights):
        return
    kept = begun.model_copy(update={"base": manifest.base, "rights": rights})
    if recipe.model_dump(exclude={"base"}) != before.model_dump(exclude={"base"}):
        # More steps are asked for, even if the reviewer said earlier that it is enough.
        kept = kept.model_copy(update={"stopped_at": None})
    write_whole(run.folder / MANIFEST_FILE, kept.model_dump_json(indent=1).encode())
    write_whole(run.folder / RECIPE_FILE, write_toml(recipe).encode())


def _clear_drafts(folder: Path) -> None:
    """Remove what `write_whole` left where it was killed; another process may be drawing here, though."""
    for draft in folder.rglob(".*.[0-9]*"):
        with suppress(OSError):
            if draft.is_file() and time.time() - draft.stat().st_mtime > DRAFT_LIVES_S:
                draft.unlink()


def record_drawings(character: Character) -> tuple[DrawingRecord, ...]:
    """The character's drawings as a manifest keeps them."""
    return tuple(
        DrawingRecord(file=drawing.path.name, caption=drawing.caption, sha256=_hash_drawing(drawing))
        for drawing in character.drawings
    )


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    _flush(path.parent)


def _hash_drawing(drawing: Drawing) -> str:
    """Of the pixels, not of the file: the same drawing from another folder or format is the same."""
    digest = hashlib.sha256(repr(drawing.pixels.shape).encode())
    digest.update(drawing.pixels.tobytes())
    if drawing.mask is not None:
        digest.update(drawing.mask.tobytes())
    return digest.hexdigest()


def _flush(path: Path) -> None:
    """Make sure that a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and sys.platform == "win32":
        return  # a folder cannot be opened there, and its names need no flush
    descriptor = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(f"{path} cannot be read: the run is damaged, so learn it again elsewhere.") from error


def _read_checkpoint(folder: Path) -> Checkpoint | None:
    try:
        record = json.loads((folder / CHECKPOINT_FILE).read_text(encoding="utf-8"))
        return Checkpoint(folder, int(record["step"]), dict(record["sha256"]), bool(record["keep"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parse_line(line: str) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None


def _refuse_other_folders(folder: Path) -> None:
    """A mistyped --run must not fill somebody's own folder with our files."""
    if folder.is_file():
        raise UserError(f"{folder} is a file: give a folder for the run.")
    if not folder.is_dir() or (folder / MANIFEST_FILE).is_file():
        return
    ours = {RECIPE_FILE, LOCK_FILE}
    if any(path.name not in ours and not path.name.startswith(".") for path in folder.iterdir()):
        raise UserError(f"{folder} holds other files and no run: give a new folder for the run.")


def _refuse_differences(run: Run, recipe: Recipe, manifest: Manifest) -> None:
    for what, before, now in _differences(run, recipe, manifest):
        raise UserError(
            f"{run.folder} was begun with {what} {before}, not {now}: "
            "give the same again, or another folder for the new run."
        )


def _differences(run: Run, recipe: Recipe, manifest: Manifest) -> Iterator[tuple[str, object, object]]:
    """(what, before, now) of everything that going on does not allow."""
    old, new = run.recipe.model_dump(), recipe.model_dump()
    if old["method"] != new["method"]:
        yield "method", old["method"], new["method"]
        return
    for knob, before in old.items():
        longer = knob == "steps" and new[knob] >= before
        if new[knob] != before and not longer and knob != "base":  # whose hash decides
            yield knob, before, new[knob]
    begun = run.manifest
    if begun.name != manifest.name:
        yield "the name", begun.name, manifest.name
    if begun.noun != manifest.noun:
        yield "the noun", begun.noun, manifest.noun
    if begun.base_sha256 != manifest.base_sha256:
        before, now = ((one.base_sha256 or "none")[:12] for one in (begun, manifest))
        yield "a base with the hash", before, now
    if begun.drawings != manifest.drawings:
        yield "the drawings", _list_drawings(begun), f"{_list_drawings(manifest)} as they are now"


def _list_drawings(manifest: Manifest) -> str:
    return ", ".join(f"{drawing.file} ({drawing.sha256[:6]})" for drawing in manifest.drawings)


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
