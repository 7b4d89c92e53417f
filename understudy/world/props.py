"""Things to hold: one small function each."""

from __future__ import annotations

from understudy.world.canvas import Canvas, Colour, arc, ellipse, polygon, smooth

CONE: Colour = (224, 164, 92)
BREAD: Colour = (232, 182, 110)


def paint_prop(canvas: Canvas, prop: str, place: tuple[float, float]) -> None:
    """Paint a prop with its middle at `place`."""
    match prop:
        case "ice_cream":
            _ice_cream(canvas, *place)
        case "book":
            _book(canvas, *place)
        case "sandwich":
            _sandwich(canvas, *place)
        case _:
            raise ValueError(f"no such prop: {prop}")


def _ice_cream(canvas: Canvas, x: float, y: float) -> None:
    canvas.fill(polygon((x - 8, y + 2), (x + 8, y + 2), (x, y + 22)), CONE, "prop")
    canvas.fill(ellipse((x, y - 4), 11, 10), (250, 160, 190), "prop")
    canvas.fill(ellipse((x, y - 15), 8, 7), (255, 246, 214), "prop")


def _book(canvas: Canvas, x: float, y: float) -> None:
    canvas.fill(
        polygon(
            (x - 24, y - 13), (x, y - 9), (x + 24, y - 13), (x + 24, y + 13), (x, y + 17), (x - 24, y + 13)
        ),
        (196, 52, 60),
        "prop",
    )
    canvas.fill(
        polygon((x - 20, y - 12), (x, y - 7), (x, y + 12), (x - 20, y + 8)), (255, 252, 240), "prop", ink=1.6
    )
    canvas.fill(
        polygon((x + 20, y - 12), (x, y - 7), (x, y + 12), (x + 20, y + 8)), (255, 252, 240), "prop", ink=1.6
    )


def _sandwich(canvas: Canvas, x: float, y: float) -> None:
    canvas.fill(polygon((x - 16, y + 4), (x + 16, y + 4), (x + 14, y + 11), (x - 14, y + 11)), BREAD, "prop")
    wavy = [
        (x - 18, y + 1),
        (x - 10, y + 5),
        (x - 3, y + 1),
        (x + 4, y + 5),
        (x + 11, y + 1),
        (x + 18, y + 4),
        (x + 16, y - 3),
        (x - 16, y - 3),
    ]
    canvas.fill(smooth(wavy), (98, 186, 82), "prop", ink=1.8)
    canvas.fill(
        polygon((x - 15, y - 5), (x + 15, y - 5), (x + 15, y - 1), (x - 15, y - 1)),
        (232, 74, 62),
        "prop",
        ink=1.4,
    )
    canvas.fill(arc((x, y - 4), 16, 12, 180, 360), BREAD, "prop")
