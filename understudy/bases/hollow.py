"""A base without its weights: shapes on torch's meta device, which say beforehand what a step needs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, assert_never

import diffusers
import torch
from torch import Tensor

from understudy.bases import flux, sd3
from understudy.bases.base import DTYPES, Base
from understudy.bases.catalog import read_config, read_layout
from understudy.bases.conditioning import Conditioning
from understudy.bases.opening import find_kind
from understudy.bases.prompting import Prompting
from understudy.runs import Plan

META = "meta"
CHAT_TOKENS = 128
"""Of a usual prompt, for families that read as many as there are."""


def open_hollow(folder: Path, plan: Plan, size_px: int = 0, readers: Sequence[str] = ()) -> Base:
    """The base in `folder` as `open_base` opens it, but only its configs are read.

    Its denoiser, its autoencoder and of its text encoders the `readers` are on the meta device: they answer
    with shapes. Raises `UserError` as `read_layout` and `read_config` do.
    """
    layout = read_layout(folder)
    kind: Any = find_kind(layout.family)
    pipeline = kind.opens_with or kind.draws_with
    expected, _ = pipeline._get_signature_keys(pipeline)
    parts: dict[str, object] = dict.fromkeys(expected)
    parts["scheduler"] = make_part(folder, "scheduler")
    with torch.device(META), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in (layout.denoiser, "vae", *readers):
            network = make_part(folder, part)
            for weight in network.parameters():
                weight.data = weight.data.to(DTYPES[plan.precision])
            parts[part] = network.requires_grad_(False).eval()
    pipe = pipeline(**parts | kind.without)
    # Autocast knows no meta device; on this one it does nothing to what is there.
    hollow = plan.model_copy(update={"device": "cpu", "offload": "none"})
    objective = kind.find_objective(pipe.scheduler, 0.0)
    base: Base = kind(pipe, objective, hollow, Prompting(), size_px or kind.own_size_px(pipe))
    return base


def shape_prompts(folder: Path, num_prompts: int, dtype: torch.dtype) -> Conditioning:
    """What the family's `encode_prompt` gives for so many prompts, on the meta device but for the mask."""
    layout = read_layout(folder)
    config = read_config(folder, layout.denoiser)

    def empty(*shape: int) -> Tensor:
        return torch.empty(num_prompts, *shape, dtype=dtype, device=META)

    mask = torch.ones(num_prompts, CHAT_TOKENS, dtype=torch.long)
    match layout.family:
        case "sd1":
            return Conditioning({"hidden": empty(_clip_tokens(folder), config["cross_attention_dim"])})
        case "sdxl":
            return Conditioning(
                {
                    "hidden": empty(_clip_tokens(folder), config["cross_attention_dim"]),
                    "pooled": empty(read_config(folder, "text_encoder_2")["projection_dim"]),
                }
            )
        case "sd3":
            hidden = empty(_clip_tokens(folder) + sd3.T5_TOKENS, config["joint_attention_dim"])
            return Conditioning({"hidden": hidden, "pooled": empty(config["pooled_projection_dim"])})
        case "flux" | "kontext":
            hidden = empty(flux.T5_TOKENS, config["joint_attention_dim"])
            return Conditioning({"hidden": hidden, "pooled": empty(config["pooled_projection_dim"])})
        case "flux2":
            return Conditioning({"hidden": empty(512, config["joint_attention_dim"])})
        case "qwen" | "qwen-edit":
            return Conditioning({"hidden": empty(CHAT_TOKENS, config["joint_attention_dim"]), "mask": mask})
        case "zimage":
            return Conditioning({"hidden": empty(CHAT_TOKENS, config["cap_feat_dim"]), "mask": mask})
        case _:
            assert_never(layout.family)


def shape_tokens(folder: Path, num_prompts: int) -> Conditioning:
    """What the family's `tokenize` gives for so many prompts about nothing; nothing where it gives none."""

    def nothing(length: int) -> Tensor:
        return torch.zeros(num_prompts, length, dtype=torch.long)

    family = read_layout(folder).family
    match family:
        case "sd1":
            return Conditioning({"tokens": nothing(_clip_tokens(folder))})
        case "sdxl":
            tokens = nothing(_clip_tokens(folder))
            return Conditioning({"tokens": tokens, "tokens_2": tokens, "said": torch.ones(num_prompts)})
        case "sd3":
            return Conditioning(dict.fromkeys(("tokens", "tokens_2"), nothing(_clip_tokens(folder))))
        case "flux" | "kontext":
            return Conditioning(
                {"tokens": nothing(_clip_tokens(folder)), "tokens_2": nothing(flux.T5_TOKENS)}
            )
        case "flux2" | "qwen" | "qwen-edit" | "zimage":
            return Conditioning({})
        case _:
            assert_never(family)


def make_part(folder: Path, part: str) -> Any:
    """A part with random weights, of the class that the layout or its config names."""
    config: Mapping[str, Any] = read_config(folder, part)
    if "_class_name" in config:
        return getattr(diffusers, str(config["_class_name"])).from_config(config)
    layout = read_layout(folder)
    library, kind = {**layout.parts, **layout.optional}[part]
    made = getattr(import_module(library), kind)
    return made(made.config_class(**config))


def _clip_tokens(folder: Path) -> int:
    return int(read_config(folder, "text_encoder")["max_position_embeddings"])
