"""What a picture's record says of the sketch that it began from and of the run that drew it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

from understudy.domain import Pixels, Sketch
from understudy.methods.another_base import OnAnotherBase
from understudy.methods.computing.planning import list_versions
from understudy.recipes import Learning, Recipe
from understudy.runs import Checkpoint, Manifest, Run


def describe_sketch(sketch: Sketch | None) -> dict[str, str]:
    """Its name, its hash and how far it may be left; nothing where there is none."""
    if sketch is None:
        return {}
    said = {"sketch": sketch.name, "sketch_sha256": _hash(sketch.pixels), "strength": f"{sketch.strength:g}"}
    return said if sketch.mask is None else {**said, "mask_sha256": _hash(sketch.mask)}


def _hash(pixels: Pixels) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def describe_run(run: Run, checkpoint: Checkpoint) -> dict[str, str]:
    """What a picture's record says of the run that drew it."""
    recipe, manifest = run.recipe, run.manifest
    versions = ", ".join(f"{name} {number}" for name, number in list_versions().items())
    return {
        "run": run.folder.resolve().name,
        "method": recipe.method,
        "character": manifest.name,
        "learned_steps": str(checkpoint.step),
        **_unfinished(run.recipe, checkpoint, manifest),
        "weights_sha256": ", ".join(checkpoint.sha256[file] for file in checkpoint.weights),
        **_describe_base(manifest),
        **_describe_origin(run),
        "versions": versions,
        **{f"drawings_{what}": said for what, said in asdict(manifest.rights).items()},
    }


def _unfinished(recipe: Recipe, checkpoint: Checkpoint, manifest: Manifest) -> dict[str, str]:
    """Of pictures that were drawn before learning was done."""
    if not isinstance(recipe, Learning) or manifest.stopped_at is not None:
        return {}
    if checkpoint.step >= recipe.steps:
        return {}
    return {"unfinished": f"learned {checkpoint.step} of {recipe.steps} steps"}


def _describe_base(manifest: Manifest) -> dict[str, str]:
    if manifest.base is None or manifest.base_sha256 is None:
        return {}
    # Never where it lies on somebody's disk.
    return {"base": Path(manifest.base).name, "base_sha256": manifest.base_sha256}


def _describe_origin(run: Run) -> dict[str, str]:
    """The base that was learned on, where another draws."""
    if not isinstance(run, OnAnotherBase):
        return {}
    own = _describe_base(run.learned_on)
    return {what.replace("base", "learned_on"): said for what, said in own.items()}
