"""The embedded base's own small vocabulary, in the layout that `CLIPTokenizer` reads."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from understudy.world.names import invent_name
from understudy.world.phrases import caption_words

MAX_LENGTH = 40  # positions of the text encoder, the start and the end token among them
NUM_TOKENS = 1100
START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
NUM_NAMES = 4000
# What people may write beyond the world's captions: pieces of these words make for short prompts.
ENGLISH = """
the and that with for you this but his from they say her she will one all would there their what out
about who get which when make can like time just him know take people into year good some could them see
other than then now look only come its over think also back after use two how our work first well way
even new want because any these give day most playing tennis doing yoga crying dancing sleeping swimming
riding drinking cooking singing beach city street house school garden kitchen mountain snow rain night
morning flower ball dog bird horse car bicycle hat shoes friend happy surprised scared tired wearing
under behind beside between open closed big small old young
"""


def build_tokenizer(seed: int = 0) -> CLIPTokenizer:
    """Learn the vocabulary: every byte, every caption word as one token, pieces of names and English."""
    merges = _learn_merges(seed)
    tokens = [*_letters(), *("".join(pair) for pair in merges)]
    tokens = [*dict.fromkeys(tokens), START, END]  # the end token has the highest id, as in CLIP
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=merges,
        model_max_length=MAX_LENGTH,
    )


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write the tokenizer with `vocab.json` and `merges.txt`, as diffusers' Stable Diffusion 1.x has it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    learnt = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(learnt["vocab"], ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in learnt["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _letters() -> list[str]:
    """Every byte within a word and at a word's end: with these any text can be written."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return [*alphabet, *(letter + WORD_END for letter in alphabet)]


def _learn_merges(seed: int) -> list[tuple[str, str]]:
    """The merges of a byte-level BPE in which caption words weigh so much that each ends as one token."""
    rng = random.Random(f"tokenizer {seed}")
    learner = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    names = [invent_name(rng).lower() for _ in range(NUM_NAMES)]
    corpus = [*sorted(caption_words()) * NUM_NAMES, *names, *ENGLISH.split() * 8]
    trainer = trainers.BpeTrainer(
        vocab_size=NUM_TOKENS - 2,
        special_tokens=_letters(),  # else the letters at word ends are numbered, and ties broken, at random
        show_progress=False,
        end_of_word_suffix=WORD_END,
    )
    learner.train_from_iterator(corpus, trainer)
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
