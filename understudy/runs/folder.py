"""The run folder: what lies in it, its checkpoints and its log."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from understudy.domain import UserError
from understudy.recipes import NOT_YET, Recipe, read_recipe
from understudy.runs.checkpoints import CHECKPOINT_FILE, STATE_FILE, Checkpoint, read_checkpoint
from understudy.runs.manifest import MANIFEST_FILE, Manifest, read_manifest
from understudy.runs.writing import Hashes, flush, write_whole

StrPath = str | os.PathLike[str]

RECIPE_FILE = "recipe.toml"
LOG_FILE = "log.jsonl"
VERDICTS_FILE = "verdicts.jsonl"
JUDGED_FILE = "judged.json"
LOCK_FILE = ".lock"
NUM_STATES_KEPT = 2
"""The newest may turn out broken, so the one before stays usable."""


@dataclass(frozen=True)
class Run:
    """A run folder that exists; a path wherever a path is asked for."""

    keeps: ClassVar[bool] = True
    """Whether what it is given to save lies on the disk afterwards."""

    folder: Path
    _hashes: Hashes = field(init=False, default_factory=Hashes, compare=False, repr=False)
    """So that whoever has the run asks the disk once whether a checkpoint is whole."""

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def recipe(self) -> Recipe:
        """What was asked for."""
        return read_recipe(self.folder / RECIPE_FILE, NOT_YET)

    @property
    def manifest(self) -> Manifest:
        """What it was made with; raises `UserError` if it cannot be read."""
        return read_manifest(self.folder / MANIFEST_FILE)

    @property
    def pictures(self) -> Path:
        """Where pictures go if nobody says otherwise."""
        return self.folder / "pictures"

    def checkpoints(self) -> list[Checkpoint]:
        """All checkpoints, by step; those whose record cannot be read are left out."""
        records = self._checkpoints.glob(f"[0-9]*/{CHECKPOINT_FILE}")
        found = (read_checkpoint(record.parent, self._hashes) for record in records)
        return sorted((checkpoint for checkpoint in found if checkpoint), key=lambda one: one.step)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint whose weights are whole."""
        return next((c for c in reversed(self.checkpoints()) if c.is_whole(*c.weights)), None)

    def newest_state(self) -> Checkpoint | None:
        """The newest checkpoint from which learning can go on."""
        return next((c for c in reversed(self.checkpoints()) if c.is_whole(*c.sha256)), None)

    def save(self, step: int, write: Callable[[Path], None], keep: bool) -> Checkpoint:
        """Let `write` fill a new checkpoint's folder; older ones go when it is safe on the disk.

        Weights with `keep` stay for good, those without until the next two checkpoints are there.
        """
        draft = self._checkpoints / f".draft-{step:06d}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write(draft)
        inside = sorted(draft.rglob("*"))
        files = [file for file in inside if file.is_file()]
        sha256 = {file.relative_to(draft).as_posix(): self._hashes(file) for file in files}
        record = {"step": step, "keep": keep, "sha256": sha256}
        for path in inside:
            flush(path)
        write_whole(draft / CHECKPOINT_FILE, json.dumps(record, indent=1).encode())
        folder = self._checkpoints / f"{step:06d}"
        shutil.rmtree(folder, ignore_errors=True)  # a broken one of the same step
        draft.rename(folder)
        flush(self._checkpoints)
        self._thin_out()
        return Checkpoint(folder, step, sha256, keep, self._hashes)

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
    """The run in `folder`, itself where it is one; raises `UserError` if there is none."""
    run = folder if isinstance(folder, Run) else Run(Path(folder))
    if not (run.folder / MANIFEST_FILE).is_file():
        raise UserError(f"There is no run in {run.folder}: learn one first, or give another folder.")
    return run


def _parse_line(line: str) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None
