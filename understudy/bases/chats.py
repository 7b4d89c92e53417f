"""Prompts that are put to a language model as a message: how much of a long one is read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any


def readable_part(tokenizer: Any, put: Callable[[str], str], prompt: str, num_read: int) -> str:
    """The prompt, or, where it has more tokens than are read, the part that is read.

    `put` makes the whole message of a prompt, of which the first `num_read` tokens are read.
    """
    whole, empty = (tokenizer(put(said), verbose=False).input_ids for said in (prompt, ""))
    before = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(whole, empty, strict=False)))
    end = before + len(whole) - len(empty)
    return prompt if end <= num_read else str(tokenizer.decode(whole[before:num_read])).strip()
