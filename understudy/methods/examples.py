"""What a base is trained on, resident in memory: encoded once, so that no step needs the autoencoder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional as F

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.bases.placing import place_readers, reading_words
from understudy.domain import Character, Pixels
from understudy.drawings.prepare import View, caption_prompt, make_views
from understudy.drawings.references import lay_on_paper, rank_references
from understudy.events import Notify
from understudy.methods.class_pictures import ClassPicture, draw_class_pictures
from understudy.methods.encoding import encode_pictures
from understudy.methods.painting import note_cut_prompts
from understudy.recipes import Adapting, Finetune, place_subject
from understudy.runs import Run, write_whole

EXAMPLES_FILE = "examples.safetensors"
CLASS_PICTURES_FOLDER = "class_pictures"
ON_CPU = ("prompt", "unit", "is_prior")
OF_EXAMPLES = ("mean", "std", "mask", "weight", *ON_CPU)
UNREADABLE = (OSError, ValueError, SafetensorError)


@dataclass(frozen=True)
class Examples:
    """N examples; rows of the same `unit` are views of one picture.

    All on the base's device but what Python reads.
    mean, std (N, C, H, W): the latents' distributions. mask (N, 1, H, W): weights in the loss, 1 on average.
    weight (N): weight of the example. On the CPU are prompt (N): its row in `prompts`, of which row 0 is the
    empty prompt, and in `tokens`, from which they were read; unit (N) and is_prior (N): which picture it is,
    and whether a class picture.
    """

    mean: Tensor
    std: Tensor
    mask: Tensor
    weight: Tensor
    prompt: Tensor
    prompts: Conditioning
    tokens: Conditioning
    unit: Tensor
    is_prior: Tensor

    def save(self, path: Path) -> None:
        """Write them as safetensors, whole or not at all."""
        tensors = {name: getattr(self, name) for name in OF_EXAMPLES}
        tensors |= {f"prompts.{name}": tensor for name, tensor in self.prompts.tensors.items()}
        tensors |= {f"tokens.{name}": tensor for name, tensor in self.tokens.tensors.items()}
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        write_whole(path, safetensors.torch.save(whole))

    @classmethod
    def load(cls, path: Path, device: str) -> Self:
        """Read what `save` wrote; raises one of `UNREADABLE` where it is not there, or damaged."""
        found = safetensors.torch.load_file(path)
        if not {*OF_EXAMPLES} <= found.keys():
            raise ValueError(f"{path} holds other tensors")
        on_device = {name: found[name] if name in ON_CPU else found[name].to(device) for name in OF_EXAMPLES}
        prompts, tokens = (_of(found, kind).to(device) for kind in ("prompts.", "tokens."))
        return cls(**on_device, prompts=prompts, tokens=tokens)


def _of(tensors: Mapping[str, Tensor], prefix: str) -> Conditioning:
    return Conditioning(
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    )


@dataclass(frozen=True)
class Decks:
    """Which examples a step takes: drawings and class pictures are dealt from two shuffled decks.

    Every drawing comes up once before any comes up again, whatever the batch: none is ever dropped.
    """

    drawings: tuple[tuple[int, ...], ...]
    prior: tuple[tuple[int, ...], ...]
    prior_share: float
    batch: int
    seed: int

    def deal(self, step: int) -> list[int]:
        """The rows of the examples of a step."""
        return [self._card(slot) for slot in range(step * self.batch, (step + 1) * self.batch)]

    def _card(self, slot: int) -> int:
        share = self.prior_share if self.prior else 0.0
        num_prior = int(slot * share)
        if int((slot + 1) * share) > num_prior:
            return self._from_deck("prior", self.prior, num_prior)
        return self._from_deck("drawings", self.drawings, slot - num_prior)

    def _from_deck(self, name: str, deck: tuple[tuple[int, ...], ...], number: int) -> int:
        round_, place = divmod(number, len(deck))
        order = torch.randperm(len(deck), generator=keyed(self.seed, name, round_))
        views = deck[int(order[place])]
        return views[int(torch.randint(len(views), (1,), generator=keyed(self.seed, name, "view", number)))]


def keyed(*key: object) -> torch.Generator:
    """A CPU generator that is the same for the same key, on every machine and in every run."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def make_decks(examples: Examples, recipe: Finetune) -> Decks:
    """The decks of a recipe's batch and shares."""
    views: dict[tuple[bool, int], list[int]] = {}
    for row, (unit, is_prior) in enumerate(
        zip(examples.unit.tolist(), examples.is_prior.tolist(), strict=True)
    ):
        views.setdefault((is_prior, unit), []).append(row)
    drawings = tuple(tuple(rows) for (is_prior, _), rows in views.items() if not is_prior)
    prior = tuple(tuple(rows) for (is_prior, _), rows in views.items() if is_prior)
    return Decks(drawings, prior, recipe.prior_share, recipe.batch, recipe.seed)


def resident_examples(
    base: Base,
    character: Character,
    recipe: Finetune,
    run: Run,
    notify: Notify,
    teach: Callable[[], None] = lambda: None,
) -> Examples:
    """The run's examples; made, and their class pictures drawn, where they are not there or damaged.

    `teach` is called once, when nothing is drawn any more, which may exchange the readers' tensors for
    others, and before any prompt is read.
    """
    path, device = run.folder / EXAMPLES_FILE, base.plan.device
    found = _load(path, device)
    if found is not None:
        teach()
        return found
    folder = run.folder / CLASS_PICTURES_FOLDER
    prior = draw_class_pictures(base, recipe, character.noun, folder, notify)
    place_readers(base)
    teach()
    make_examples(base, character, recipe, prior, notify).save(path)
    return Examples.load(path, device)


def list_views(base: Base, character: Character, recipe: Finetune, run: Run, notify: Notify) -> list[View]:
    """What the run's examples show, in the order of their rows."""
    prior = draw_class_pictures(base, recipe, character.noun, run.folder / CLASS_PICTURES_FOLDER, notify)
    return [row.view for row in _rows(base, character, recipe, prior)]


def _load(path: Path, device: str) -> Examples | None:
    try:
        return Examples.load(path, device)
    except UNREADABLE:
        return None


def make_examples(
    base: Base, character: Character, recipe: Finetune, prior: list[ClassPicture], notify: Notify
) -> Examples:
    """Encode all views of the drawings and all class pictures."""
    rows = _rows(base, character, recipe, prior)
    note_cut_prompts(base, [row.prompt for row in rows if not row.is_prior], notify)
    asked: list[tuple[str, tuple[int, ...]]] = [("", ()), *sorted({(row.prompt, row.shown) for row in rows})]
    latents = encode_pictures(base, [row.view.pixels for row in rows], notify)
    with reading_words(base):
        shown_ones = {number for _, shown in asked for number in shown}
        pictures = {number: lay_on_paper(character.drawings[number], base.shown_px) for number in shown_ones}
        read = Conditioning.join(
            [_read(base, prompt, [pictures[n] for n in shown]) for prompt, shown in asked]
        )
        tokens = base.tokenize([prompt for prompt, _ in asked])
    mean = latents.mean
    background = torch.tensor([row.background for row in rows])
    return Examples(
        mean=mean,
        std=latents.std,
        mask=_loss_masks([row.view.mask for row in rows], background, mean.shape[-2:]).to(mean),
        weight=torch.tensor([row.weight for row in rows]).to(mean),
        prompt=torch.tensor([asked.index((row.prompt, row.shown)) for row in rows]),
        prompts=read,
        tokens=tokens,
        unit=torch.tensor([row.unit for row in rows]),
        is_prior=torch.tensor([row.is_prior for row in rows]),
    )


@dataclass(frozen=True)
class _Row:
    view: View
    prompt: str
    unit: int
    weight: float
    background: float
    is_prior: bool
    shown: tuple[int, ...] = ()


def count_shown(base: Base, recipe: Finetune) -> int:
    """How many drawings a base is shown while it learns by a recipe, at most."""
    return min(recipe.references, base.learns_references) if isinstance(recipe, Adapting) else 0


def _read(base: Base, prompt: str, shown: Sequence[Pixels]) -> Conditioning:
    said = base.encode_prompt([prompt])
    return base.read_beside(said, shown) if shown else said


def _rows(base: Base, character: Character, recipe: Finetune, prior: list[ClassPicture]) -> list[_Row]:
    words = recipe.words(character.name, character.noun)
    return _drawing_rows(base, character, recipe, words) + _prior_rows(base, prior, recipe)


def _drawing_rows(base: Base, character: Character, recipe: Finetune, words: str) -> list[_Row]:
    rows = []
    most = count_shown(base, recipe)
    ranked = rank_references(character.drawings) if most else []
    for unit, drawing in enumerate(character.drawings):
        views = make_views(
            drawing,
            base.size_px,
            recipe.views,
            recipe.scale_jitter,
            recipe.place_jitter,
            recipe.flips,
            (recipe.seed, unit),
            recipe.paper_jitter,
        )
        caption = _without_leading_name(drawing.caption, character.name)
        said = place_subject(caption, character.name, words) if recipe.captions else ""
        prompt = caption_prompt(words, said)
        # Never itself: it would learn to copy what it is shown.
        shown = tuple([other for other in ranked if other != unit][:most])
        rows += [_Row(view, prompt, unit, 1.0, recipe.background_weight, False, shown) for view in views]
    return rows


def _without_leading_name(caption: str, name: str) -> str:
    """ "Mo waving" and "a picture of Mo, waving" say what "waving" says; the prompt names the character."""
    pattern = rf"\s*(a picture of )?{re.escape(name)}(?![\w'\u2019])[\s,:]*"
    return re.sub(f"^{pattern}", "", caption, flags=re.IGNORECASE)


def _prior_rows(base: Base, prior: list[ClassPicture], recipe: Finetune) -> list[_Row]:
    full = np.full((base.size_px, base.size_px), 255, np.uint8)
    return [
        _Row(View(_read_pixels(one.path), full), one.prompt, unit, recipe.prior_weight, 1.0, True)
        for unit, one in enumerate(prior)
    ]


def _read_pixels(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def _loss_masks(masks: list[Pixels], background_N: Tensor, size: tuple[int, ...]) -> Tensor:
    """Masks at the latents' size, the background at its weight, each scaled to 1 on average: (N, 1, H, W)."""
    figure = torch.from_numpy(np.stack(masks)).float()[:, None] / 255
    # The largest value, so that a cell with a bit of the figure counts as figure.
    figure = F.adaptive_max_pool2d(figure, size)
    background = background_N[:, None, None, None]
    mask = background + (1 - background) * figure
    return mask / mask.mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)
