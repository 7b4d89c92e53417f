"""T5 text encoders: where a prompt is cut."""

from __future__ import annotations

from typing import Any


def readable_part(tokenizer: Any, num_tokens: int, prompt: str) -> str:
    """The prompt, or, where it has more tokens than are read, the part that is read."""
    read = tokenizer(prompt, truncation=True, max_length=num_tokens).input_ids
    if len(tokenizer(prompt, verbose=False).input_ids) <= len(read):
        return prompt
    return str(tokenizer.decode(read, skip_special_tokens=True)).strip()
