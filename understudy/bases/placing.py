"""Where the parts of an opened base lie: what reads words and pictures beside the denoiser, or before it."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from accelerate.hooks import remove_hook_from_module
from torch import nn

from understudy.bases.base import Base

AUTOENCODER = "vae"


def place_readers(base: Base) -> None:
    """Put all parts on the plan's device, or, where the plan offloads, the autoencoder alone."""
    for name, part in _networks(base).items():
        remove_hook_from_module(part, recurse=True)  # of the pipeline that drew class pictures
        if base.plan.offload == "none" or name == AUTOENCODER:
            _move(base, name)


@contextmanager
def reading_words(base: Base) -> Iterator[None]:
    """Within, what reads prompts is where the plan says, for a base that has placed its readers."""
    if base.plan.offload == "none" or base.plan.readers == "cpu":
        yield
        return
    names = [name for name in _networks(base) if name not in (base.denoiser_part, AUTOENCODER)]
    for name in names:
        _move(base, name)
    try:
        yield
    finally:
        for name in names:
            base.part(name).to("cpu")


def place_denoiser(base: Base, needed: Collection[str] = (), written: bool = False) -> None:
    """Put the denoiser on the plan's device, and the parts that are `needed` in every step.

    Where the plan offloads, every other part leaves the device before that. It is dropped altogether, so that
    the base reads no more, unless all parts will be `written` with what is learned.
    """
    if base.plan.offload == "none":
        return
    for name in _networks(base):
        if name == base.denoiser_part or name in needed:
            continue
        if written:
            base.part(name).to("cpu")
        else:
            setattr(base.pipe, name, None)
    gc.collect()
    if torch.device(base.plan.device).type == "cuda":
        torch.cuda.empty_cache()
    for name in needed:
        _move(base, name)
    if base.plan.offload == "encoders":
        _move(base, base.denoiser_part)


def _move(base: Base, name: str) -> None:
    is_placed = name == base.denoiser_part and base.plan.quantizer == "bitsandbytes"
    if not is_placed:  # where it was loaded, and may not be moved
        base.part(name).to(base.plan.device)


def _networks(base: Base) -> dict[str, nn.Module]:
    return {name: part for name, part in base.pipe.components.items() if isinstance(part, nn.Module)}
