"""The licences of known bases, in a few words; the sources are in docs/bases.md. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Licence:
    """What may be done with a base; `commercial` is whether it may be used to earn money."""

    name: str
    url: str
    commercial: Literal["yes", "no", "conditions"]
    says: str = ""
    """Its condition, or what goes with it, in a few words."""


APACHE = Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", "yes")
OPEN_RAIL = Licence(
    "CreativeML OpenRAIL-M",
    f"{HUB}/spaces/CompVis/stable-diffusion-license",
    "yes",
    "but not for the harmful uses that it lists",
)
OPEN_RAIL_PLUS = Licence(
    "CreativeML Open RAIL++-M",
    "https://github.com/Stability-AI/generative-models/blob/main/model_licenses/LICENSE-SDXL1.0",
    "yes",
    "but not for the harmful uses that it lists",
)
STABILITY = Licence(
    "Stability AI Community",
    "https://stability.ai/license",
    "conditions",
    "below $1M a year",
)
FLUX_DEV = Licence(
    "FLUX [dev] Non-Commercial",
    "https://github.com/black-forest-labs/flux/blob/main/model_licenses/LICENSE-FLUX1-dev",
    "no",
    "another licence can be bought from Black Forest Labs",
)
FLUX_NON_COMMERCIAL = Licence(
    "FLUX Non-Commercial",
    f"{HUB}/black-forest-labs/FLUX.2-klein-base-9B",
    "no",
    "another licence can be bought from Black Forest Labs",
)
