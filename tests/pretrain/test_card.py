"""The model card says what was measured, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.toy_base import WIDTH, make_toy_base
from understudy.bases.drawing_encoder import DrawingEncoder
from understudy.bases.layouts import DRAWING_ENCODER
from understudy.pretrain import card
from understudy.pretrain.card import draw_curves, forget_origin, read_log, write_card
from understudy.pretrain.exam import questions, sheet
from understudy.world.captions import parse


def test_a_card_lists_what_is_drawn_and_what_is_not(tmp_path: Path) -> None:
    exam = {
        "pose": {"right": 0.95, "low": 0.91, "high": 0.97, "n": 200},
        "mood": {"right": 0.5, "low": 0.42, "high": 0.58, "n": 150},
        "mean": 0.725,
    }
    write_card(tmp_path, exam, {"steps": "1000"})
    card = (tmp_path / "README.md").read_text()
    assert "| pose | 95% | 91% to 97% | 200 |" in card
    assert "Draws reliably (lower bound 80% or more): pose." in card
    assert "Does not yet: mood." in card
    assert "| steps | 1000 |" in card


def test_curves_are_drawn_from_the_log(tmp_path: Path) -> None:
    rows = [{"step": step, "loss": 1 / step} for step in (50, 100)]
    gap = {f"{kind}_{time}": 0.2 for kind in ("true", "shuffled") for time in (500, 700, 900)}
    (tmp_path / "log.jsonl").write_text("\n".join(json.dumps(row) for row in [*rows, {"step": 100, **gap}]))
    draw_curves(read_log(tmp_path), 32, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_the_exam_asks_the_same_and_only_what_can_be_seen() -> None:
    first = questions(40)
    assert first == questions(40)
    for prompt, wish in first:
        assert parse(prompt).attributes == wish
        assert wish.view != "back" or wish.mood is None


def test_a_sheet_puts_pictures_side_by_side() -> None:
    from understudy.world.shapes import random_drawing

    assert sheet([random_drawing(number) for number in range(4)], columns=2).size == (384, 384)


def test_no_path_of_the_maker_is_shipped(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    config = tmp_path / "unet" / "config.json"
    config.write_text(json.dumps({"_name_or_path": "somewhere", "sample_size": 12}))
    forget_origin(tmp_path)
    assert json.loads(config.read_text()) == {"sample_size": 12}


def test_all_of_a_base_is_shipped_in_half_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, state, out = make_toy_base(tmp_path / "base"), tmp_path / "state", tmp_path / "out"
    DrawingEncoder(in_channels=4, cells=8, width=16, text_width=WIDTH).save_pretrained(base / DRAWING_ENCODER)
    state.mkdir()
    (state / "log.jsonl").write_text(json.dumps({"step": 50, "loss": 0.5}))
    (tmp_path / "exam.json").write_text(json.dumps({"mean": 0.5}))
    asked = [
        "--base",
        base,
        "--denoiser",
        state,
        "--batch",
        "2",
        "--exam",
        tmp_path / "exam.json",
        "--out",
        out,
    ]
    monkeypatch.setattr("sys.argv", ["card", *map(str, asked)])
    card.main()
    for part in ("unet", "vae", DRAWING_ENCODER):
        weights = [load_file(path) for path in (out / part).glob("*.safetensors")]
        assert weights
        assert all(tensor.dtype == torch.bfloat16 for one in weights for tensor in one.values())
