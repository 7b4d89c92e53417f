"""How diffusers' pipelines for flows redraw a picture: by which scheduler, and in how many steps."""

from __future__ import annotations

from understudy.domain import UserError
from understudy.recipes import Scheduler


def check_is_euler(scheduler: Scheduler | None, refused: str) -> None:
    """Raise `UserError`, which begins with what is `refused`, for all but a flow's own scheduler."""
    if scheduler not in (None, "euler"):
        raise UserError(f"{refused} by {scheduler}: take euler.")


def strength_for_flows(strength: float, num_steps: int) -> float:
    """The strength with which diffusers' pipelines for flows take as many of the steps as its others do.

    These round the number of steps that are left out down, so that a picture redrawn in few steps would begin
    from noise alone, as if there were none; the half keeps a product that is a hair off a whole number there.
    """
    num_taken = min(int(num_steps * strength), num_steps)
    return (num_taken - 0.5) / num_steps
