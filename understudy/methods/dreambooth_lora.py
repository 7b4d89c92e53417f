"""DreamBooth with LoRA: a low-rank adapter learns the character, class pictures hold on to the rest.

Sources: Ruiz et al., DreamBooth, arXiv 2208.12242; Hu et al., LoRA, arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
import torch
from peft import LoraConfig
from torch import Tensor, nn

from understudy.bases.catalog import find_base
from understudy.bases.sd1 import Sd1Base, open_base
from understudy.domain import Character
from understudy.events import Notify, Step
from understudy.methods.class_pictures import draw_class_pictures
from understudy.methods.credits import describe_learning, order_metadata
from understudy.methods.examples import EXAMPLES_FILE, UNREADABLE, Examples, make_examples
from understudy.methods.finetune import finetune
from understudy.methods.loop import is_finished, make_up_review
from understudy.methods.opening import open_base_of
from understudy.methods.painting import Painter, PipelinePainter, describe_run
from understudy.methods.planning import following
from understudy.methods.reviewing import Review
from understudy.recipes import DreamBoothLora, place_subject
from understudy.runs import Checkpoint, Run

WEIGHTS_FILE = "pytorch_lora_weights.safetensors"
"""The name that diffusers looks for in a folder."""
CLASS_PICTURES_FOLDER = "class_pictures"


def learn(character: Character, recipe: DreamBoothLora, run: Run, review: Review, notify: Notify) -> None:
    """Learn from where the run is to the recipe's last step."""
    make_up_review(run, recipe, review)
    if is_finished(run, recipe):
        notify(Step("learning", recipe.steps, recipe.steps))
        return
    plan = run.manifest.plan
    with following(plan):
        base = open_base(find_base(recipe.base), plan, recipe.min_snr)
        examples = resident_examples(base, character, recipe, run, notify)
        weights = add_adapter(base, recipe)

        def write_weights(tensors: Mapping[str, Tensor], folder: Path) -> None:
            write_adapter(tensors, recipe, describe_learning(run), folder / WEIGHTS_FILE)

        finetune(base, weights, examples, recipe, run, write_weights, review, notify)


@contextmanager
def open_painter(
    run: Run, recipe: DreamBoothLora, checkpoint: Checkpoint, device: str, notify: Notify
) -> Iterator[Painter]:
    """The base with the adapter, which reads the character's words where a prompt says the name."""
    manifest = run.manifest
    words = recipe.words(manifest.name, manifest.noun)
    with open_base_of(run, device) as base:
        base.pipe.load_lora_weights(str(checkpoint.folder), weight_name=WEIGHTS_FILE)
        # Added to the base's own weights once, instead of computed beside them in every layer.
        base.pipe.fuse_lora()
        yield PipelinePainter(
            base,
            lambda prompt: base.prompting.complete(place_subject(prompt, manifest.name, words)),
            describe_run(run, checkpoint),
            notify,
        )


def add_adapter(base: Sd1Base, recipe: DreamBoothLora) -> dict[str, nn.Parameter]:
    """Put a fresh fp32 adapter on the denoiser, which changes nothing yet; returns its weights by name."""
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=[end for target in recipe.targets for end in base.lora_targets[target]],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        base.pipe.unet.add_adapter(config)
    weights = {name: weight for name, weight in base.denoiser.named_parameters() if weight.requires_grad}
    for weight in weights.values():
        weight.data = weight.data.float()  # the adapter library takes the base's precision
    return weights


def write_adapter(
    tensors: Mapping[str, Tensor], recipe: DreamBoothLora, facts: Mapping[str, str], path: Path
) -> None:
    """Write an adapter as diffusers' `load_lora_weights` reads it, with `facts` in its header.

    The factor alpha / rank goes into the weights themselves: readers differ in where they look for it.
    """
    scale = recipe.alpha / recipe.rank
    saved = {
        f"unet.{name.replace('.default.', '.')}": tensor * (scale if ".lora_B." in name else 1.0)
        for name, tensor in tensors.items()
    }
    content = safetensors.torch.save(saved, {"format": "pt", **facts})
    path.write_bytes(order_metadata(content))


def resident_examples(
    base: Sd1Base, character: Character, recipe: DreamBoothLora, run: Run, notify: Notify
) -> Examples:
    """The run's examples; what is missing of them and of the class pictures is made by the base as it is."""
    path = run.folder / EXAMPLES_FILE
    try:
        return Examples.load(path, base.plan.device)
    except UNREADABLE:
        folder = run.folder / CLASS_PICTURES_FOLDER
        prior = draw_class_pictures(base, recipe, character.noun, folder, notify)
        make_examples(base, character, recipe, prior, notify).save(path)
        return Examples.load(path, base.plan.device)
