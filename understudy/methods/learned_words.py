"""The character's own word: begun, written as diffusers' `load_textual_inversion` reads it, and loaded.

Where two encoders read it, the file has a tensor for each, named as `Base.word_parts` says and as ComfyUI
looks for it, and diffusers is given one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.domain import Character
from understudy.methods.credits import write_weights
from understudy.recipes import LearnsWord, learned_word

WORD_FILE = "learned_embeds.safetensors"
"""The name that diffusers looks for in a folder."""
WORDS = ("word", "word_2")
"""Its names among the trained weights, one for each text encoder that reads it."""


def begin_word(
    base: Base, recipe: LearnsWord, character: Character, described: str
) -> dict[str, nn.Parameter]:
    """Teach the base the character's word; returns its vectors by name, none where the recipe has no word.

    `described` is the character in words that the base knows, for recipes that begin with them.
    """
    if not recipe.vectors:
        return {}
    initial = recipe.initial_words(character.name, character.noun, described)
    vectors = base.add_word(learned_word(character.name), recipe.vectors, initial)
    return dict(zip(WORDS, vectors, strict=False))


def write_word(
    base: Base, tensors: Mapping[str, Tensor], name: str, facts: Mapping[str, str], folder: Path
) -> None:
    """Write the vectors among trained `tensors`, if they are there, with `facts` in the file's header."""
    vectors = [tensors[one] for one in WORDS if one in tensors]
    if vectors:
        names = base.word_parts.values() if len(vectors) > 1 else (learned_word(name),)
        write_weights(dict(zip(names, vectors, strict=True)), facts, folder / WORD_FILE)


def load_word(base: Base, recipe: LearnsWord, name: str, folder: Path) -> None:
    """Teach the base the word that lies in a checkpoint's folder, as plain diffusers does."""
    if not recipe.vectors:
        return
    if len(base.word_parts) == 1:
        base.pipe.load_textual_inversion(str(folder), weight_name=WORD_FILE)
        return
    found = load_file(folder / WORD_FILE)
    for part, vectors in base.word_parts.items():
        base.pipe.load_textual_inversion(
            {learned_word(name): found[vectors]},
            text_encoder=base.part(part),
            tokenizer=base.tokenizer(part),
        )
