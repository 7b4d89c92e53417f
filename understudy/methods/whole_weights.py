"""Networks that are trained as a whole: in fp32, written as the difference from the base or as a pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.bases.fetching.needed_files import INDEX_FILE
from understudy.bases.prompting import PROMPTING_FILE
from understudy.methods.credits import write_weights
from understudy.recipes import DreamBooth, Finetune
from understudy.runs import Plan

DIFFERENCE_FILE = "difference.safetensors"
PIPELINE_FOLDER = "pipeline"
CREDITS_FILE = "credits.json"
PROCESSOR = "processor"


def open_to_learn(recipe: Finetune, plan: Plan, open_as: Callable[[Plan], Base]) -> Base:
    """The base as `open_as` opens it by a plan: with its weights in fp32 where the recipe has them learn.

    It computes in the plan's precision all the same.
    """
    if not isinstance(recipe, DreamBooth):
        return open_as(plan)
    full = open_as(plan.model_copy(update={"precision": "fp32"}))
    return replace(full, plan=full.plan.model_copy(update={"precision": plan.precision}))


def train_whole(base: Base, part: str) -> dict[str, nn.Parameter]:
    """Make a part of the pipeline, "unet" or "text_encoder", trainable; returns its weights by name."""
    network: nn.Module = base.pipe.components[part].requires_grad_(True)
    return {f"{part}.{name}": weight for name, weight in network.named_parameters()}


def write_difference(
    tensors: Mapping[str, Tensor], before: Mapping[str, Tensor], facts: Mapping[str, str], folder: Path
) -> None:
    """Write what was added to the weights `before`, with `facts` in the header.

    In bf16, of half the size: a difference is so small that what rounding takes of it is nothing to the sum.
    """
    added = {name: (tensor - before[name].to(tensor)).bfloat16() for name, tensor in tensors.items()}
    write_weights(added, facts, folder / DIFFERENCE_FILE)


@torch.no_grad()
def add_difference(base: Base, folder: Path) -> None:
    """Add to the base what `write_difference` wrote."""
    for name, added in safetensors.torch.load_file(folder / DIFFERENCE_FILE).items():
        part, _, inner = name.partition(".")
        weight = base.pipe.components[part].get_parameter(inner)
        weight.copy_(weight.float() + added.to(weight.device).float())


def write_pipeline(
    base: Base,
    weights: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, str],
    base_folder: Path,
    folder: Path,
) -> None:
    """Write the whole pipeline with `tensors` in the place of `weights`, in shards as diffusers makes them.

    It is a base in its own right: in fp32, which every reader takes as it is, with the base's prompting and,
    in `credits.json`, the `facts`.
    """
    pipeline = folder / PIPELINE_FOLDER
    with _showing(weights, tensors):
        base.pipe.save_pretrained(pipeline, safe_serialization=True)
    # As it was: a tokenizer writes down also how it was last asked.
    for tokenizer in pipeline.glob("tokenizer*"):
        shutil.rmtree(tokenizer)
        shutil.copytree(base_folder / tokenizer.name, tokenizer)
    _copy_processor(base_folder, pipeline)
    (pipeline / CREDITS_FILE).write_text(json.dumps(dict(facts), indent=1) + "\n", encoding="utf-8")
    if (base_folder / PROMPTING_FILE).exists():
        shutil.copy(base_folder / PROMPTING_FILE, pipeline)


def _copy_processor(base_folder: Path, pipeline: Path) -> None:
    """Of a base that looks at pictures: it is opened without, and so not written with the rest."""
    if (base_folder / PROCESSOR).is_dir():
        shutil.copytree(base_folder / PROCESSOR, pipeline / PROCESSOR, dirs_exist_ok=True)
        own, written = (json.loads((one / INDEX_FILE).read_text("utf-8")) for one in (base_folder, pipeline))
        index = json.dumps({**written, PROCESSOR: own[PROCESSOR]}, indent=2) + "\n"
        (pipeline / INDEX_FILE).write_text(index, encoding="utf-8")


@contextmanager
def _showing(weights: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Within, the weights have the values of `tensors`, without a copy of either."""
    own = {name: weight.data for name, weight in weights.items()}
    try:
        for name, weight in weights.items():
            weight.data = tensors[name]
        yield
    finally:
        for name, weight in weights.items():
            weight.data = own[name]
