"""One self-contained HTML page from a template: no script, no font and no picture from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from understudy.version import VERSION

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, context: Mapping[str, object]) -> bytes:
    """The page that `template` makes of `context`, in UTF-8."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "number": number,
        "bytes": readable_bytes,
        "words": words,
        "duration": duration,
        "scene": scene,
    }
    return environment.get_template(template).render({"version": VERSION, **context}).encode()


def percent(share: float) -> str:
    """0.345 -> "34%"; what is there but below 1% says so."""
    return "under 1%" if 0 < share < 0.005 else f"{share:.0%}"


def number(value: float) -> str:
    """Three digits that count: 1234.5 -> "1,234", 0.01234 -> "0.0123"."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def readable_bytes(count: float) -> str:
    """1536 -> "1.5 kB", with units of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"


def words(name: str) -> str:
    """ "hands_on_face" -> "hands on face"."""
    return name.replace("_", " ")


def scene(prompt: str) -> str:
    """What a prompt shows, without the words with which all begin: "Mo eating a sandwich"."""
    return prompt.removeprefix("a picture of ")


def duration(seconds: float) -> str:
    """ "84 s", "12 min", "3 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
