"""Whether a failure says that a graphics card has too little memory: not all of them say so by their kind."""

from __future__ import annotations

import torch

WORDS = ("_ALLOC_FAILED", "_ALLOCATION_FAILED", "CUDA error: out of memory")
"""What libraries that ask the card for memory themselves, beside torch's allocator, are told by it: cuBLAS
(CUBLAS_STATUS_ALLOC_FAILED where its handle or workspace is made), cuDNN, and the driver."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no room, so that something smaller may work."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in WORDS)
