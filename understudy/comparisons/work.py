"""A planned run is learned, its pictures are drawn and judged; what is finished is not done again."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from understudy.comparisons.plan import PlannedRun, PlannedSitting, load_character
from understudy.domain import Measure, UserError
from understudy.events import Cancelled, Notify
from understudy.judges import puppet
from understudy.judging import Sitting, judge_sitting
from understudy.learning import learn
from understudy.methods.computing.out_of_memory import is_out_of_memory
from understudy.methods.learned_decoder import hash_decoder
from understudy.methods.reviewing import never_stop
from understudy.recipes import Learning
from understudy.reports.gather import read_measures
from understudy.runs import JUDGED_FILE, VERDICTS_FILE, Checkpoint, Run, hash_file, write_whole

FINISHED_FILE = "compared.json"
"""Written last into a sitting's folder: what was judged there, by which weights and which judge."""
OF_DRIFT = ("drift", "unrelated_followed")


@dataclass(frozen=True)
class Failure:
    """Why a run has no figures: one sentence, and for programmers where it happened."""

    sentence: str
    details: str = ""


def attempt(run: PlannedRun, notify: Notify, device: str) -> Failure | None:
    """Do what is missing of a run; a mistake and whatever else goes wrong is this run's alone.

    Raises `Cancelled` when the listener does.
    """
    try:
        work([run], notify, device)
    except Cancelled:
        raise
    except UserError as error:
        return Failure(str(error))
    except ImportError as error:
        return Failure(f"A library is missing ({error}): install it.", _details())
    except Exception as error:  # a comparison of a night does not end with one method's flaw
        if isinstance(error, MemoryError) or is_out_of_memory(error):
            return Failure("The memory did not suffice: take a smaller batch or fewer pixels.", _details())
        first = str(error).strip().split("\n")[0]
        return Failure(f"{type(error).__name__}: {first}", _details())
    return None


def work(runs: list[PlannedRun], notify: Notify, device: str) -> None:
    """Learn runs that belong together, and judge each; today each is learned for itself.

    Raises what learning and judging raise.
    """
    # The place for learning several at once: runs of one character that differ in rate, rank and seed alone.
    for run in runs:
        if not is_learned(run):
            learn(
                load_character(run.entry),
                run.recipe,
                run.folder,
                never_stop,
                notify,
                device,
                run.grid_intensity,
            )
    for run in runs:
        for sitting in run.sittings:
            _judge(run, sitting, notify, device)


def is_finished(run: PlannedRun) -> bool:
    """Whether the run is learned and every sitting judged as it is asked for now."""
    return is_learned(run) and all(is_judged(run, sitting) for sitting in run.sittings)


def is_learned(run: PlannedRun) -> bool:
    """Whether nothing is left to learn; by its records, for large weights take long to be read."""
    saved = Run(run.folder).checkpoints()
    if not saved:
        return False
    steps = run.recipe.steps if isinstance(run.recipe, Learning) else 0
    return saved[-1].step >= steps or Run(run.folder).manifest.stopped_at == saved[-1].step


def is_judged(run: PlannedRun, sitting: PlannedSitting) -> bool:
    """Whether a sitting's verdicts and figures are there, of these weights, by this judge."""
    checkpoint = find_weights(run, sitting)
    if checkpoint is None or not all((sitting.folder / f).is_file() for f in (VERDICTS_FILE, JUDGED_FILE)):
        return False
    return _read_finished(sitting) == _asked(run, sitting, checkpoint)


def find_weights(run: PlannedRun, sitting: PlannedSitting) -> Checkpoint | None:
    """The checkpoint that draws in a sitting, if there is its record."""
    saved = reversed(Run(run.folder).checkpoints())
    return next((one for one in saved if sitting.at_step in (None, one.step)), None)


def _judge(run: PlannedRun, sitting: PlannedSitting, notify: Notify, device: str) -> None:
    if is_judged(run, sitting):
        return
    checkpoint = find_weights(run, sitting)
    if checkpoint is None or not checkpoint.is_whole(*checkpoint.weights):
        raise UserError(f"The weights for {sitting.line} in {run.folder} are broken: remove that folder.")
    asked = _asked(run, sitting, checkpoint)
    wish = Sitting(
        Run(run.folder),
        sitting.folder,
        run.prompts,
        run.count,
        run.seed,
        sitting.settings,
        checkpoint,
        reuse=True,
    )
    judge_sitting(wish, None, notify, device, run.drift, _known_drift(sitting, asked))
    write_whole(sitting.folder / FINISHED_FILE, (json.dumps(asked, indent=1) + "\n").encode())


def _known_drift(sitting: PlannedSitting, asked: Mapping[str, object]) -> dict[str, Measure]:
    """Drift does not depend on the prompts: it is kept where they alone have changed."""
    before = _read_finished(sitting)
    same = ("weights", "decoder_sha256", "judge", "settings", "seed", "drift")
    if not all(before.get(key) == asked.get(key) for key in same):
        return {}
    return {name: one for name, one in read_measures(sitting.folder).items() if name in OF_DRIFT}


def _asked(run: PlannedRun, sitting: PlannedSitting, checkpoint: Checkpoint) -> dict[str, object]:
    """All that a sitting's figures depend on, as JSON holds it."""
    return {
        "prompts": list(run.prompts),
        "count": run.count,
        "seed": run.seed,
        "drift": run.drift,
        "settings": sitting.settings.model_dump(mode="json"),
        "weights": [checkpoint.sha256[file] for file in checkpoint.weights],
        **hash_decoder(Run(run.folder)),
        "judge": _hash_once(puppet.ASSETS / puppet.WEIGHTS_FILE),
    }


def _read_finished(sitting: PlannedSitting) -> dict[str, object]:
    try:
        found = json.loads((sitting.folder / FINISHED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _hash_once(path: Path) -> str:
    return hash_file(path)


def _details() -> str:
    return traceback.format_exc()
