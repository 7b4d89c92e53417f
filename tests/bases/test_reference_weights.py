"""How much a step's errors count, against diffusers' own scripts."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.training_utils import compute_snr

from tests.bases.test_families import PLAN
from tests.bases.test_reference_steps import open_scheduler, script_sigmas
from tests.bases.toys import make_toy
from understudy.bases.opening import open_base


def test_stable_diffusion_3s_script_counts_noise_more_unless_told_not_to(tmp_path: Path) -> None:
    """Its default, preconditioned outputs, is the paper's loss times sigma squared; ours is the paper's."""
    folder = make_toy("sd3", tmp_path)
    base, scheduler = open_base(folder, PLAN), open_scheduler("sd3", folder)
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    times = scheduler.timesteps[[300, 900]]
    sigmas = script_sigmas(scheduler, times)
    seen = base.objective.corrupt(clean, noise, times)
    with torch.no_grad():
        answer = base.predict(seen.noisy, times, base.encode_prompt(["Pip", ""]))
    preconditioned = answer * (-sigmas) + seen.noisy
    expected = (preconditioned - clean) ** 2
    assert torch.allclose(sigmas**2 * (answer - seen.target) ** 2, expected, rtol=1e-3, atol=1e-5)
    assert torch.equal(seen.weight, torch.ones(2))


def test_min_snr_weights_noise_as_the_script_does(tmp_path: Path) -> None:
    """`--snr_gamma` of SDXL's script, for a base that predicts noise."""
    folder = make_toy("sdxl", tmp_path)
    base, scheduler = open_base(folder, PLAN, min_snr=5.0), open_scheduler("sdxl", folder)
    times = torch.tensor([0, 10, 100, 300, 500, 700, 999])
    snr = compute_snr(scheduler, times)
    expected = torch.stack([snr, 5.0 * torch.ones_like(snr)], dim=1).min(dim=1)[0] / snr
    blank = torch.zeros(7, 4, 8, 8)
    assert torch.allclose(base.objective.corrupt(blank, blank, times).weight, expected, rtol=1e-4)
