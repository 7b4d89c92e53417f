"""Draw a run's character in the scenes of a test, and judge each picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from understudy.domain import Character, Picture, Scene, UserError, Verdict
from understudy.drawings.keep import kept_character
from understudy.events import Drew, Judged, Notify, Step, ignore
from understudy.judges.puppet import PuppetJudge
from understudy.judges.quality import QualityReport, summarise
from understudy.methods import open_painter
from understudy.pictures import save_picture, seeded_scenes
from understudy.recipes import DrawSettings
from understudy.runs import Run, StrPath, open_run, write_whole
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
    scenes = seeded_scenes(wishes, count, seed)
    judge_pictures = judge_pictures or PuppetJudge()
    drawn = _draw(opened, scenes, settings or DrawSettings(), notify, device)
    verdicts: list[Verdict] = []
    for start in range(0, len(drawn), JUDGED_AT_ONCE):
        pictures = [picture for _, picture in drawn[start : start + JUDGED_AT_ONCE]]
        for verdict in judge_pictures(pictures, character):
            verdicts.append(verdict)
            notify(Judged(verdict))
        notify(Step("judging", len(verdicts), len(drawn)))
    lines = [_line(path, verdict) for (path, _), verdict in zip(drawn, verdicts, strict=True)]
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


def _draw(
    run: Run, scenes: Sequence[Scene], settings: DrawSettings, notify: Notify, device: str
) -> list[tuple[Path, Picture]]:
    drawn: list[tuple[Path, Picture]] = []
    with open_painter(run, device=device) as painter:
        notify(Step("drawing", 0, len(scenes)))
        for picture in painter(scenes, settings):
            path = save_picture(picture, run.pictures)
            drawn.append((path, picture))
            notify(Drew(path))
            notify(Step("drawing", len(drawn), len(scenes)))
    return drawn


def _line(path: Path, verdict: Verdict) -> str:
    record = {"picture": path.name, **asdict(verdict), "passed": verdict.passed}
    return json.dumps(record, ensure_ascii=False) + "\n"
