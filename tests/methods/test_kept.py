"""What a compiled block keeps for its way back, foretold from shapes, against what it keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.bases.toys import make_toy
from understudy.methods.computing.forecast import Forecaster
from understudy.methods.computing.kept import PARTS_ONLY, count_kept, count_spared
from understudy.recipes import DreamBoothLora
from understudy.runs import Plan

CARD = Plan(device="cuda", precision="bf16", threads=1, offload="encoders")


class Block(nn.Module):
    """A frozen half of a transformer's block, as many are: a norm in fp32, then gated linear layers."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.gate, self.up = (nn.Linear(64, 128, device=device) for _ in range(2))
        self.down = nn.Linear(128, 64, device=device)
        self.requires_grad_(False)

    def forward(self, x_BLC: Tensor) -> Tensor:
        scale = torch.rsqrt(x_BLC.float().square().mean(-1, keepdim=True) + 1e-6)
        normed = (x_BLC.float() * scale).to(x_BLC)
        added: Tensor = self.down(F.silu(self.gate(normed)) * self.up(normed))
        return x_BLC + added


def kept(device: str, backend: str | None) -> int:
    block = Block(device)
    x = torch.ones(2, 32, 64, device=device, requires_grad=True)
    way = block if backend is None else torch.compile(block, backend=backend)
    return count_kept(way, ((x,), {}), block.parameters())


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no compiler")
def test_shapes_say_what_the_compiler_keeps() -> None:
    as_it_stands, foretold = kept("meta", None), kept("meta", PARTS_ONLY)
    assert as_it_stands == kept("cpu", None)
    assert foretold == kept("cpu", "inductor")
    assert foretold < 0.8 * as_it_stands


def test_all_blocks_of_a_kind_count() -> None:
    blocks = nn.Sequential(Block("meta"), nn.Tanh(), Block("meta"))
    x = torch.ones(2, 32, 64, device="meta", requires_grad=True)
    one = kept("meta", None) - kept("meta", PARTS_ONLY)
    assert count_spared(blocks, ["Block"], lambda: blocks(x)) == 2 * one
    assert count_spared(blocks, [], lambda: blocks(x)) == 0


def test_less_is_forecast_where_blocks_are_compiled(tmp_path: Path) -> None:
    folder = make_toy("zimage", tmp_path / "zimage")
    forecast = Forecaster(folder, DreamBoothLora(base=str(folder), batch=4, prior_weight=0.0))

    def spared(checkpointing: str) -> int:
        plan = Plan.model_validate(CARD.model_dump() | {"checkpointing": checkpointing})
        return forecast(plan).step - forecast(plan.model_copy(update={"compiled": True})).step

    assert spared("none") > 0.1 * forecast(CARD).step
    assert spared("segments") == pytest.approx(spared("none") / 2, abs=1)
    assert spared("whole") == 0
