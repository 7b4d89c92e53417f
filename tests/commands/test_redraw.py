"""The verbs that take a picture: `flatten`, `redraw` and `cut-out`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands.calling import PROMPT, mistake
from understudy import flattening
from understudy.cli import run_command
from understudy.domain import Attributes
from understudy.provenance import read_record, write_picture
from understudy.world.heroes import hero, oracle


def test_flat_pictures_lie_beside_the_drawn_ones(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = oracle(hero(31), Attributes(mood="laughing"), 3).pixels
    record = {"prompt": PROMPT, "seed": "3", "negative": ""}
    write_picture(tmp_path / "a.png", pixels, record)
    write_picture(tmp_path / "b.png", np.full_like(pixels, 255), record)
    capsys.readouterr()
    assert run_command(["flatten", str(run), str(tmp_path / "a.png"), str(tmp_path / "b.png")]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'a-flat.png'}\n"
    assert "No figure is found in b.png" in said.err
    assert "Nothing changes" not in said.err
    monkeypatch.setattr(flattening, "flatten_figure", lambda pixels, paints, judge: pixels)
    assert run_command(["flatten", str(run), str(tmp_path / "a.png"), "--out", str(tmp_path / "same")]) == 0
    assert "Nothing changes in a.png" in capsys.readouterr().err
    monkeypatch.undo()
    assert read_record(tmp_path / "a-flat.png") == {**read_record(tmp_path / "a.png"), "flattened": "yes"}
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    assert "carries no record" in mistake(capsys, "flatten", run, tmp_path / "mine.png")
    arguments = ["--count", "1", "--steps", "1", "--flat", "--cut-out", "--out", str(tmp_path / "out")]
    assert run_command(["draw", str(run), PROMPT, *arguments]) == 0
    endings = [line.rpartition("-")[2] for line in capsys.readouterr().out.splitlines()]
    assert endings[1:] in ([], ["flat.png", "out.png"])


def test_redraw_leaves_the_rest_alone(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = np.random.default_rng(0).integers(0, 256, (70, 60, 3), np.uint8)
    mask = np.zeros((70, 60), np.uint8)
    mask[10:30, 20:40] = 255
    Image.fromarray(before).save(tmp_path / "page.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    capsys.readouterr()
    arguments = ["--mask", str(tmp_path / "mask.png"), "--steps", "2", "--out", str(tmp_path / "out")]
    assert run_command(["redraw", str(run), str(tmp_path / "page.png"), PROMPT, *arguments]) == 0
    after = np.asarray(Image.open(capsys.readouterr().out.strip()))
    assert np.array_equal(after[mask == 0], before[mask == 0])
    assert not np.array_equal(after, before)


def test_cut_out_needs_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = Image.new("RGB", (80, 80), "white")
    image.paste("blue", (10, 10, 30, 30))
    image.save(tmp_path / "mine.png")
    assert run_command(["cut-out", str(tmp_path / "mine.png")]) == 0
    cut = Image.open(capsys.readouterr().out.strip())
    pixels = np.asarray(cut)
    assert pixels[20, 20].tolist() == [0, 0, 255, 255]
    assert pixels[2, 2, 3] == 0
    assert "machine" not in str(cut.info)
