from __future__ import annotations

from pathlib import Path

import diffusers
import numpy as np
import pytest

from tests.toy_base import make_toy_base
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.bases.schedulers import CLASSES, check_steps, make_scheduler
from understudy.domain import Pixels, Scene, UserError
from understudy.methods.painting import PipelinePainter
from understudy.recipes import DrawSettings, Scheduler
from understudy.runs import Plan

SCENES = [Scene("a picture of a girl", 4), Scene("a picture of a girl", 5)]
CPU = Plan(device="cpu", precision="fp32", threads=1)


@pytest.fixture(scope="module")
def base(toy_base: Path) -> Base:
    return open_base(toy_base, CPU)


def drawn(base: Base, scheduler: Scheduler | None, steps: int = 40) -> Pixels:
    painter = PipelinePainter(base, lambda prompt: prompt, {})
    pictures = painter(SCENES, DrawSettings(steps=steps, scheduler=scheduler, guidance=1.0))
    return np.stack([picture.pixels for picture in pictures])


def test_those_without_noise_of_their_own_draw_one_picture(base: Base) -> None:
    # They solve the same equation from the same noise, so that with many steps all must agree.
    truth = drawn(base, None, 80).astype(float)
    spread = np.abs(truth[0] - truth[1]).mean()
    for name in ("dpm++", "ddim", "euler", "unipc"):
        assert np.abs(drawn(base, name, 80) - truth).mean() < 0.1 * spread, name


def test_those_with_noise_draw_others_and_the_same_again(base: Base) -> None:
    truth = drawn(base, None, 6)
    for name in ("dpm++-sde", "euler-a"):
        one = drawn(base, name, 6)
        assert np.array_equal(one, drawn(base, name, 6)), name
        assert not np.array_equal(one, truth), name


def test_what_the_base_predicts_and_begins_from_is_kept(base: Base) -> None:
    own = base.pipe.scheduler.config
    for name in CLASSES:
        if name == "heun":
            continue
        made = make_scheduler(name, own)
        assert made.config.prediction_type == "v_prediction"
        assert made.config.timestep_spacing == "trailing"
        assert made.config.rescale_betas_zero_snr
        made.set_timesteps(10)
        assert int(made.timesteps[0]) == 999
    assert make_scheduler("ddim", own).config.clip_sample is False


def test_one_that_cannot_begin_from_pure_noise_is_refused(base: Base, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"heun cannot begin from pure noise .* take dpm"):
        drawn(base, "heun", 2)
    other = open_base(make_toy_base(tmp_path / "eps", "epsilon"), CPU)
    assert drawn(other, "heun", 2).shape == (2, 32, 32, 3)


def test_drawing_with_another_leaves_the_bases_own(base: Base) -> None:
    before = drawn(base, None, 3)
    drawn(base, "euler", 3)
    assert np.array_equal(drawn(base, None, 3), before)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_a_single_step_is_refused_where_diffusers_would_divide_by_nothing() -> None:
    """Qwen-Image's last step has a share of noise of its own; the first has noise alone."""
    config = {"shift_terminal": 0.02, "use_dynamic_shifting": True}
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(**config)
    scheduler.set_timesteps(sigmas=[1.0], mu=1.0)
    assert scheduler.timesteps.isnan().all()
    with pytest.raises(UserError, match="cannot draw in a single step: give it 2 or more"):
        check_steps(1, scheduler.config)
    scheduler.set_timesteps(sigmas=[1.0, 0.5], mu=1.0)
    assert scheduler.timesteps.isfinite().all()
    check_steps(2, scheduler.config)
    check_steps(1, {**config, "shift_terminal": None})
