"""How much of a base's error about drawings is left after learning: always asked at the same noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from understudy.bases.base import Base
from understudy.domain import Character, Drawing
from understudy.drawings.prepare import make_views
from understudy.methods import open_painter
from understudy.methods.painting import PipelinePainter
from understudy.runs import Run


@torch.no_grad()
def error_on_drawings(base: Base, drawings: Sequence[Drawing], prompts: list[str]) -> float:
    """How wrong a base is about drawings, at three noise levels: always at the same noise."""
    views = [make_views(one, base.size_px, 1, 0, 0, False, (0,))[0].pixels.copy() for one in drawings]
    pictures = torch.stack([torch.from_numpy(view) for view in views]).permute(0, 3, 1, 2).float() / 127.5 - 1
    clean, read = base.encode_image(pictures).mean, base.encode_prompt(prompts)
    total = 0.0
    for share in (0.2, 0.5, 0.8):
        random = torch.Generator().manual_seed(5)
        noise = torch.randn(clean.shape, generator=random)
        like = base.objective.sample_times(len(clean), random)
        times = torch.full_like(like, int(share * base.objective.num_times))
        seen = base.objective.corrupt(clean, noise, times)
        total += (base.predict(seen.noisy, times, read) - seen.target).square().mean().item()
    return total


def share_of_error(run: Run, base: Base, character: Character) -> float:
    """How much of its error about the drawings a base still has after a run."""
    with open_painter(run) as painter:
        assert isinstance(painter, PipelinePainter)
        prompts = [painter.read(f"Pip {drawing.caption}") for drawing in character.drawings]
        after = error_on_drawings(painter.base, character.drawings, prompts)
        return after / error_on_drawings(base, character.drawings, prompts)
