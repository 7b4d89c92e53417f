"""The commands that make a run again, with every knob that was not left as it is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from understudy.domain import Verdict
from understudy.recipes import Recipe
from understudy.runs import Run
from understudy.world.captions import STUDY_PROMPTS
from understudy.world.heroes import EXAMPLE, Hero

PROMPTS_FILE = "prompts.txt"
FOLDER, HERO_FOLDER = "DRAWINGS", "drawings"


def learn_command(run: Run, recipe: Recipe, hero: Hero | None) -> str:
    """The command that learned the run."""
    manifest, values = run.manifest, recipe.model_dump()
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
    for name, knob in type(recipe).model_fields.items():
        if name != "method" and values[name] != knob.default:
            command += _option(name, values[name])
    return shlex.join(command)


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
