"""The best few of many: more pictures are drawn than asked for, and the judge picks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from understudy.domain import Character, Picture, Sketch, UserError, Verdict
from understudy.drawings.keep import kept_character
from understudy.events import Drew, Judged, Note, Notify, Step, ignore
from understudy.judges.puppet import PuppetJudge
from understudy.pictures import draw, open_picture, save_picture, seeded_scenes
from understudy.recipes import DrawSettings
from understudy.runs import StrPath, open_run

Judge = Callable[[Sequence[Picture], Character], list[Verdict]]

PICKED_PASSED = "picked_passed"
"""In a picked picture's record: "yes" where the judge passed it, else "no"."""
OTHERS = "others"
"""The folder, within that of the picked, where the others stay: an artist may like another one best."""


def draw_best(
    run: StrPath,
    prompts: Sequence[str],
    best: int = 1,
    of: int = 4,
    seed: int = 0,
    settings: DrawSettings | None = None,
    out: StrPath | None = None,
    notify: Notify = ignore,
    device: str = "auto",
    sketch: Sketch | None = None,
    judge_pictures: Judge | None = None,
) -> list[Path]:
    """Draw each prompt `of` times and keep the `best` by the judge: those that pass first, then the likest.

    Returns the picked pictures' files, the best of each prompt first; their records say that and from how
    many they were picked. The others lie in the folder `others` beside them. The judge is the embedded one
    unless `judge_pictures` is given. Raises `UserError` as `draw` does.
    """
    if not 1 <= best <= of:
        raise UserError(f"The best {best} of {of} cannot be picked: draw at least as many as are to be kept.")
    opened = open_run(run)
    character = kept_character(opened)
    judge_pictures = judge_pictures or PuppetJudge()
    folder = Path(out) if out is not None else opened.pictures
    scenes = seeded_scenes(prompts, of, seed)
    drawn = draw(opened, scenes, settings, folder / OTHERS, notify, device, sketch)
    picked: list[Path] = []
    for number in range(len(prompts)):
        paths = drawn[number * of : (number + 1) * of]
        pictures = [open_picture(path) for path in paths]
        verdicts = judge_pictures(pictures, character)
        for verdict in verdicts:
            notify(Judged(verdict))
        for rank, at in enumerate(rank_verdicts(verdicts)[:best], start=1):
            told = {"picked": f"{rank} of {of}", "picked_likeness": f"{verdicts[at].likeness:.3f}"}
            told |= {PICKED_PASSED: "yes" if verdicts[at].passed else "no"}
            record = {**pictures[at].record, **told}
            picked.append(save_picture(replace(pictures[at], record=record), folder))
            notify(Drew(picked[-1]))
            # Only now that it is safe in its new place.
            for file in (paths[at], paths[at].with_suffix(".json")):
                file.unlink(missing_ok=True)
        notify(Step("picking", number + 1, len(prompts)))
    if best < of:
        notify(Note(f"Those that were not picked lie in {folder / OTHERS}."))
    return picked


def rank_verdicts(verdicts: Sequence[Verdict]) -> list[int]:
    """The verdicts' places in the list, the best first: what passes, then what is likest; equals as drawn."""
    return sorted(range(len(verdicts)), key=lambda at: (not verdicts[at].passed, -verdicts[at].likeness))
