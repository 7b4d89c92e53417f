"""How tests stop a run without its noticing."""

from __future__ import annotations


class Killed(BaseException):
    """As sudden as a kill: nothing is saved."""
