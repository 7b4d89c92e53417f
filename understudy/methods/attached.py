"""An adapter in its place while it learns: beside the denoiser's layers where it can be, else in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from understudy.bases.base import Base
from understudy.methods.adapters import add_adapter, find_strength
from understudy.methods.computing.own_precision import in_own_precision
from understudy.methods.grouped_lora import Adapter, adapting
from understudy.recipes import LEAVES, Adapting


def is_beside(recipe: Adapting) -> bool:
    """Whether an adapter only adds to what layers answer, and nothing asks for it in them."""
    return recipe.adapter in ("lora", "rslora") and not recipe.pull


def make_beside(base: Base, recipe: Adapting) -> Adapter:
    """A fresh adapter as `add_adapter` makes it, taken off the base again."""
    plain = recipe.model_copy(update={"min_rank": 0})  # whoever adapts sees to the rank
    weights = {name: nn.Parameter(one.detach()) for name, one in add_adapter(base, plain).items()}
    if base.plan.offload in LEAVES:  # where the layers wait that it was made for
        weights = {name: nn.Parameter(one.detach().to(base.plan.device)) for name, one in weights.items()}
    base.part(base.denoiser_part).unload_lora()  # type: ignore[operator]
    return Adapter(weights, find_strength(recipe), recipe.min_rank if recipe.follows_noise else 0)


@contextmanager
def beside(base: Base, adapters: Sequence[Adapter]) -> Iterator[None]:
    """Within, the denoiser is adapted by each of them in its part of a batch, in its own precision."""
    with (
        adapting(base.denoiser, adapters, base.noise_heard),
        in_own_precision(base.denoiser, base.plan.device),
    ):
        yield


@contextmanager
def attached(base: Base, recipe: Adapting) -> Iterator[dict[str, nn.Parameter]]:
    """Within, a fresh adapter changes what the denoiser answers; gives its weights by name."""
    if not is_beside(recipe):
        yield add_adapter(base, recipe)
        return
    adapter = make_beside(base, recipe)
    with beside(base, [adapter]):
        yield dict(adapter.weights)
