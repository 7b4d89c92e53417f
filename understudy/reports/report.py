"""`report`: what came of a run, on one page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from understudy.domain import Character, Drawing, Verdict
from understudy.drawings.keep import kept_character
from understudy.drawings.references import read_choice
from understudy.events import Notify, Step, ignore
from understudy.footprint import Footprint, read_footprint
from understudy.judges.quality import QualityReport, summarise
from understudy.provenance import REDRAWN
from understudy.recipes import Learning, PromptOnly, Reference, write_toml
from understudy.reports.beside import find_hero, nearest_drawings, truth
from understudy.reports.coverage import count_drawings
from understudy.reports.description import describe, sections
from understudy.reports.gather import (
    Shown,
    read_losses,
    read_measures,
    read_pictures,
    read_verdicts,
)
from understudy.reports.images import drawing_uri, picture_uri
from understudy.reports.page import duration, number, percent, readable_bytes, render
from understudy.reports.plots import loss_curves
from understudy.reports.repeating import (
    drawings_line,
    judge_command,
    judged_prompts,
    learn_command,
    prompts_text,
)
from understudy.reports.shares import faults, shares_by_attribute, shares_by_prompt
from understudy.runs import Run, StrPath, open_run, write_whole
from understudy.trials import read_wordings
from understudy.world.heroes import Hero

REPORT_FILE = "report.html"
MOST_PICTURES = 60
THUMBNAIL_PX = 160


def report(run: StrPath, out: StrPath | None = None, notify: Notify = ignore) -> Path:
    """Write the page of a run to `out`, or to `report.html` in its folder, and return its path.

    What is not there yet is named with the command that makes it. Raises `UserError` where there is no run,
    its drawings are gone, or a file in it cannot be read.
    """
    opened = open_run(run)
    path = Path(out) if out is not None else opened.folder / REPORT_FILE
    write_whole(path, render("report.html", _context(opened, notify)))
    return path


def _context(run: Run, notify: Notify) -> dict[str, object]:
    """All that the page says."""
    kept = kept_character(run)
    character = _as_handed_in(run, kept)
    description = describe(character, notify)
    verdicts = read_verdicts(run)
    judged = list(verdicts.values())
    quality = summarise(judged) if judged else None
    hero = find_hero(character)
    manifest = run.manifest
    pictures, num_left_out = read_pictures(run, kept.drawings, MOST_PICTURES)
    return {
        "title": f"{manifest.name}: what came of it",
        "name": manifest.name,
        "summary": _summary(run, len(character.drawings), quality),
        **sections(description),
        "thumbnail_uris": [drawing_uri(drawing.pixels, THUMBNAIL_PX) for drawing in character.drawings],
        "quality": quality,
        "pictures": _cards(run, pictures, character.drawings, hero, notify),
        "has_truth": hero is not None,
        "num_left_out": num_left_out,
        "by_attribute": shares_by_attribute(judged) if judged else [],
        "by_prompt": shares_by_prompt(judged),
        "measures": read_measures(run),
        **_learning(run),
        **_costs(read_footprint(run)),
        **_repeating(run, verdicts, hero),
    }


def _as_handed_in(run: Run, kept: Character) -> Character:
    """The run's character, its drawings called as the artist called them."""
    records = run.manifest.drawings
    if len(records) != len(kept.drawings):  # somebody changed the folder
        return kept
    # These paths hold nothing: the artist's own files, and their sizes, are not the run's to know.
    drawings = [
        replace(drawing, path=run.folder / record.file)
        for drawing, record in zip(kept.drawings, records, strict=True)
    ]
    return replace(kept, drawings=tuple(drawings))


def _summary(run: Run, num_drawings: int, quality: QualityReport | None) -> str:
    manifest, recipe = run.manifest, run.recipe
    drawings = count_drawings(num_drawings).lower()
    newest = run.newest()
    match recipe:
        case PromptOnly():
            chosen = read_wordings(run).chosen
            words = f'"{chosen}"' if chosen else recipe.words(manifest.name, manifest.noun)
            how = f"Not learned: the base {manifest.base} draws {words} from words alone, to compare."
        case Reference():
            shown = count_drawings(len(read_choice(run) or ())).lower()
            how = f"Not learned: the base {manifest.base} is shown {shown} beside each prompt."
        case _:
            steps = newest.step if newest else 0
            basis = f"on the base {manifest.base}" if manifest.base else "without a base"
            unfinished = "" if steps >= recipe.steps or manifest.stopped_at else f" of {recipe.steps}"
            how = f"Learned from {drawings} in {steps}{unfinished} steps, {basis}."
    if quality is None:
        return how
    return f"{how} {percent(quality.quality_ratio)} of {quality.n} new pictures pass."


def _cards(
    run: Run, pictures: Sequence[Shown], drawings: Sequence[Drawing], hero: Hero | None, notify: Notify
) -> list[dict[str, object]]:
    """What the page shows of each picture."""
    unjudged = [one.picture.pixels for one in pictures if one.nearest is None]
    alike = iter(nearest_drawings(unjudged, drawings))
    name, newest = run.manifest.name, run.newest()
    cards: list[dict[str, object]] = []
    for one in pictures:
        true = truth(hero, one.picture.scene.prompt) if hero else None
        cards.append(
            {
                "uri": picture_uri(one.path),
                "prompt": one.picture.scene.prompt,
                "seed": one.picture.scene.seed,
                "how": _how(one.picture.record, newest.step if newest else 0),
                "verdict": one.verdict,
                "wrong": faults(one.verdict, name) if one.verdict else (),
                "nearest": one.nearest,
                "drawing": one.nearest.drawing if one.nearest else next(alike),
                "truth_uri": drawing_uri(true, THUMBNAIL_PX) if true is not None else "",
            }
        )
        notify(Step("reporting", len(cards), len(pictures)))
    return cards


def _how(record: Mapping[str, str], steps: int) -> list[str]:
    """What tells a picture from others of the same prompt and seed, where it is not drawn whole, or now."""
    told = []
    if REDRAWN in record:
        told.append(f"{record[REDRAWN]} redrawn in {record.get('sketch', 'a picture')}")
    elif "sketch" in record:
        told.append(f"from {record['sketch']}")
    if record.get("learned_steps", str(steps)) != str(steps):
        told.append(f"drawn after {record['learned_steps']} steps")
    return told


def _learning(run: Run) -> dict[str, object]:
    losses = read_losses(run)
    learns = isinstance(run.recipe, Learning)
    return {
        "loss_uri": loss_curves(losses) if losses else "",
        "no_loss": "Nothing was logged yet: give the learn command again, it goes on."
        if learns
        else "This method learns nothing, so there is no curve.",
    }


def _costs(footprint: Footprint | None) -> dict[str, object]:
    """Titles and texts of what is known of the cost."""
    if footprint is None:
        return {"costs": [], "cost_note": ""}
    costs = [
        ("time", duration(footprint.seconds)),
        ("memory at most", readable_bytes(footprint.peak_memory_bytes)),
        (f"electricity, {footprint.energy_is}", f"{number(footprint.energy_wh)} Wh"),
        (f"climate gases as CO2, {footprint.energy_is}", f"{number(footprint.co2e_g)} g"),
    ]
    return {"costs": costs, "cost_note": footprint.says}


def _repeating(run: Run, verdicts: Mapping[str, Verdict], hero: Hero | None) -> dict[str, object]:
    manifest, recipe = run.manifest, run.recipe
    learn = learn_command(run, recipe, hero)
    judge = judge_command(run, verdicts)
    prompt = f"a picture of {manifest.name} waving"
    draw = shlex.join(["understudy", "draw", str(run.folder), prompt])
    again = shlex.join(["understudy", "report", str(run.folder)])
    return {
        "learn_command": learn,
        "judge_command": judge,
        "draw_command": draw,
        "commands": [drawings_line(run, hero), learn, judge if verdicts else draw, again],
        "prompts_text": prompts_text(run, judged_prompts(verdicts)) if verdicts else "",
        "plan": manifest.plan,
        "versions": manifest.versions,
        "base": manifest.base,
        "base_sha256": manifest.base_sha256,
        "fingerprints": [(one.file, one.sha256) for one in manifest.drawings],
        "recipe_text": write_toml(recipe),
    }
