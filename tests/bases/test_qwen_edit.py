"""Qwen-Image-Edit: words and pictures are read as transformers' own processor reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import QwenImagePipeline
from PIL import Image
from transformers import Qwen2VLProcessor

from tests.bases.toys import make_toy
from understudy.bases.opening import open_base
from understudy.bases.qwen_edit import PICTURE, PicturesInWords
from understudy.domain import UserError
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings, Offload
from understudy.runs import Plan

PLAN = Plan(device="cpu", precision="fp32", threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy("qwen-edit", tmp_path_factory.mktemp("bases") / "toy")


def as_transformers_has_it(own: PicturesInWords) -> Qwen2VLProcessor:
    """Its processor without the part for films, which needs a library that is not here."""
    processor = Qwen2VLProcessor.__new__(Qwen2VLProcessor)
    processor.tokenizer, processor.image_processor = own.tokenizer, own.image_processor
    processor.image_token, processor.video_token = PICTURE, "<|video_pad|>"
    processor.image_token_id, processor.video_token_id = own.tokenizer.convert_tokens_to_ids(
        [PICTURE, "<|video_pad|>"]
    )
    processor.chat_template = None
    return processor


@pytest.mark.parametrize("num_pictures", [0, 1, 2])
def test_words_and_pictures_are_read_as_transformers_reads_them(num_pictures: int, folder: Path) -> None:
    own = open_base(folder, PLAN).referring_pipe(None).processor
    random = np.random.default_rng(1)
    sizes = [(64, 64), (96, 64)][:num_pictures]
    pictures = [Image.fromarray(random.integers(0, 255, (*size, 3), np.uint8)) for size in sizes] or None
    named = "".join(
        f"Picture {number}: <|vision_start|>{PICTURE}<|vision_end|>" for number in range(num_pictures)
    )
    text = [named + "a picture of Pip"]
    found = own(text=text, images=pictures, padding=True, return_tensors="pt")
    expected = as_transformers_has_it(own)(text=text, images=pictures, padding=True, return_tensors="pt")
    read = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")
    assert found.keys() & set(read) == expected.keys() & set(read)
    assert all(torch.equal(found[name], expected[name]) for name in found.keys() & set(read))


def test_it_is_shown_three_drawings_at_most(folder: Path) -> None:
    painter = PipelinePainter(open_base(folder, PLAN), lambda prompt: prompt, {})
    with pytest.raises(UserError, match="up to 3 drawings"):
        painter.canvas(DrawSettings(references=4))


@pytest.mark.parametrize("offload", ["encoders", "blocks"])
def test_reading_leaves_its_parts_where_they_are(
    offload: Offload, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline that draws on a card would take them away, and its hooks would stay while it learns."""
    offloaded: list[str] = []
    monkeypatch.setattr(
        QwenImagePipeline, "enable_model_cpu_offload", lambda *rest, **named: offloaded.append("model")
    )
    monkeypatch.setattr(
        QwenImagePipeline, "enable_sequential_cpu_offload", lambda *rest, **named: offloaded.append("layers")
    )
    base = open_base(folder, PLAN)
    expected = base.encode_prompt(["Pip"])
    base = replace(base, plan=PLAN.model_copy(update={"device": "cuda", "offload": offload}))
    assert torch.equal(base.encode_prompt(["Pip"])["hidden"], expected["hidden"])
    assert base.readable_part("Pip") == "Pip"
    assert not offloaded
    base.drawing_pipe(None)
    assert len(offloaded) == 1
