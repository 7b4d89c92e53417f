"""The notebooks run from their first cell to their last, in a kernel of their own."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SHORT = {"steps": 2, "prior_pictures": 1, "prior_steps": 1, "views": 1}


def shortened(path: Path, base: Path) -> nbformat.NotebookNode:
    """The notebook with knobs that learn next to nothing on a toy, so that the test is about the cells."""
    notebook = nbformat.read(path, as_version=4)
    settings = [cell for cell in notebook.cells if "KNOBS = {}" in cell.source]
    assert len(settings) == 1
    knobs = {**SHORT, "base": str(base)}
    settings[0].source = settings[0].source.replace("KNOBS = {}", f"KNOBS = {json.dumps(knobs)}")
    settings[0].source = settings[0].source.replace("COUNT = 2", "COUNT = 1")
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, toy_base: Path, tmp_path: Path) -> None:
    notebook = shortened(path, toy_base)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        out
        for cell in notebook.cells
        for out in cell.get("outputs", [])
        if "image/png" in out.get("data", {})
    ]
    assert len(pictures) == 6 + 1 + 1  # the drawings, the grid and the best one
    assert (tmp_path / "runs" / "nuvimo" / "report.html").is_file()


def test_there_is_a_notebook_and_it_is_stored_without_outputs() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        assert all(not cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells)
