"""Weights that were saved at a step, and whether they are still as they were written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from understudy.runs.writing import Hashes

CHECKPOINT_FILE = "checkpoint.json"
STATE_FILE = "state.safetensors"
"""What going on needs beyond the weights; dropped from older checkpoints."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights that were saved at a step, in a folder of their own."""

    folder: Path
    step: int
    sha256: Mapping[str, str]
    """Hash by file, as it was when written; files in folders are named with them: "pipeline/unet/..."."""
    keep: bool
    """Whether the weights stay for good; the others go when two newer checkpoints are there."""
    hashes: Hashes = field(default_factory=Hashes, compare=False, repr=False)
    """What is known already of how its files are now."""

    def is_whole(self, *files: str) -> bool:
        """Whether these files are there as they were written."""
        try:
            for file in files:
                (self.folder / file).stat()  # before any is read: of older checkpoints the state is gone
            return all(self.hashes(self.folder / file) == self.sha256[file] for file in files)
        except OSError:  # also where learning thins them out just now
            return False

    @property
    def weights(self) -> tuple[str, ...]:
        """The names of the files that drawing needs; none where nothing is learned."""
        return tuple(file for file in self.sha256 if file != STATE_FILE)


def read_checkpoint(folder: Path, hashes: Hashes) -> Checkpoint | None:
    """The checkpoint in a folder, of whose files `hashes` knows; None where its record cannot be read."""
    try:
        record = json.loads((folder / CHECKPOINT_FILE).read_text(encoding="utf-8"))
        step, sha256, keep = int(record["step"]), dict(record["sha256"]), bool(record["keep"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Checkpoint(folder, step, sha256, keep, hashes)
