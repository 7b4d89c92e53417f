"""Several adapters of one character, learned at once over one frozen base.

They may differ in learning rate, rank, min_rank, alpha and seed. Each has the randomness, the optimiser and
the run folder that it has when it is learned alone; only the base's work is done for all in one large batch.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from understudy.bases.base import Base
from understudy.bases.catalog import find_base
from understudy.bases.conditioning import Conditioning
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser
from understudy.domain import Character
from understudy.events import Notify, Step
from understudy.methods.adapters import write_adapter
from understudy.methods.attached import beside, make_beside
from understudy.methods.computing.as_planned import compute_as_planned
from understudy.methods.computing.planning import following
from understudy.methods.conditioning import read_once
from understudy.methods.credits import describe_learning
from understudy.methods.decoder import learn_decoder
from understudy.methods.examples import CLASS_PICTURES_FOLDER, EXAMPLES_FILE, Examples, resident_examples
from understudy.methods.finetune import Part, Tuning, batches, begin_tuning
from understudy.methods.grouped_lora import Adapter
from understudy.methods.learned_decoder import copy_decoder
from understudy.methods.loop import Member, is_finished, learn_at_once
from understudy.methods.questions import ask, weigh
from understudy.methods.reviewing import never_stop
from understudy.recipes import DreamBoothLora, Recipe
from understudy.runs import Run, write_whole

OWN_KNOBS = {"learning_rate", "rank", "min_rank", "alpha", "seed"}
"""In these knobs the recipes of adapters that are learned together may differ."""


def can_join(recipe: Recipe) -> bool:
    """Whether it can be learned together with others: only LoRA on the denoiser, by Adam itself.

    The adapters are not on the base while they learn, so that what asks them there, as pull does, cannot.
    """
    return (
        isinstance(recipe, DreamBoothLora)
        and recipe.adapter == "lora"
        and recipe.optimizer == "adam"
        and not (recipe.vectors or recipe.text_learning_rate or recipe.pull)
    )


def can_share(one: Recipe, other: Recipe) -> bool:
    """Whether both can be learned together, with each other."""
    if not (can_join(one) and can_join(other)):
        return False
    return one.model_dump(exclude=OWN_KNOBS) == other.model_dump(exclude=OWN_KNOBS)


def learn(
    character: Character, recipes: Sequence[DreamBoothLora], runs: Sequence[Run], notify: Notify
) -> None:
    """Learn all recipes, each in its run, from the newest checkpoint that all runs have.

    The weights are those of learning alone but for the rounding of sums in another order; going on after a
    kill is exact, on a CPU bit for bit. Raises `Cancelled` when the listener does, after saving.
    """
    recipe = recipes[0]
    if all(is_finished(run, own) for run, own in zip(runs, recipes, strict=True)):
        notify(Step("learning", recipe.steps, recipe.steps))
        return
    plan = runs[0].manifest.plan
    with following(plan):
        base = open_base(
            find_base(recipe.base), plan, recipe.min_snr, recipe.resolution_px, recipe.size_shift
        )
        examples = _share_examples(base, character, recipes, runs, notify)
        _share_decoders(base, character, recipes, runs, examples, notify)
        place_denoiser(base)
        adapters = [make_beside(base, own) for own in recipes]
        tunings = [
            _begin(base, own, run, examples[own.seed], adapter)
            for own, run, adapter in zip(recipes, runs, adapters, strict=True)
        ]
        members = [Member(tuning, run) for tuning, run in zip(tunings, runs, strict=True)]
        with beside(base, adapters):
            compute_as_planned(base, find_base(recipe.base))
            learn_at_once(members, _JointStep(base, tunings), recipe, never_stop, notify)


@dataclass(frozen=True)
class _JointStep:
    """A step of all tunings: every question in one batch, every answer back to its own."""

    base: Base
    tunings: Sequence[Tuning]

    def __call__(self, number: int) -> list[dict[str, Tensor]]:
        recipe = self.tunings[0].recipe
        for tuning in self.tunings:
            tuning.set_rates(number)
        losses = torch.stack([self._add_gradients(batch) for batch in batches(number, recipe)])
        for tuning in self.tunings:
            tuning.apply_gradients(number)
        return [{"loss": loss} for loss in losses.mean(dim=0)]

    def _add_gradients(self, batch: int) -> Tensor:
        """Of one batch of each; returns their losses (G)."""
        questions = [tuning.ask(batch) for tuning in self.tunings]
        answers = ask(
            self.base,
            torch.cat([one.noisy for one in questions]),
            torch.cat([one.times for one in questions]),
            Conditioning.join([one.prompts for one in questions]),
        ).chunk(len(questions))
        losses = torch.stack([weigh(*both) for both in zip(answers, questions, strict=True)])
        # No adapter has a part in another's loss, so that the sum gives each its own gradient.
        enlarged = [tuning.scale.enlarge(loss) for tuning, loss in zip(self.tunings, losses, strict=True)]
        torch.autograd.backward(torch.stack(enlarged).sum() / self.tunings[0].recipe.accumulation)
        return losses.detach()


def _begin(base: Base, recipe: DreamBoothLora, run: Run, examples: Examples, adapter: Adapter) -> Tuning:
    """The tuning of an adapter as it begins alone."""

    def write_weights(tensors: Mapping[str, Tensor], folder: Path) -> None:
        write_adapter(tensors, recipe, base.denoiser_part, describe_learning(run), folder)

    parts = [Part(adapter.weights, recipe.learning_rate)]
    return begin_tuning(base, parts, examples, read_once(examples), recipe, write_weights)


def _share_examples(
    base: Base,
    character: Character,
    recipes: Sequence[DreamBoothLora],
    runs: Sequence[Run],
    notify: Notify,
) -> dict[int, Examples]:
    """The examples by seed, which alone decides them here; each run keeps them as if it were alone."""
    examples: dict[int, Examples] = {}
    first: dict[int, Run] = {}
    for recipe, run in zip(recipes, runs, strict=True):
        source = first.setdefault(recipe.seed, run)
        if recipe.seed not in examples:
            examples[recipe.seed] = resident_examples(base, character, recipe, run, notify)
        elif not (run.folder / EXAMPLES_FILE).exists():
            _copy_prepared(source, run)
    return examples


def _share_decoders(
    base: Base,
    character: Character,
    recipes: Sequence[DreamBoothLora],
    runs: Sequence[Run],
    examples: Mapping[int, Examples],
    notify: Notify,
) -> None:
    """What each run's decoder learns alone, which the examples and the seed decide."""
    first: dict[int, Run] = {}
    for recipe, run in zip(recipes, runs, strict=True):
        source = first.setdefault(recipe.seed, run)
        if run is source:
            learn_decoder(base, character, examples[recipe.seed], recipe, run, notify)
        else:
            copy_decoder(source, run)


def _copy_prepared(source: Run, run: Run) -> None:
    with suppress(FileNotFoundError):  # without class pictures
        shutil.copytree(
            source.folder / CLASS_PICTURES_FOLDER, run.folder / CLASS_PICTURES_FOLDER, dirs_exist_ok=True
        )
    # Last, because its presence says that the rest is there.
    write_whole(run.folder / EXAMPLES_FILE, (source.folder / EXAMPLES_FILE).read_bytes())
