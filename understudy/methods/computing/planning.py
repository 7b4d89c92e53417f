"""How to compute on this machine, and with which versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import diffusers
import torch

from understudy.bases.base import DTYPES
from understudy.bases.catalog import count_weight_bytes, count_weights, list_weighted, read_layout
from understudy.bases.choosing.known import KNOWN
from understudy.bases.compiling import find_repeated
from understudy.domain import UserError
from understudy.events import Note, Notify
from understudy.recipes import Offload, Precision
from understudy.runs import Manifest, Plan
from understudy.version import VERSION

LIBRARIES = ("torch", "diffusers", "transformers", "peft", "numpy")
SMALL_BASE_BYTES = 500_000_000
"""Below this, half precision saves no memory worth its error, and a step is too short to be shared between
threads: two waited for each other longer than they computed (docs/log.md)."""

OWN_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""What torch calls it where a processor multiplies in bf16 by itself, on x86 and on ARM."""
TIGHT, LARGEST = 0.7, 0.85
"""Shares of a card's free memory that a base's weights may take when it draws: all at once, and one part."""


def choose_plan(
    base: Path | None, device: str = "auto", precision: Precision = "auto", dares_fp16: bool = False
) -> Plan:
    """How to compute on this machine with the base, if any; `dares_fp16` as a run that learned in it does.

    Raises `UserError` for a device that it lacks, and for a base that a card without bf16 cannot compute.

    A CPU computes in fp32 unless asked: which is faster there depends on the processor and on what is
    adapted (see docs/log.md), and a trial on a busy machine would choose now this, now that. fp16 hangs.
    """
    chosen = _best_device() if device == "auto" else device
    _check_device(chosen)
    on_card = chosen.startswith("cuda")
    if precision == "fp16" and not on_card:
        raise UserError("fp16 needs a graphics card: take --precision bf16, or leave it out.")
    is_large = base is not None and not is_small(base)
    threads = 1 if base is not None and not is_large else torch.get_num_threads()
    if precision == "auto":
        precision = "fp32"
        if base is not None and is_large and on_card:
            precision = _half_of_the_card(base, dares_fp16)
    offload = _leaves_to_draw(base, chosen, precision) if base and is_large and on_card else "none"
    return Plan(device=chosen, precision=precision, threads=threads, offload=offload, tf32=on_card)


def is_small(base: Path) -> bool:
    """Whether the base in a folder is so small that nothing about its memory needs a plan.

    One whose weights are not there yet is taken for a large one.
    """
    return 0 < count_weight_bytes(base) < SMALL_BASE_BYTES


def has_compiler(folder: Path) -> bool:
    """Whether blocks of the base's denoiser can be compiled for a graphics card here."""
    layout = read_layout(folder)
    _, kind = layout.parts[layout.denoiser]
    return bool(find_repeated(getattr(diffusers, kind))) and find_spec("triton") is not None


def _half_of_the_card(base: Path, dares_fp16: bool) -> Literal["bf16", "fp16"]:
    """bf16 where the card computes in it by itself, else fp16 for families that can."""
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    family = read_layout(base).family
    if dares_fp16 or any(one.computes_in_fp16 for one in KNOWN if one.family == family):
        return "fp16"
    raise UserError(
        f"This graphics card has no bf16, and a base of the family {family} mostly draws black in fp16: take "
        "--base sdxl or --base sd15, or learn with --precision fp16 all the same."
    )


def _leaves_to_draw(base: Path, device: str, precision: str) -> Offload:
    """Whether a base's parts should take turns on a card when it draws, or, where one alone is too large for
    it, layers."""
    free, _ = torch.cuda.mem_get_info(device)
    if count_weight_bytes(base) <= TIGHT * free:
        return "none"
    largest = max(count_weights(base, part) for part in list_weighted(base))
    return "encoders" if largest * DTYPES[precision].itemsize <= LARGEST * free else "blocks"


@contextmanager
def following(plan: Plan) -> Iterator[None]:
    """Compute as the plan says, so that the same work gives the same numbers again."""
    _check_device(plan.device)
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(plan.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("high" if plan.tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = plan.tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


def list_versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    return {"understudy": VERSION, **{library: version(library) for library in LIBRARIES}}


def note_other_versions(manifest: Manifest, notify: Notify) -> None:
    """Say so where a run goes on with other versions than it began with."""
    now = list_versions()
    changed = [name for name, before in manifest.versions.items() if now.get(name) != before]
    if changed:
        name = changed[0]
        before, after = manifest.versions[name], now.get(name, "no")
        notify(Note(f"The run began with {name} {before} and goes on with {after}: results may differ."))


def note_imitated(plan: Plan, notify: Notify) -> None:
    """Say so where a processor without bf16 of its own is to compute in it: up to 50 times as long as fp32
    (docs/log.md)."""
    # Earlier releases of torch do not tell what a processor has.
    ask = getattr(torch.cpu, "get_capabilities", None)
    if plan.device != "cpu" or plan.precision != "bf16" or ask is None:
        return
    has = ask()
    if not any(has.get(kind) for kind in OWN_BF16):
        notify(
            Note(
                "This processor only imitates bf16, which takes it many times longer: leave --precision out."
            )
        )


def _best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"The device {device!r} is not on this machine: choose cpu or auto.") from error
