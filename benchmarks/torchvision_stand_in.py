"""torchvision.transforms where there is no torchvision: what diffusers' DreamBooth scripts ask of it.

It does on PIL images what torchvision does on them; the names are torchvision's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import Enum
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

Transform = Callable[[object], object]


class InterpolationMode(Enum):
    """PIL's filters by torchvision's names."""

    NEAREST = Image.Resampling.NEAREST
    BILINEAR = Image.Resampling.BILINEAR
    BICUBIC = Image.Resampling.BICUBIC
    BOX = Image.Resampling.BOX
    HAMMING = Image.Resampling.HAMMING
    LANCZOS = Image.Resampling.LANCZOS


# ---------------------------------------------------------------- torchvision.transforms.functional


def resize(
    image: Image.Image,
    size: Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
) -> Image.Image:
    """To (height, width)."""
    height, width = size
    return image.resize((width, height), interpolation.value)


def crop(image: Image.Image, top: int, left: int, height: int, width: int) -> Image.Image:
    """A part of it."""
    return image.crop((left, top, left + width, top + height))


def center_crop(image: Image.Image, size: int | Sequence[int]) -> Image.Image:
    """The middle, (height, width) or as many pixels each way."""
    height, width = (size, size) if isinstance(size, int) else size
    return crop(image, round((image.height - height) / 2), round((image.width - width) / 2), height, width)


def hflip(image: Image.Image) -> Image.Image:
    """Mirrored."""
    return ImageOps.mirror(image)


def to_tensor(image: Image.Image) -> Tensor:
    """(height, width, 3) bytes to (3, height, width) in 0 ... 1."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255


def normalize(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Less the mean, over the deviation."""
    means, deviations = (torch.tensor(values)[:, None, None] for values in (mean, std))
    return (pixels - means) / deviations


# ---------------------------------------------------------------- torchvision.transforms


class Compose:
    """One after the other."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = transforms

    def __call__(self, image: object) -> object:
        for transform in self.transforms:
            image = transform(image)
        return image


class Resize:
    """The shorter side to `size`."""

    def __init__(self, size: int, interpolation: InterpolationMode = InterpolationMode.BILINEAR) -> None:
        self.size, self.interpolation = size, interpolation

    def __call__(self, image: Image.Image) -> Image.Image:
        shorter = min(image.size)
        width, height = (int(self.size * side / shorter) for side in image.size)
        return resize(image, (height, width), self.interpolation)


class CenterCrop:
    """The middle `size` x `size` pixels."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        return center_crop(image, self.size)


class RandomCrop(CenterCrop):
    """Any `size` x `size` pixels."""

    def __call__(self, image: Image.Image) -> Image.Image:
        return crop(image, *self.get_params(image, (self.size, self.size)))

    @staticmethod
    def get_params(image: Image.Image, output_size: Sequence[int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of any part of this size."""
        height, width = output_size
        top, left = (
            int(torch.randint(0, side - part + 1, (1,)))
            for side, part in ((image.height, height), (image.width, width))
        )
        return top, left, height, width


class RandomHorizontalFlip:
    """Mirrored, with the probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, image: Image.Image) -> Image.Image:
        return hflip(image) if float(torch.rand(1)) < self.p else image


class ToTensor:
    """As `to_tensor`."""

    def __call__(self, image: Image.Image) -> Tensor:
        return to_tensor(image)


class Normalize:
    """As `normalize`."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = mean, std

    def __call__(self, pixels: Tensor) -> Tensor:
        return normalize(pixels, self.mean, self.std)


FUNCTIONS = (resize, crop, center_crop, hflip, to_tensor, normalize)
CLASSES = (
    InterpolationMode,
    Compose,
    Resize,
    CenterCrop,
    RandomCrop,
    RandomHorizontalFlip,
    ToTensor,
    Normalize,
)


def stand_in_for_torchvision() -> None:
    """Let scripts that import torchvision's transforms find these, where there is no torchvision."""
    if find_spec("torchvision") is not None:
        return
    # First, because it must find that there is none: it would use more of it than is here.
    from transformers.utils.import_utils import is_torchvision_available

    is_torchvision_available()
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    vision, transforms, functional = modules = [ModuleType(name) for name in names]
    for module in modules:
        module.__spec__ = ModuleSpec(module.__name__, None)
    functional.__dict__.update({function.__name__: function for function in FUNCTIONS})
    transforms.__dict__.update({kind.__name__: kind for kind in CLASSES}, functional=functional)
    vision.__dict__["transforms"] = transforms
    sys.modules |= dict(zip(names, modules, strict=True))
