"""Words that a base did not know: vectors that stand where the text encoder looks up its tokens'.

Source: Gal et al., Textual Inversion, arXiv 2208.01618, section 3. Several vectors of one word as diffusers
knows them: the tokens "<mo>", "<mo>_1", "<mo>_2", which its pipelines put where a prompt says "<mo>".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from understudy.domain import UserError


class _WithWord(nn.Module):
    """An embedding of tokens, in which those from number `first` on are the rows of `vectors`."""

    def __init__(self, own: nn.Module, vectors: nn.Parameter, first: int) -> None:
        super().__init__()
        # The own first, and the vectors in a list: the first weight's precision counts as the encoder's.
        self.own, self.vectors, self.first = own, nn.ParameterList([vectors]), first

    def forward(self, tokens_BL: Tensor) -> Tensor:
        is_word = tokens_BL >= self.first
        known: Tensor = self.own(tokens_BL.masked_fill(is_word, 0))
        learned = F.embedding((tokens_BL - self.first).clamp(min=0), self.vectors[0])
        return torch.where(is_word[..., None], learned.to(known.dtype), known)


def knows_word(encoder: Any) -> bool:
    """Whether a text encoder, where it is there, was taught a word that may have changed since."""
    return encoder is not None and isinstance(encoder.get_input_embeddings(), _WithWord)


def add_word(tokenizer: Any, encoder: Any, word: str, num_vectors: int, initial: str) -> nn.Parameter:
    """Teach a text encoder a word; returns its vectors (num_vectors, D), fp32, which alone can be trained.

    They begin as those of the tokens of `initial`, over and over. Raises `UserError` where the base knows the
    word already, or can read nothing of `initial`.
    """
    tokens = tokenizer(initial, add_special_tokens=False).input_ids
    if not tokens:
        raise UserError(f"The base reads nothing in {initial!r}: give another --initial.")
    first = len(tokenizer)
    added = tokenizer.add_tokens([word, *(f"{word}_{number}" for number in range(1, num_vectors))])
    if added < num_vectors:
        raise UserError(f"The base knows a word {word!r} already: give the character another name.")
    own = encoder.get_input_embeddings()
    begin = [tokens[number % len(tokens)] for number in range(num_vectors)]
    return _add_vectors(encoder, own(torch.tensor(begin, device=encoder.device)), first)


def add_wordless_vectors(encoder: Any, num_vectors: int) -> nn.Parameter:
    """The same of a text encoder without a tokenizer, for steps that only show what every step takes."""
    own = encoder.get_input_embeddings().weight
    return _add_vectors(encoder, own[:num_vectors], len(own))


def _add_vectors(encoder: Any, begin: Tensor, first: int) -> nn.Parameter:
    vectors = nn.Parameter(begin.detach().float().clone())
    encoder.set_input_embeddings(_WithWord(encoder.get_input_embeddings(), vectors, first))
    return vectors
