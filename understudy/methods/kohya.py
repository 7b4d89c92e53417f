"""The kohya form of an adapter's file, which ComfyUI, A1111 and its relatives read, and diffusers as well.

A layer's name has underscores for dots and begins with what it belongs to; factors are "lora_down" and
"lora_up", and each layer says its alpha. LoKr and DoRA are in LyCORIS' names, which ComfyUI reads too.
This is so for the families with a U-Net; others' layers have the names that their makers gave them, see
`kohya_flux`, `kohya_flux2` and `kohya_sd3`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from understudy.bases.layouts import Family
from understudy.methods.kohya_flux import to_kohya_flux
from understudy.methods.kohya_flux2 import to_kohya_flux2
from understudy.methods.kohya_sd3 import to_kohya_sd3

WITHOUT_DIFFUSERS: tuple[Family, ...] = ("sd3",)
"""Whose kohya form diffusers does not read."""
JOINED: tuple[Family, ...] = ("flux", "kontext", "sd3")
"""Several of whose layers are one in kohya's form, as LoRA alone can be joined here."""
WITH_DOTS: tuple[Family, ...] = ("zimage",)
"""ComfyUI's own denoiser of these has other layers, e.g. queries, keys and values are one.

It knows diffusers' layers only by their names in diffusers, which must keep their dots.
"""
DOTTED = "diffusion_model."
"""What layers begin with that keep their own names, dots and all."""
OF_CLIPS = {"text_encoder.": "lora_te1_", "text_encoder_2.": "lora_te2_"}
"""The text encoders of these, as sd-scripts names them; ComfyUI reads them under these names."""
NETWORKS: Mapping[Family, Mapping[str, str]] = {
    "sd1": {"unet.": "lora_unet_", "text_encoder.": "lora_te_"},
    "sdxl": {"unet.": "lora_unet_", "text_encoder.": "lora_te1_", "text_encoder_2.": "lora_te2_"},
    "qwen": {"transformer.": "lora_unet_"},
    "qwen-edit": {"transformer.": "lora_unet_"},
    "zimage": {"transformer.": DOTTED},
}
FACTORS = {"lora_A.weight": "lora_down.weight", "lora_B.weight": "lora_up.weight"}
MAGNITUDE = "lora_magnitude_vector"
OF_LOKR = ("lokr_w1", "lokr_w2", "lokr_w2_a", "lokr_w2_b")
ADDED_TO_TIME = "add_embedding."
"""What these layers' names begin with: Stable Diffusion 1.x itself has none, and no reader looks for any."""


def to_kohya(tensors: Mapping[str, Tensor], family: Family) -> dict[str, Tensor]:
    """The tensors of a file that `adapters.write_adapter` wrote, in kohya's form.

    Their strength is in the weights, so each layer's alpha is its rank. Raises `ValueError` for others.
    """
    match family:
        case "flux" | "kontext" | "sd3":
            read = {name: one for name, one in tensors.items() if name.startswith((*OF_CLIPS,))}
            drawn = {name: one for name, one in tensors.items() if name not in read}
            renamed = to_kohya_sd3(drawn) if family == "sd3" else to_kohya_flux(drawn)
            return renamed | dict(_renamed(read, OF_CLIPS))
        case "flux2":
            return to_kohya_flux2(tensors)
        case _:
            return dict(_renamed(tensors, NETWORKS[family]))


def lacks_readers(tensors: Mapping[str, Tensor]) -> bool:
    """Whether some of these layers are unknown to all that read kohya's form."""
    return any(name.startswith(f"unet.{ADDED_TO_TIME}") for name in tensors)


def _renamed(tensors: Mapping[str, Tensor], networks: Mapping[str, str]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        layer, factor = _split(name, networks)
        if factor == MAGNITUDE:
            # One for each output, which readers tell from one for each input by its first side.
            yield f"{layer}.dora_scale", tensor.reshape(-1, *[1] * (_number_of_sides(tensors, name) - 1))
            continue
        yield f"{layer}.{FACTORS.get(factor, factor)}", tensor
        if factor in ("lora_A.weight", "lokr_w2_b"):
            yield f"{layer}.alpha", torch.tensor(float(len(tensor)))


def _split(name: str, networks: Mapping[str, str]) -> tuple[str, str]:
    """A layer's name in kohya's form, and what of it the tensor is, in ours."""
    for prefix, network in networks.items():
        for factor in (*FACTORS, MAGNITUDE, *OF_LOKR):
            if name.startswith(prefix) and name.endswith(f".{factor}"):
                layer = name.removeprefix(prefix).removesuffix(f".{factor}")
                return network + (layer if network == DOTTED else layer.replace(".", "_")), factor
    raise ValueError(f"{name} has no name in kohya's form")


def _number_of_sides(tensors: Mapping[str, Tensor], magnitude: str) -> int:
    """Of the weight that a magnitude belongs to: 4 of a convolution."""
    return tensors[magnitude.replace(MAGNITUDE, "lora_A.weight")].dim()
