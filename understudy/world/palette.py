"""The world's flat colours by name (RGB)."""

from __future__ import annotations

from understudy.world.canvas import Colour

RGB: dict[str, Colour] = {
    "red": (219, 58, 52),
    "orange": (245, 145, 48),
    "yellow": (250, 211, 74),
    "green": (88, 174, 82),
    "teal": (62, 176, 178),
    "blue": (66, 118, 212),
    "purple": (142, 86, 190),
    "pink": (244, 142, 182),
    "brown": (138, 90, 56),
    "grey": (150, 152, 162),
    "white": (246, 244, 238),
    "black": (62, 58, 70),
}
SKIN: dict[str, Colour] = {
    "fair": (255, 221, 195),
    "tan": (228, 178, 134),
    "brown": (166, 112, 76),
    "dark": (110, 74, 56),
}


def shade(colour: Colour, amount: float) -> Colour:
    """Darker for a positive amount, lighter for a negative one."""
    target = 0 if amount > 0 else 255
    mix = abs(amount)
    red, green, blue = (round(channel * (1 - mix) + target * mix) for channel in colour)
    return red, green, blue
