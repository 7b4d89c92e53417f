"""How much of a picture's way from noise is gone when it is redrawn."""

from __future__ import annotations


def strength_for_flows(strength: float, num_steps: int) -> float:
    """The strength with which diffusers' pipelines for flows take as many of the steps as its others do.

    These round the number of steps that are left out down, so that a picture redrawn in few steps would begin
    from noise alone, as if there were none; the half keeps a product that is a hair off a whole number there.
    """
    num_taken = min(int(num_steps * strength), num_steps)
    return (num_taken - 0.5) / num_steps
