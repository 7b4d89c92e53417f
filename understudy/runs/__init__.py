"""One run folder: what was asked for, what came of it, and how far it is. Needs no torch.

    recipe.toml   what was asked for
    run.json      the manifest: versions, character, base, plan
    log.jsonl     one line per entry
    checkpoints/  000400/ with the weights, what going on needs, and checkpoint.json with their hashes
    pictures/     what was drawn
    verdicts.jsonl  what the judge says of it

Every file appears whole or not at all: it is written beside its place, flushed to the disk, then renamed.
"""

from understudy.runs.beginning import begin_run, check_run
from understudy.runs.checkpoints import CHECKPOINT_FILE, STATE_FILE, Checkpoint
from understudy.runs.folder import (
    JUDGED_FILE,
    LOCK_FILE,
    LOG_FILE,
    NUM_STATES_KEPT,
    VERDICTS_FILE,
    Run,
    StrPath,
    open_run,
)
from understudy.runs.manifest import MANIFEST_FILE, DrawingRecord, Manifest, Plan, record_drawings
from understudy.runs.writing import hash_file, locked, make_folder, write_whole

__all__ = [
    "CHECKPOINT_FILE",
    "JUDGED_FILE",
    "LOCK_FILE",
    "LOG_FILE",
    "MANIFEST_FILE",
    "NUM_STATES_KEPT",
    "STATE_FILE",
    "VERDICTS_FILE",
    "Checkpoint",
    "DrawingRecord",
    "Manifest",
    "Plan",
    "Run",
    "StrPath",
    "begin_run",
    "check_run",
    "hash_file",
    "locked",
    "make_folder",
    "open_run",
    "record_drawings",
    "write_whole",
]
