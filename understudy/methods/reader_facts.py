"""What tools show of an adapter's file: what it is called, by which words, on which base."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from understudy.bases.catalog import find_base, find_side_px, read_config
from understudy.bases.shapes import find_shape
from understudy.domain import NOT_STATED
from understudy.methods.opening import base_of
from understudy.recipes import Adapting
from understudy.runs import Checkpoint, Run

MODEL_SPEC = "1.0.0"
OF_LYCORIS = ("dora", "lokr")
"""The adapters whose names in kohya's form are LyCORIS'."""


def describe_for_readers(run: Run, recipe: Adapting, checkpoint: Checkpoint) -> dict[str, str]:
    """For the file's header: Stability's model specification, and kohya's own names, which A1111 shows.

    Source: github.com/Stability-AI/ModelSpec, version 1.0. Raises `UserError` where the base is gone.
    """
    return _specify(run, recipe) | _describe_as_kohya(run, recipe, checkpoint)


def _specify(run: Run, recipe: Adapting) -> dict[str, str]:
    manifest, base = run.manifest, find_base(base_of(run))
    words, side = recipe.words(manifest.name, manifest.noun), recipe.resolution_px or find_side_px(base)
    known = find_shape(base)
    rights = {"author": manifest.rights.artist, "license": manifest.rights.licence}
    learned_from = f"{len(manifest.drawings)} drawings by {run.recipe.method}"
    spec = {
        "sai_model_spec": MODEL_SPEC,
        "architecture": f"{known.architecture if known else _own_shape(run)}/lora",
        "implementation": "diffusers",
        "title": manifest.name,
        "description": f"{manifest.name}, learned from {learned_from}.",
        "trigger_phrase": words,
        "usage_hint": f"a picture of {words} waving",
        "resolution": f"{side}x{side}",
        **_say_prediction(base),
        **{name: value for name, value in rights.items() if value != NOT_STATED},
    }
    return {f"modelspec.{name}": value for name, value in spec.items()}


def _describe_as_kohya(run: Run, recipe: Adapting, checkpoint: Checkpoint) -> dict[str, str]:
    manifest, base = run.manifest, find_base(base_of(run))
    side, known = recipe.resolution_px or find_side_px(base), find_shape(base)
    said = [recipe.words(manifest.name, manifest.noun)] * len(manifest.drawings)
    if recipe.captions:
        said += [drawing.caption for drawing in manifest.drawings if drawing.caption]
    return {
        "ss_output_name": manifest.name,
        "ss_sd_model_name": _name(run),
        "ss_base_model_version": known.version if known else _own_shape(run),
        "ss_v2": "False",
        "ss_network_module": "lycoris.kohya" if recipe.adapter in OF_LYCORIS else "networks.lora",
        "ss_network_dim": str(recipe.rank),
        "ss_network_alpha": str(recipe.rank),  # the recipe's own is in the weights
        "ss_resolution": f"({side}, {side})",
        "ss_num_train_images": str(len(manifest.drawings)),
        "ss_steps": str(checkpoint.step),
        "ss_learning_rate": str(recipe.learning_rate),
        "ss_tag_frequency": json.dumps({manifest.name: Counter(said)}, ensure_ascii=False),
    }


def _say_prediction(base: Path) -> dict[str, str]:
    """The specification has no word for a flow."""
    config = read_config(base, "scheduler")
    if "shift" in config:
        return {}
    return {"prediction_type": "v" if config.get("prediction_type") == "v_prediction" else "epsilon"}


def _own_shape(run: Run) -> str:
    """Of a base that tools do not know: a name of which none says that it does."""
    return f"understudy-{_name(run)}"


def _name(run: Run) -> str:
    """The base's own, never where it lies on somebody's disk."""
    return Path(base_of(run)).name
