"""What tests of comparisons share."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.comparisons.asking import PROMPTS, Ask
from tests.toy_character import make_character


@pytest.fixture
def ask(tmp_path: Path, toy_base: Path) -> Ask:
    """Writes a comparison of two characters, `Pip` and `Mo`, and returns its path."""
    for name in ("pip", "mo"):
        (tmp_path / name).mkdir()
        for drawing in make_character().drawings:
            pixels = drawing.pixels if name == "pip" else 255 - drawing.pixels[..., ::-1]
            Image.fromarray(pixels).save(tmp_path / name / drawing.path.name)

    shutil.copytree(toy_base, tmp_path / "damaged")
    (tmp_path / "damaged" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"half")

    def write(
        *rows: str, prompts: Sequence[str] = PROMPTS, names: Sequence[str] = ("Pip", "Mo"), top: str = ""
    ) -> Path:
        text = f'base = "{toy_base}"\npictures = 2\nprompts = {list(prompts)}\n'
        text += "" if "drift" in top else "drift = false\n"
        text += f"{top}\n[draw]\nsteps = 1\n"
        text += "".join(f'[[characters]]\ndrawings = "{name.lower()}"\nname = "{name}"\n' for name in names)
        path = tmp_path / "compare.toml"
        path.write_text(text + "".join(rows))
        return path

    return write
