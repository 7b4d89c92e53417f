"""Bases that people ask for and that are not supported, with what to take in their place. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RefusedBase:
    """One by its repository and by the pipeline that its index names, which fine-tunes of it name, too."""

    repository: str
    pipeline: str
    why: str
    instead: str
    """Short names of bases."""


FLUX2_DEV = RefusedBase(
    "black-forest-labs/FLUX.2-dev",
    "Flux2Pipeline",
    "FLUX.2 dev (32 billion weights, read for by 24 billion more) is not supported",
    "klein or klein-9b, of the same family",
)
FIRST_QWEN_EDIT = RefusedBase(
    "Qwen/Qwen-Image-Edit",
    "QwenImageEditPipeline",
    "The first Qwen-Image-Edit is not supported",
    "qwen-edit, which followed it and looks at up to three drawings",
)
REFUSED = (FLUX2_DEV, FIRST_QWEN_EDIT)


def find_refused(repository: str = "", pipeline: object = None) -> RefusedBase | None:
    """The one of this repository, in any case of letters, or with this pipeline."""
    wanted = repository.lower()
    return next(
        (one for one in REFUSED if one.repository.lower() == wanted or one.pipeline == pipeline), None
    )


def say_refused(base: RefusedBase) -> str:
    """One sentence."""
    return f"{base.why}: take {base.instead} (see understudy bases)."
