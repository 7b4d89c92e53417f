"""Ships a trained base: bf16 weights into the package's assets, with a card made from what was measured."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import torch
from diffusers import StableDiffusionPipeline

from understudy.bases.drawing_encoder import DrawingEncoder
from understudy.bases.layouts import DRAWING_ENCODER
from understudy.bases.prompting import PROMPTING_FILE, Default, Prompting
from understudy.pretrain.tokenizer import save_tokenizer
from understudy.world.phrases import PHRASES

matplotlib.use("Agg")
from matplotlib import pyplot

# Small enough for machines that pass files on in pieces of 16 MB.
SHARD_SIZE = "15MB"
CAN = 0.8


def wordings(*names: str) -> tuple[str, ...]:
    """All ways to say anything of these attributes, or just these values."""
    rows = (row for row in PHRASES if row.attribute in names or row.value in names)
    return tuple(said for row in rows for said in (*row.said, *row.heard))


# Where a prompt is silent, views and poses mix: the face goes with them, and limbs melt (docs/log.md). Who
# holds something has a pose, and of a portrait none is seen.
PROMPTING = Prompting(
    defaults=(
        Default(unless=wordings("pose", "prop", "portrait"), add="standing"),
        Default(unless=wordings("framing"), add="full body"),
        Default(unless=wordings("view"), add="front view"),
    )
)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a training's log."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def draw_curves(denoiser: list[dict[str, Any]], batch: int, path: Path) -> None:
    """The denoiser's loss, and its loss with true against shuffled captions, over samples."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
    losses = [(line["step"] * batch / 1000, line["loss"]) for line in denoiser if "loss" in line]
    left.plot(*zip(*losses, strict=True), color="#4276d4", linewidth=1)
    left.set(xlabel="thousand samples", ylabel="weighted v loss", yscale="log")
    gaps = [line for line in denoiser if "true_700" in line]
    for time, colour in ((500, "#58ae52"), (700, "#f59130"), (900, "#db3a34")):
        samples = [line["step"] * batch / 1000 for line in gaps]
        right.plot(
            samples,
            [line[f"shuffled_{time}"] / line[f"true_{time}"] for line in gaps],
            "o-",
            color=colour,
            label=f"t = {time}",
        )
    right.axhline(1, color="#999999", linewidth=0.8)
    right.set(xlabel="thousand samples", ylabel="loss, shuffled / true captions")
    right.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def write_card(out: Path, exam: Mapping[str, Any], facts: Mapping[str, str]) -> None:
    """The model card: what the base was made from, and what it draws by the judge's figures alone."""
    rows = [
        f"| {name} | {value['right']:.0%} | {value['low']:.0%} to {value['high']:.0%} | {value['n']} |"
        for name, value in exam.items()
        if isinstance(value, dict)
    ]
    can = [name for name, value in exam.items() if isinstance(value, dict) and value["low"] >= CAN]
    cannot = [name for name, value in exam.items() if isinstance(value, dict) and value["low"] < CAN]
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: diffusers",
        "pipeline_tag: text-to-image",
        "---",
        "# puppet: the embedded base",
        "",
        "A small text-to-image model in Stable Diffusion 1.x layout, trained by this project on pictures",
        "that it paints itself (`understudy/world`). It exists so that learning a character can be tried,",
        "tested and measured offline; it draws nothing but the world's characters, poses, moods, props and",
        "places.",
        "",
        "| | |",
        "|---|---|",
        *[f"| {name} | {value} |" for name, value in facts.items()],
        "",
        f"## What it draws ({exam['mean']:.0%} of what was asked, mean over attributes)",
        "",
        "Fixed scenes of its own world, drawn from full captions (20 steps, guidance 4) and read by the",
        "embedded judge; intervals are 95% Wilson, n counts the scenes that ask for the attribute.",
        "",
        "| asked for | right | interval | n |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Draws reliably (lower bound {CAN:.0%} or more): {', '.join(can) or 'nothing yet'}.",
        f"Does not yet: {', '.join(cannot) or 'nothing of this'}.",
        "",
        "![Loss over samples](curves.png)",
        "",
    ]
    (out / "README.md").write_text("\n".join(lines))


def forget_origin(folder: Path) -> None:
    """Take the path that a part was loaded from out of its config: it means nothing elsewhere."""
    for path in folder.rglob("*.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(config, dict) and config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write the assets from a trained base and its exam."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--denoiser", type=Path, required=True, help="the denoiser's state, for its log")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--exam", type=Path, required=True, help="exam.json")
    parser.add_argument("--fact", action="append", default=[], help="NAME=VALUE, a row of the card")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "assets" / "base")
    args = parser.parse_args()
    # The shipped base is replaced only when all of the new one is there.
    draft = args.out.with_name(f"{args.out.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    pipe = StableDiffusionPipeline.from_pretrained(args.base, safety_checker=None, torch_dtype=torch.bfloat16)
    pipe.save_pretrained(draft, max_shard_size=SHARD_SIZE)
    if (args.base / DRAWING_ENCODER).is_dir():
        encoder = DrawingEncoder.from_pretrained(args.base / DRAWING_ENCODER, torch_dtype=torch.bfloat16)
        encoder.save_pretrained(draft / DRAWING_ENCODER)
    save_tokenizer(pipe.tokenizer, draft / "tokenizer")
    (draft / PROMPTING_FILE).write_text(PROMPTING.model_dump_json(indent=2) + "\n", encoding="utf-8")
    forget_origin(draft)
    draw_curves(read_log(args.denoiser), args.batch, draft / "curves.png")
    facts = dict(fact.split("=", 1) for fact in args.fact)
    write_card(draft, json.loads(args.exam.read_text()), facts)
    shutil.rmtree(args.out, ignore_errors=True)
    draft.rename(args.out)


if __name__ == "__main__":
    main()
