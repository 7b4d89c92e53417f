"""What a recipe asks that its base's family cannot do: refused before the base is even opened."""

from __future__ import annotations

from understudy.bases.base import NO_READERS, NO_WORDS, Base
from understudy.bases.catalog import find_family
from understudy.bases.opening import find_kind
from understudy.domain import UserError
from understudy.events import Notify, ignore
from understudy.methods.conditioning import learns_word, trains_readers
from understudy.recipes import Adapting, Finetune


def check_family(recipe: Finetune, notify: Notify = ignore) -> None:
    """Raise `UserError` where the family learns no word, trains no reader, or has none of the targets."""
    check_kind(find_kind(find_family(recipe.base, notify)), recipe)


def check_kind(kind: type[Base], recipe: Finetune) -> None:
    """The same of a family that is known already."""
    if learns_word(recipe) and not kind.word_parts:
        raise UserError(NO_WORDS)
    if trains_readers(recipe) and not kind.text_parts:
        raise UserError(NO_READERS)
    if isinstance(recipe, Adapting):
        _check_targets(kind, recipe)


def _check_targets(kind: type[Base], recipe: Adapting) -> None:
    """Some may be missing: a recipe's targets are for all families."""
    if not any(kind.lora_targets[target] for target in recipe.targets):
        there = ", ".join(target for target, ends in kind.lora_targets.items() if ends)
        raise UserError(
            f"This base has no {' and no '.join(recipe.targets)}: take as targets any of {there}."
        )
