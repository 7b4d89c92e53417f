"""Any image's colours as eight bits of sRGB over paper, and its transparency as a mask."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageColor

from understudy.domain import Pixels, UserError

MAX_SIDE_PX = 2048
"""No base learns from more than this; fifty scans kept whole would fill the memory of a small machine."""
SAME_COLOUR = 2
"""A profile that moves no channel further, of 255, is sRGB by another name: the file's own values stay."""
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Toned:
    """`pixels` (height, width, 3) in sRGB over paper, `mask` (height, width) or None, and remarks."""

    pixels: Pixels
    mask: Pixels | None
    remarks: tuple[str, ...] = ()


def parse_paper(colour: str) -> Colour:
    """A CSS colour (a name, #rrggbb, rgb(...), hsl(...)) as red, green, blue; raises `UserError`."""
    try:
        red, green, blue, *alpha = ImageColor.getrgb(colour.strip())
    except ValueError as error:
        raise UserError(
            f"{colour!r} is no paper colour: give a CSS colour such as white, ivory or #f4ecd8."
        ) from error
    if alpha and alpha[0] < 255:
        raise UserError(f"The paper {colour!r} is transparent: give a colour that is not.")
    return red, green, blue


def to_srgb(image: Image.Image, paper: Colour) -> Toned:
    """Scale a large image down, take its colours to sRGB by its profile, and lay it over `paper`.

    Raises `UserError` where it has 32 bits a channel, or shows nothing.
    """
    profile = image.info.get("icc_profile")
    image = _in_eight_bits(image)
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha is not None:
        image = image.convert("L" if image.mode == "LA" else "RGB")
    image, remarks = _by_profile(image, profile)
    if alpha is None:
        return Toned(np.asarray(image), None, remarks)
    mask = np.asarray(alpha)
    if not mask.any():
        raise UserError("it is wholly transparent; save it with the character visible.")
    image.putalpha(alpha)
    pixels = np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, paper), image).convert("RGB"))
    return Toned(pixels, None if (mask == 255).all() else mask, remarks)


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """L, LA, RGB, RGBA, CMYK or LAB: Pillow would clip deep greys, and scale palettes without smoothing."""
    if image.mode in ("I", "F"):
        raise UserError("it has 32 bits a channel; save it with 8 or 16.")
    if image.mode.startswith("I;16"):
        return _deep_grey(image)
    is_clear = image.has_transparency_data
    match image.mode:
        case "LA" | "RGBA" | "CMYK" | "LAB":
            return image
        case "L" | "RGB" if not is_clear:
            return image
        case "1" | "L" | "La":
            return image.convert("LA" if is_clear else "L")
        case _:
            return image.convert("RGBA" if is_clear else "RGB")


def _deep_grey(image: Image.Image) -> Image.Image:
    """Sixteen bits of grey as eight, and the one grey that a PNG may call transparent as alpha."""
    deep = np.asarray(image)
    grey = Image.fromarray((deep // 257).astype(np.uint8))
    clear = image.info.get("transparency")
    if clear is not None:
        grey.putalpha(Image.fromarray(np.where(deep == clear, 0, 255).astype(np.uint8)))
    return grey


def _by_profile(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """An image without alpha in sRGB; without a profile its values are taken as sRGB."""
    plain = _without_profile(image)
    if not profile or image.mode == "LAB":
        return plain, ()
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = given.profile.xcolor_space.strip()
        if space == "RGB" and image.mode == "L":
            image = plain
        managed = _transform(image, given)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return plain, ("its colour profile does not fit it; its colours are taken as sRGB.",)
    moved = np.abs(np.asarray(managed, np.int16) - np.asarray(plain, np.int16)).max()
    return (plain if moved <= SAME_COLOUR else managed), ()


def _without_profile(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":  # tells its colours by itself
        return _transform(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    return image.convert("RGB")


def _transform(image: Image.Image, given: ImageCms.ImageCmsProfile) -> Image.Image:
    managed = ImageCms.profileToProfile(
        image,
        given,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,  # white paper stays white
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert managed is not None  # only in place it returns nothing
    return managed
