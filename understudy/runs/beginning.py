"""A run is begun, or gone on with where nothing but the number of steps differs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from understudy.domain import UserError
from understudy.recipes import Recipe, write_toml
from understudy.runs.folder import LOCK_FILE, RECIPE_FILE, Run, StrPath
from understudy.runs.manifest import MANIFEST_FILE, DrawingRecord, Manifest
from understudy.runs.writing import clear_drafts, locked, make_folder, write_whole

Difference = tuple[str, object, object]
"""What differs, before and now."""


def check_run(folder: StrPath, recipe: Recipe) -> None:
    """Raise `UserError` where no run by `recipe` can be begun in `folder` or gone on with, as far as that is
    known before its base is there."""
    run = Run(Path(folder))
    _refuse_other_folders(run.folder)
    if (run.folder / MANIFEST_FILE).is_file():
        _refuse_first(run, _other_knobs(run, recipe))


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
        clear_drafts(run.folder)
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
    _refuse_first(run, _differences(run, recipe, manifest))
    if run.manifest.drawings != manifest.drawings:
        told = _compare(run.manifest.drawings, manifest.drawings)
        raise UserError(
            f"{run.folder} was begun with other drawings ({', '.join(told) or 'their order was another'}): "
            "give the same again, or another folder for the new run."
        )


def _refuse_first(run: Run, differences: Iterator[Difference]) -> None:
    for what, before, now in differences:
        raise UserError(
            f"{run.folder} was begun with {what} {before}, not {now}: "
            "give the same again, or another folder for the new run."
        )


def _other_knobs(run: Run, recipe: Recipe) -> Iterator[Difference]:
    old, new = run.recipe.model_dump(), recipe.model_dump()
    if old["method"] != new["method"]:
        yield "method", old["method"], new["method"]
        return
    for knob, before in old.items():
        longer = knob == "steps" and new[knob] >= before
        if new[knob] != before and not longer and knob != "base":  # whose hash decides
            yield knob, before, new[knob]


def _differences(run: Run, recipe: Recipe, manifest: Manifest) -> Iterator[Difference]:
    """Everything that going on does not allow."""
    yield from _other_knobs(run, recipe)
    begun = run.manifest
    if begun.name != manifest.name:
        yield "the name", begun.name, manifest.name
    if begun.noun != manifest.noun:
        yield "the noun", begun.noun, manifest.noun
    if begun.base_sha256 != manifest.base_sha256:
        before, now = ((one.base_sha256 or "none")[:12] for one in (begun, manifest))
        yield "a base with the hash", before, now


def _compare(before: Sequence[DrawingRecord], now: Sequence[DrawingRecord]) -> list[str]:
    """What an artist would say of each drawing that is not as it was."""
    old, new = ({drawing.file: drawing for drawing in drawings} for drawings in (before, now))
    told = [f"{file} was not among them" for file in new if file not in old]
    told += [f"{file} is missing" for file in old if file not in new]
    for file in (file for file in old if file in new):
        if old[file].sha256 != new[file].sha256:
            told.append(f"{file} has changed since")
        elif old[file].caption != new[file].caption:
            told.append(f"the caption of {file} was {old[file].caption!r}")
    return told
