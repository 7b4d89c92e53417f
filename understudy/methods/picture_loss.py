"""How far a decoded picture is from what it shows: for the embedded autoencoder, and for a decoder."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d


def reconstruction_loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1 on pixels, on their differences (edges), on hues, and on the picture at smaller sizes.

    Pictures (B, 3, H, W) in -1 ... 1, weights (B, 1, H, W). Ink lines are most of the error in a drawing, so
    without a term of their own hues are learned last.
    """
    weight = weight / weight.mean()
    error = (output - target) * weight
    pixels = error.abs().mean() + 2.0 * (error * (output - target)).mean()
    edges = (error[..., 1:, :] - error[..., :-1, :]).abs().mean() + (
        error[..., 1:] - error[..., :-1]
    ).abs().mean()
    hues = error - error.mean(1, keepdim=True)
    hue = hues.abs().mean() + 2.0 * avg_pool2d(hues, 4).abs().mean()
    broad = avg_pool2d(error, 4).abs().mean() + 2.0 * avg_pool2d(error, 16).abs().mean()
    return pixels + 0.5 * edges + broad + hue
