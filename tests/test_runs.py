from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from understudy.domain import Character, UserError
from understudy.recipes import DreamBoothLora, PromptOnly, Recipe
from understudy.runs import (
    CHECKPOINT_FILE,
    STATE_FILE,
    DrawingRecord,
    Manifest,
    Plan,
    Run,
    begin_run,
    make_folder,
    open_run,
    record_drawings,
    write_whole,
)

WEIGHTS = "weights.safetensors"
DRAWING = DrawingRecord(file="a.png", caption="standing", sha256="1" * 64)
MANIFEST = Manifest(
    name="Pip",
    noun="girl",
    drawings=(DRAWING,),
    base="puppet",
    base_sha256="2" * 64,
    plan=Plan(device="cpu", precision="fp32", threads=2),
    versions={"torch": "2.0"},
)


def drawn(update: dict[str, str]) -> Manifest:
    """The manifest with its only drawing changed."""
    return MANIFEST.model_copy(update={"drawings": (DRAWING.model_copy(update=update),)})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    with begin_run(tmp_path / "run", DreamBoothLora(), MANIFEST) as begun:
        return begun


def writing(content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / WEIGHTS).write_text(content)
        (folder / STATE_FILE).write_text(f"state of {content}")

    return write


def save(run: Run, step: int, keep: bool = False) -> None:
    run.save(step, writing(f"step {step}"), keep)


def test_a_folder_that_cannot_be_written_to_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path / "new" / "one")
    assert (tmp_path / "new" / "one").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        make_folder(tmp_path / "file")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # as on a disk that is read-only
    with pytest.raises(UserError, match="cannot be written to"):
        make_folder(tmp_path)


def test_what_was_asked_for_is_kept(run: Run) -> None:
    assert open_run(run).recipe == DreamBoothLora()
    assert open_run(run).manifest == MANIFEST


def test_no_run_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        open_run(tmp_path)


@pytest.mark.parametrize(
    ("recipe", "manifest", "said"),
    [
        (DreamBoothLora(seed=1), MANIFEST, "seed"),
        (DreamBoothLora(steps=399), MANIFEST, "steps"),
        (DreamBoothLora(rank=8), MANIFEST, "rank"),
        (PromptOnly(), MANIFEST, "method"),
        (DreamBoothLora(), MANIFEST.model_copy(update={"name": "Pop"}), "name"),
        (DreamBoothLora(), MANIFEST.model_copy(update={"noun": "boy"}), "noun"),
        (DreamBoothLora(), MANIFEST.model_copy(update={"base_sha256": "3" * 64}), "base"),
        (DreamBoothLora(), MANIFEST.model_copy(update={"drawings": ()}), "a.png is missing"),
        (DreamBoothLora(), drawn({"file": "b.png"}), "b.png was not among them, a.png is missing"),
        (DreamBoothLora(), drawn({"sha256": "4" * 64}), "a.png has changed since"),
        (DreamBoothLora(), drawn({"caption": "sad"}), "the caption of a.png was 'standing'"),
    ],
)
def test_differences_are_refused(run: Run, recipe: Recipe, manifest: Manifest, said: str) -> None:
    with pytest.raises(UserError, match=said) as mistake, begin_run(run, recipe, manifest):
        pass
    assert "\n" not in str(mistake.value)
    assert run.recipe == DreamBoothLora()


def test_more_steps_extend(run: Run) -> None:
    run.stop(400)
    with begin_run(run, DreamBoothLora(steps=1500), MANIFEST):
        assert run.recipe == DreamBoothLora(steps=1500)
        assert run.manifest.stopped_at is None


def test_going_on_keeps_the_plan(run: Run) -> None:
    other = MANIFEST.model_copy(update={"plan": Plan(device="cpu", precision="fp32", threads=9)})
    with begin_run(run, DreamBoothLora(), other):
        assert run.manifest.plan == MANIFEST.plan


def test_two_at_once_are_refused(run: Run) -> None:
    again = begin_run(run, DreamBoothLora(), MANIFEST)
    with begin_run(run, DreamBoothLora(), MANIFEST), pytest.raises(UserError, match="process"), again:
        pass
    with begin_run(run, DreamBoothLora(), MANIFEST):
        pass


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(UserError, match="other files"), begin_run(tmp_path, DreamBoothLora(), MANIFEST):
        pass
    on_a_file = begin_run(tmp_path / "thesis.doc", DreamBoothLora(), MANIFEST)
    with pytest.raises(UserError, match="file"), on_a_file:
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_run_that_was_killed_while_it_began_begins_again(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("half")
    with begin_run(tmp_path, DreamBoothLora(), MANIFEST) as run:
        assert run.recipe == DreamBoothLora()


def test_a_damaged_manifest_gets_a_sentence(run: Run) -> None:
    (run.folder / "run.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        assert run.manifest


def test_newest_checkpoint_is_found(run: Run) -> None:
    assert run.newest() is None
    for step in (2, 10, 9):
        save(run, step)
    newest = run.newest_state()
    assert newest is not None
    assert (newest.step, (newest.folder / WEIGHTS).read_text()) == (10, "step 10")


def break_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_text("step X")


def break_state(folder: Path) -> None:
    (folder / STATE_FILE).unlink()


def cut_record(folder: Path) -> None:
    record = folder / CHECKPOINT_FILE
    record.write_bytes(record.read_bytes()[:-10])


def lose_record(folder: Path) -> None:
    (folder / CHECKPOINT_FILE).unlink()


@pytest.mark.parametrize("damage", [break_weights, break_state, cut_record, lose_record])
def test_a_broken_newest_checkpoint_is_skipped(run: Run, damage: Callable[[Path], None]) -> None:
    save(run, 1)
    save(run, 2)
    damage(run.folder / "checkpoints" / "000002")
    newest = run.newest_state()
    assert newest is not None
    assert newest.step == 1
    save(run, 2)  # takes the broken one's place
    again = run.newest_state()
    assert again is not None
    assert again.step == 2


def test_weights_draw_even_if_the_state_is_lost(run: Run) -> None:
    save(run, 1)
    break_state(run.folder / "checkpoints" / "000001")
    assert run.newest() is not None
    assert run.newest_state() is None


def test_old_checkpoints_go_and_kept_weights_stay(run: Run) -> None:
    for step in range(1, 7):
        save(run, step, keep=step == 2)
    assert [checkpoint.step for checkpoint in run.checkpoints()] == [2, 5, 6]
    kept = run.checkpoints()[0]
    assert kept.is_whole(WEIGHTS)
    assert not (kept.folder / STATE_FILE).exists()


def test_what_comes_after_broken_checkpoints_stays(run: Run) -> None:
    for step in (1, 2, 3):
        save(run, step)
        break_state(run.folder / "checkpoints" / f"{step:06d}")
    run.rewind(0)
    save(run, 1)
    newest = run.newest_state()
    assert newest is not None
    assert newest.step == 1


def test_the_same_base_may_lie_elsewhere(run: Run) -> None:
    run.stop(300)
    with begin_run(run, DreamBoothLora(base="moved"), MANIFEST.model_copy(update={"base": "/disk/moved"})):
        assert run.manifest.base == "/disk/moved"
        assert run.manifest.stopped_at == 300
        assert run.recipe == DreamBoothLora(base="moved")


def test_drafts_of_a_kill_are_cleared_but_not_those_being_written(run: Run) -> None:
    old, new = run.folder / ".log.jsonl.4711", run.pictures / ".a.png.4712"
    run.pictures.mkdir()
    for draft in (old, new):
        draft.write_text("half")
    os.utime(old, (time.time() - 3600,) * 2)
    with begin_run(run, DreamBoothLora(), MANIFEST):
        assert not old.exists()
        assert new.exists()


def test_a_failed_save_leaves_the_old_one(run: Run) -> None:
    save(run, 1)

    def fail(folder: Path) -> None:
        (folder / WEIGHTS).write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.save(2, fail, keep=False)
    newest = run.newest_state()
    assert newest is not None
    assert newest.step == 1
    with begin_run(run, DreamBoothLora(), MANIFEST):
        assert not list(run.folder.glob("checkpoints/.draft*"))


def test_log_forgets_what_is_done_again(run: Run) -> None:
    for step in (1, 2, 3):
        run.log({"step": step})
    with (run.folder / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # cut off by a kill
    run.rewind(2)
    run.log({"step": 3, "loss": 0.5})
    assert run.read_log() == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 0.5}]


def test_write_whole_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_drawings_are_known_by_their_pixels(pip: Character) -> None:
    first, second, _ = record_drawings(pip)
    assert first.sha256 != second.sha256
    assert record_drawings(pip)[0] == first
