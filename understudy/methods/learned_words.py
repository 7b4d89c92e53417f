"""The character's own word: begun, written as diffusers' `load_textual_inversion` reads it, and loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from understudy.bases.base import Base
from understudy.domain import Character
from understudy.methods.credits import write_weights
from understudy.recipes import LearnsWord, learned_word

WORD_FILE = "learned_embeds.safetensors"
"""The name that diffusers looks for in a folder."""
WORD = "word"
"""Its name among the trained weights."""


def begin_word(base: Base, recipe: LearnsWord, character: Character) -> dict[str, nn.Parameter]:
    """Teach the base the character's word; returns its vectors by name, none where the recipe has no word."""
    if not recipe.vectors:
        return {}
    initial = recipe.initial_words(character.name, character.noun)
    return {WORD: base.add_word(learned_word(character.name), recipe.vectors, initial)}


def write_word(tensors: Mapping[str, Tensor], name: str, facts: Mapping[str, str], folder: Path) -> None:
    """Write the vectors among trained `tensors`, if they are there, with `facts` in the file's header."""
    if WORD in tensors:
        write_weights({learned_word(name): tensors[WORD]}, facts, folder / WORD_FILE)


def load_word(base: Base, recipe: LearnsWord, folder: Path) -> None:
    """Teach the base the word that lies in a checkpoint's folder, as plain diffusers does."""
    if recipe.vectors:
        base.pipe.load_textual_inversion(str(folder), weight_name=WORD_FILE)
