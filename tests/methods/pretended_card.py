"""A graphics card that is only said to be there, for planning."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.methods.computing import learning_plans
from understudy.runs import Plan

MIB = 2**20


def pretend_card(first: Plan, monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Every base is large to it; a dry step takes one MiB, and its plan is added to the list."""
    plans: list[Plan] = []

    def measure(folder: Path, recipe: object, plan: Plan) -> int:
        plans.append(plan)
        return MIB

    monkeypatch.setattr(learning_plans, "is_small", lambda folder: False)
    monkeypatch.setattr(learning_plans, "choose_plan", lambda *rest: first)
    monkeypatch.setattr(learning_plans, "_measure", measure)
    return plans
