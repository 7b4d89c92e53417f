"""Prompt-only: nothing is learned, the character is described in words; the baseline of every comparison.

Where several wordings are there, each is drawn a little, and whoever judges says which is best. Which that
is, and how the others fared, stands in the run's `wordings.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from understudy.bases.base import Base
from understudy.domain import Character, Picture, Scene
from understudy.events import Notify, Step, ignore
from understudy.methods.hastening import NOT_HASTENED, Hastened, hasten
from understudy.methods.opening import base_of, open_base_of
from understudy.methods.painting import Painter, PipelinePainter
from understudy.methods.records import describe_run
from understudy.methods.references import References
from understudy.methods.reviewing import Review
from understudy.recipes import DrawSettings, Faster, PromptOnly, place_wording
from understudy.runs import Checkpoint, Run
from understudy.trials import Tried, Wordings, read_wordings, write_wordings

TRIED_ON = (
    "{name} standing, front view",
    "{name} smiling, front view",
    "{name} waving",
    "a portrait of {name}",
)
"""Scenes of the trial, in turn; with "a picture of" before the name where it stands first."""


@dataclass(frozen=True)
class Trial:
    """How wordings are found and chosen between; methods know no judge, so whoever calls brings it.

    `suggest` gives the next wordings to try, by those tried before, until it gives none: (character, recipe,
    tried). `score` says how good a wording's pictures are, higher is better.
    """

    suggest: Callable[[Character, PromptOnly, Sequence[Tried]], Sequence[str]]
    score: Callable[[Sequence[Picture], Character], float]


def learn(
    character: Character,
    recipe: PromptOnly,
    run: Run,
    review: Review,
    notify: Notify,
    trial: Trial | None = None,
) -> None:
    """Make the run's one checkpoint, which holds no weights, after the trial of wordings, if there is one."""
    if run.newest() is None:
        if trial is not None and not recipe.description:
            _try(character, recipe, run, notify, trial)
        run.save(0, _write_nothing, keep=True)
    notify(Step("learning", 1, 1))


@contextmanager
def open_painter(
    run: Run, recipe: PromptOnly, checkpoint: Checkpoint, device: str, notify: Notify, faster: Faster
) -> Iterator[Painter]:
    """The base itself, which reads the best wording where a prompt says the name."""
    wording = read_wordings(run).chosen or recipe.words(run.manifest.name, run.manifest.noun)
    with open_base_of(run, device, notify, faster) as base:
        facts = {**describe_run(run, checkpoint), "wording": wording}
        hastened = hasten(base, base_of(run), faster, notify)
        yield _painter(base, run, wording, facts, notify, hastened)


def _try(character: Character, recipe: PromptOnly, run: Run, notify: Notify, trial: Trial) -> None:
    """Draw and score wordings until no more are suggested; what was scored already is not drawn again."""
    found = read_wordings(run)
    settings = DrawSettings(steps=recipe.trial_steps)
    with open_base_of(run, run.manifest.plan.device, notify) as base:
        while wordings := trial.suggest(character, recipe, found.tried):
            for wording in wordings:
                painter = _painter(base, run, wording, {}, ignore)
                pictures = list(painter(_scenes(character.name, recipe), settings))
                one = Tried(wording=wording, score=trial.score(pictures, character))
                found = Wordings(tried=(*found.tried, one))
                write_wordings(run, found)
                notify(Step("trying wordings", len(found.tried), len(found.tried) + 1))
    best = found.best
    write_wordings(run, found.model_copy(update={"chosen": best.wording if best else None}))


def _scenes(name: str, recipe: PromptOnly) -> list[Scene]:
    scenes = []
    for number in range(recipe.trial_pictures):
        said = TRIED_ON[number % len(TRIED_ON)]
        prompt = said if said.startswith("a ") else f"a picture of {said}"
        scenes.append(Scene(prompt.replace("{name}", name), recipe.seed + number))
    return scenes


def _painter(
    base: Base,
    run: Run,
    wording: str,
    facts: dict[str, str],
    notify: Notify,
    hastened: Hastened = NOT_HASTENED,
) -> PipelinePainter:
    name = run.manifest.name
    return PipelinePainter(
        base,
        lambda prompt: base.prompting.complete(place_wording(prompt, name, wording)),
        facts,
        notify,
        References(run),
        hastened,
    )


def _write_nothing(folder: Path) -> None:
    pass
