"""Trains the embedded judge on pictures of strangers (`judge_data`); calibrates it on strangers held out."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from understudy.judges.network import JudgeNetwork, Seen
from understudy.judges.puppet import CONFIG_FILE, WEIGHTS_FILE, Thresholds, config_text, shape_of_world
from understudy.pretrain.judge_batches import Batch, load_shards, make_batch, split
from understudy.pretrain.judge_data import Shard, shards
from understudy.pretrain.judge_pairs import PairBatch, Pairs, make_pair_batch
from understudy.pretrain.muon import muon_for
from understudy.pretrain.training import AveragedWeights, State, train

# Which share of whole pictures of the right character may be refused on each count. Of damage, fewer: heroes
# are further from strangers there (docs/log.md).
REFUSED = {"other": 0.015, "damage": 0.01, "damage_alone": 0.01}


def known(loss: Tensor, truth: Tensor) -> Tensor:
    """The mean of a loss where the truth is known (not -1)."""
    mask = (truth >= 0).float()
    return (loss * mask).sum() / mask.sum().clamp_min(1)


def binary(logits: Tensor, truth: Tensor, positives: float = 1.0) -> Tensor:
    """Cross-entropy of yes or no where the truth is known; a yes weighs `positives`."""
    loss = F.binary_cross_entropy_with_logits(
        logits, truth.clamp_min(0), pos_weight=torch.tensor(positives), reduction="none"
    )
    return known(loss, truth)


def attribute_loss(seen: Seen, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy over heads, and the share of right answers; labels (B, 8), -1 where unknown."""
    losses, right = [], []
    for index, logits in enumerate(seen.attributes.values()):
        truth = labels[:, index]
        losses.append(F.cross_entropy(logits, truth, ignore_index=-1))
        mask = truth >= 0
        right.append((logits.argmax(1)[mask] == truth[mask]).float().mean())
    return torch.stack(losses).mean(), torch.stack(right).mean()


def identity_loss(drawn: Tensor, shown: Tensor) -> Tensor:
    """Each picture's embedding finds its character's drawings among those of the batch (InfoNCE):
    (G, R, 64), (G, Q', 64)."""
    centres = F.normalize(drawn.mean(1), dim=-1)
    logits = (shown @ centres.T).flatten(0, 1) * 10.0
    truth = torch.arange(len(centres)).repeat_interleave(shown.shape[1])
    return F.cross_entropy(logits, truth)


def losses(network: JudgeNetwork, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch and figures for the log."""
    groups, num_drawings = batch.drawings.shape[:2]
    num_drawn = groups * num_drawings
    images = torch.cat([batch.drawings.flatten(0, 1), batch.pictures.flatten(0, 1)])
    seen = network(images.contiguous(memory_format=torch.channels_last))
    kept = network.keep(images[:num_drawn], seen.places[:num_drawn]).view(groups, -1, seen.places.shape[-1])
    compared = network.compare(
        seen.places[num_drawn:].view(groups, -1, *seen.places.shape[1:]),
        kept,
        seen.damage[num_drawn:].view(groups, -1),
    )
    labels = torch.cat([batch.drawn_labels.flatten(0, 1), batch.labels.flatten(0, 1)])
    parts = torch.cat([batch.drawn_parts.flatten(0, 1), batch.parts.flatten(0, 1)])
    attributes, right = attribute_loss(seen, labels)
    damage_alone = torch.cat([torch.zeros(num_drawn), batch.damage.flatten()])
    places_alone = torch.cat([torch.zeros(num_drawn, 144), batch.damage_places.flatten(0, 1)])
    terms = {
        "attributes": attributes,
        "other": binary(compared.other, batch.other),
        "other_places": binary(compared.other_places, batch.other_places, 3.0),
        "damage": binary(compared.damage, batch.damage),
        "damage_places": 0.5 * binary(compared.damage_places, batch.damage_places, 3.0),
        "damage_alone": 0.5 * binary(seen.damage, damage_alone),
        "damage_places_alone": 0.25 * binary(seen.damage_places, places_alone, 3.0),
        "parts": 0.5 * F.cross_entropy(seen.parts, parts, ignore_index=-1),
        "identity": 0.1
        * identity_loss(
            seen.identity[:num_drawn].view(groups, num_drawings, -1),
            seen.identity[num_drawn:].view(groups, -1, 64)[:, :2],
        ),
    }
    figures = {name: round(term.item(), 4) for name, term in terms.items()}
    figures["right"] = round(right.item(), 4)
    for name, logits, truth in (
        ("other", compared.other, batch.other),
        ("damage", compared.damage, batch.damage),
    ):
        sure = truth >= 0
        figures[f"{name}_right"] = round(((logits > 0) == (truth > 0))[sure].float().mean().item(), 4)
    return torch.stack(list(terms.values())).sum(), figures


def pair_losses(network: JudgeNetwork, batch: PairBatch) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch of pairs and figures for the log.

    Beside which of the two is damaged, that the damaged one is more so: what a stranger looks like drops out.
    """
    seen = network(batch.pictures.contiguous(memory_format=torch.channels_last))
    num = len(batch.labels)
    whole, broken = seen.damage[:num], seen.damage[num:]
    attributes, _ = attribute_loss(
        replace(seen, attributes={name: logits[:num] for name, logits in seen.attributes.items()}),
        batch.labels,
    )
    places = torch.cat([torch.zeros_like(batch.damage_places), batch.damage_places])
    terms = {
        "pair": 0.5 * (F.softplus(whole) + F.softplus(-broken)).mean(),
        "pair_order": 0.5 * F.softplus(whole - broken).mean(),
        "pair_places": 0.5 * binary(seen.damage_places, places, 3.0),
        "pair_attributes": 0.5 * attributes,
        "pair_parts": 0.25 * F.cross_entropy(seen.parts[:num], batch.parts, ignore_index=-1),
    }
    figures = {name: round(term.item(), 4) for name, term in terms.items()}
    figures["pair_right"] = round((broken > whole).float().mean().item(), 4)
    return torch.stack(list(terms.values())).sum(), figures


def calibrate(network: JudgeNetwork, held_out: Shard, seed: int = 1) -> tuple[Thresholds, dict[str, float]]:
    """Thresholds that refuse `REFUSED` of whole, right pictures of strangers never learned from."""
    network.eval()
    rng = np.random.default_rng(seed)
    scores: dict[str, list[Tensor]] = {"other": [], "damage": [], "damage_alone": []}
    truths: dict[str, list[Tensor]] = {"other": [], "damage": [], "damage_alone": []}
    heads: list[Tensor] = []
    for turn in range(max(1, len(held_out.drawings) // 10)):
        batch = make_batch(held_out, rng, min(20, len(held_out.drawings)), wear=turn % 2 == 0)
        images = torch.cat([batch.drawings.flatten(0, 1), batch.pictures.flatten(0, 1)])
        groups, num_drawn = len(batch.drawings), batch.drawings[:, :, 0, 0, 0].numel()
        with torch.no_grad():
            seen = network(images)
            kept = network.keep(images[:num_drawn], seen.places[:num_drawn]).view(
                groups, -1, seen.places.shape[-1]
            )
            alone = seen.damage[num_drawn:].view(batch.damage.shape)
            compared = network.compare(
                seen.places[num_drawn:].view(groups, -1, *seen.places.shape[1:]), kept, alone
            )
        labels = torch.cat([batch.drawn_labels.flatten(0, 1), batch.labels.flatten(0, 1)])
        heads.append(attribute_loss(seen, labels)[1])
        for name, logits, truth in (
            ("other", compared.other, batch.other),
            ("damage", compared.damage, batch.damage),
            ("damage_alone", alone, batch.damage),
        ):
            scores[name].append(logits.sigmoid().flatten())
            truths[name].append(truth.flatten())
    figures: dict[str, float] = {}
    thresholds = Thresholds()
    for name in scores:
        score, truth = torch.cat(scores[name]), torch.cat(truths[name])
        # Damage is decided among pictures of the right character only.
        level = float(torch.quantile(score[truth == 0], 1 - REFUSED[name]))
        thresholds = replace(thresholds, **{name: min(0.98, max(0.02, level))})
        figures[f"{name}_missed"] = round(float((score[truth == 1] < level).float().mean()), 4)
        figures[f"{name}_level"] = round(level, 4)
    figures["attributes_right"] = round(float(torch.stack(heads).mean()), 4)
    network.train()
    return thresholds, figures


def save(network: JudgeNetwork, thresholds: Thresholds, trained: dict[str, object], folder: Path) -> None:
    """Write weights in bf16 and `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.bfloat16().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(config_text(network.shape, thresholds, trained), encoding="utf-8")


def fit(
    state: Path,
    learned: Shard,
    pairs: Pairs,
    num_steps: int,
    group: int,
    num_pairs: int,
    rate: float,
    seed: int,
    start: Path | None,
) -> JudgeNetwork:
    """Train to `num_steps`, resuming from `state`, or beginning with the weights in `start`.

    A step sees `group` strangers with their drawings, and `num_pairs` pairs without.

    The network returned has the averaged weights.
    """
    torch.manual_seed(seed)
    network = JudgeNetwork(shape_of_world())
    if start is not None:
        weights = load_file(start / WEIGHTS_FILE)
        network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    ends = ("stem", "heads", "identity", "parts", "position")
    optimiser = muon_for(network, rate, exclude=ends, weight_decay=0.02)
    average = AveragedWeights(network)

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        random = np.random.default_rng((seed, step))
        compared, figures = losses(network, make_batch(learned, random, group))
        paired, more = pair_losses(network, make_pair_batch(pairs, random, num_pairs))
        return compared + paired, figures | more

    def rate_of(step: int) -> float:
        warm = min(1.0, (step + 1) / 60)
        return rate * warm * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / num_steps)))

    train(state, network, optimiser, loss_of, rate_of, num_steps, average=average, log_every=20)
    State(state).load(network, optimiser, average)
    average.copy_to(network)
    return network


def main() -> None:
    """Train, calibrate and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, default=Path("state/judge/shards"))
    parser.add_argument("--state", type=Path, default=Path("state/judge/training"))
    parser.add_argument("--out", type=Path, default=Path("state/judge/out"))
    parser.add_argument("--start", type=Path, help="weights to go on from, with a fresh optimiser")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--group", type=int, default=8, help="characters in a step")
    parser.add_argument("--pairs", type=Path, default=Path("state/judge/pairs"))
    parser.add_argument("--num-pairs", type=int, default=40, help="pairs in a step")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    to_learn, held = split(list(shards(args.shards)))
    learned = load_shards(to_learn)
    pairs = Pairs.load(sorted(args.pairs.glob("pairs-*.npz")))
    network = fit(
        args.state,
        learned,
        pairs,
        args.steps,
        args.group,
        args.num_pairs,
        args.rate,
        args.seed,
        args.start,
    )
    # What is saved is what is calibrated: the weights as bf16 keeps them.
    rounded = {name: tensor.bfloat16().float() for name, tensor in network.state_dict().items()}
    network.load_state_dict(rounded)
    thresholds, figures = calibrate(network, load_shards(held))
    State(args.state).log({"calibrated": args.steps} | figures)
    trained = {
        "steps": args.steps,
        "group": args.group,
        "seed": args.seed,
        "strangers": len(learned.drawings),
        "pairs": len(pairs.whole),
    }
    save(network, thresholds, trained | {"held_out": figures}, args.out)


if __name__ == "__main__":
    main()
