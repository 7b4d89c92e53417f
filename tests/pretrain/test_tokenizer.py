"""The base's own vocabulary."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from understudy.pretrain.tokenizer import MAX_LENGTH, NUM_TOKENS, build_tokenizer, save_tokenizer
from understudy.world.captions import STUDY_PROMPTS, sample_caption
from understudy.world.characters import sample_traits
from understudy.world.names import invent_name
from understudy.world.phrases import caption_words
from understudy.world.scenes import sample_attributes


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return build_tokenizer()


def test_every_caption_word_is_one_token(tokenizer: CLIPTokenizer) -> None:
    assert len(tokenizer) == NUM_TOKENS
    assert [word for word in sorted(caption_words()) if len(tokenizer.tokenize(word)) != 1] == []
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == NUM_TOKENS - 1


@pytest.mark.parametrize(
    "text", ["", "Zorvi!", "naïve 漢字 😀 #$%", "xqzjw 0123456789 ~`^\\", *STUDY_PROMPTS]
)
def test_any_text_encodes_without_unknown_words(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenizer(text).input_ids
    assert ids.count(tokenizer.eos_token_id) == ids.count(tokenizer.bos_token_id) == 1
    written = tokenizer.decode(ids, skip_special_tokens=True)
    assert written.replace(" ", "") == text.lower().replace(" ", "")


def test_it_is_the_same_when_built_saved_and_loaded_again(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    save_tokenizer(build_tokenizer(), tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    from_vocabulary = CLIPTokenizer.from_pretrained(tmp_path)
    for prompt in (*STUDY_PROMPTS, "Zorvi playing tennis"):
        asked = {"padding": "max_length", "truncation": True, "max_length": tokenizer.model_max_length}
        ids = tokenizer(prompt, **asked).input_ids
        assert loaded(prompt, **asked).input_ids == ids
        assert from_vocabulary(prompt, **asked).input_ids == ids
        assert len(ids) == MAX_LENGTH


def test_captions_fit(tokenizer: CLIPTokenizer) -> None:
    rng = random.Random(0)
    texts = []
    for number in range(5000):
        traits = sample_traits(rng)
        name = invent_name(rng) if number % 3 == 0 else None
        texts.append(sample_caption(sample_attributes(rng, traits["kind"]), traits, rng, name).text)
    too_long = [
        text for text, ids in zip(texts, tokenizer(texts).input_ids, strict=True) if len(ids) > MAX_LENGTH
    ]
    assert len(too_long) <= 5
