"""Which recipes there are, and how they are written to a file and read from it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from understudy.domain import UserError
from understudy.recipes.adapting import DreamBoothLora, Lora
from understudy.recipes.dreambooth import DreamBooth
from understudy.recipes.nothing import Gan, ScratchDiffusion
from understudy.recipes.reference import Reference
from understudy.recipes.textual_inversion import TextualInversion
from understudy.recipes.tuning import PromptOnly

Recipe = Annotated[
    DreamBoothLora | Lora | DreamBooth | TextualInversion | PromptOnly | Reference | Gan | ScratchDiffusion,
    Field(discriminator="method"),
]
RECIPES: dict[str, type[Recipe]] = {
    "dreambooth-lora": DreamBoothLora,
    "lora": Lora,
    "dreambooth": DreamBooth,
    "textual-inversion": TextualInversion,
    "prompt-only": PromptOnly,
    "reference": Reference,
    "gan": Gan,
    "scratch-diffusion": ScratchDiffusion,
}
"""The recipe of each method by its name, in the order of the help."""
_RECIPES: TypeAdapter[Recipe] = TypeAdapter(Recipe)


NOT_YET: Mapping[str, object] = {"decoder_share": 0.0}
"""What runs learned by that were begun before there was such a knob, where that is not its default."""


def read_recipe(path: Path, unnamed: Mapping[str, object] | None = None) -> Recipe:
    """Read a recipe's TOML file, with `unnamed` for knobs of its method that it does not name.

    Raises `UserError` if it is no recipe.
    """
    try:
        knobs = tomllib.loads(path.read_text(encoding="utf-8"))
        kind = RECIPES.get(str(knobs.get("method")))
        known = {} if kind is None else kind.model_fields
        given = {name: value for name, value in (unnamed or {}).items() if name in known}
        return _RECIPES.validate_python(given | knobs)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a TOML file ({error}): mend it.") from error
    except ValidationError as error:
        raise UserError(f"{path} is not a recipe: {explain(error)}.") from error


def explain(error: ValidationError) -> str:
    """The first mistake of a recipe in a few words."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in RECIPES)
    return f"{place}: {first['msg']}" if place else first["msg"]


def write_toml(recipe: BaseModel) -> str:
    """A recipe as TOML, every knob with its help as a comment; `read_recipe` is the inverse."""
    lines = []
    for name, value in recipe.model_dump(mode="json").items():
        help_text = type(recipe).model_fields[name].description
        lines += [f"# {line}" for line in (help_text or "").splitlines()]
        # JSON's strings, numbers, booleans and flat lists are TOML's too, but for one bare character.
        lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f"))
    return "\n".join(lines) + "\n"
