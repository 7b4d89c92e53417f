"""What a step on each known base takes, computed on torch's "meta" device: no weights, no graphics card.

    python -m benchmarks.base_figures [SDXL KLEIN_4B ...]

prints the lines of understudy/bases/choosing/sizes.py. Every tensor of a real step is made as a shape alone,
learning with CUDA's autocast to bf16 imitated (matrix products in bf16, norms and powers in fp32), and
attention that keeps what flash attention keeps; the peak of what is alive at once is counted. What kernels
take beside tensors is not in it: see understudy/bases/choosing/memory.py.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from peft import LoraConfig
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from benchmarks.base_shapes import PARTS, Parts
from understudy.methods.computing.alive import Alive

GIB = 2**30
RANK = 16
IN_BF16 = {F.linear, F.conv2d, F.conv3d, torch.matmul, torch.bmm, torch.Tensor.matmul, torch.baddbmm}
IN_FP32 = {F.layer_norm, F.group_norm, F.softmax, torch.softmax, torch.pow, torch.Tensor.pow, torch.rsqrt}


class _Flash(torch.autograd.Function):
    """Attention that keeps its inputs and its result, and no attention of every place to every other."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = torch.empty((*query.shape[:-1], value.shape[-1]), dtype=query.dtype, device=query.device)
        ctx.save_for_backward(query, key, value, out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.empty_like(kept) for kept in ctx.saved_tensors[:3])


def _flash(query: Tensor, key: Tensor, value: Tensor, *rest: object, **options: object) -> Tensor:
    half = (one.to(torch.bfloat16) for one in (query, key, value))
    out: Tensor = _Flash.apply(*half)  # type: ignore[no-untyped-call]
    return out


class _Autocast(TorchFunctionMode):
    """CUDA's autocast to bf16, which torch does not do on "meta"."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        dtype = torch.bfloat16 if func in IN_BF16 else torch.float32 if func in IN_FP32 else None

        def cast(one: Any) -> Any:
            is_float = isinstance(one, Tensor) and one.is_floating_point()
            return one.to(dtype) if is_float and dtype is not None else one

        return func(*map(cast, args), **{name: cast(one) for name, one in (kwargs or {}).items()})


def count_parameters(modules: Sequence[nn.Module]) -> str:
    """A `Count` in billions: all that the files hold, and what of it can be quantised."""
    held = [tensor for module in modules for tensor in module.state_dict().values()]
    once = {tensor.untyped_storage()._cdata: tensor.numel() for tensor in held}  # what is tied counts once
    linear = sum(
        part.weight.numel()
        for module in modules
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) and not name.endswith("lm_head")
    )
    return f"Count({sum(once.values()) / 1e9:.4f}, {linear / 1e9:.4f})"


def peak_gib(module: nn.Module, work: Callable[[nn.Module], object], learns: bool) -> float:
    """Of a forward pass as pipelines make it, or of one forward and back under autocast."""
    alive = Alive((*module.parameters(), *module.buffers()))
    as_on_cuda = patch.object(F, "scaled_dot_product_attention", _flash)
    with as_on_cuda, alive, _Autocast() if learns else torch.no_grad():
        out = work(module)
        if learns:
            answer = next(leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor))
            torch.autograd.backward(answer.float().pow(2).mean())
            del answer
        del out
    for parameter in module.parameters():
        parameter.grad = None
    return alive.peak / GIB


def make_denoiser(parts: Parts) -> tuple[Any, float]:
    """In bf16 with a LoRA of rank 16 in fp32 on its attention; also how many million values that has."""
    with torch.device("meta"):
        denoiser: Any = parts.denoiser().requires_grad_(False)
        names = [
            name
            for name, module in denoiser.named_modules()
            if isinstance(module, nn.Linear) and name.endswith(parts.adapts)
        ]
        denoiser.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=names))
    for parameter in denoiser.parameters():
        dtype = torch.float32 if parameter.requires_grad else torch.bfloat16
        parameter.data = parameter.data.to(dtype)
    adapted = sum(one.numel() for one in denoiser.parameters() if one.requires_grad)
    return denoiser.train(), adapted / 1e6


def _recompute(function: Any, *args: Any) -> Any:
    return checkpoint(
        function.__call__, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), _Autocast())
    )


def figures_of(parts: Parts) -> str:
    """What one `Size` is made with."""
    with torch.device("meta"):
        vae: Any = parts.vae().to(torch.bfloat16).eval()
        plain = parts.denoiser().to(torch.bfloat16).eval()
        encoders = [make() for make in parts.encoders]
    frame = (1,) if parts.has_frames else ()
    cells = parts.side_px // parts.latent_px
    latents = torch.empty((1, parts.latent_channels, *frame, cells, cells), device="meta")
    pixels = torch.empty((1, 3, *frame, parts.side_px, parts.side_px), device="meta")
    counts = {
        "denoiser": count_parameters([plain]),
        "encoders": count_parameters(encoders),
        "vae": count_parameters([vae]),
    }
    gib = {"drawing_gib": peak_gib(plain, lambda module: parts.ask(module, 2), learns=False)}
    denoiser, adapter = make_denoiser(parts)
    gib["whole_gib"] = peak_gib(denoiser, lambda module: parts.ask(module, 1), learns=True)
    denoiser.enable_gradient_checkpointing(_recompute)
    gib["checkpointed_gib"] = peak_gib(denoiser, lambda module: parts.ask(module, 1), learns=True)
    gib["encoding_gib"] = peak_gib(vae, lambda module: vae.encode(pixels.bfloat16()), learns=False)
    gib["decoding_gib"] = peak_gib(vae, lambda module: vae.decode(latents.bfloat16()), learns=False)
    said = [f"side_px={parts.side_px}", *(f"{name}={count}" for name, count in counts.items())]
    said += [f"adapter_millions={adapter:.2f}", *(f"{name}={value:.2f}" for name, value in gib.items())]
    return ", ".join(said)


def main(names: list[str]) -> None:
    """Print the figures of the shapes asked for, or of all."""
    warnings.simplefilter("ignore")
    for name in names or PARTS:
        sys.stdout.write(f"{name} = Size({figures_of(PARTS[name])})\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
