"""Draw a run's character in the scenes of a test, and judge each picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from understudy.domain import Character, Picture, Scene, UserError, Verdict
from understudy.drawings.keep import kept_character
from understudy.events import Judged, Note, Notify, Step, ignore
from understudy.judges.puppet import PuppetJudge
from understudy.judges.quality import QualityReport, summarise
from understudy.pictures import draw, seeded_scenes
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, says_name
from understudy.runs import StrPath, open_run, write_whole
from understudy.world.captions import STUDY_PROMPTS

Judge = Callable[[Sequence[Picture], Character], list[Verdict]]

VERDICTS_FILE = "verdicts.jsonl"
JUDGED_AT_ONCE = 16


def judge(
    run: StrPath,
    prompts: Sequence[str] = STUDY_PROMPTS,
    count: int = 3,
    seed: int = 0,
    settings: DrawSettings | None = None,
    judge_pictures: Judge | None = None,
    notify: Notify = ignore,
    device: str = "auto",
) -> QualityReport:
    """Draw each prompt `count` times with the run's newest weights, judge the pictures, and sum it up.

    In a prompt {name} stands for the character's name. The judge is the embedded one unless `judge_pictures`
    is given. The pictures lie in the run's folder `pictures`, the verdicts in its `verdicts.jsonl`, one a
    line. Raises `UserError` where nothing is learned yet.
    """
    opened = open_run(run)
    character = kept_character(opened)
    wishes = [prompt.replace("{name}", character.name) for prompt in prompts]
    for wish in wishes:
        if not says_name(wish, character.name):
            notify(Note(f"{wish!r} does not say {character.name}, so its pictures will not show it."))
    scenes = seeded_scenes(wishes, count, seed)
    judge_pictures = judge_pictures or PuppetJudge()
    paths = draw(opened, scenes, settings, notify=notify, device=device)
    drawn = list(zip(scenes, paths, strict=True))
    verdicts: list[Verdict] = []
    for start in range(0, len(drawn), JUDGED_AT_ONCE):
        pictures = [_read(scene, path) for scene, path in drawn[start : start + JUDGED_AT_ONCE]]
        for verdict in judge_pictures(pictures, character):
            verdicts.append(verdict)
            notify(Judged(verdict))
        notify(Step("judging", len(verdicts), len(drawn)))
    lines = [_line(path, verdict) for path, verdict in zip(paths, verdicts, strict=True)]
    write_whole(opened.folder / VERDICTS_FILE, "".join(lines).encode())
    return summarise(verdicts)


def read_prompts(path: Path) -> list[str]:
    """The prompts in a text file, one a line.

    Empty lines and those that begin with # are skipped. Raises `UserError` where there is no prompt.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: give a text file with one prompt a line.") from error
    prompts = [line for line in lines if line and not line.startswith("#")]
    if not prompts:
        raise UserError(f"{path} holds no prompt: write one a line.")
    return prompts


def _read(scene: Scene, path: Path) -> Picture:
    with Image.open(path) as image:
        return Picture(scene, np.asarray(image.convert("RGB")), read_record(path))


def _line(path: Path, verdict: Verdict) -> str:
    record = {"picture": path.name, **asdict(verdict), "passed": verdict.passed}
    return json.dumps(record, ensure_ascii=False) + "\n"
