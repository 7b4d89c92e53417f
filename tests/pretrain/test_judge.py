"""The judge's training: strangers and kin with the truth, compared as the truth says, and learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from understudy.judges.network import Compared, JudgeNetwork, Seen
from understudy.judges.puppet import shape_of_world
from understudy.pretrain.judge import look, losses, truth_of
from understudy.pretrain.judge_batches import Batch, Kin, make_batch, split
from understudy.pretrain.judge_kin import paint_row
from understudy.world.damage import visible

NUM = 3


class MeanColours(JudgeNetwork):
    """Knows a picture by its mean colour: another character's where no drawing has it."""

    def forward(self, pictures: Tensor) -> Seen:
        places = pictures.mean((2, 3))[:, None].expand(-1, 144, -1)
        nothing = torch.zeros(len(pictures))
        return Seen(places, {}, places[:, 0, 0], nothing, nothing, nothing)

    def keep(self, pictures: Tensor, places: Tensor) -> Tensor:
        return places[:, :1]

    def compare(self, places: Tensor, drawn: Tensor, damage_alone: Tensor) -> Compared:
        away = (places[:, :, 0] - drawn.mean(1)[:, None]).abs().sum(-1)
        return Compared((away > 1e-4).float(), away, damage_alone, away)


@pytest.fixture(scope="module")
def rows() -> NDArray[np.void]:
    return np.stack([paint_row(seed) for seed in range(NUM)])


@pytest.fixture(scope="module")
def kin(rows: NDArray[np.void], tmp_path_factory: pytest.TempPathFactory) -> Kin:
    path = tmp_path_factory.mktemp("kin") / "kin-00000.npy"
    np.save(path, rows)
    return Kin.load([path])


def test_kin_differ_where_the_truth_says(rows: NDArray[np.void]) -> None:
    assert (paint_row(1) == rows[1]).all()
    assert rows["changed"].any(axis=(2, 3)).sum() > NUM
    for row in rows:
        assert max(visible(*row["drawings"][:, at]).sum() for at in (0, 3)) >= 12
        for at, counts in enumerate(row["changed"]):
            where = visible(row["scenes"][0, at], row["scenes"][1, at]).reshape(12, 8, 12, 8).any(axis=(1, 3))
            # At half the size, what differs much does so at the places counted, and nowhere else.
            much = counts >= 24
            assert where[much].sum() >= 0.7 * much.sum()
            assert not counts.any() or not where[counts == 0].any()
        for at, counts in enumerate(row["broken"]):
            assert visible(row["scenes"][0, at], row["damaged"][at]).any() == counts.any()
    assert rows["broken"].any(axis=(2, 3)).sum() > 2 * NUM


def test_pictures_meet_the_drawings_that_the_truth_is_about() -> None:
    """Each character all of one colour, so that colours alone must give the truth."""
    colours = torch.linspace(-1, 1, 2 * NUM)
    shade = colours[:, None, None, None, None]
    empty = torch.zeros(1)
    batch = Batch(
        shade.expand(-1, 2, 3, 96, 96),
        shade.expand(-1, 3, 3, 96, 96),
        shade[:NUM].expand(-1, 3, 3, 96, 96),
        empty,
        torch.zeros(2 * NUM, 3, 8),
        empty,
        empty,
        torch.ones(NUM, 3),
        torch.ones(NUM, 3),
        torch.ones(NUM, 3, 144),
        torch.ones(NUM, 3, 144),
    )
    looked, truth = look(MeanColours(shape_of_world()), batch), truth_of(batch)
    sure = truth.other >= 0
    assert sure.sum() == 2 * NUM * 7
    assert (looked.compared.other == truth.other)[sure].all()
    assert truth.other.mean(0).tolist() == [0, 0, 0, 1, 1, 1, -1, -1, -1, 1]
    # The damaged pictures are the stranger's, with its own drawings and with its kin's.
    assert torch.allclose(looked.alone[:, 6:9], colours[:NUM].repeat(2)[:, None].expand(-1, 3))
    assert truth.damage.mean(0).tolist() == [0] * 6 + [1, 1, 1, 0]


def test_a_batch_is_keyed_and_worn(kin: Kin) -> None:
    first, second = (make_batch(kin, np.random.default_rng(5), 2) for _ in range(2))
    assert torch.equal(first.scenes, second.scenes)
    plain = make_batch(kin, np.random.default_rng(5), 2, wear=False)
    assert first.scenes.shape == plain.scenes.shape == (4, 3, 3, 96, 96)
    away = F.l1_loss(first.scenes, make_batch(kin, np.random.default_rng(6), 2).scenes)
    assert away > 0
    assert len(kin) == NUM


def test_a_few_steps_lower_the_loss(kin: Kin) -> None:
    torch.manual_seed(0)
    network = JudgeNetwork(shape_of_world())
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    batch, found = make_batch(kin, np.random.default_rng(0), 2), []
    for _ in range(8):
        loss, figures = losses(network, batch)
        torch.autograd.backward(loss)
        optimiser.step()
        optimiser.zero_grad()
        found.append(float(loss))
        assert 0 <= figures["pair_right"] <= 1
    assert found[-1] < 0.9 * found[0]


def test_files_held_out_are_not_learned_from() -> None:
    paths = [Path(f"kin-{number:05d}.npy") for number in range(40)]
    learned, held = split(paths)
    assert [path.stem for path in held] == ["kin-00015", "kin-00031"]
    assert sorted(learned + held) == paths
    with pytest.raises(ValueError, match="nothing to learn from"):
        Kin.load([])
