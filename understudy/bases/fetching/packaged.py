"""The bases that come with the package."""

from __future__ import annotations

from pathlib import Path

from understudy.recipes import PUPPET

PACKAGED = {PUPPET: Path(__file__).parents[2] / "assets" / "base"}
