"""The decoder that a run learned: its file in the run's folder, and drawing with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import nn

from understudy.bases.base import Base
from understudy.bases.catalog import find_base
from understudy.domain import UserError
from understudy.events import Note, Notify
from understudy.methods.another_base import OnAnotherBase
from understudy.methods.computing.planning import is_small
from understudy.methods.credits import describe_learning, pack_weights
from understudy.methods.opening import base_of
from understudy.recipes import DreamBooth, Finetune
from understudy.runs import Run, hash_file, write_whole

DECODER_FILE = "decoder.safetensors"
"""In the run's folder: the decoder as `AutoencoderKL` names it, in fp32."""
OF_DECODER = ("decoder.", "post_quant_conv.")
STEPS = "decoder_steps"
"""What its header says: how many steps it learned."""


def count_decoder_steps(base: Base, recipe: Finetune, folder: Path) -> int:
    """How many steps the decoder of this base, which lies in `folder`, learns by a recipe: none where the
    base is large, or of another layout."""
    return recipe.decoder_steps if type(base).teaches_decoder and is_small(folder) else 0


def find_decoder(base: Base) -> dict[str, nn.Parameter]:
    """The decoder's weights by name."""
    named = base.pipe.vae.named_parameters()
    return {name: weight for name, weight in named if name.startswith(OF_DECODER)}


def keep_decoder(base: Base, num_steps: int, run: Run) -> None:
    """Write the base's decoder, which learned so many steps, whom it shows and whose drawings."""
    learned = {name: weight.detach() for name, weight in find_decoder(base).items()}
    facts = {**describe_learning(run), STEPS: str(num_steps)}
    write_whole(run.folder / DECODER_FILE, pack_weights(learned, facts))


def copy_decoder(source: Run, run: Run) -> None:
    """Give a run the decoder of another, if that learned one and the run has not one alike."""
    if read_steps(run) != read_steps(source):
        write_whole(run.folder / DECODER_FILE, (source.folder / DECODER_FILE).read_bytes())


def read_steps(run: Run) -> int:
    """How many steps the run's decoder learned; 0 where there is none that can be read."""
    try:
        with safe_open(run.folder / DECODER_FILE, "pt") as file:
            return int(file.metadata()[STEPS])
    except (OSError, ValueError, SafetensorError, TypeError, KeyError):
        return 0


def hash_decoder(run: Run) -> dict[str, str]:
    """What pictures that it draws say of the run's decoder, if it learned one."""
    path = run.folder / DECODER_FILE
    return {"decoder_sha256": hash_file(path)} if path.exists() else {}


def load_decoder(base: Base, recipe: Finetune, run: Run, notify: Notify) -> Mapping[str, str]:
    """Put the decoder that a run learned, if it did, into its base; returns what pictures say of it.

    Another base than the run's keeps its own. A file that was lost is named, as pictures can be drawn
    without; raises `UserError` for one that cannot be read.
    """
    path = run.folder / DECODER_FILE
    if isinstance(run, OnAnotherBase):
        return {}
    if not path.exists():
        if _is_missed(base, recipe, run):
            notify(Note(f"{path} is not there: the base's own decoder draws in its place."))
        return {}
    try:
        saved = safetensors.torch.load_file(path)
        if saved.keys() != find_decoder(base).keys():
            raise ValueError("other tensors")
        base.pipe.vae.load_state_dict(saved, strict=False)
    except (OSError, ValueError, SafetensorError, RuntimeError) as error:
        raise UserError(
            f"{path} is damaged: bring it back, or learn the character again in a new run folder."
        ) from error
    return hash_decoder(run)


def _is_missed(base: Base, recipe: Finetune, run: Run) -> bool:
    if isinstance(recipe, DreamBooth) and recipe.save_as == "pipeline":
        return False  # it is inside, and the base that was learned on may be gone
    return count_decoder_steps(base, recipe, find_base(base_of(run))) > 0
