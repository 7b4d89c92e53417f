"""What learned weights say of themselves: whom they show, and whose drawings they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
from torch import Tensor

from understudy.runs import Run
from understudy.version import VERSION

LENGTH_BYTES = 8
"""A safetensors file begins with its header's length, little end first."""


def describe_learning(run: Run) -> dict[str, str]:
    """The facts for the header of a run's weights: character, drawings by their hashes, and their rights."""
    manifest = run.manifest
    return {
        "software": f"understudy {VERSION}",
        "character": manifest.name,
        **({} if manifest.base_sha256 is None else {"base_sha256": manifest.base_sha256}),
        "drawings_sha256": ", ".join(drawing.sha256 for drawing in manifest.drawings),
        **{f"drawings_{what}": said for what, said in asdict(manifest.rights).items()},
    }


def write_weights(tensors: Mapping[str, Tensor], facts: Mapping[str, str], path: Path) -> None:
    """Write weights with `facts` in their header; the same weights and facts give the same bytes."""
    path.write_bytes(pack_weights(tensors, facts))


def pack_weights(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> bytes:
    """The file that `write_weights` writes."""
    content = safetensors.torch.save({name: one.contiguous() for name, one in tensors.items()}, dict(facts))
    return order_metadata(content)


def find_tensors(content: bytes) -> bytes:
    """What follows a safetensors file's header, which is the same whatever the header says."""
    return content[LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little") :]


def order_metadata(content: bytes) -> bytes:
    """A safetensors file with its metadata sorted by name.

    The library writes them in an order that changes from call to call, and weights that were learned again
    must have the same hash. Tensors stay where they are: only the header's own order changes.
    """
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    written = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    written += b" " * (-len(written) % LENGTH_BYTES)  # tensors begin at a multiple of it
    return len(written).to_bytes(LENGTH_BYTES, "little") + written + content[end:]
