"""Trains the embedded judge on strangers and kin (`judge_kin`); `judge_calibrate` sets its thresholds."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from understudy.judges.network import Compared, JudgeNetwork, Seen
from understudy.judges.puppet import CONFIG_FILE, WEIGHTS_FILE, Thresholds, config_text, shape_of_world
from understudy.pretrain.judge_batches import Batch, Kin, make_batch, split
from understudy.pretrain.judge_kin import files
from understudy.pretrain.muon import muon_for
from understudy.pretrain.training import AveragedWeights, State, train


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


def attribute_loss(seen: dict[str, Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy over heads, and the share of right answers; (B, choices) of each, labels (B, 8)."""
    losses, right = [], []
    for index, logits in enumerate(seen.values()):
        truth = labels[:, index]
        losses.append(F.cross_entropy(logits, truth))
        right.append((logits.argmax(1) == truth).float().mean())
    return torch.stack(losses).mean(), torch.stack(right).mean()


def identity_loss(drawn: Tensor, shown: Tensor) -> Tensor:
    """Each picture's embedding finds its character's drawings among those of the batch (InfoNCE):
    (G, R, 64), (G, Q', 64)."""
    centres = F.normalize(drawn.mean(1), dim=-1)
    logits = (shown @ centres.T).flatten(0, 1) * 10.0
    truth = torch.arange(len(centres)).repeat_interleave(shown.shape[1])
    return F.cross_entropy(logits, truth)


@dataclass(frozen=True)
class Looked:
    """What the network makes of a batch: 2G drawing sets, each with Q = 3S + 1 pictures.

    The pictures: S of the character drawn, S of its kin, S damaged, one of another stranger. `shown` is of
    the batch's scenes and then its damaged pictures, `drawn` of its drawings; `alone` (2G, Q) is what each
    picture by itself says of damage.
    """

    drawn: Seen
    shown: Seen
    compared: Compared
    alone: Tensor


def look(network: JudgeNetwork, batch: Batch) -> Looked:
    """See all pictures of a batch, and compare them with the drawings."""
    sets, num_scenes = batch.labels.shape[:2]
    drawings = batch.drawings.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    shown = torch.cat([batch.scenes.flatten(0, 1), batch.damaged.flatten(0, 1)])
    drawn, seen = network(drawings), network(shown.contiguous(memory_format=torch.channels_last))
    kept = network.keep(drawings, drawn.places).view(sets, -1, drawn.places.shape[-1])
    places: list[Tensor] = []
    alone: list[Tensor] = []
    for values, into in ((seen.places, places), (seen.damage, alone)):
        own = torch.unflatten(values[: sets * num_scenes], 0, (sets, num_scenes))
        kin = own.roll(sets // 2, 0)
        damaged = torch.unflatten(values[sets * num_scenes :], 0, (sets // 2, -1))
        damaged = damaged.repeat(2, *[1] * (damaged.ndim - 1))
        near = torch.unflatten(own, 0, (2, -1)).roll(1, 1).flatten(0, 1)[:, :1]
        into.append(torch.cat([own, kin, damaged, near], 1))
    return Looked(drawn, seen, network.compare(places[0], kept, alone[0]), alone[0])


@dataclass(frozen=True)
class Truth:
    """What is true of `Looked.compared` (2G, Q) and of places (2G, Q, 144): 0 or 1, -1 where unknown."""

    other: Tensor
    other_places: Tensor
    damage: Tensor
    damage_places: Tensor


def truth_of(batch: Batch) -> Truth:
    """Whether each picture compared shows another character, and damage."""
    changed, places = batch.changed.repeat(2, 1), batch.changed_places.repeat(2, 1, 1)
    sets, num = changed.shape
    broken, broken_places = batch.broken.repeat(2, 1), batch.broken_places.repeat(2, 1, 1)
    unknown, none = -torch.ones(sets, num), torch.zeros(sets, num)
    far, no_places = -torch.ones(sets, num, 144), torch.zeros(sets, num, 144)
    return Truth(
        torch.cat([none, changed, unknown, torch.ones(sets, 1)], 1),
        torch.cat([no_places, places, far, far[:, :1]], 1),
        torch.cat([none, none, broken, torch.zeros(sets, 1)], 1),
        torch.cat([no_places, no_places, broken_places, torch.zeros(sets, 1, 144)], 1),
    )


def in_order(small: Tensor, large: Tensor, sure: Tensor) -> Tensor:
    """How far logits are from being smaller than others, where `sure` is 1: what they share drops out."""
    return known(F.softplus(small - large), torch.where(sure > 0, 1.0, -1.0))


def losses(network: JudgeNetwork, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch and figures for the log."""
    with torch.autocast("cpu", torch.bfloat16):
        looked = look(network, batch)
    truth, num = truth_of(batch), batch.changed.shape[1]
    sets = len(truth.other)
    drawn, shown, compared = looked.drawn, looked.shown, looked.compared
    labels = torch.cat([batch.drawn_labels.flatten(0, 1), batch.labels.flatten(0, 1)])
    parts = torch.cat([batch.drawn_parts.flatten(0, 1), batch.parts.flatten(0, 1)])
    seen = {
        name: torch.cat([drawn.attributes[name], logits[: sets * num]]).float()
        for name, logits in shown.attributes.items()
    }
    attributes, right = attribute_loss(seen, labels)
    alone = torch.cat([torch.zeros(sets * num), batch.broken.flatten()])
    alone_places = torch.cat([torch.zeros(sets * num, 144), batch.broken_places.flatten(0, 1)])
    other, damage, by_itself = compared.other.float(), compared.damage.float(), looked.alone.float()
    own, kin = other[:, :num], other[:, num : 2 * num]
    whole, spoilt_ones = slice(0, num), slice(2 * num, 3 * num)
    changed = batch.changed.repeat(2, 1)
    spoilt = batch.broken.repeat(2, 1)
    map_of = torch.cat([drawn.parts, shown.parts[: sets * num]]).float()
    terms = {
        "attributes": attributes,
        "other": binary(other, truth.other),
        "other_order": 0.5 * in_order(own, kin, changed)
        + 0.5 * in_order(own, kin.roll(sets // 2, 0), changed),
        "other_places": binary(compared.other_places.float(), truth.other_places, 3.0),
        "damage": binary(damage, truth.damage, 2.0),
        "damage_order": 0.5 * in_order(damage[:, whole], damage[:, spoilt_ones], spoilt),
        "damage_places": 0.5 * binary(compared.damage_places.float(), truth.damage_places, 3.0),
        "damage_alone": 0.5 * binary(shown.damage.float(), alone, 2.0),
        "alone_order": 0.25 * in_order(by_itself[:, whole], by_itself[:, spoilt_ones], spoilt),
        "places_alone": 0.25 * binary(shown.damage_places.float(), alone_places, 3.0),
        "parts": 0.5 * F.cross_entropy(map_of, parts),
        "identity": 0.1
        * identity_loss(
            torch.unflatten(drawn.identity[: len(drawn.identity) // 2].float(), 0, (sets // 2, -1)),
            torch.unflatten(shown.identity[: sets // 2 * num].float(), 0, (sets // 2, num)),
        ),
    }
    figures = {name: round(term.item(), 4) for name, term in terms.items()}
    figures["right"] = round(right.item(), 4)
    figures["pair_right"] = share_of(kin > own, changed)
    figures["damage_right"] = share_of(by_itself[:, spoilt_ones] > by_itself[:, whole], spoilt)
    return torch.stack(list(terms.values())).sum(), figures


def share_of(right: Tensor, sure: Tensor) -> float:
    """The share of those that are right where the truth is known."""
    return round(right[sure > 0].float().mean().item(), 4)


def held_out_figures(network: JudgeNetwork, held_out: Kin, seed: int = 1) -> dict[str, float]:
    """How well the network does on strangers never learned from, their pictures not worn."""
    network.eval()
    rng = np.random.default_rng(seed)
    found: list[dict[str, float]] = []
    for _ in range(max(1, len(held_out) // 8)):
        with torch.no_grad():
            found.append(losses(network, make_batch(held_out, rng, min(8, len(held_out)), wear=False))[1])
    network.train()
    return {name: round(float(np.mean([one[name] for one in found])), 4) for name in found[0]}


def save(network: JudgeNetwork, trained: dict[str, object], folder: Path) -> None:
    """Write weights in bf16 and `config.json`, with thresholds yet to be set."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.bfloat16().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(config_text(network.shape, Thresholds(), trained), encoding="utf-8")


def fit(
    state: Path, learned: Kin, num_steps: int, group: int, rate: float, seed: int, start: Path | None
) -> JudgeNetwork:
    """Train to `num_steps`, resuming from `state`, or beginning with the weights in `start`.

    A step sees `group` strangers and their kin. The network returned has the averaged weights.
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
        return losses(network, make_batch(learned, np.random.default_rng((seed, step)), group))

    def rate_of(step: int) -> float:
        warm = min(1.0, (step + 1) / 30)
        return rate * warm * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / num_steps)))

    train(state, network, optimiser, loss_of, rate_of, num_steps, average=average, log_every=10)
    State(state).load(network, optimiser, average)
    average.copy_to(network)
    return network


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kin", type=Path, default=Path("state/judge/kin"))
    parser.add_argument("--state", type=Path, default=Path("state/judge/training"))
    parser.add_argument("--out", type=Path, default=Path("state/judge/out"))
    parser.add_argument("--start", type=Path, help="weights to go on from, with a fresh optimiser")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--group", type=int, default=8, help="strangers in a step, each with its kin")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    to_learn, held = split(list(files(args.kin)))
    learned = Kin.load(to_learn)
    network = fit(args.state, learned, args.steps, args.group, args.rate, args.seed, args.start)
    # What is saved is what is measured: the weights as bf16 keeps them.
    rounded = {name: tensor.bfloat16().float() for name, tensor in network.state_dict().items()}
    network.load_state_dict(rounded)
    figures = held_out_figures(network, Kin.load(held)) if held else {}
    State(args.state).log({"held_out": figures})
    trained = {"steps": args.steps, "group": args.group, "seed": args.seed, "strangers": len(learned)}
    save(network, trained | {"held_out": figures}, args.out)


if __name__ == "__main__":
    main()
