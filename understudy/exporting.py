"""What a run has learned as files for other tools, which say whom they show and whose it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from understudy.bases.catalog import find_base, find_family, read_layout
from understudy.bases.layouts import Family
from understudy.bases.shapes import find_shape
from understudy.domain import UserError
from understudy.events import Note, Notify, ignore
from understudy.methods.adapters import WEIGHTS_FILE
from understudy.methods.credits import describe_learning, find_tensors, pack_weights
from understudy.methods.kohya import DOTTED, JOINED, WITH_DOTS, WITHOUT_DIFFUSERS, lacks_readers, to_kohya
from understudy.methods.learned_decoder import DECODER_FILE
from understudy.methods.learned_words import WORD_FILE
from understudy.methods.opening import base_of
from understudy.methods.reader_facts import OF_LYCORIS, describe_for_readers
from understudy.recipes import Adapter, Adapting, TextualInversion
from understudy.runs import Checkpoint, Run, StrPath, open_run, write_whole

Form = Literal["kohya", "diffusers"]
ENDING = ".safetensors"
EXPORTED_FOLDER = "exported"
READ_IN_ANY_FORM: tuple[tuple[Family, Adapter], ...] = (("zimage", "lokr"), ("flux2", "lokr"))
"""What diffusers' load_lora_weights reads, though it is LyCORIS'."""


def export(
    run: StrPath,
    form: Form = "kohya",
    out: StrPath | None = None,
    step: int | None = None,
    notify: Notify = ignore,
) -> list[Path]:
    """Write what a run has learned, after `step` or newest, for other tools; returns the files.

    `out` is the file, by default named by character and form in the run's folder `exported`; a word of the
    character's own lies beside it, ending in "-word". What readers of the form do otherwise is told to
    `notify`. Raises `UserError` where the method or its adapter has no such file.
    """
    opened = open_run(run)
    slug = re.sub(r"\W+", "-", opened.manifest.name.lower()).strip("-") or "character"
    path = Path(out) if out is not None else opened.folder / EXPORTED_FOLDER / f"{slug}-{form}{ENDING}"
    if path.suffix != ENDING:
        raise UserError(f"The file's name must end in {ENDING}: give {path.with_suffix(ENDING)}.")
    files = make_files(opened, form, _find_checkpoint(opened, step), path.stem, notify)
    for name, content in files.items():
        write_whole(path.with_name(name), content)
    return [path.with_name(name) for name in files]


def make_files(run: Run, form: Form, checkpoint: Checkpoint, stem: str, notify: Notify) -> dict[str, bytes]:
    """The files by name, all beginning with `stem`; see `export`."""
    recipe = run.recipe
    if isinstance(recipe, TextualInversion):
        _note_decoder(run, notify)
        return {f"{stem}{ENDING}": _pack_word(run, checkpoint, stem, notify)}
    if not isinstance(recipe, Adapting):
        raise UserError(f"The method {recipe.method} learns no adapter: learn with dreambooth-lora.")
    if recipe.adapter == "oft":
        raise UserError(f"An oft adapter has no such form: peft alone reads it, from {checkpoint.folder}.")
    files = {f"{stem}{ENDING}": _pack_adapter(run, recipe, form, checkpoint, notify)}
    if recipe.vectors:
        files[f"{stem}-word{ENDING}"] = _pack_word(run, checkpoint, f"{stem}-word", notify)
    _note_decoder(run, notify)
    return files


def _note_decoder(run: Run, notify: Notify) -> None:
    """Say what stays behind, if the run learned a decoder."""
    if (run.folder / DECODER_FILE).exists():
        notify(
            Note(
                "Other tools draw with the base's own decoder: for the same hues in diffusers load the run's "
                f"{DECODER_FILE} with pipe.vae.load_state_dict(..., strict=False)."
            )
        )


def _find_checkpoint(run: Run, step: int | None) -> Checkpoint:
    if step is None:
        newest = run.newest()
        if newest is None:
            raise UserError(f"Nothing is learned in {run.folder} yet: give the same learn command again.")
        return newest
    kept = {one.step: one for one in run.checkpoints() if one.is_whole(*one.weights)}
    if step not in kept:
        raise UserError(f"No weights of step {step} are kept: give one of {', '.join(map(str, kept))}.")
    return kept[step]


def _pack_adapter(run: Run, recipe: Adapting, form: Form, checkpoint: Checkpoint, notify: Notify) -> bytes:
    path = checkpoint.folder / WEIGHTS_FILE
    tensors = load_file(path)
    base = find_base(base_of(run), notify)
    for limit in _limits(base, recipe, form, tensors):
        notify(Note(limit))
    facts = describe_learning(run) | describe_for_readers(run, recipe, checkpoint)
    if form == "diffusers":
        with safe_open(path, "pt") as file:
            return pack_weights(tensors, {**file.metadata(), **facts})
    family = find_family(base_of(run), notify)
    if family in JOINED and recipe.adapter in OF_LYCORIS:
        raise UserError(
            f"In kohya's form several layers of this base are one, which {recipe.adapter} does not allow: "
            "take --format diffusers."
        )
    renamed = to_kohya(tensors, family)
    # A1111 knows a file by the hash of its tensors alone.
    found = hashlib.sha256(find_tensors(pack_weights(renamed, facts))).hexdigest()
    return pack_weights(renamed, facts | {"sshs_model_hash": found, "modelspec.hash_sha256": f"0x{found}"})


def _pack_word(run: Run, checkpoint: Checkpoint, stem: str, notify: Notify) -> bytes:
    name = run.manifest.name
    notify(Note(f"{stem}{ENDING} is an embedding: to ComfyUI and A1111 its name stands for {name}."))
    return (checkpoint.folder / WORD_FILE).read_bytes()


def _limits(base: Path, recipe: Adapting, form: Form, tensors: Mapping[str, Tensor]) -> list[str]:
    """What readers of the file do not do as understudy does, a sentence each."""
    said, layout = [], read_layout(base)
    if find_shape(base) is None:
        said.append(
            "ComfyUI and A1111 cannot open the base that this adapter fits: for them learn on a base of the "
            "shape of one that they know, e.g. Stable Diffusion 1.5 (--base)."
        )
    if recipe.follows_noise:
        said.append(
            "Other tools draw with the whole rank at every noise: their pictures will differ. For the same "
            "ones learn with --min-rank 0."
        )
    if form == "kohya" and lacks_readers(tensors):
        said.append("Readers of this form leave out the layer add_embedding: their pictures will differ.")
    if form == "kohya" and layout.family in WITH_DOTS:
        said.append(
            f"ComfyUI knows no layer of this base by kohya's name: each keeps its own, behind {DOTTED!r}, "
            "which diffusers reads as well."
        )
    if form == "kohya" and layout.family in WITHOUT_DIFFUSERS:
        said.append(
            "In this form ComfyUI and sd-scripts read it; for diffusers take --format diffusers, which "
            "ComfyUI reads as well."
        )
    if (layout.family, recipe.adapter) in READ_IN_ANY_FORM:
        return said
    if form == "kohya" and recipe.adapter in OF_LYCORIS:
        said.append(f"In this form ComfyUI reads {recipe.adapter}; diffusers does not.")
    if form == "diffusers" and recipe.adapter == "lokr":
        part = layout.denoiser
        said.append(f'Load it with pipe.{part}.load_lora_adapter(FOLDER, weight_name=FILE, prefix="{part}").')
    return said
