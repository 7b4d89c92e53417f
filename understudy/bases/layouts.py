"""The families of bases by what lies in their folders: which pipeline, of which parts. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Family = Literal["sd1", "sdxl", "sd3", "flux", "kontext", "flux2", "qwen", "qwen-edit", "zimage"]
"""What the names of parts begin with that have none."""
DRAWING_ENCODER = "drawing_encoder"
"""The folder beside a base's parts by which it looks at drawings: no part of diffusers' pipeline."""
TRANSFORMERS, DIFFUSERS = "transformers", "diffusers"


@dataclass(frozen=True)
class Layout:
    """A family's folder: `parts` by name with the (library, class) that its index must name.

    No other code is ever loaded. `optional` parts may be left out; `denoiser` is the one that learns.
    """

    family: Family
    pipeline: str
    denoiser: Literal["unet", "transformer"]
    parts: Mapping[str, tuple[str, str]]
    optional: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def weighted(self) -> tuple[str, ...]:
        """The parts that have weights."""
        return tuple(
            part for part in self.parts if not part.startswith(("tokenizer", "scheduler", "processor"))
        )


_CLIP = (TRANSFORMERS, "CLIPTextModel")
_CLIP_PROJECTED = (TRANSFORMERS, "CLIPTextModelWithProjection")
_CLIP_WORDS = (TRANSFORMERS, "CLIPTokenizer")
_T5 = (TRANSFORMERS, "T5EncoderModel")
_T5_WORDS = (TRANSFORMERS, "T5TokenizerFast")
_QWEN_WORDS = (TRANSFORMERS, "Qwen2Tokenizer")
_UNET = (DIFFUSERS, "UNet2DConditionModel")
_VAE = (DIFFUSERS, "AutoencoderKL")
_ANY_SCHEDULER = (DIFFUSERS, "*")
_FLOW_SCHEDULER = (DIFFUSERS, "FlowMatchEulerDiscreteScheduler")

_PARTS_OF_FLUX = {
    "transformer": (DIFFUSERS, "FluxTransformer2DModel"),
    "vae": _VAE,
    "text_encoder": _CLIP,
    "text_encoder_2": _T5,
    "tokenizer": _CLIP_WORDS,
    "tokenizer_2": _T5_WORDS,
    "scheduler": _FLOW_SCHEDULER,
}
_PARTS_OF_QWEN = {
    "transformer": (DIFFUSERS, "QwenImageTransformer2DModel"),
    "vae": (DIFFUSERS, "AutoencoderKLQwenImage"),
    "text_encoder": (TRANSFORMERS, "Qwen2_5_VLForConditionalGeneration"),
    "tokenizer": _QWEN_WORDS,
    "scheduler": _FLOW_SCHEDULER,
}

LAYOUTS = (
    Layout(
        "sd1",
        "StableDiffusionPipeline",
        "unet",
        {
            "unet": _UNET,
            "vae": _VAE,
            "text_encoder": _CLIP,
            "tokenizer": _CLIP_WORDS,
            "scheduler": _ANY_SCHEDULER,
        },
    ),
    Layout(
        "sdxl",
        "StableDiffusionXLPipeline",
        "unet",
        {
            "unet": _UNET,
            "vae": _VAE,
            "text_encoder": _CLIP,
            "text_encoder_2": _CLIP_PROJECTED,
            "tokenizer": _CLIP_WORDS,
            "tokenizer_2": _CLIP_WORDS,
            "scheduler": _ANY_SCHEDULER,
        },
    ),
    Layout(
        "sd3",
        "StableDiffusion3Pipeline",
        "transformer",
        {
            "transformer": (DIFFUSERS, "SD3Transformer2DModel"),
            "vae": _VAE,
            "text_encoder": _CLIP_PROJECTED,
            "text_encoder_2": _CLIP_PROJECTED,
            "tokenizer": _CLIP_WORDS,
            "tokenizer_2": _CLIP_WORDS,
            "scheduler": _FLOW_SCHEDULER,
        },
        # The largest of its readers, which people leave out to save memory.
        {"text_encoder_3": _T5, "tokenizer_3": _T5_WORDS},
    ),
    Layout("flux", "FluxPipeline", "transformer", _PARTS_OF_FLUX),
    Layout("kontext", "FluxKontextPipeline", "transformer", _PARTS_OF_FLUX),
    Layout(
        "flux2",
        "Flux2KleinPipeline",
        "transformer",
        {
            "transformer": (DIFFUSERS, "Flux2Transformer2DModel"),
            "vae": (DIFFUSERS, "AutoencoderKLFlux2"),
            "text_encoder": (TRANSFORMERS, "Qwen3ForCausalLM"),
            "tokenizer": (TRANSFORMERS, "Qwen2TokenizerFast"),
            "scheduler": _FLOW_SCHEDULER,
        },
    ),
    Layout("qwen", "QwenImagePipeline", "transformer", _PARTS_OF_QWEN),
    Layout(
        "qwen-edit",
        "QwenImageEditPlusPipeline",
        "transformer",
        {**_PARTS_OF_QWEN, "processor": (TRANSFORMERS, "Qwen2VLProcessor")},
    ),
    Layout(
        "zimage",
        "ZImagePipeline",
        "transformer",
        {
            "transformer": (DIFFUSERS, "ZImageTransformer2DModel"),
            "vae": _VAE,
            "text_encoder": (TRANSFORMERS, "Qwen3Model"),
            "tokenizer": _QWEN_WORDS,
            "scheduler": _FLOW_SCHEDULER,
        },
    ),
)


def find_layout(index: Mapping[str, object]) -> Layout | None:
    """The layout whose pipeline a `model_index.json` names, if it is one of these."""
    name = index.get("_class_name")
    return next((layout for layout in LAYOUTS if layout.pipeline == name), None)


def find_other_part(layout: Layout, index: Mapping[str, object]) -> str | None:
    """The first part that is missing in an index, or made of another class than the layout's."""
    for part, (library, kind) in layout.parts.items():
        if not _is_made_of(index.get(part), library, kind):
            return part
    for part, (library, kind) in layout.optional.items():
        if index.get(part) not in (None, [None, None]) and not _is_made_of(index[part], library, kind):
            return part
    return None


def _is_made_of(named: object, library: str, kind: str) -> bool:
    """Whether an index's entry names the class; its fast twin in transformers is the same tokenizer."""
    if not isinstance(named, list) or len(named) != 2 or named[0] != library:
        return False
    if kind == "*":
        return isinstance(named[1], str) and named[1].endswith("Scheduler")
    return str(named[1]).removesuffix("Fast") == kind.removesuffix("Fast")
