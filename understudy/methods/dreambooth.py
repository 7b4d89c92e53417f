"""DreamBooth on the whole denoiser, and on the text encoder by choice; class pictures hold on to the rest.

What is kept of it is as large as the denoiser, so less is kept. For good: the weights after each
`snapshot_every` steps, two with the default recipe, so that a reviewer can choose. To go on with, as of
every method: the state of the two newest checkpoints, which is weights, Adam's moments and, unless
`averaging` is 0, the running average.

Source: Ruiz et al., DreamBooth, arXiv 2208.12242.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import assert_never

from torch import nn

from understudy.bases.base import Base
from understudy.bases.catalog import find_base
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser
from understudy.domain import Character, UserError
from understudy.events import Notify
from understudy.methods.computing.as_planned import compute_as_planned
from understudy.methods.computing.planning import choose_plan, following
from understudy.methods.conditioning import read_as, readers_in_steps
from understudy.methods.credits import describe_learning
from understudy.methods.decoder import learn_decoder
from understudy.methods.examples import resident_examples
from understudy.methods.finetune import Part, WriteWeights, finetune
from understudy.methods.hastening import plan_drawing
from understudy.methods.learned_decoder import load_decoder
from understudy.methods.opening import open_base_of
from understudy.methods.painting import Painter, paint_subject
from understudy.methods.reviewing import Review
from understudy.methods.whole_weights import (
    PIPELINE_FOLDER,
    add_difference,
    open_to_learn,
    train_whole,
    write_difference,
    write_pipeline,
)
from understudy.recipes import DreamBooth, Faster
from understudy.runs import Checkpoint, Plan, Run


def learn(character: Character, recipe: DreamBooth, run: Run, review: Review, notify: Notify) -> None:
    """Learn from where the run is to the recipe's last step."""
    plan = run.manifest.plan
    with following(plan):
        base = _open(recipe, plan)
        examples = resident_examples(base, character, recipe, run, notify)
        learn_decoder(base, character, examples, recipe, run, notify)
        if run.keeps and recipe.save_as == "pipeline":
            load_decoder(base, recipe, run, notify)  # what is written draws in other tools as it does here
        readers = readers_in_steps(type(base), recipe)
        place_denoiser(base, readers, written=recipe.save_as == "pipeline")
        parts = [Part(train_whole(base, base.denoiser_part), recipe.learning_rate)]
        parts += [Part(train_whole(base, part), recipe.text_learning_rate) for part in readers]
        compute_as_planned(base, find_base(recipe.base))
        condition = read_as(recipe, base, examples)
        weights = {name: weight for part in parts for name, weight in part.weights.items()}
        write = _writing(base, weights, recipe, run)
        finetune(base, parts, examples, condition, recipe, run, write, review, notify)


@contextmanager
def open_painter(
    run: Run, recipe: DreamBooth, checkpoint: Checkpoint, device: str, notify: Notify, faster: Faster
) -> Iterator[Painter]:
    """The learned denoiser, which reads the character's words where a prompt says the name."""
    match recipe.save_as:
        case "difference":
            if faster.quantization != "none":
                raise UserError(
                    "What was learned is added to the base's own weights, which cannot be quantised then: "
                    "leave --quantization out, or learn with --save-as pipeline."
                )
            with open_base_of(run, device, notify, faster) as base:
                add_difference(base, checkpoint.folder)
                yield paint_subject(base, recipe, run, checkpoint, notify, faster)
        case "pipeline":
            folder = checkpoint.folder / PIPELINE_FOLDER
            dares = run.manifest.plan.precision == "fp16"
            plan = plan_drawing(choose_plan(folder, device, dares_fp16=dares), folder, faster)
            yield paint_subject(open_base(folder, plan), recipe, run, checkpoint, notify, faster)
        case _:
            assert_never(recipe.save_as)


def _open(recipe: DreamBooth, plan: Plan) -> Base:
    folder, knobs = find_base(recipe.base), (recipe.min_snr, recipe.resolution_px, recipe.size_shift)
    return open_to_learn(recipe, plan, lambda how: open_base(folder, how, *knobs))


def _writing(base: Base, weights: Mapping[str, nn.Parameter], recipe: DreamBooth, run: Run) -> WriteWeights:
    """What writes the trained weights as the recipe says."""
    facts = describe_learning(run)
    match recipe.save_as:
        case "difference":
            # Beside the graphics card's memory, where all that learns lies.
            before = {name: weight.detach().to("cpu", copy=True) for name, weight in weights.items()}
            return lambda tensors, folder: write_difference(tensors, before, facts, folder)
        case "pipeline":
            origin = find_base(recipe.base)
            return lambda tensors, folder: write_pipeline(base, weights, tensors, facts, origin, folder)
        case _:
            assert_never(recipe.save_as)
