"""CLIP text encoders, as the Stable Diffusion families read with them: tokens, and where they are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def tokenize(pipe: Any, tokenizer: Any, prompts: Sequence[str]) -> Tensor:
    """Prompts to padded tokens (prompts, L), with learned words spelt out in their vectors."""
    spelt = pipe.maybe_convert_prompt(list(prompts), tokenizer)
    return pad(tokenizer, spelt, tokenizer.model_max_length).to(pipe.text_encoder.device)


def pad(tokenizer: Any, prompts: Sequence[str], num_tokens: int) -> Tensor:
    """Prompts to so many tokens each (prompts, num_tokens), on the CPU: what is missing or too much."""
    tokens: Tensor = tokenizer(
        list(prompts), padding="max_length", max_length=num_tokens, truncation=True, return_tensors="pt"
    ).input_ids
    return tokens


def readable_part(pipe: Any, prompt: str) -> str:
    """The prompt, or, where it has more tokens than are read, the part that is read."""
    tokenizer = pipe.tokenizer
    whole = pipe.maybe_convert_prompt(prompt, tokenizer)
    read = tokenizer(whole, truncation=True, max_length=tokenizer.model_max_length).input_ids
    if len(tokenizer(whole, verbose=False).input_ids) <= len(read):
        return prompt
    return str(tokenizer.decode(read, skip_special_tokens=True)).strip()
