"""A character sheet: turnaround, moods, poses and palette on one page, as a comic artist makes it first."""

from __future__ import annotations

from pathlib import Path

from fontTools.ttLib import TTFont

from understudy.comics.pages import BOLD, render
from understudy.comics.pdf import render_pdf
from understudy.comics.sheet_page import MARK, SHOTS, SIZES_MM, Shot, lay_out_sheet
from understudy.cutting import locate
from understudy.domain import Drawing, Picture, Pixels, UserError
from understudy.drawings.cutting import cut_out
from understudy.drawings.describe import describe
from understudy.drawings.keep import kept_character
from understudy.events import Drew, Note, Notify, ignore
from understudy.flattening import flatten_pictures
from understudy.judges.puppet import PuppetJudge
from understudy.picking import PICKED_PASSED, Judge, draw_best
from understudy.pictures import open_picture
from understudy.provenance import COMPOSITE, write_picture
from understudy.recipes import DrawSettings
from understudy.runs import StrPath, open_run, write_whole

DPI = 300
NOT_JUDGED = "Not judged: the method that drew these pictures ignores the words."


def make_sheet(
    run: StrPath,
    out: StrPath | None = None,
    size: str = "a4",
    of: int = 3,
    seed: int = 0,
    settings: DrawSettings | None = None,
    notify: Notify = ignore,
    device: str = "auto",
    judge_pictures: Judge | None = None,
    flat: bool = False,
    marks: bool = True,
) -> list[Path]:
    """Draw the run's character sheet into `out`, or the run's folder `sheet`; returns the PDF and the PNG.

    Each of its sixteen pictures is the best of `of` by the judge; they lie in the folder `pictures` beside
    it. With `flat` the page shows them in the drawings' flat colours. Those that the judge failed have a mark
    behind their labels, and the foot says what it means; without `marks` only the record and a note name
    them. `size` is "a4" or "letter". Raises `UserError` for another size, and as `draw` does.
    """
    if size not in SIZES_MM:
        raise UserError(f"There is no paper {size!r}: take one of {', '.join(SIZES_MM)}.")
    opened = open_run(run)
    character = kept_character(opened)
    folder = Path(out) if out is not None else opened.folder / "sheet"
    judge = PuppetJudge()
    prompts = [prompt.replace("{name}", character.name) for _, prompt in SHOTS]
    picked = draw_best(
        opened,
        prompts,
        1,
        of,
        seed,
        settings,
        folder / "pictures",
        notify,
        device,
        judge_pictures=judge_pictures or judge,
    )
    shown = flatten_pictures(opened, picked, notify=notify, judge=judge) if flat else picked
    pictures = [open_picture(path) for path in shown]
    is_judged = all(picture.follows_text for picture in pictures)
    failed = [is_judged and _has_failed(picture) for picture in pictures]
    shots = [
        Shot(label, _cut(path, picture.pixels, judge), marks and fails)
        for (label, _), path, picture, fails in zip(SHOTS, shown, pictures, failed, strict=True)
    ]
    told = _tell_failed(sum(failed), len(failed)) if is_judged else NOT_JUDGED
    page = lay_out_sheet(
        _readable(character.name, notify),
        _readable(character.noun, notify),
        shots,
        size,
        describe(character.drawings, notify).palette,
        len(character.drawings),
        told if marks else "",
    )
    stem = folder / f"{_file_name(character.name)}-sheet"
    pdf, png = stem.with_suffix(".pdf"), stem.with_suffix(".png")
    write_whole(pdf, render_pdf(page))
    failing = ", ".join(label for (label, _), fails in zip(SHOTS, failed, strict=True) if fails)
    record = {"title": page.title, "pictures": ", ".join(path.name for path in shown), "of": str(of)}
    record |= {"judged": told} | ({"failed": failing} if failing else {})
    write_picture(png, render(page, DPI), record, COMPOSITE, DPI)
    for path in (pdf, png):
        notify(Drew(path))
    notify(Note(f"{told} They are: {failing}." if failing else told))
    return [pdf, png]


def _has_failed(picture: Picture) -> bool:
    return picture.record.get(PICKED_PASSED) == "no"


def _tell_failed(num_failed: int, num: int) -> str:
    """What the mark means and how many have it."""
    if not num_failed:
        return f"The judge passed all {num} pictures."
    why = "another character, not what its label says, or damaged"
    return f"{MARK} {num_failed} of {num} pictures failed the judge: {why}."


def _cut(path: Path, pixels: Pixels, judge: PuppetJudge) -> Pixels:
    return cut_out(locate(Drawing(path, pixels, ""), judge, is_ours=True))


def _readable(words: str, notify: Notify) -> str:
    """The words without letters that the sheet's type does not have."""
    known = TTFont(BOLD).getBestCmap()
    kept = "".join(letter for letter in words if ord(letter) in known)
    if kept != words:
        notify(Note(f"The sheet's type has no letters for all of {words!r}: they are left out."))
    return kept


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-") or "character"
