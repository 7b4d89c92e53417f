"""Every knob: one recipe per method and the settings of drawing; their docstrings are the help everywhere.

Nothing here needs torch, so that a command line, a web form and the documents read the same text.
"""

from understudy.recipes.adapting import Adapter, Adapting, DreamBoothLora, Lora, Target
from understudy.recipes.computing import LEAVES, Checkpointing, Computing, Offload, Precision, Quantization
from understudy.recipes.drawing import AS_IT_IS, MAX_SIDE_PX, DrawSettings, Faster, Scheduler
from understudy.recipes.dreambooth import DreamBooth
from understudy.recipes.files import NOT_YET, RECIPES, Recipe, explain, read_recipe, write_toml
from understudy.recipes.knobs import MAX_DENOISING_STEPS, is_usual
from understudy.recipes.learning import Learning
from understudy.recipes.nothing import Augmentation, FromNothing, Gan, ScratchDiffusion
from understudy.recipes.reference import Reference
from understudy.recipes.textual_inversion import TextualInversion
from understudy.recipes.tuning import PRIOR_PROMPTS, PUPPET, Finetune, LearnsWord, PromptOnly
from understudy.recipes.words import (
    fill_wording,
    learned_word,
    place_subject,
    place_wording,
    says_name,
    with_article,
)

__all__ = [
    "AS_IT_IS",
    "LEAVES",
    "MAX_DENOISING_STEPS",
    "MAX_SIDE_PX",
    "NOT_YET",
    "PRIOR_PROMPTS",
    "PUPPET",
    "RECIPES",
    "Adapter",
    "Adapting",
    "Augmentation",
    "Checkpointing",
    "Computing",
    "DrawSettings",
    "DreamBooth",
    "DreamBoothLora",
    "Faster",
    "Finetune",
    "FromNothing",
    "Gan",
    "Learning",
    "LearnsWord",
    "Lora",
    "Offload",
    "Precision",
    "PromptOnly",
    "Quantization",
    "Recipe",
    "Reference",
    "Scheduler",
    "ScratchDiffusion",
    "Target",
    "TextualInversion",
    "explain",
    "fill_wording",
    "is_usual",
    "learned_word",
    "place_subject",
    "place_wording",
    "read_recipe",
    "says_name",
    "with_article",
    "write_toml",
]
