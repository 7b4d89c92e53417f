"""Draw a run's character in the scenes of a test, and judge each picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from understudy.bases.recommended import suited_settings
from understudy.domain import Character, Measure, Picture, Scene, Verdict
from understudy.drawings.keep import kept_character
from understudy.events import Judged, Note, Notify, Step, ignore
from understudy.judges.copying import CopyingJudge, Nearest, sum_up_copies
from understudy.judges.diversity import judge_diversity
from understudy.judges.drift import judge_drift
from understudy.judges.puppet import PuppetJudge
from understudy.judges.quality import QualityReport, summarise
from understudy.judges.style import judge_style
from understudy.methods import open_base_painter, open_painter
from understudy.pictures import draw, seeded_scenes
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, says_name
from understudy.runs import JUDGED_FILE, VERDICTS_FILE, Checkpoint, Run, StrPath, open_run, write_whole
from understudy.world.captions import STUDY_PROMPTS

Judge = Callable[[Sequence[Picture], Character], list[Verdict]]

JUDGED_AT_ONCE = 16
NOTHING_KNOWN: Mapping[str, Measure] = {}
MOST_DRIFT_STEPS = 15
"""Denoising steps of the pictures for drift, which are compared and not looked at."""


def judge(
    run: StrPath,
    prompts: Sequence[str] = STUDY_PROMPTS,
    count: int = 3,
    seed: int = 0,
    settings: DrawSettings | None = None,
    judge_pictures: Judge | None = None,
    notify: Notify = ignore,
    device: str = "auto",
    drift: bool = True,
) -> QualityReport:
    """Draw each prompt `count` times with the run's newest weights, judge the pictures, and sum it up.

    In a prompt {name} stands for the character's name. The judge is the embedded one unless `judge_pictures`
    is given. The pictures lie in the run's folder `pictures`; the verdicts in its `verdicts.jsonl`, one a
    line with the nearest drawing; what is said of all together in `judged.json`. Without `drift` the sixteen
    pictures for it are not drawn. Raises `UserError` where nothing is learned yet.
    """
    opened = open_run(run)
    sitting = Sitting(opened, opened.folder, prompts, count, seed, settings or suited_settings(opened))
    return judge_sitting(sitting, judge_pictures, notify, device, drift)


@dataclass(frozen=True)
class Sitting:
    """What is drawn and judged together: each prompt `count` times, from `seed` on, by a run's weights.

    The newest weights draw, or those of `checkpoint`. `folder` gets `pictures`, `verdicts.jsonl` and
    `judged.json`; with `reuse` pictures that lie there already are not drawn again.
    """

    run: Run
    folder: Path
    prompts: Sequence[str]
    count: int
    seed: int
    settings: DrawSettings
    checkpoint: Checkpoint | None = None
    reuse: bool = False


def judge_sitting(
    sitting: Sitting,
    judge_pictures: Judge | None = None,
    notify: Notify = ignore,
    device: str = "auto",
    drift: bool = True,
    known: Mapping[str, Measure] = NOTHING_KNOWN,
) -> QualityReport:
    """As `judge`; drift that is `known` from before is not measured again."""
    opened, settings = sitting.run, sitting.settings
    character = kept_character(opened)
    wishes = [prompt.replace("{name}", character.name) for prompt in sitting.prompts]
    for wish in wishes:
        if not says_name(wish, character.name):
            notify(Note(f"{wish!r} does not say {character.name}, so its pictures may show anybody."))
    scenes = seeded_scenes(wishes, sitting.count, sitting.seed)
    embedded = PuppetJudge()
    paths = draw(
        opened,
        scenes,
        settings,
        sitting.folder / "pictures",
        notify,
        device,
        checkpoint=sitting.checkpoint,
        reuse=sitting.reuse,
    )
    drawn = list(zip(scenes, paths, strict=True))
    verdicts = _judge_each(drawn, character, judge_pictures or embedded, notify)
    nearest = _find_nearest(drawn, CopyingJudge(character.drawings, embedded.find_held), notify)
    lines = map(partial(_line, character), paths, verdicts, nearest)
    write_whole(sitting.folder / VERDICTS_FILE, "".join(lines).encode())
    measures = {
        **sum_up_copies([one.is_copy for one in nearest]),
        **judge_style(_read_all(drawn), character.drawings, embedded.find_figure),
        **judge_diversity(_read_all(drawn)),
        **known,
    }
    _write_measures(sitting.folder, measures)  # they stay if what follows is stopped
    if drift and not known and opened.manifest.base is not None:  # where nothing was before, nothing drifts
        measures |= judge_drift(
            partial(open_painter, opened, sitting.checkpoint, device=device, faster=settings.faster),
            partial(open_base_painter, opened, device=device, faster=settings.faster),
            embedded,
            character.name,
            settings.model_copy(update={"steps": min(settings.steps, MOST_DRIFT_STEPS)}),
            sitting.seed,
            notify=notify,
        )
        _write_measures(sitting.folder, measures)
    return replace(summarise(verdicts), measures=measures)


def _judge_each(
    drawn: Sequence[tuple[Scene, Path]], character: Character, judge_pictures: Judge, notify: Notify
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for start in range(0, len(drawn), JUDGED_AT_ONCE):
        pictures = list(_read_all(drawn[start : start + JUDGED_AT_ONCE]))
        for picture, verdict in zip(pictures, judge_pictures(pictures, character), strict=True):
            verdicts.append(verdict if picture.follows_text else _without_wishes(verdict))
            notify(Judged(verdicts[-1]))
        notify(Step("judging", len(verdicts), len(drawn)))
    return verdicts


def _find_nearest(
    drawn: Sequence[tuple[Scene, Path]], copying: CopyingJudge, notify: Notify
) -> list[Nearest]:
    nearest: list[Nearest] = []
    for picture in _read_all(drawn):
        nearest.append(copying.nearest(picture))
        notify(Step("comparing with the drawings", len(nearest), len(drawn)))
    return nearest


def _write_measures(folder: Path, measures: Mapping[str, Measure]) -> None:
    judged = {name: asdict(measure) for name, measure in measures.items()}
    write_whole(folder / JUDGED_FILE, (json.dumps(judged, indent=1) + "\n").encode())


def _without_wishes(verdict: Verdict) -> Verdict:
    """Of a picture whose painter ignores the words."""
    return replace(verdict, attributes={}, not_judged=(), follows_text=False)


def _read_all(drawn: Sequence[tuple[Scene, Path]]) -> Iterator[Picture]:
    """The pictures one after the other: thousands of large ones need not fit into the memory."""
    for scene, path in drawn:
        with Image.open(path) as image:
            yield Picture(scene, np.asarray(image.convert("RGB")), read_record(path))


def _line(character: Character, path: Path, verdict: Verdict, nearest: Nearest) -> str:
    record = {
        "picture": path.name,
        **asdict(verdict),
        "passed": verdict.passed,
        "nearest_drawing": character.drawings[nearest.drawing].path.name,
        "nearest_share": nearest.share,
        "is_copy": nearest.is_copy,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"
