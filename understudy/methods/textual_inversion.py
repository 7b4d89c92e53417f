"""Textual inversion: nothing of the denoiser changes, a word for the character is learned.

Source: Gal et al., Textual Inversion, arXiv 2208.01618.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from understudy.bases.catalog import find_base
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser
from understudy.domain import Character
from understudy.events import Notify
from understudy.methods.computing.as_planned import compute_as_planned
from understudy.methods.computing.planning import following
from understudy.methods.conditioning import read_in_the_step, readers_in_steps
from understudy.methods.credits import describe_learning
from understudy.methods.decoder import learn_decoder
from understudy.methods.examples import resident_examples
from understudy.methods.finetune import Part, finetune
from understudy.methods.learned_words import begin_word, load_word, write_word
from understudy.methods.opening import open_base_of
from understudy.methods.painting import Painter, paint_subject
from understudy.methods.reviewing import Review
from understudy.recipes import Faster, TextualInversion
from understudy.runs import Checkpoint, Run


def learn(
    character: Character,
    recipe: TextualInversion,
    run: Run,
    review: Review,
    notify: Notify,
    described: str = "",
) -> None:
    """Learn from where the run is to the recipe's last step; `described` is as `begin_word` wants it."""
    plan = run.manifest.plan
    with following(plan):
        base = open_base(
            find_base(recipe.base), plan, recipe.min_snr, recipe.resolution_px, recipe.size_shift
        )
        parts = [Part(begin_word(base, recipe, character, described), recipe.learning_rate)]
        examples = resident_examples(base, character, recipe, run, notify)
        learn_decoder(base, character, examples, recipe, run, notify)
        place_denoiser(base, readers_in_steps(type(base), recipe))
        compute_as_planned(base, find_base(recipe.base))
        condition = read_in_the_step(base, examples)

        def write(tensors: Mapping[str, Tensor], folder: Path) -> None:
            write_word(base, tensors, character.name, describe_learning(run), folder)

        finetune(base, parts, examples, condition, recipe, run, write, review, notify)


@contextmanager
def open_painter(
    run: Run, recipe: TextualInversion, checkpoint: Checkpoint, device: str, notify: Notify, faster: Faster
) -> Iterator[Painter]:
    """The base, which reads the learned word where a prompt says the name."""
    with open_base_of(run, device, notify, faster) as base:
        load_word(base, recipe, run.manifest.name, checkpoint.folder)
        yield paint_subject(base, recipe, run, checkpoint, notify, faster)
