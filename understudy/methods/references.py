"""The drawings of a run that its base is shown beside a prompt, by any method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from understudy.bases.base import Base
from understudy.bases.pipelines import NO_REFERENCES
from understudy.domain import Drawing, Scene, UserError
from understudy.drawings.keep import kept_character
from understudy.drawings.references import lay_on_paper, rank_references, read_choice
from understudy.recipes import DrawSettings, says_name
from understudy.runs import Run

LARGEST = "This base can be shown up to {most} drawings: give --references {most} or fewer."


@dataclass(frozen=True)
class References:
    """What a run's painter can show its base; `usual` is how many unless the settings say another number."""

    run: Run
    usual: int = 0

    def shown(self, scene: Scene, settings: DrawSettings) -> tuple[Drawing, ...]:
        """The drawings for a scene, the most telling first; none where it does not say the character's name.

        Raises `UserError` where the run's drawings are not there any more.
        """
        wanted = settings.references or self.usual
        if not wanted or not says_name(scene.prompt, self.run.manifest.name):
            return ()
        return self._ranked[:wanted]

    def describe(self, scene: Scene, settings: DrawSettings) -> dict[str, str]:
        """For a picture's record: the files in the run's folder of drawings, and the drawings' own hashes."""
        shown = [drawing.path.name for drawing in self.shown(scene, settings)]
        if not shown:
            return {}
        hashes = {
            drawing.path.name: record.sha256
            for drawing, record in zip(self._kept, self.run.manifest.drawings, strict=False)
        }
        return {
            "references": ", ".join(shown),
            "references_sha256": ", ".join(hashes[file] for file in shown),
        }

    @cached_property
    def _kept(self) -> tuple[Drawing, ...]:
        return kept_character(self.run).drawings

    @cached_property
    def _ranked(self) -> tuple[Drawing, ...]:
        chosen = read_choice(self.run)
        if chosen is None:
            return tuple(self._kept[number] for number in rank_references(self._kept))
        by_file = {drawing.path.name: drawing for drawing in self._kept}
        return tuple(by_file[file] for file in chosen)


def show(base: Base, drawings: Sequence[Drawing]) -> dict[str, object]:
    """What the pipeline's call is given to be shown these drawings, each on paper of its size."""
    return base.showing([lay_on_paper(drawing, base.shown_px) for drawing in drawings]) if drawings else {}


def check_references(base: Base, settings: DrawSettings) -> None:
    """Raise `UserError` where more drawings are to be shown than the base can be."""
    if settings.references > base.max_references:
        raise UserError(LARGEST.format(most=base.max_references) if base.max_references else NO_REFERENCES)
