"""The text encoder's teaching."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from understudy.events import Event, Note, Step
from understudy.pretrain import text
from understudy.pretrain.text import HEADS, Lesson, TextLearner, classes, examine, learn_text


@pytest.fixture(autouse=True)
def few_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "NUM_SCENES", 4)
    monkeypatch.setattr(text, "NUM_NAMED", 4)
    monkeypatch.setattr(text, "ROSTER_SIZE", 8)


def test_what_is_not_said_is_a_class_of_its_own() -> None:
    row = dict(
        zip(HEADS, classes([Lesson("a sad girl", {"kind": "girl", "mood": "sad"})])[0].tolist(), strict=True)
    )
    assert HEADS["mood"][row.pop("mood")] == "sad"
    assert HEADS["kind"][row.pop("kind")] == "girl"
    assert set(row.values()) == {0}


def test_going_on_ends_in_the_same_weights(tmp_path: Path) -> None:
    straight, broken, resumed = (TextLearner(steps=4) for _ in range(3))
    for _ in range(4):
        straight.step()
    for _ in range(2):
        broken.step()
    broken.save(tmp_path / "state.pt")
    resumed.load(tmp_path / "state.pt")
    for _ in range(2):
        resumed.step()
    for one, other in zip(straight.encoder.parameters(), resumed.encoder.parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_is_written_as_stable_diffusion_has_it(tmp_path: Path) -> None:
    events: list[Event] = []
    learner = learn_text(tmp_path, 2, events.append)
    assert [event.done for event in events if isinstance(event, Step)] == [1, 2]
    assert isinstance(events[-1], Note)
    assert (tmp_path / "text_encoder" / "model.safetensors").exists()
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(tmp_path / "text_encoder")
    ids = tokenizer(["a sad girl", ""], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        out, own = encoder(ids), learner.encoder(ids)
    assert out.last_hidden_state.shape == (2, 40, 256)
    assert torch.equal(out.pooler_output, own.pooler_output)
    assert torch.equal(out.pooler_output[0], out.last_hidden_state[0, 4])  # the end token's place
    assert set(examine(learner, size=4)) == {"said", "unsaid", "named"}
