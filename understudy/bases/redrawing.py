"""How diffusers' pipelines for flows redraw a picture: by which scheduler, and in how many steps."""

from __future__ import annotations

from understudy.domain import UserError
from understudy.recipes import Scheduler


def check_scheduler_for_flows(scheduler: Scheduler | None) -> None:
    """Raise `UserError` for all but a flow's own: the pipelines ask it how noisy the picture must be."""
    if scheduler not in (None, "euler"):
        raise UserError(f"From another picture this base does not draw by {scheduler}: take euler.")


def strength_for_flows(strength: float, num_steps: int) -> float:
    """The strength with which diffusers' pipelines for flows take as many of the steps as its others do.

    These round the number of steps that are left out down, so that a picture redrawn in few steps would begin
    from noise alone, as if there were none; the half keeps a product that is a hair off a whole number there.
    """
    num_taken = min(int(num_steps * strength), num_steps)
    return (num_taken - 0.5) / num_steps
