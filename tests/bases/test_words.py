from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from understudy.bases.base import Base
from understudy.bases.conditioning import Conditioning
from understudy.bases.opening import open_base
from understudy.domain import UserError
from understudy.runs import Plan

PROMPTS = ["a <pip> sad", "a girl", ""]
NOTHING = Conditioning({})


@pytest.fixture
def base(toy_base: Path) -> Base:
    return open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))


def read_anew(base: Base) -> Tensor:
    """All that the family's encoders read may have learned, so nothing that was read before is needed."""
    return base.read_tokens(base.tokenize(PROMPTS), NOTHING)["hidden"]


def test_a_new_word_means_what_it_begins_with(base: Base) -> None:
    before = base.encode_prompt(["a g sad", "a g i g sad"])["hidden"]
    base.add_word("<one>", 1, "g")
    base.add_word("<pip>", 3, "g i")
    after = base.encode_prompt(["a <one> sad", "a <pip> sad"])["hidden"]
    # The toy reads letter by letter: the first ends a word in "g i", the second is not in one.
    assert torch.allclose(after, before, atol=1e-6)


def test_tokens_are_read_as_the_pipeline_reads_prompts(base: Base) -> None:
    base.add_word("<pip>", 3, "girl")
    assert torch.equal(read_anew(base).detach(), base.encode_prompt(PROMPTS)["hidden"])


def test_only_the_word_can_learn_and_only_prompts_that_say_it_change(base: Base) -> None:
    before = base.encode_prompt(PROMPTS)["hidden"]
    (vectors,) = base.add_word("<pip>", 3, "girl")
    torch.autograd.backward(read_anew(base).square().sum())
    assert vectors.shape == (3, 32)
    assert vectors.grad is not None
    assert (vectors.grad.abs().sum(dim=1) > 0).all()
    assert [
        name for name, weight in base.pipe.text_encoder.named_parameters() if weight.grad is not None
    ] == [name for name, weight in base.pipe.text_encoder.named_parameters() if weight is vectors]
    with torch.no_grad():
        vectors.add_(1)
    after = base.encode_prompt(PROMPTS)["hidden"]
    assert not torch.allclose(after[0], before[0], atol=1e-3)
    assert torch.equal(after[1:], before[1:])


def test_a_word_leaves_the_precision_of_the_base(toy_base: Path) -> None:
    base = open_base(toy_base, Plan(device="cpu", precision="bf16", threads=1))
    (vectors,) = base.add_word("<pip>", 2, "girl")
    assert vectors.dtype == torch.float32
    assert base.encode_prompt(PROMPTS)["hidden"].dtype == torch.bfloat16
    assert read_anew(base).dtype == torch.bfloat16


def test_every_vector_takes_its_place_in_the_prompt(base: Base) -> None:
    base.add_word("<pip>", 10, "girl")
    said = "<pip> " + "x" * 25
    assert base.readable_part(said) == said
    assert base.readable_part(said + "x" * 10) != said + "x" * 10


def test_a_word_that_is_known_is_a_mistake(base: Base) -> None:
    base.add_word("<pip>", 2, "girl")
    with pytest.raises(UserError, match="knows a word '<pip>' already"):
        base.add_word("<pip>", 1, "girl")


def test_a_beginning_that_says_nothing_is_a_mistake(base: Base) -> None:
    with pytest.raises(UserError, match="--initial"):
        base.add_word("<pip>", 1, " ")
