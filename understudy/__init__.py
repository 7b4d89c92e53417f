"""Six drawings of an invented character in, new pictures of it out. The whole of it in six lines:

import understudy
mino = understudy.read_character("drawings/mino", name="Mino", noun="girl")
run = understudy.learn(mino, understudy.DreamBoothLora(), "runs/mino")
files = understudy.draw(run, ["a picture of Mino reading a book"])
verdicts = understudy.judge(run)
page = understudy.report(run)
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from understudy.comics.sheet import make_sheet
    from understudy.comparisons.compare import compare
    from understudy.cutting import cut_out_pictures
    from understudy.domain import Character, Scene, Sketch, UserError
    from understudy.drawings.read import read_character
    from understudy.exporting import export
    from understudy.judging import judge
    from understudy.learning import learn
    from understudy.methods import learn_together, open_painter
    from understudy.methods.another_base import on_another_base
    from understudy.methods.noise_rank import follow_noise
    from understudy.picking import draw_best
    from understudy.pictures import draw, read_sketch, write_grid
    from understudy.recipes import (
        DrawSettings,
        DreamBooth,
        DreamBoothLora,
        Gan,
        Lora,
        PromptOnly,
        Reference,
        ScratchDiffusion,
        TextualInversion,
    )
    from understudy.redrawing import redraw
    from understudy.reports.description import describe
    from understudy.reports.report import report
    from understudy.sweeps import sweep

__all__ = [
    "Character",
    "DrawSettings",
    "DreamBooth",
    "DreamBoothLora",
    "Gan",
    "Lora",
    "PromptOnly",
    "Reference",
    "Scene",
    "ScratchDiffusion",
    "Sketch",
    "TextualInversion",
    "UserError",
    "compare",
    "cut_out_pictures",
    "describe",
    "draw",
    "draw_best",
    "export",
    "follow_noise",
    "judge",
    "learn",
    "learn_together",
    "make_sheet",
    "on_another_base",
    "open_painter",
    "read_character",
    "read_sketch",
    "redraw",
    "report",
    "sweep",
    "write_grid",
]

# The libraries' own remarks on import and on loading are not for our users; an own setting is respected.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
# Threads that wait for each other sleep instead of spinning: on a machine that does other work as well,
# spinning threads steal the processor from the one that all wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_HOMES = {
    "Character": "domain",
    "DrawSettings": "recipes",
    "DreamBooth": "recipes",
    "DreamBoothLora": "recipes",
    "Gan": "recipes",
    "Lora": "recipes",
    "PromptOnly": "recipes",
    "Reference": "recipes",
    "Scene": "domain",
    "ScratchDiffusion": "recipes",
    "Sketch": "domain",
    "TextualInversion": "recipes",
    "UserError": "domain",
    "compare": "comparisons.compare",
    "cut_out_pictures": "cutting",
    "describe": "reports.description",
    "draw": "pictures",
    "draw_best": "picking",
    "export": "exporting",
    "follow_noise": "methods.noise_rank",
    "judge": "judging",
    "learn": "learning",
    "learn_together": "methods",
    "make_sheet": "comics.sheet",
    "on_another_base": "methods.another_base",
    "open_painter": "methods",
    "read_character": "drawings.read",
    "read_sketch": "pictures",
    "redraw": "redrawing",
    "write_grid": "pictures",
    "report": "reports.report",
    "sweep": "sweeps",
}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: asking for help must not wait for torch (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'understudy' has no attribute {name!r}")
    return getattr(import_module(f"understudy.{_HOMES[name]}"), name)
