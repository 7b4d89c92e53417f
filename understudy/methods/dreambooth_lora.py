"""DreamBooth with LoRA: a low-rank adapter learns the character, class pictures hold on to the rest.

Sources: Ruiz et al., DreamBooth, arXiv 2208.12242; Hu et al., LoRA, arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from peft import LoraConfig
from torch import Tensor, nn

from understudy.bases.catalog import find_base
from understudy.bases.sd1 import Sd1Base, open_base
from understudy.domain import Character
from understudy.events import Notify
from understudy.methods.conditioning import read_in_the_step, read_once
from understudy.methods.credits import describe_learning, order_metadata
from understudy.methods.examples import resident_examples
from understudy.methods.finetune import Part, finetune
from understudy.methods.learned_words import begin_word, load_word, write_word
from understudy.methods.loop import has_learned
from understudy.methods.opening import open_base_of
from understudy.methods.painting import Painter, paint_subject
from understudy.methods.planning import following
from understudy.methods.reviewing import Review
from understudy.recipes import DreamBoothLora
from understudy.runs import Checkpoint, Run

WEIGHTS_FILE = "pytorch_lora_weights.safetensors"
"""The name that diffusers looks for in a folder."""
TEXT_PREFIX = "text_encoder."
"""What the names of the text encoder's weights begin with."""


def learn(character: Character, recipe: DreamBoothLora, run: Run, review: Review, notify: Notify) -> None:
    """Learn from where the run is to the recipe's last step."""
    if has_learned(run, recipe, review, notify):
        return
    plan = run.manifest.plan
    with following(plan):
        base = open_base(find_base(recipe.base), plan, recipe.min_snr)
        word = begin_word(base, recipe, character)
        examples = resident_examples(base, character, recipe, run, notify)
        parts = [Part(add_adapter(base, recipe), recipe.learning_rate)]
        if word:
            parts.append(Part(word, recipe.word_learning_rate, recipe.word_steps))
        if recipe.text_learning_rate:
            parts.append(Part(add_text_adapter(base, recipe), recipe.text_learning_rate))
        condition = read_in_the_step(base, examples) if len(parts) > 1 else read_once(examples)

        def write(tensors: Mapping[str, Tensor], folder: Path) -> None:
            facts = describe_learning(run)
            adapters = {name: tensor for name, tensor in tensors.items() if name not in word}
            write_adapter(adapters, recipe, facts, folder / WEIGHTS_FILE)
            write_word(tensors, character.name, facts, folder)

        finetune(base, parts, examples, condition, recipe, run, write, review, notify)


@contextmanager
def open_painter(
    run: Run, recipe: DreamBoothLora, checkpoint: Checkpoint, device: str, notify: Notify
) -> Iterator[Painter]:
    """The base with the adapter, which reads the character's words where a prompt says the name."""
    with open_base_of(run, device) as base:
        base.pipe.load_lora_weights(str(checkpoint.folder), weight_name=WEIGHTS_FILE)
        # Added to the base's own weights once, instead of computed beside them in every layer.
        base.pipe.fuse_lora()
        load_word(base, recipe, checkpoint.folder)
        yield paint_subject(base, recipe, run, checkpoint, notify)


def add_adapter(base: Sd1Base, recipe: DreamBoothLora) -> dict[str, nn.Parameter]:
    """Put a fresh fp32 adapter on the denoiser, which changes nothing yet; returns its weights by name."""
    targets = [end for target in recipe.targets for end in base.lora_targets[target]]
    return _adapt(base.pipe.unet, targets, recipe)


def add_text_adapter(base: Sd1Base, recipe: DreamBoothLora) -> dict[str, nn.Parameter]:
    """The same on the attention of what reads the words."""
    weights = _adapt(base.pipe.text_encoder, list(base.text_lora_targets), recipe)
    return {f"{TEXT_PREFIX}{name}": weight for name, weight in weights.items()}


def write_adapter(
    tensors: Mapping[str, Tensor], recipe: DreamBoothLora, facts: Mapping[str, str], path: Path
) -> None:
    """Write an adapter as diffusers' `load_lora_weights` reads it, with `facts` in its header.

    The factor alpha / rank goes into the weights themselves: readers differ in where they look for it.
    """
    scale = recipe.alpha / recipe.rank
    saved = {
        _name_in_file(name): tensor * (scale if ".lora_B." in name else 1.0)
        for name, tensor in tensors.items()
    }
    content = safetensors.torch.save(saved, {"format": "pt", **facts})
    path.write_bytes(order_metadata(content))


def _adapt(network: Any, targets: list[str], recipe: DreamBoothLora) -> dict[str, nn.Parameter]:
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=targets)
    before = set(network.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network.add_adapter(config)
    weights = {name: weight for name, weight in network.named_parameters() if weight not in before}
    for weight in weights.values():
        weight.data = weight.data.float()  # the adapter library takes the base's precision
    return weights


def _name_in_file(name: str) -> str:
    """As diffusers and all other readers know it: later releases of transformers left out "text_model."."""
    name = name.replace(".default.", ".")
    if not name.startswith(TEXT_PREFIX):
        return f"unet.{name}"
    return f"{TEXT_PREFIX}text_model.{name.removeprefix(TEXT_PREFIX).removeprefix('text_model.')}"
