"""DreamBooth with LoRA: an adapter learns the character, class pictures hold on to the rest.

LoRA on captions alone is learned the same way: only its recipe puts another word for the character's name.
Sources: Ruiz et al., DreamBooth, arXiv 2208.12242; Hu et al., LoRA, arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn

from understudy.bases.catalog import find_base
from understudy.bases.sd1 import Sd1Base, open_base
from understudy.domain import Character
from understudy.events import Notify, Step
from understudy.methods.adapters import adapt, find_ends, load_adapter, write_adapter
from understudy.methods.class_pictures import draw_class_pictures
from understudy.methods.credits import describe_learning
from understudy.methods.examples import EXAMPLES_FILE, UNREADABLE, Examples, make_examples
from understudy.methods.finetune import finetune
from understudy.methods.loop import is_finished, make_up_review
from understudy.methods.noise_rank import follow_noise
from understudy.methods.opening import open_base_of
from understudy.methods.painting import Painter, PipelinePainter, describe_run
from understudy.methods.planning import following
from understudy.methods.reviewing import Review
from understudy.methods.weight_pull import measure_change
from understudy.recipes import Adapting, place_subject
from understudy.runs import Checkpoint, Run

CLASS_PICTURES_FOLDER = "class_pictures"


def learn(character: Character, recipe: Adapting, run: Run, review: Review, notify: Notify) -> None:
    """Learn from where the run is to the recipe's last step."""
    make_up_review(run, recipe, review)
    if is_finished(run, recipe):
        notify(Step("learning", recipe.steps, recipe.steps))
        return
    plan = run.manifest.plan
    with following(plan):
        base = open_base(find_base(recipe.base), plan, recipe.min_snr)
        examples = _resident_examples(base, character, recipe, run, notify)
        weights = add_adapter(base, recipe)

        def write_weights(tensors: Mapping[str, Tensor], folder: Path) -> None:
            write_adapter(tensors, recipe, describe_learning(run), folder)

        change = measure_change(base.denoiser)
        pull = (lambda: recipe.pull * change()) if recipe.pull else None
        finetune(base, weights, examples, recipe, run, write_weights, review, notify, pull)


@contextmanager
def open_painter(
    run: Run, recipe: Adapting, checkpoint: Checkpoint, device: str, notify: Notify
) -> Iterator[Painter]:
    """The base with the adapter, which reads the character's words where a prompt says the name."""
    manifest = run.manifest
    words = recipe.words(manifest.name, manifest.noun)
    with open_base_of(run, device) as base:
        load_adapter(base, recipe, checkpoint.folder)
        yield PipelinePainter(
            base,
            lambda prompt: base.prompting.complete(place_subject(prompt, manifest.name, words)),
            describe_run(run, checkpoint),
            notify,
        )


def add_adapter(base: Sd1Base, recipe: Adapting) -> dict[str, nn.Parameter]:
    """Put a fresh fp32 adapter on the denoiser, which changes nothing yet; returns its weights by name."""
    weights = adapt(base.pipe.unet, find_ends(base, recipe), recipe)
    if recipe.min_rank:
        follow_noise(base.denoiser, recipe.min_rank, recipe.rank, base.objective.num_times)
    return weights


def _resident_examples(
    base: Sd1Base, character: Character, recipe: Adapting, run: Run, notify: Notify
) -> Examples:
    path = run.folder / EXAMPLES_FILE
    try:
        return Examples.load(path, base.plan.device)
    except UNREADABLE:
        folder = run.folder / CLASS_PICTURES_FOLDER
        prior = draw_class_pictures(base, recipe, character.noun, folder, notify)
        make_examples(base, character, recipe, prior, notify).save(path)
        return Examples.load(path, base.plan.device)
