"""What a newcomer gets on a family of bases without naming a knob. Needs no torch.

The embedded base's own are the recipes' defaults, found by measuring. Nothing could be measured here on the
others: theirs are what their trainers and pipelines take today for a subject of few pictures: diffusers'
examples/dreambooth (SD 1.5, SDXL, SD 3.5, FLUX.1, FLUX.2, Qwen-Image, Z-Image), ai-toolkit (FLUX), peft's
method_comparison/image-gen (FLUX.2 klein: rank 32, alpha 64, 750 steps of 2 at 512 px) and the pipelines'
own defaults for drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from understudy.bases.catalog import read_layout
from understudy.bases.choosing.known import find_known
from understudy.bases.fetching.fetch import fetch_configs, find_on_disk
from understudy.bases.fetching.packaged import PACKAGED
from understudy.bases.few_step import FewStep, find_few_step
from understudy.bases.layouts import Family
from understudy.bases.shapes import find_shape
from understudy.domain import UserError
from understudy.events import Notify, ignore
from understudy.recipes import DrawSettings
from understudy.runs import Run, StrPath, open_run

Knobs = Mapping[str, object]

_ANY: Knobs = {
    # Their autoencoders lose nothing that a reader would miss.
    "decoder_share": 0.0,
}
_ANY_ADAPTER: Knobs = {
    **_ANY,
    "learning_rate": 1e-4,
    "rank": 16,
    # Whoever draws with it in another program gets the same picture.
    "min_rank": 0,
    "alpha": 16.0,
    "steps": 1000,
    "batch": 1,
    "targets": ("attention",),
    "averaging": 0.99,
    "adam_beta2": 0.999,
    "weight_decay": 1e-4,
    # Drawn by a base of this size they take longer than all steps; who wants them gives a weight.
    "prior_weight": 0.0,
}
_ANY_WHOLE: Knobs = {
    **_ANY,
    "learning_rate": 5e-6,
    "steps": 400,
    "batch": 1,
    "adam_beta2": 0.999,
    "weight_decay": 1e-2,
    "averaging": 0.0,
    "prior_pictures": 50,
    "prior_share": 0.5,
}
_ANY_WORD: Knobs = {
    **_ANY,
    "learning_rate": 5e-4,
    "steps": 3000,
    "batch": 4,
    "vectors": 4,
    "initial": "{a_noun}",
    "adam_beta2": 0.999,
}

_ADAPTER: Mapping[Family, Knobs] = {
    "sd1": {**_ANY_ADAPTER, "steps": 800, "batch": 2},
    "sdxl": _ANY_ADAPTER,
    "sd3": _ANY_ADAPTER,
    "flux": {**_ANY_ADAPTER, "steps": 1500},
    "kontext": {**_ANY_ADAPTER, "steps": 1500},
    "flux2": {**_ANY_ADAPTER, "rank": 32, "alpha": 64.0, "steps": 750, "batch": 2, "resolution_px": 512},
    "qwen": _ANY_ADAPTER,
    "qwen-edit": _ANY_ADAPTER,
    "zimage": _ANY_ADAPTER,
}
_SMALL_REFERENCE: Knobs = {
    # No small base knows what reference images are; it was trained to look at what is beside any prompt.
    "subject": "{a_noun}",
    "max_references": 6,
}
TRAINING = ("dreambooth-lora", "lora", "dreambooth", "textual-inversion")
"""The methods that change something in a base."""
DRAWING: Mapping[Family, Knobs] = {
    "sd1": {"steps": 30, "guidance": 7.5},
    "sdxl": {"steps": 30, "guidance": 5.0},
    "sd3": {"steps": 28, "guidance": 4.5},
    "flux": {"steps": 28, "guidance": 3.5},
    "kontext": {"steps": 28, "guidance": 2.5},
    "flux2": {"steps": 50, "guidance": 4.0},
    "qwen": {"steps": 50, "guidance": 4.0},
    "qwen-edit": {"steps": 40, "guidance": 4.0},
    # Four of the pipeline's, which counts guidance from 0.
    "zimage": {"steps": 50, "guidance": 5.0},
}
"""The settings that a family is drawn with; a distilled base says others in the catalogue."""


def recommended_knobs(family: Family, method: str) -> Knobs:
    """The knobs of a method on a family's real bases; none where the method's own defaults are as good."""
    match method:
        case "dreambooth-lora" | "lora":
            return _ADAPTER[family]
        case "dreambooth":
            return _ANY_WHOLE
        case "textual-inversion":
            return _ANY_WORD
        case _:
            return {}


def suited_knobs(method: str, base: object, notify: Notify = ignore) -> Knobs:
    """The recommended knobs for a base, by its name or folder; none for the one that comes with the package.

    Of one that is not known by name the configs are fetched, as only they say what it is. Raises `UserError`
    as `fetch_configs` does, and for a base that is good for drawing only.
    """
    known = find_known(str(base))
    if known is not None and not known.learns and method in TRAINING:
        raise UserError(
            f"{known.name} is for drawing alone, learning would undo what makes it fast: "
            "learn on another (see understudy bases)."
        )
    family = _find_family(base, partial(fetch_configs, notify=notify))
    if family is None:
        return _SMALL_REFERENCE if method == "reference" else {}
    return recommended_knobs(family, method)


def suited_settings(run: StrPath | Run, fast: str = "") -> DrawSettings:
    """The settings of drawing that suit the base of a run: its makers' where it is known, or its family's.

    With a few-step LoRA, named by `fast` as in `few_step.find_few_step`, which may refuse it, they are that
    one's. Nothing is fetched for that: of a base that is not there the settings' own defaults are taken.
    """
    opened = run if isinstance(run, Run) else open_run(run)
    base = opened.manifest.base
    if fast and base is not None:
        found = _find_few_step(fast, base)
        settings = {} if found is None else {"steps": found.steps, "guidance": found.guidance}
        return DrawSettings.model_validate({**settings, "fast": fast})
    family, known = _find_family(base, find_on_disk), find_known(str(base))
    if family is None:
        return DrawSettings()
    if known is not None:
        return DrawSettings(steps=known.steps, guidance=max(1.0, known.guidance))
    return DrawSettings.model_validate(DRAWING[family])


def _find_few_step(name: str, base: str) -> FewStep | None:
    """None of a base of which nothing is here that says what it is."""
    known, folder = find_known(base), find_on_disk(base)
    if folder is not None:
        return find_few_step(name, base, read_layout(folder).family, folder)
    return None if known is None else find_few_step(name, base, known.family, None)


def _find_family(base: object, find: Callable[[str], Path | None]) -> Family | None:
    if base is None:
        return None
    known = find_known(str(base))
    if known is not None:
        return None if known.name in PACKAGED else known.family
    folder = find(str(base))
    if folder is None:
        return None
    family = read_layout(folder).family
    # Of the layout of Stable Diffusion 1.x but not of its size: a small base, as the one of the package.
    return None if family == "sd1" and find_shape(folder) is None else family
