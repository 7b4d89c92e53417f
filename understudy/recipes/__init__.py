"""Every knob: one recipe per method and the settings of drawing; their docstrings are the help everywhere.

Nothing here needs torch, so that a command line, a web form and the documents read the same text.
"""

from understudy.recipes.drawing import MAX_SIDE_PX, DrawSettings, Scheduler
from understudy.recipes.files import RECIPES, Recipe, explain, read_recipe, write_toml
from understudy.recipes.knobs import MAX_DENOISING_STEPS
from understudy.recipes.learning import Learning
from understudy.recipes.nothing import Augmentation, FromNothing, Gan, ScratchDiffusion
from understudy.recipes.tuning import (
    PRIOR_PROMPTS,
    PUPPET,
    DreamBoothLora,
    Finetune,
    Precision,
    PromptOnly,
    Target,
)
from understudy.recipes.words import place_subject, says_name, with_article

__all__ = [
    "MAX_DENOISING_STEPS",
    "MAX_SIDE_PX",
    "PRIOR_PROMPTS",
    "PUPPET",
    "RECIPES",
    "Augmentation",
    "DrawSettings",
    "DreamBoothLora",
    "Finetune",
    "FromNothing",
    "Gan",
    "Learning",
    "Precision",
    "PromptOnly",
    "Recipe",
    "Scheduler",
    "ScratchDiffusion",
    "Target",
    "explain",
    "place_subject",
    "read_recipe",
    "says_name",
    "with_article",
    "write_toml",
]
