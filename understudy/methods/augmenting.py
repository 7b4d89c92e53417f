"""Two ways to make a handful of drawings many without teaching the network to draw the changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from understudy.recipes import Augmentation

MOST_MOVED = 1 / 8
CUT = 1 / 2
"""Side of the square that cutout greys, as a share of the picture's."""
NUM_LABELS = 5
TURN_RAD, SCALE_LOG2, MOVE = math.radians(15), 0.2, 0.125
"""Standard deviations of the told changes; a move is a share of the side."""


def augment_alike(pictures_B3HW: Tensor, kinds: Sequence[Augmentation], random: torch.Generator) -> Tensor:
    """Change pictures in -1 ... 1 at random; gradients pass through.

    Both drawings and generated pictures are changed before they are told apart, so the changes themselves
    tell nothing. Source: Zhao et al., DiffAugment, arXiv 2006.10738.
    """
    for kind in kinds:
        match kind:
            case "colour":
                pictures_B3HW = _recolour(pictures_B3HW, random)
            case "translation":
                pictures_B3HW = _move(pictures_B3HW, random)
            case "cutout":
                pictures_B3HW = _cut_out(pictures_B3HW, random)
    return pictures_B3HW


def augment_and_tell(pictures_B3HW: Tensor, share: float, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror, turn, scale and move pictures, each with the chance `share`, and say so in labels (B, 5).

    A denoiser that is told what was done draws undone pictures when it is told that nothing was. Source:
    Karras et al., EDM, arXiv 2206.00364, section 5 and appendix F.2.
    """
    count, device = len(pictures_B3HW), pictures_B3HW.device
    is_done = (torch.rand(count, 4, generator=random) < share).float()
    amount = torch.randn(count, 4, generator=random)
    mirrored, turned, scaled = is_done[:, 0], is_done[:, 1] * amount[:, 0], is_done[:, 2] * amount[:, 1]
    moved = is_done[:, 3:] * amount[:, 2:]
    labels = torch.cat([torch.stack([mirrored, turned, scaled], dim=1), moved], dim=1)
    angle, shrink = turned * TURN_RAD, torch.exp2(-SCALE_LOG2 * scaled)
    cos, sin, flip = shrink * angle.cos(), shrink * angle.sin(), 1 - 2 * mirrored
    # From a place in the result to its place in the drawing; a grid's side is 2 long.
    rows = [flip * cos, -sin, 2 * MOVE * moved[:, 0], flip * sin, cos, 2 * MOVE * moved[:, 1]]
    places = F.affine_grid(
        torch.stack(rows, dim=1).reshape(count, 2, 3), list(pictures_B3HW.shape), align_corners=False
    )
    changed = F.grid_sample(pictures_B3HW, places.to(device), padding_mode="border", align_corners=False)
    is_changed = (is_done.sum(dim=1) > 0).reshape(count, 1, 1, 1).to(device)
    return torch.where(is_changed, changed, pictures_B3HW), labels.to(device)


def _recolour(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Brightness, then saturation, then contrast."""
    light, vividness, contrast = torch.rand(3, len(pictures), 1, 1, 1, generator=random).to(pictures)
    pictures = pictures + (light - 0.5)
    grey = pictures.mean(dim=1, keepdim=True)
    pictures = grey + (pictures - grey) * (2 * vividness)
    middle = pictures.mean(dim=(1, 2, 3), keepdim=True)
    recoloured: Tensor = middle + (pictures - middle) * (contrast + 0.5)
    return recoloured


def _move(pictures: Tensor, random: torch.Generator) -> Tensor:
    side = pictures.shape[-1]
    most = round(side * MOST_MOVED)
    rows, columns = torch.randint(0, 2 * most + 1, (2, len(pictures), 1), generator=random)
    along = torch.arange(side)
    picture = torch.arange(len(pictures))[:, None, None]
    padded_BHW3 = F.pad(pictures, (most, most, most, most)).permute(0, 2, 3, 1)
    moved: Tensor = padded_BHW3[picture, (rows + along)[:, :, None], (columns + along)[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _cut_out(pictures: Tensor, random: torch.Generator) -> Tensor:
    side = pictures.shape[-1]
    half = side * CUT / 2
    middles = torch.rand(2, len(pictures), 1, generator=random) * side
    rows, columns = ((torch.arange(side) - middle).abs() < half for middle in middles)
    is_cut = rows[:, None, :, None] & columns[:, None, None, :]
    return pictures.masked_fill(is_cut.to(pictures.device), 0.0)
