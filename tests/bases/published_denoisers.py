"""Denoisers of toys in the names of the files in which they are published, by their makers and on Civitai.

The names are those of the makers' code (github.com/black-forest-labs/flux and flux2, Stability-AI/sd3.5) and,
for Z-Image, of ComfyUI, where some of diffusers' layers are one; Qwen-Image has diffusers' own everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tests.bases.published_flux import OF_FLUX
from understudy.bases.layouts import Family

Layers = Mapping[str, Sequence[str]]
"""By a layer's name there, diffusers' layers that it is, one below the other; {} is a block's number."""
BLOCKS = 3
"""No toy has more of a kind."""
QKV = ("q", "k", "v")


def to_published(family: Family, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All of a denoiser's weights; those that have no other name there keep theirs."""
    rest = dict(weights)
    found: dict[str, Tensor] = {}
    for theirs, ours in LAYERS[family].items():
        for number in range(BLOCKS):
            for ending in (".weight", ".bias", ""):
                parts = [one.format(number) + ending for one in ours]
                if parts[0] in rest:
                    joined = torch.cat([rest.pop(part) for part in parts])
                    name = theirs.format(number) + ending
                    found[_as_scale(name)] = (
                        _swap_halves(joined) if name.startswith(SWAPPED[family]) else joined
                    )
    return found | rest


def _as_scale(name: str) -> str:
    return name.replace("_norm.weight", "_norm.scale") if "norm.query" in name or "norm.key" in name else name


def _swap_halves(tensor: Tensor) -> Tensor:
    """There shift comes before scale."""
    return torch.cat(tensor.chunk(2)[::-1])


def _of_embedders(theirs: str, ours: str, first: str, second: str) -> dict[str, list[str]]:
    return {f"{theirs}.{name}": [f"{ours}.linear_{number}"] for number, name in ((1, first), (2, second))}


def _norms_of_flux() -> dict[str, list[str]]:
    norms = {}
    for long in ("query", "key"):
        short = long[0]
        double, single = "double_blocks.{}", "single_blocks.{}"
        norms[f"{double}.img_attn.norm.{long}_norm"] = [f"transformer_blocks.{{}}.attn.norm_{short}"]
        norms[f"{double}.txt_attn.norm.{long}_norm"] = [f"transformer_blocks.{{}}.attn.norm_added_{short}"]
        norms[f"{single}.norm.{long}_norm"] = [f"single_transformer_blocks.{{}}.attn.norm_{short}"]
    return norms


_ENDS_OF_FLUX: Layers = {
    "img_in": ["x_embedder"],
    "txt_in": ["context_embedder"],
    "final_layer.linear": ["proj_out"],
    "final_layer.adaLN_modulation.1": ["norm_out.linear"],
}
_IN_OUT = ("in_layer", "out_layer")
_FLUX: Layers = {
    **_ENDS_OF_FLUX,
    **_of_embedders("time_in", "time_text_embed.timestep_embedder", *_IN_OUT),
    **_of_embedders("vector_in", "time_text_embed.text_embedder", *_IN_OUT),
    **_of_embedders("guidance_in", "time_text_embed.guidance_embedder", *_IN_OUT),
    **OF_FLUX,
    **_norms_of_flux(),
}
_DOUBLE = {theirs: ours for theirs, ours in OF_FLUX.items() if "_attn." in theirs}
_FLUX2: Layers = {
    **_ENDS_OF_FLUX,
    **_of_embedders("time_in", "time_guidance_embed.timestep_embedder", *_IN_OUT),
    **{
        f"{of}_modulation{stream}.lin": [f"{of}_modulation{stream}.linear"]
        for of, stream in (("double_stream", "_img"), ("double_stream", "_txt"), ("single_stream", ""))
    },
    **_DOUBLE,
    **{
        f"double_blocks.{{}}.{of}_mlp.{number}": [f"transformer_blocks.{{}}.{ours}.linear_{way}"]
        for of, ours in (("img", "ff"), ("txt", "ff_context"))
        for number, way in ((0, "in"), (2, "out"))
    },
    "single_blocks.{}.linear1": ["single_transformer_blocks.{}.attn.to_qkv_mlp_proj"],
    "single_blocks.{}.linear2": ["single_transformer_blocks.{}.attn.to_out"],
    **_norms_of_flux(),
}
_X, _CONTEXT, _OURS = "joint_blocks.{}.x_block", "joint_blocks.{}.context_block", "transformer_blocks.{}"
_SD3: Layers = {
    "pos_embed": ["pos_embed.pos_embed"],
    "x_embedder.proj": ["pos_embed.proj"],
    **_of_embedders("t_embedder", "time_text_embed.timestep_embedder", "mlp.0", "mlp.2"),
    **_of_embedders("y_embedder", "time_text_embed.text_embedder", "mlp.0", "mlp.2"),
    "final_layer.linear": ["proj_out"],
    "final_layer.adaLN_modulation.1": ["norm_out.linear"],
    f"{_CONTEXT}.attn.qkv": [f"{_OURS}.attn.add_{one}_proj" for one in QKV],
    f"{_CONTEXT}.attn.proj": [f"{_OURS}.attn.to_add_out"],
    **{f"{_CONTEXT}.attn.ln_{one}": [f"{_OURS}.attn.norm_added_{one}"] for one in "qk"},
    **{
        f"{_X}.{attn}.{theirs}": ours
        for attn in ("attn", "attn2")
        for theirs, ours in {
            "qkv": [f"{_OURS}.{attn}.to_{one}" for one in QKV],
            "proj": [f"{_OURS}.{attn}.to_out.0"],
            "ln_q": [f"{_OURS}.{attn}.norm_q"],
            "ln_k": [f"{_OURS}.{attn}.norm_k"],
        }.items()
    },
    **{
        f"{theirs}.{layer}": [f"{_OURS}.{ours}"]
        for theirs, context in ((_X, ""), (_CONTEXT, "_context"))
        for layer, ours in {
            "mlp.fc1": f"ff{context}.net.0.proj",
            "mlp.fc2": f"ff{context}.net.2",
            "adaLN_modulation.1": f"norm1{context}.linear",
        }.items()
    },
}
_KINDS_OF_ZIMAGE = ("layers", "noise_refiner", "context_refiner")
_ZIMAGE: Layers = {
    "x_embedder": ["all_x_embedder.2-1"],
    "final_layer.linear": ["all_final_layer.2-1.linear"],
    "final_layer.adaLN_modulation.1": ["all_final_layer.2-1.adaLN_modulation.1"],
    **{
        f"{kind}.{{}}.attention.{theirs}": [f"{kind}.{{}}.attention.{one}" for one in ours]
        for kind in _KINDS_OF_ZIMAGE
        for theirs, ours in {
            "qkv": [f"to_{one}" for one in QKV],
            "out": ["to_out.0"],
            "q_norm": ["norm_q"],
            "k_norm": ["norm_k"],
        }.items()
    },
}
LAYERS: Mapping[Family, Layers] = {
    "flux": _FLUX,
    "flux2": _FLUX2,
    "sd3": _SD3,
    "zimage": _ZIMAGE,
    "qwen": {},
}
_FINAL = "final_layer.adaLN_modulation"
SWAPPED: Mapping[Family, tuple[str, ...]] = {
    "flux": (_FINAL,),
    "flux2": (_FINAL,),
    # The last block's has shift and scale alone, as the last layer of all.
    "sd3": (_FINAL, f"joint_blocks.{BLOCKS - 1}.context_block.adaLN_modulation"),
    "zimage": (),
    "qwen": (),
}
