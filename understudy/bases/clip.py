"""CLIP text encoders, as the Stable Diffusion families read with them: tokens, and where they are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def tokenize(pipe: Any, tokenizer: Any, prompts: Sequence[str]) -> Tensor:
    """Prompts to padded tokens (prompts, L), with learned words spelt out in their vectors."""
    tokens: Tensor = tokenizer(
        pipe.maybe_convert_prompt(list(prompts), tokenizer),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return tokens.to(pipe.text_encoder.device)


def readable_part(pipe: Any, prompt: str) -> str:
    """The prompt, or, where it has more tokens than are read, the part that is read."""
    tokenizer = pipe.tokenizer
    whole = pipe.maybe_convert_prompt(prompt, tokenizer)
    read = tokenizer(whole, truncation=True, max_length=tokenizer.model_max_length).input_ids
    if len(tokenizer(whole, verbose=False).input_ids) <= len(read):
        return prompt
    return str(tokenizer.decode(read, skip_special_tokens=True)).strip()
