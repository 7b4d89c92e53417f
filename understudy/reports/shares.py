"""Verdicts in an artist's words: what is wrong with a picture, and how often each wish came true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.domain import Verdict
from understudy.judges.quality import wilson
from understudy.reports.page import scene
from understudy.world.captions import parse


@dataclass(frozen=True)
class Share:
    """A share of `n` pictures with its 95% Wilson interval."""

    label: str
    share: float
    low: float
    high: float
    n: int


def faults(verdict: Verdict, name: str) -> tuple[str, ...]:
    """What is wrong with a picture, in an artist's words."""
    asked = parse(verdict.scene.prompt, name).attributes.said()
    wrong = [] if verdict.same_character else ["another character"]
    for attribute, right in verdict.attributes.items():
        if not right:
            wish = asked.get(attribute, "as asked").replace("_", " ")
            wrong.append(f"{attribute}: not {wish}")
    if verdict.damaged:
        where = f", most at the {verdict.damaged_at}" if verdict.damaged_at else ""
        wrong.append(f"something is melted or missing{where}")
    return (*wrong, *(f"cannot be judged: {wish}" for wish in verdict.not_judged))


def shares_by_attribute(verdicts: Sequence[Verdict]) -> list[Share]:
    """How often each kind of wish was right, over the pictures that were asked for it."""
    groups: dict[str, list[bool]] = {"same character": [v.same_character for v in verdicts]}
    for verdict in verdicts:
        for attribute, right in verdict.attributes.items():
            groups.setdefault(attribute, []).append(right)
    groups["nothing damaged"] = [not v.damaged for v in verdicts]
    return [_share(label, group) for label, group in groups.items()]


def shares_by_prompt(verdicts: Sequence[Verdict]) -> list[Share]:
    """How many pictures of each prompt pass."""
    groups: dict[str, list[bool]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.scene.prompt, []).append(verdict.passed)
    return [_share(scene(prompt), group) for prompt, group in groups.items()]


def _share(label: str, group: Sequence[bool]) -> Share:
    return Share(label, sum(group) / len(group), *wilson(sum(group), len(group)), len(group))
