"""The head of a .safetensors file: which tensors it holds and in what shapes, read without torch.

Format: 8 bytes with the head's length (little endian), the head as JSON, then the tensors' bytes
(github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from understudy.domain import UserError

MAX_HEAD_BYTES = 100_000_000
"""As the format allows."""


class Entry(NamedTuple):
    """A tensor: its number format, e.g. "F16", and its shape."""

    dtype: str
    shape: tuple[int, ...]


Header = Mapping[str, Entry]


def read_header(path: Path) -> Header:
    """The tensors by name; raises `UserError` for what is no such file or is cut short."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEAD_BYTES, size - 8):
            raise UserError(f"{path} is no .safetensors file, or is cut short: get it again.")
        head = file.read(length)
    try:
        tensors = {name: value for name, value in json.loads(head).items() if name != "__metadata__"}
        entries = {name: Entry(value["dtype"], tuple(value["shape"])) for name, value in tensors.items()}
        end = max((int(value["data_offsets"][1]) for value in tensors.values()), default=0)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{path} is no .safetensors file, or is damaged: get it again.") from error
    if size != 8 + length + end:
        raise UserError(f"{path} is cut short ({size} of {8 + length + end} bytes): get it again.")
    return entries
