"""DreamBooth with LoRA: an adapter learns the character, class pictures hold on to the rest.

LoRA on captions alone is learned the same way: only its recipe puts other words for the character's name.
Sources: Ruiz et al., DreamBooth, arXiv 2208.12242; Hu et al., LoRA, arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.bases.catalog import find_base
from understudy.bases.opening import open_base
from understudy.bases.placing import place_denoiser
from understudy.domain import Character
from understudy.events import Notify
from understudy.methods.adapters import add_text_adapter, load_adapter, write_adapter
from understudy.methods.another_base import OnAnotherBase
from understudy.methods.attached import attached
from understudy.methods.computing.as_planned import compute_as_planned
from understudy.methods.computing.planning import following
from understudy.methods.conditioning import read_as, readers_in_steps
from understudy.methods.credits import describe_learning
from understudy.methods.decoder import learn_decoder
from understudy.methods.examples import count_shown, resident_examples
from understudy.methods.finetune import Part, finetune
from understudy.methods.hastening import fuses
from understudy.methods.learned_words import begin_word, load_word, write_word
from understudy.methods.opening import open_base_of
from understudy.methods.painting import Painter, paint_subject
from understudy.methods.references import References
from understudy.methods.reviewing import Review
from understudy.methods.weight_pull import Change, measure_change
from understudy.recipes import Adapting, Faster
from understudy.runs import Checkpoint, Run


def learn(
    character: Character,
    recipe: Adapting,
    run: Run,
    review: Review,
    notify: Notify,
    described: str = "",
) -> None:
    """Learn from where the run is to the recipe's last step; `described` is as `begin_word` wants it."""
    plan = run.manifest.plan
    with following(plan), ExitStack() as stack:
        base = open_base(
            find_base(recipe.base), plan, recipe.min_snr, recipe.resolution_px, recipe.size_shift
        )
        word: dict[str, nn.Parameter] = {}

        def teach() -> None:
            word.update(begin_word(base, recipe, character, described))

        examples = resident_examples(base, character, recipe, run, notify, teach)
        learn_decoder(base, character, examples, recipe, run, notify)
        place_denoiser(base, readers_in_steps(type(base), recipe))
        parts = [Part(stack.enter_context(attached(base, recipe)), recipe.learning_rate)]
        if word:
            parts.append(Part(word, recipe.word_learning_rate, recipe.word_steps))
        if recipe.text_learning_rate:
            parts.append(Part(add_text_adapter(base, recipe), recipe.text_learning_rate))
        condition = read_as(recipe, base, examples)
        pull = _make_pull(base.denoiser, recipe)
        compute_as_planned(base, find_base(recipe.base))

        def write(tensors: Mapping[str, Tensor], folder: Path) -> None:
            facts = describe_learning(run)
            adapters = {name: tensor for name, tensor in tensors.items() if name not in word}
            write_adapter(adapters, recipe, base.denoiser_part, facts, folder)
            write_word(base, tensors, character.name, facts, folder)

        finetune(base, parts, examples, condition, recipe, run, write, review, notify, pull)


def _make_pull(denoiser: nn.Module, recipe: Adapting) -> Change | None:
    """What holds the weights near the base's; where nothing does, none of them is read."""
    if not recipe.pull:
        return None
    change = measure_change(denoiser)
    return lambda: recipe.pull * change()


def _count_usual(base: Base, recipe: Adapting, run: Run) -> int:
    """How many drawings are shown unasked: none where none were while it learned, as of one drawing alone."""
    was_shown = len(run.manifest.drawings) > 1 and not isinstance(run, OnAnotherBase)
    return count_shown(base, recipe) if was_shown else 0


@contextmanager
def open_painter(
    run: Run, recipe: Adapting, checkpoint: Checkpoint, device: str, notify: Notify, faster: Faster
) -> Iterator[Painter]:
    """The base with the adapter, which reads the character's words where a prompt says the name."""
    with open_base_of(run, device, notify, faster) as base:
        load_adapter(base, recipe, checkpoint.folder, fuses(faster, recipe.follows_noise))
        load_word(base, recipe, run.manifest.name, checkpoint.folder)
        shown = References(run, _count_usual(base, recipe, run))
        yield paint_subject(base, recipe, run, checkpoint, notify, faster, shown)
