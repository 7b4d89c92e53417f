"""What a run was made with: its plan, its drawings and its manifest, `run.json`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from understudy.domain import Character, Drawing, Rights, UserError
from understudy.recipes import Checkpointing, Offload, Quantization

MANIFEST_FILE = "run.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Plan(_Frozen):
    """How a run computes: recorded once and used again, so that going on is exact (bit for bit on a CPU)."""

    device: str
    """A torch device: "cpu", "cuda", "mps"."""

    precision: Literal["fp32", "bf16", "fp16"]
    """The precision of the frozen base; what is trained is always fp32."""

    threads: int
    """Threads of the CPU, which decide the order of sums."""

    # Runs from before these were recorded had none of it.
    quantization: Quantization = "none"
    """How the denoiser's weights are kept, where they do not learn."""

    quantizer: Literal["bitsandbytes", "torchao", "quanto"] | None = None
    """The package that keeps them so; None where nothing does."""

    checkpointing: Checkpointing = "none"
    """Which of the denoiser's blocks compute again in the backward pass."""

    offload: Offload = "none"
    """What leaves the device: what no step needs, or also blocks that are not just computing."""

    readers: Literal["device", "cpu"] = "device"
    """Where prompts are read, where that is done once and what reads them leaves."""

    compiled: bool = False
    """Whether the denoiser's repeated blocks are compiled."""

    fused_backward: bool = False
    """Whether each weight moves within the backward pass, and its gradient is freed at once."""

    captured: bool = False
    """Whether a step is captured as a CUDA graph, if that succeeds."""

    tf32: bool = False
    """Whether products of fp32 may be rounded to tf32."""


class DrawingRecord(_Frozen):
    """One drawing that a run learned from."""

    file: str
    caption: str
    sha256: str


class Manifest(_Frozen):
    """What a run was made with."""

    format: Literal[1] = 1
    name: str
    noun: str
    drawings: tuple[DrawingRecord, ...]
    base: str | None = None
    """None where the method begins from nothing, as is the hash."""

    base_sha256: str | None = None
    plan: Plan
    forecast_bytes: int | None = None
    """What a step was expected to take on a graphics card, where that was asked."""

    measured_bytes: int | None = None
    """What a step took there before learning began."""

    versions: dict[str, str]
    stopped_at: int | None = None
    """The step at which the reviewer said that it is enough."""

    rights: Rights = Rights()
    """Whose the drawings are; runs from before this was recorded state nothing."""

    learned_with: tuple[str, ...] = ()
    """The names of the folders of all runs that were learned at once, its own among them; none if alone."""


def record_drawings(character: Character) -> tuple[DrawingRecord, ...]:
    """The character's drawings as a manifest keeps them."""
    return tuple(
        DrawingRecord(file=drawing.path.name, caption=drawing.caption, sha256=_hash_drawing(drawing))
        for drawing in character.drawings
    )


def _hash_drawing(drawing: Drawing) -> str:
    """Of the pixels, not of the file: the same drawing from another folder or format is the same."""
    digest = hashlib.sha256(repr(drawing.pixels.shape).encode())
    digest.update(drawing.pixels.tobytes())
    if drawing.mask is not None:
        digest.update(drawing.mask.tobytes())
    return digest.hexdigest()


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file; raises `UserError` if it cannot be read."""
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(f"{path} cannot be read: the run is damaged, so learn it again elsewhere.") from error
