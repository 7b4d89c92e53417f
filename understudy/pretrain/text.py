"""Teaches the base's text encoder, before the U-Net sees it, all that a caption says.

It learns to predict every attribute and look that is said, from its pooled last token, from the mean of its
tokens and from single tokens, and the looks of a roster of characters that captions only name. Captions that
hardly changed the picture were what killed the first trials; here that is cured in minutes, before hours go
into the U-Net.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from understudy.events import Note, Notify, Step
from understudy.pretrain.tokenizer import MAX_LENGTH, build_tokenizer, save_tokenizer
from understudy.pretrain.training import optimiser_tensors, restore_optimiser
from understudy.world.captions import full_caption, noun, short_caption
from understudy.world.characters import sample_traits
from understudy.world.names import Named, roster
from understudy.world.scenes import sample_attributes
from understudy.world.vocabulary import CHOICES, TRAITS

# What a caption can say; "" is "not said" and the first class of every head.
HEADS: dict[str, tuple[str, ...]] = {name: ("", *choices) for name, choices in {**CHOICES, **TRAITS}.items()}
ROSTER_SIZE = 2000
NUM_SCENES, NUM_NAMED = 40, 8  # captions in a step: of scenes told in words, of characters told by name
LEARNING_RATE, WARMUP_STEPS = 1e-3, 50
SAVE_EVERY = 200


@dataclass(frozen=True)
class Lesson:
    """A caption, and the value of each head that it says, or that its name stands for."""

    text: str
    said: Mapping[str, str]


class Readers(nn.Module):
    """Linear heads on what the text encoder gives; they are thrown away afterwards."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = [len(choices) for choices in HEADS.values()]
        self.pooled = nn.Linear(width, sum(self.sizes))
        self.mean = nn.Linear(width, sum(self.sizes))
        self.token = nn.Linear(width, sum(self.sizes))

    def forward(self, tokens_BTC: Tensor, pooled_BC: Tensor) -> list[tuple[Tensor, ...]]:
        """By the pooled token, the mean, and the one token that knows: logits (B, classes) for each head.

        The last is the shortest way to the words, learned in half the steps, and is how a U-Net attends.
        """
        by_pooled = self.pooled(pooled_BC)
        by_mean = self.mean(tokens_BTC.mean(dim=1))
        by_token = self.token(tokens_BTC).logsumexp(dim=1)
        return [logits.split(self.sizes, dim=1) for logits in (by_pooled, by_mean, by_token)]


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A text encoder of 3 layers, 256 wide, 40 positions (2.7 M parameters), not yet taught."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        hidden_act="quick_gelu",
        projection_dim=256,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def world_roster(seed: int = 0) -> tuple[Named, ...]:
    """The characters that the base knows by name; the pictures of the U-Net's training show the same."""
    return roster(ROSTER_SIZE, seed, sample_traits)


def scene_lesson(rng: random.Random) -> Lesson:
    """A caption in words, three of four saying all; some lack the looks."""
    traits = sample_traits(rng)
    attributes = sample_attributes(rng, traits["kind"])
    write = full_caption if rng.random() < 0.75 else short_caption
    shown = traits if rng.random() < 0.9 else {}
    written = write(attributes, shown, noun(attributes, rng), rng)
    return Lesson(written.text, {**written.attributes.said(), **written.traits})


def named_lesson(named: Named, rng: random.Random, full: bool) -> Lesson:
    """A caption with a name that stands for the looks; a full one says the whole scene."""
    attributes = sample_attributes(rng, named.kind)
    subject = named.name if rng.random() < 0.8 else f"{named.name} the {noun(attributes, rng)}"
    written = (full_caption if full else short_caption)(attributes, {}, subject, rng, named=True)
    return Lesson(written.text, {**written.attributes.said(), "kind": named.kind, **named.traits})


def classes(lessons: Sequence[Lesson]) -> Tensor:
    """The class of each head, (lessons, heads)."""
    return torch.tensor(
        [[choices.index(lesson.said.get(head, "")) for head, choices in HEADS.items()] for lesson in lessons]
    )


class TextLearner:
    """The text encoder, its readers and their optimiser; what step N does follows from seed and N alone."""

    def __init__(self, steps: int, seed: int = 0, device: str = "cpu") -> None:
        torch.manual_seed(seed)
        self.steps, self.seed, self.device, self.done = steps, seed, device, 0
        self.tokenizer = build_tokenizer()
        self.encoder = build_text_encoder(self.tokenizer).to(device)
        self.readers = Readers(self.encoder.config.hidden_size).to(device)
        self.roster = world_roster()
        self.optimizer = torch.optim.AdamW(self._parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98))

    def step(self) -> float:
        """Learn one batch and return its loss, a mean over heads and captions in nats."""
        rng = random.Random(f"text {self.seed} {self.done}")
        scenes = [scene_lesson(rng) for _ in range(NUM_SCENES)]
        # Names need many repetitions: three batches of four are short ones, padded no more than they need.
        # Scenes are padded as the U-Net will see them.
        full = self.done % 4 == 0
        named = [named_lesson(rng.choice(self.roster), rng, full) for _ in range(NUM_NAMED)]
        losses = [self._loss(scenes, padding="max_length"), self._loss(named, padding="longest")]
        loss = torch.stack(losses).mean()
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters(), 1.0)
        self.optimizer.step()
        self.done += 1
        return loss.item()

    def read(self, lessons: Sequence[Lesson], padding: str = "max_length") -> list[tuple[Tensor, ...]]:
        """The logits of every head, by the pooled token, the mean and the single tokens."""
        batch = self.tokenizer(
            [lesson.text for lesson in lessons],
            padding=padding,
            truncation=True,
            max_length=MAX_LENGTH,
            return_tensors="pt",
        )
        out = self.encoder(batch.input_ids.to(self.device))
        read: list[tuple[Tensor, ...]] = self.readers(out.last_hidden_state, out.pooler_output)
        return read

    def save(self, path: Path) -> None:
        """Write all that going on needs."""
        tensors = {"done": torch.tensor(self.done)}
        tensors |= {f"encoder.{name}": tensor for name, tensor in self.encoder.state_dict().items()}
        tensors |= {f"readers.{name}": tensor for name, tensor in self.readers.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in optimiser_tensors(self.optimizer).items()}
        part = path.with_suffix(".part")
        safetensors.torch.save_file(tensors, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a state that `save` wrote."""
        tensors = safetensors.torch.load_file(path, device=self.device)
        self.done = int(tensors.pop("done"))

        def under(prefix: str) -> dict[str, Tensor]:
            return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}

        self.encoder.load_state_dict(under("encoder."))
        self.readers.load_state_dict(under("readers."))
        restore_optimiser(self.optimizer, under("optimizer."))

    def _parameters(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.readers.parameters()]

    def _learning_rate(self) -> float:
        warm = min(1.0, (self.done + 1) / WARMUP_STEPS)
        return (
            LEARNING_RATE * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, self.done / self.steps))))
        )

    def _loss(self, lessons: Sequence[Lesson], padding: str) -> Tensor:
        wanted_BH = classes(lessons).to(self.device)
        losses = [
            F.cross_entropy(logits, wanted_BH[:, head])
            for reading in self.read(lessons, padding)
            for head, logits in enumerate(reading)
        ]
        return torch.stack(losses).mean()


@torch.no_grad()
def examine(learner: TextLearner, seed: int = 1, size: int = 500) -> dict[str, float]:
    """Shares of right answers on captions that were not learned, the worse of pooled and mean reading.

    "said": attributes and looks that captions say; "unsaid": the heads on which they are silent; "named": the
    looks of `size` characters of the roster from "a picture of NAME" alone.
    """
    rng = random.Random(f"text examination {seed}")
    told = [scene_lesson(rng) for _ in range(size)]
    known = [
        Lesson(f"a picture of {named.name}", {"kind": named.kind, **named.traits})
        for named in learner.roster[:size]
    ]
    said, unsaid = _shares(learner, told)
    named, _ = _shares(learner, known)
    return {"said": said, "unsaid": unsaid, "named": named}


def _shares(learner: TextLearner, lessons: Sequence[Lesson]) -> tuple[float, float]:
    """Shares of right answers where something is said, and where nothing is."""
    wanted_BH = classes(lessons)
    by_pooled, by_mean, _ = learner.read(lessons)
    right = [torch.stack([logits.argmax(dim=1).cpu() for logits in reading], dim=1) == wanted_BH
             for reading in (by_pooled, by_mean)]  # fmt: skip
    is_said = wanted_BH > 0
    return (
        min(float(right_BH[is_said].float().mean()) for right_BH in right),
        min(float(right_BH[~is_said].float().mean()) for right_BH in right),
    )


def learn_text(folder: Path, steps: int, notify: Notify, seed: int = 0, device: str = "cpu") -> TextLearner:
    """Teach a text encoder and write it with its tokenizer into `folder`, in Stable Diffusion 1.x layout.

    The same call goes on where the folder's `text_state.safetensors` ends; more `steps` teach it further.
    """
    learner = TextLearner(steps, seed, device)
    state = folder / "text_state.safetensors"
    if state.exists():
        learner.load(state)
    while learner.done < steps:
        loss = learner.step()
        notify(Step("teaching the text encoder", learner.done, steps, (("loss", loss),)))
        if learner.done % SAVE_EVERY == 0:
            learner.save(state)
    learner.save(state)
    save_tokenizer(learner.tokenizer, folder / "tokenizer")
    learner.encoder.save_pretrained(folder / "text_encoder")
    shares = ", ".join(f"{name} {share:.2%}" for name, share in examine(learner).items())
    notify(Note(f"Right answers of the text encoder: {shares}."))
    return learner


def main() -> None:
    """`python -m understudy.pretrain.text --out DIR --steps N`."""
    from understudy.terminal import listening

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for tokenizer/ and text_encoder/")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    with listening() as notify:
        learn_text(given.out, given.steps, notify, given.seed, given.device)


if __name__ == "__main__":
    main()
