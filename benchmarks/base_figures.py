"""What each known base takes, computed on torch's "meta" device: no weights, no graphics card.

    python -m benchmarks.base_figures [SDXL KLEIN_4B ...]

prints the lines of understudy/bases/choosing/sizes.py. Of learning they are the planner's own forecasts; of
drawing every tensor of a real step is made as a shape alone, with attention that keeps what flash attention
keeps, and the peak of what is alive at once is counted. What kernels take beside tensors is not in it: see
understudy/bases/choosing/memory.py.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.base_shapes import PARTS
from benchmarks.forecasts import forecast
from understudy.methods.computing.alive import Alive, flash_attention

GIB = 2**30


def count_parameters(modules: Sequence[nn.Module]) -> str:
    """In billions: all that the files hold."""
    held = [tensor for module in modules for tensor in module.state_dict().values()]
    once = {tensor.untyped_storage()._cdata: tensor.numel() for tensor in held}  # what is tied counts once
    return f"{sum(once.values()) / 1e9:.4f}"


@torch.no_grad()
def peak_gib(module: nn.Module, work: Callable[[nn.Module], object]) -> float:
    """Of a forward pass as pipelines make it."""
    alive = Alive((*module.parameters(), *module.buffers()))
    with flash_attention(), alive:
        out = work(module)
        del out
    return alive.peak / GIB


def figures_of(name: str) -> str:
    """What one `Size` is made with."""
    parts = PARTS[name]
    with torch.device("meta"):
        vae: Any = parts.vae().to(torch.bfloat16).eval()
        plain = parts.denoiser().to(torch.bfloat16).eval()
        encoders = [make() for make in parts.encoders]
    frame = (1,) if parts.has_frames else ()
    cells = parts.side_px // parts.latent_px
    latents = torch.empty((1, parts.latent_channels, *frame, cells, cells), device="meta")
    counts = {
        "denoiser": count_parameters([plain]),
        "encoders": count_parameters(encoders),
        "vae": count_parameters([vae]),
    }
    gib = {
        "drawing_gib": peak_gib(plain, lambda module: parts.ask(module, 2)),
        "decoding_gib": peak_gib(vae, lambda module: vae.decode(latents.bfloat16())),
    }
    said = [f"side_px={parts.side_px}", *(f"{name}={count}" for name, count in counts.items())]
    said += [f"{name}={value:.2f}" for name, value in gib.items()]
    learning = ", ".join(f"{peak:.2f}" for peak in forecast(name))
    return ", ".join([*said, f"learning_gib=({learning})"])


def main(names: list[str]) -> None:
    """Print the figures of the shapes asked for, or of all."""
    warnings.simplefilter("ignore")
    for name in names or PARTS:
        sys.stdout.write(f"{name} = Size({figures_of(name)})\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
