"""The import contract: imports point down only, as ARCHITECTURE.md says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "understudy"

# From the ground up: a module may import its own layer's package and what lies below.
LAYERS = (
    {"domain", "version"},
    {"events"},
    {"recipes"},
    {"runs", "hub_errors"},
    {"provenance", "energy", "fitting", "grids", "hub", "launched", "trials"},
    {"footprint"},
    {"bases", "drawings"},
    {"methods"},
    {"pictures", "judges"},
    {"judging", "redrawing", "picking", "cutting", "exporting"},
    {"flattening", "wordings"},
    {"learning"},
    {"choosing"},
    {"comics", "reports", "sweeps"},
    {"comparisons"},
    {"terminal", "options"},
    {"demo"},
    {"commands"},
    {"cli", "web"},
    {"__main__"},
)
HEIGHTS = {part: height for height, parts in enumerate(LAYERS) for part in parts}
OF_THE_WORLD = {"cli", "commands", "comparisons", "demo", "judges", "judging", "pretrain", "reports"}
OF_THE_WORLD |= {"__main__", "wordings", "world"}
TORCHLESS = {
    "domain",
    "events",
    "version",
    "recipes",
    "provenance",
    "trials",
    "fitting",
    "grids",
    "hub",
    "launched",
    "hub_errors",
    "world",
    "__main__",
    "cli",
    "commands",
    "terminal",
    "options",
    "runs",
    "energy",
    "footprint",
    "reports",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(module: Path) -> str:
    """The top-level part that a file belongs to: "bases" for bases/sd1.py, "" for the package itself."""
    relative = module.relative_to(PACKAGE)
    return "" if relative == Path("__init__.py") else relative.parts[0].removesuffix(".py")


def imported(module: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide the direction"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_parts(module: Path) -> set[str]:
    names = (name.split(".") for name in imported(module))
    return {name[1] for name in names if name[0] == "understudy" and len(name) > 1}


def allowed(importer: str, part: str) -> bool:
    if importer in {"", part}:  # the package itself re-exports from anywhere
        return True
    if part == "world":
        return importer in OF_THE_WORLD
    if part == "pretrain":
        return importer in {"cli", "commands"}
    if importer == "world":
        return part == "domain"
    if importer == "pretrain":
        return HEIGHTS[part] < HEIGHTS["commands"]
    return HEIGHTS[part] < HEIGHTS[importer]


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_point_down_only(module: Path) -> None:
    wrong = {part for part in imported_parts(module) if not allowed(part_of(module), part)}
    assert not wrong, f"{module.relative_to(PACKAGE)} may not import {sorted(wrong)}"


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(PACKAGE)))
def test_light_parts_import_no_torch(module: Path) -> None:
    if part_of(module) in TORCHLESS:
        heavy = {name.split(".")[0] for name in imported(module)} & {
            "torch",
            "diffusers",
            "transformers",
            "peft",
        }
        assert not heavy


def test_contract_sees_a_wrong_import() -> None:
    assert not allowed("domain", "recipes")
    assert not allowed("world", "events")
    assert not allowed("methods", "judges")
    assert not allowed("judges", "pretrain")
    assert not allowed("bases", "drawings")
    assert allowed("cli", "pretrain")
    assert allowed("judges", "world")
