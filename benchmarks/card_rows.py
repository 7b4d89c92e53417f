"""What is measured on a graphics card beside diffusers' scripts: bases, rows and both sides' commands.

Equal on both sides: base, drawings, the layers that learn and their rank, precision, batch, size, rate, no
class pictures. The rest is each one's own: ours keeps a running average and encodes eight variants of each
drawing before the first step; the script for SDXL encodes its pictures in fp32 in every step, and that for
FLUX.2 klein gets the switches with which it encodes them once and its readers leave the card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer_runs import NAME, NOUN
from understudy.methods.computing.plans import COMPILED_STEPS
from understudy.recipes import DreamBoothLora

RANK = 16
RATE = 1e-4
PRECISION = "bf16"
OUR_STEPS = 1000
"""What the recipe says, as a user's does, so that the planner compiles what it would; fewer are made."""


@dataclass(frozen=True)
class Case:
    """A base, diffusers' script for it and the memory in which it must learn."""

    name: str
    script: str
    switches: tuple[str, ...]
    frugal_gib: float
    side_px: int = 1024


@dataclass(frozen=True)
class Row:
    """A way to learn; `is_frugal` takes the card for one that has the case's memory and no more."""

    name: str
    is_ours: bool
    options: tuple[str, ...]
    is_frugal: bool = False
    steps: int = OUR_STEPS


CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        Case("SDXL", "train_dreambooth_lora_sdxl.py", (), 6.5),
        Case(
            "KLEIN_4B",
            "train_dreambooth_lora_flux2_klein.py",
            (
                *("--lora_alpha", str(RANK), "--cache_latents", "--offload", "--skip_final_inference"),
                # The layers that FLUX.2 klein's own pipeline reads; the script's default are others.
                *("--text_encoder_out_layers", "9", "18", "27"),
            ),
            10.0,
        ),
    )
}
_WHOLE, _NONE = ("--checkpointing", "whole"), ("--checkpointing", "none")
_BF16 = ("--quantization", "none")
_CAPTURED, _PLAIN = ("--cuda-graph", "yes"), ("--cuda-graph", "no")
ROWS: Mapping[str, Row] = {
    row.name: row
    for row in (
        # What the bars ask for comes first, as time on a card may end.
        Row("ours", True, (*_BF16, *_NONE, *_PLAIN)),
        Row("diffusers", False, ()),
        Row("ours-checkpointing", True, (*_BF16, *_WHOLE, *_PLAIN)),
        Row("diffusers-checkpointing", False, ("--gradient_checkpointing",)),
        Row("ours-frugal", True, _PLAIN, is_frugal=True),
        Row("ours-captured", True, (*_BF16, *_NONE, *_CAPTURED)),
        Row("ours-checkpointing-captured", True, (*_BF16, *_WHOLE, *_CAPTURED)),
        Row("ours-uncompiled", True, (*_BF16, *_NONE, *_PLAIN), steps=COMPILED_STEPS - 1),
        Row("ours-uncompiled-captured", True, (*_BF16, *_NONE, *_CAPTURED), steps=COMPILED_STEPS - 1),
        Row("ours-blocks", True, (*_BF16, "--offload", "blocks", *_PLAIN)),
    )
}


def our_recipe(base: Path, side_px: int) -> DreamBoothLora:
    """What `our_command` asks for, as far as it decides what a step computes."""
    return DreamBoothLora(
        base=str(base),
        batch=1,
        rank=RANK,
        alpha=RANK,
        min_rank=0,
        targets=("attention",),
        prior_weight=0.0,
        resolution_px=side_px,
    )


def our_command(row: Row, base: Path, drawings: Path, run: Path, side_px: int) -> tuple[str, list[str]]:
    """(program, options) of our command line."""
    options: Sequence[tuple[str, object]] = (
        ("--name", NAME),
        ("--noun", NOUN),
        ("--run", run),
        ("--method", "dreambooth-lora"),
        ("--base", base),
        ("--precision", PRECISION),
        ("--resolution-px", side_px),
        ("--batch", 1),
        ("--steps", row.steps),
        ("--rank", RANK),
        ("--min-rank", 0),
        ("--alpha", RANK),
        ("--targets", "attention"),
        ("--learning-rate", RATE),
        ("--prior-weight", 0),
    )
    said = [str(word) for option in options for word in option]
    return "understudy", ["learn", str(drawings), *said, *row.options]


def peer_command(
    row: Row, case: Case, script: Path, base: Path, squares: Path, out: Path, side_px: int, steps: int
) -> tuple[str, list[str]]:
    """(program, options) of diffusers' script."""
    options: Sequence[tuple[str, object]] = (
        ("--pretrained_model_name_or_path", base),
        ("--instance_data_dir", squares),
        ("--instance_prompt", f"a picture of {NAME}"),
        ("--output_dir", out),
        ("--seed", 0),
        ("--mixed_precision", PRECISION),
        ("--resolution", side_px),
        ("--train_batch_size", 1),
        ("--max_train_steps", steps + 1),
        ("--rank", RANK),
        ("--learning_rate", RATE),
        ("--lr_scheduler", "constant"),
        ("--lr_warmup_steps", 0),
    )
    said = [str(word) for option in options for word in option]
    return str(script), [*said, "--allow_tf32", *case.switches, *row.options]
