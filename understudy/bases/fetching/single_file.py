"""Bases in one .safetensors file, as on Civitai: which known one a file is a kind of, by its tensors' names.

Needs no torch. The names are those of the makers' own code, which such files keep; which of them tell the
families apart was read in diffusers' loaders/single_file_utils.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from understudy.bases.choosing.known import KnownBase, find_known
from understudy.bases.choosing.refused import FLUX2_DEV, say_refused
from understudy.bases.fetching.safetensors_header import Header, read_header
from understudy.domain import UserError

PREFIX = "model.diffusion_model."
"""Before the denoiser's names, where a file may hold other parts, too."""
CONTEXT = "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
"""Where a U-Net looks at the prompt: its second side is how wide the prompt's reader is."""
BY_CONTEXT = {768: "sd15", 1024: "sd21", 2048: "sdxl"}
FLUX2, READS_FLUX2 = "single_stream_modulation.lin.weight", "txt_in.weight"
BY_WIDTH_READ = {7680: "klein", 12288: "klein-9b"}
DEV_WIDTH_READ = 15360
"""Of FLUX.2 dev, whose reader is another one."""
INPUT_CHANNELS = {
    "sd1": ("input_blocks.0.0.weight", 4),
    "sdxl": ("input_blocks.0.0.weight", 4),
    "flux": ("img_in.weight", 64),
}
"""Of a base that is asked with noise alone."""
WHOLE = ("first_stage_model.", "cond_stage_model.", "conditioner.")
PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
VELOCITY, FROM_PURE_NOISE = "v_pred", "ztsnr"
"""Empty tensors by which trainers mark an SDXL that predicts velocity, and one that begins from pure noise
(ComfyUI's supported_models.py reads them so)."""
OTHER_NOISE = ("edm_mean", "edm_vpred.sigma_max")
"""Of an SDXL with another schedule of noise (Playground 2.5, CosXL)."""
QUANTIZED = (".scale_weight", ".weight_scale", ".comfy_quant", ".absmax", ".qweight", "scaled_fp8")
"""How tensors are called without which the others are not the weights: ComfyUI's and Black Forest Labs'
scales of fp8, what bitsandbytes keeps beside NF4, int4. diffusers would take the others for the weights."""
READERS = "text_encoders."
"""Before the names of the prompt's readers in ComfyUI's files of all parts; they are not taken from there."""
ADAPTER_MARKS = (".lora_", "lora_unet_", "lora_te", ".hada_w", ".lokr_w")


def recognise(path: Path) -> KnownBase:
    """The known base that a file is a kind of; raises `UserError` where it is none, or not safe to open."""
    if path.suffix.lower() in PICKLES:
        raise UserError(
            f"{path} could run code when it is opened, so it is not: get the same base as .safetensors."
        )
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        raise UserError(f"{path} is no base: give a folder or a .safetensors file.")
    header = read_header(path)
    if any(mark in name for name in header for mark in ADAPTER_MARKS):
        raise UserError(f"{path} is an adapter and no base: give the base that it was learned on.")
    if any(name.endswith(QUANTIZED) and not name.startswith(READERS) for name in header):
        raise UserError(
            f"{path} is quantised with scales, which cannot be read: get the same base in bf16 or fp16, and "
            "quantise it here (--quantization)."
        )
    denoiser = {name.removeprefix(PREFIX): entry for name, entry in header.items()}
    known = find_known(_find_name(denoiser))
    if known is None:
        raise UserError(_say_unknown(path, denoiser))
    _refuse_other_inputs(path, denoiser, known)
    _refuse_bare_unet(path, header, known)
    return known


def _say_unknown(path: Path, denoiser: Header) -> str:
    is_flux2 = FLUX2 in denoiser and READS_FLUX2 in denoiser
    if is_flux2 and denoiser[READS_FLUX2].shape[-1] == DEV_WIDTH_READ:
        return f"{path} cannot be used: {say_refused(FLUX2_DEV)}"
    return f"{path} is of no kind that is known here: give another; understudy bases lists them."


def _find_name(denoiser: Header) -> str:
    """The short name of the base that has these tensors; none has an empty one."""
    if any(mark in denoiser for mark in OTHER_NOISE):
        return "?"
    return next((name(denoiser) for mark, name in MARKS.items() if mark in denoiser), "?")


def _name_of_unet(denoiser: Header) -> str:
    return BY_CONTEXT.get(denoiser[CONTEXT].shape[-1], "?")


def _name_of_sd3(denoiser: Header) -> str:
    if "joint_blocks.37.x_block.attn.qkv.weight" in denoiser:
        return "sd35-large"
    return "sd35" if "joint_blocks.0.x_block.attn2.qkv.weight" in denoiser else "?"


def _name_of_flux(denoiser: Header) -> str:
    if any(name.startswith("distilled_guidance_layer.") for name in denoiser):
        return "?"  # Chroma
    return "flux" if "guidance_in.in_layer.weight" in denoiser else "flux-schnell"


def _name_of_flux2(denoiser: Header) -> str:
    return BY_WIDTH_READ.get(denoiser[READS_FLUX2].shape[-1], "?") if READS_FLUX2 in denoiser else "?"


# Asked in this order: FLUX.2 has the names of FLUX.1 as well.
MARKS: dict[str, Callable[[Header], str]] = {
    CONTEXT: _name_of_unet,
    "joint_blocks.0.context_block.adaLN_modulation.1.weight": _name_of_sd3,
    FLUX2: _name_of_flux2,
    "double_blocks.0.img_attn.norm.key_norm.scale": _name_of_flux,
    "transformer_blocks.0.img_mod.1.weight": lambda denoiser: "qwen",
    "layers.0.adaLN_modulation.0.weight": lambda denoiser: "zimage",
}


def _refuse_other_inputs(path: Path, denoiser: Header, known: KnownBase) -> None:
    first, channels = INPUT_CHANNELS.get(known.family, ("", 0))
    if first in denoiser and denoiser[first].shape[1] != channels:
        raise UserError(
            f"{path} is for filling in or for guiding by pictures, and not to learn on: give a plain base."
        )


def _refuse_bare_unet(path: Path, header: Header, known: KnownBase) -> None:
    if known.family in ("sd1", "sdxl"):
        has = {start for start in WHOLE for name in header if name.startswith(start)}
        if len(has) < 2:
            raise UserError(f"{path} holds only the U-Net of a base: give a file that holds all of it.")
