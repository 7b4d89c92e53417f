"""The commands that make a run again, with every knob that was not left as it is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from understudy.bases.recommended import suited_knobs
from understudy.domain import UserError, Verdict
from understudy.recipes import FromNothing, Recipe
from understudy.runs import Run
from understudy.world.captions import STUDY_PROMPTS
from understudy.world.heroes import EXAMPLE, Hero

PROMPTS_FILE = "prompts.txt"
FOLDER, HERO_FOLDER = "DRAWINGS", "drawings"


def learn_command(run: Run, recipe: Recipe, hero: Hero | None) -> str:
    """The command that learned the run."""
    manifest = run.manifest
    command = [
        "understudy",
        "learn",
        HERO_FOLDER if hero else FOLDER,
        "--name",
        manifest.name,
        "--noun",
        manifest.noun,
    ]
    command += ["--run", str(run.folder), "--method", recipe.method]
    preset, values = _least_said(recipe)
    command += ["--preset", preset] if preset else []
    for name, value in values.items():
        command += _option(name, value)
    return shlex.join(command)


def _least_said(recipe: Recipe) -> tuple[str, dict[str, object]]:
    """The preset that leaves fewest knobs to say, "" for none, and these knobs."""
    kind, values = type(recipe), recipe.model_dump()
    presets = {name: kind.from_preset(name) for name in kind.presets}
    ways = {"": kind.model_validate(_suited(recipe)), **presets}
    left = {
        name: {knob: value for knob, value in values.items() if value != way.model_dump()[knob]}
        for name, way in ways.items()
    }
    preset = min(left, key=lambda name: len(left[name]))
    return preset, left[preset]


def _suited(recipe: Recipe) -> Mapping[str, object]:
    """What the recipe has where no knob is named; of a base that is not here any more, nothing is known."""
    if isinstance(recipe, FromNothing):
        return {}
    try:
        return suited_knobs(recipe.method, recipe.base)
    except UserError:
        return {}


def judge_command(run: Run, verdicts: Mapping[str, Verdict]) -> str:
    """The command that judged the run so, or that judges it if nothing did."""
    command = ["understudy", "judge", str(run.folder)]
    prompts, seeds = judged_prompts(verdicts), [verdict.scene.seed for verdict in verdicts.values()]
    if not prompts:
        return shlex.join(command)
    if prompts_text(run, prompts):
        command += ["--prompts", PROMPTS_FILE]
    if (count := len(verdicts) // len(prompts)) != 3:
        command += ["--count", str(count)]
    if min(seeds):
        command += ["--seed", str(min(seeds))]
    return shlex.join(command)


def judged_prompts(verdicts: Mapping[str, Verdict]) -> list[str]:
    """The prompts that were judged, in their order."""
    return list(dict.fromkeys(verdict.scene.prompt for verdict in verdicts.values()))


def prompts_text(run: Run, prompts: Sequence[str]) -> str:
    """What prompts.txt must hold; empty where the prompts are the study's."""
    study = [prompt.replace("{name}", run.manifest.name) for prompt in STUDY_PROMPTS]
    return "" if list(prompts) == study else "\n".join(prompts)


def drawings_line(run: Run, hero: Hero | None) -> str:
    """The first line: where the drawings come from."""
    if hero is None:
        files = ", ".join(drawing.file for drawing in run.manifest.drawings)
        return f"# {FOLDER} is your folder with {files}"
    if hero == EXAMPLE:
        return f"# {HERO_FOLDER}: the example's, which understudy demo writes"
    return shlex.join(["understudy", "hero", str(hero.seed), "--out", HERO_FOLDER])


def _option(name: str, value: object) -> list[str]:
    flag = "--" + name.replace("_", "-")
    match value:
        case bool():
            return [flag if value else f"--no-{flag[2:]}"]
        case tuple() | list():
            return [part for one in value for part in (flag, str(one))]
        case _:
            return [flag, str(value)]
