"""Good and bad files of every kind, made on the spot, and what must be read in the good ones."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageCms
from psd_tools import PSDImage

COLOURS = ((200, 40, 40), (40, 160, 60), (50, 60, 200), (240, 220, 90))
WIDTH, HEIGHT = 96, 80


def quadrants(colours: tuple[tuple[int, int, int], ...] = COLOURS) -> np.ndarray:
    """Four fields, from the upper left to the lower right: (80, 96, 3)."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    for number, colour in enumerate(colours):
        row, column = divmod(number, 2)
        rows, columns = slice(row * 40, row * 40 + 40), slice(column * 48, column * 48 + 48)
        pixels[rows, columns] = colour
    return pixels


PIXELS = quadrants()
GREYS = np.array([30, 90, 160, 220])
GREY = quadrants(tuple((int(grey),) * 3 for grey in GREYS))
OVER_WHITE = quadrants((COLOURS[0], COLOURS[1], COLOURS[2], (255, 255, 255)))
ALPHA = np.full((HEIGHT, WIDTH), 255, np.uint8)
ALPHA[40:, 48:] = 0


@dataclass(frozen=True)
class Good:
    """A file that must be read: as `pixels` within `tolerance` (inside the fields), with this mask."""

    name: str
    make: Callable[[], bytes]
    pixels: np.ndarray
    tolerance: int = 0
    is_masked: bool = False
    remark: str = ""


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(PIXELS).convert(mode)


def clear() -> Image.Image:
    """The last field is transparent, with a colour of its own under it."""
    return Image.fromarray(np.dstack((PIXELS, ALPHA)))


def grey() -> Image.Image:
    return Image.fromarray(GREY[..., 0].copy())


def by_opencv(pixels: np.ndarray, ending: str) -> bytes:
    done, content = cv2.imencode(ending, pixels)
    assert done
    return content.tobytes()


def deep() -> np.ndarray:
    """Sixteen bits a channel, in OpenCV's order."""
    return PIXELS[..., ::-1].astype(np.uint16) * 257


def deep_grey() -> np.ndarray:
    return GREY[..., 0].astype(np.uint16) * 257


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG by hand: `rows` with their filter bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + body


def deep_grey_with_a_clear_one() -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep_grey())
    return png(WIDTH, HEIGHT, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", int(GREYS[3]) * 257)))


def turned(orientation: int, kind: str) -> bytes:
    """Saved so that the viewer has to turn it back; the inverses are written out, not computed."""
    transpose = Image.Transpose
    inverse = {
        2: transpose.FLIP_LEFT_RIGHT,
        3: transpose.ROTATE_180,
        4: transpose.FLIP_TOP_BOTTOM,
        5: transpose.TRANSPOSE,
        6: transpose.ROTATE_90,
        7: transpose.TRANSVERSE,
        8: transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(picture().transpose(inverse[orientation]), kind, exif=exif)


def swapped_profile() -> bytes:
    """sRGB with the red and the green primary exchanged: what it calls red is green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def cmyk() -> Image.Image:
    """Inks without black, so that red, green and blue are 255 less them."""
    inks = np.dstack((255 - PIXELS, np.zeros((HEIGHT, WIDTH), np.uint8)))
    return Image.frombytes("CMYK", (WIDTH, HEIGHT), inks.tobytes())


def cmyk_without_adobes_mark() -> bytes:
    """Inks as they are: without APP14 nobody may take them as inverted."""
    inverted = Image.frombytes("CMYK", (WIDTH, HEIGHT), bytes(255 - byte for byte in cmyk().tobytes()))
    content = saved(inverted, "JPEG", quality=95)
    start = content.index(b"\xff\xee")
    return content[:start] + content[start + 2 + int.from_bytes(content[start + 2 : start + 4]) :]


def heic(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(buffer, quality=95)
    return buffer.getvalue()


def psd(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    PSDImage.frompil(image).save(buffer)
    return buffer.getvalue()


def svg(
    size: str = 'viewBox="0 0 96 80"', last: str = '<path fill="#f0dc5a" d="M48 40h48v40h-48z"/>'
) -> bytes:
    fields = (
        '<path fill="#c82828" d="M0 0h48v40H0z"/><path fill="#28a03c" d="M48 0h48v40H48z"/>'
        '<path fill="#323cc8" d="M0 40h48v40H0z"/>'
    )
    return (
        f'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" {size}>{fields}{last}</svg>'.encode()
    )


def frames(kind: str, **options: object) -> bytes:
    others = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("black", "white")]
    return saved(picture(), kind, save_all=True, append_images=others, **options)


def lab() -> bytes:
    given = ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(picture(), given, ImageCms.createProfile("LAB"), outputMode="LAB")
    assert image is not None
    return saved(image, "TIFF")


def of_palette(is_clear: bool) -> bytes:
    image = Image.new("P", (WIDTH, HEIGHT))
    image.putpalette([channel for colour in COLOURS for channel in colour])
    image.putdata([row // 40 * 2 + column // 48 for row in range(HEIGHT) for column in range(WIDTH)])
    return saved(image, "PNG", transparency=3) if is_clear else saved(image, "PNG")


def two_tone() -> Image.Image:
    return Image.fromarray(quadrants(((0,) * 3, (255,) * 3, (255,) * 3, (0,) * 3))).convert("1")


TWO_TONE = quadrants(((0,) * 3, (255,) * 3, (255,) * 3, (0,) * 3))
SWAPPED = PIXELS[..., (1, 0, 2)]
MORE = "it holds 3 pictures"

GOOD = {
    "png": Good("a.png", lambda: saved(picture(), "PNG"), PIXELS),
    "png with opaque alpha": Good("a.png", lambda: saved(picture("RGBA"), "PNG"), PIXELS),
    "png with alpha": Good("a.png", lambda: saved(clear(), "PNG"), OVER_WHITE, 0, True),
    "png palette": Good("a.png", lambda: of_palette(False), PIXELS),
    "png palette with a clear one": Good("a.png", lambda: of_palette(True), OVER_WHITE, 0, True),
    "png 16 bits": Good("a.png", lambda: by_opencv(deep(), ".png"), PIXELS),
    "png grey": Good("a.png", lambda: saved(grey(), "PNG"), GREY),
    "png grey and alpha": Good("a.png", lambda: saved(grey().convert("LA"), "PNG"), GREY),
    "png grey 16 bits": Good("a.png", lambda: by_opencv(deep_grey(), ".png"), GREY),
    "png grey 16 bits, a clear one": Good(
        "a.png", deep_grey_with_a_clear_one, np.where(ALPHA[..., None] > 0, GREY, 255), 0, True
    ),
    "png 1 bit": Good("a.png", lambda: saved(two_tone(), "PNG"), TWO_TONE),
    "png animated": Good("a.png", lambda: frames("PNG"), PIXELS, 0, False, MORE),
    "png with a wrong ending": Good("a.jpg", lambda: saved(picture(), "PNG"), PIXELS),
    "png without ending": Good("drawing", lambda: saved(picture(), "PNG"), PIXELS),
    "png in capitals": Good("A.PNG", lambda: saved(picture(), "PNG"), PIXELS),
    "png turned": Good("a.png", lambda: turned(6, "PNG"), PIXELS),
    "png of sRGB": Good("a.png", lambda: saved(picture(), "PNG", icc_profile=srgb_profile()), PIXELS),
    "png of other colours": Good(
        "a.png", lambda: saved(picture(), "PNG", icc_profile=swapped_profile()), SWAPPED, 2
    ),
    "png of other colours with alpha": Good(
        "a.png",
        lambda: saved(clear(), "PNG", icc_profile=swapped_profile()),
        np.where(ALPHA[..., None] > 0, SWAPPED, 255),
        2,
        True,
    ),
    "png grey of sRGB": Good("a.png", lambda: saved(grey(), "PNG", icc_profile=srgb_profile()), GREY),
    "png with a broken profile": Good(
        "a.png", lambda: saved(picture(), "PNG", icc_profile=b"none"), PIXELS, 0, False, "its colour profile"
    ),
    "jpeg": Good("a.jpeg", lambda: saved(picture(), "JPEG", quality=95), PIXELS, 3),
    "jpeg progressive": Good(
        "a.jpg", lambda: saved(picture(), "JPEG", quality=95, progressive=True), PIXELS, 3
    ),
    "jpeg grey": Good("a.jpg", lambda: saved(grey(), "JPEG", quality=95), GREY, 2),
    "jpeg cmyk of Adobe": Good("a.jpg", lambda: saved(cmyk(), "JPEG", quality=95), PIXELS, 3),
    "jpeg cmyk of others": Good("a.jpg", cmyk_without_adobes_mark, PIXELS, 3),
    "jpeg of other colours": Good(
        "a.jpg", lambda: saved(picture(), "JPEG", quality=95, icc_profile=swapped_profile()), SWAPPED, 4
    ),
    **{
        f"jpeg turned {number}": Good("a.jpg", lambda number=number: turned(number, "JPEG"), PIXELS, 8)
        for number in range(2, 9)
    },
    "webp": Good("a.webp", lambda: saved(picture(), "WEBP", lossless=True), PIXELS),
    "webp lossy": Good("a.webp", lambda: saved(picture(), "WEBP", quality=95), PIXELS, 6),
    "webp with alpha": Good("a.webp", lambda: saved(clear(), "WEBP", lossless=True), OVER_WHITE, 0, True),
    "webp animated": Good("a.webp", lambda: frames("WEBP", lossless=True), PIXELS, 0, False, MORE),
    "gif": Good("a.gif", lambda: saved(picture(), "GIF"), PIXELS),
    "gif animated": Good("a.gif", lambda: frames("GIF"), PIXELS, 0, False, MORE),
    "bmp": Good("a.bmp", lambda: saved(picture(), "BMP"), PIXELS),
    "bmp grey": Good("a.bmp", lambda: saved(grey(), "BMP"), GREY),
    "bmp 1 bit": Good("a.bmp", lambda: saved(two_tone(), "BMP"), TWO_TONE),
    "tiff": Good("a.tif", lambda: saved(picture(), "TIFF"), PIXELS),
    "tiff lzw": Good("a.tiff", lambda: saved(picture(), "TIFF", compression="tiff_lzw"), PIXELS),
    "tiff deflate": Good("a.tiff", lambda: saved(picture(), "TIFF", compression="tiff_deflate"), PIXELS),
    "tiff fax": Good("a.tiff", lambda: saved(two_tone(), "TIFF", compression="group4"), TWO_TONE),
    "tiff with alpha": Good("a.tiff", lambda: saved(clear(), "TIFF"), OVER_WHITE, 0, True),
    "tiff 16 bits": Good("a.tiff", lambda: by_opencv(deep(), ".tiff"), PIXELS),
    "tiff grey 16 bits": Good("a.tiff", lambda: by_opencv(deep_grey(), ".tiff"), GREY),
    "tiff cmyk": Good("a.tiff", lambda: saved(cmyk(), "TIFF"), PIXELS),
    "tiff lab": Good("a.tiff", lab, PIXELS, 8),
    "tiff of many pages": Good("a.tiff", lambda: frames("TIFF"), PIXELS, 0, False, MORE),
    "tiff turned": Good("a.tiff", lambda: turned(6, "TIFF"), PIXELS),
    "avif": Good("a.avif", lambda: saved(picture(), "AVIF", quality=95), PIXELS, 4),
    "avif with alpha": Good("a.avif", lambda: saved(clear(), "AVIF", quality=95), OVER_WHITE, 4, True),
    "avif turned": Good("a.avif", lambda: turned(6, "AVIF"), PIXELS, 6),
    "heic": Good("a.heic", lambda: heic(PIXELS), PIXELS, 4),
    "heic with alpha": Good("a.heic", lambda: heic(np.dstack((PIXELS, ALPHA))), OVER_WHITE, 4, True),
    "psd": Good("a.psd", lambda: psd(picture()), PIXELS),
    "psd grey": Good("a.psd", lambda: psd(grey()), GREY),
    "svg": Good("a.svg", svg, PIXELS),
    "svg of millions of pixels": Good(
        "a.svg", lambda: svg('width="96000000" height="80000000" viewBox="0 0 96 80"'), PIXELS
    ),
    "svg with clear ground": Good("a.svg", lambda: svg(last=""), OVER_WHITE, 0, True),
    "svg with text": Good(
        "a.svg",
        lambda: svg(last='<path fill="#f0dc5a" d="M48 40h48v40h-48z"/><text/>'),
        PIXELS,
        0,
        False,
        "its text",
    ),
}


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def noise() -> Image.Image:
    """Large enough, compressed, that half of the file lacks half of the picture."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8))


def psd_header(side: int) -> bytes:
    return b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, side, side, 8, 3) + bytes(100)


def bmp_that_claims(side: int) -> bytes:
    content = bytearray(saved(picture(), "BMP"))
    content[18:26] = struct.pack("<ii", side, side)
    return bytes(content)


def tiff_that_claims(side: int) -> bytes:
    entries = (
        (256, side),
        (257, side),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, side),
        (279, 8),
    )
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(12)


# What a file holds, and what the sentence about it must say.
BAD: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("x.png", bytes, "empty"),
    "text as png": ("x.png", lambda: b"dear Mo, this is no picture", "cannot be read"),
    "random bytes": ("x.jpg", lambda: np.random.default_rng(1).bytes(999), "cannot be read"),
    "half a png": ("x.png", lambda: half(saved(noise(), "PNG")), "cut short"),
    "a png's first bytes": ("x.png", lambda: saved(noise(), "PNG")[:20], "save"),
    "half a jpeg": ("x.jpg", lambda: half(saved(noise(), "JPEG")), "cut short"),
    "half a webp": ("x.webp", lambda: half(saved(noise(), "WEBP")), "save"),
    "half a gif": ("x.gif", lambda: half(saved(noise(), "GIF")), "cut short"),
    "half a bmp": ("x.bmp", lambda: half(saved(noise(), "BMP")), "cut short"),
    "half a tiff": ("x.tif", lambda: half(saved(noise(), "TIFF", compression="tiff_lzw")), "save"),
    "half an avif": ("x.avif", lambda: half(saved(noise(), "AVIF")), "save"),
    "half a heic": ("x.heic", lambda: half(heic(np.asarray(noise()))), "cut short"),
    "half a psd": ("x.psd", lambda: half(psd(noise())), "cut short"),
    "half an svg": ("x.svg", lambda: half(svg()), "cut short"),
    "an svg without size": ("x.svg", lambda: svg('width="0" height="0"'), "cut short"),
    "a page named svg": ("x.svg", lambda: b"<html><body>no</body></html>", "cannot be read"),
    "an svg of endless entities": (
        "x.svg",
        lambda: (
            b'<!DOCTYPE s [<!ENTITY a "&b;&b;"><!ENTITY b "&a;&a;">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>'
        ),
        "cut short",
    ),
    "a png of 144 megapixels": ("x.png", lambda: png(12_000, 12_000, 8, 2, bytes(99)), "pixels"),
    "a png of 3600 megapixels": ("x.png", lambda: png(60_000, 60_000, 8, 2, bytes(99)), "pixels"),
    "a gif of 4295 megapixels": (
        "x.gif",
        lambda: b"GIF89a" + b"\xff" * 4 + b"\0\0\0" + b"," + bytes(20),
        "pixels",
    ),
    "a bmp of 400 megapixels": ("x.bmp", lambda: bmp_that_claims(20_000), "pixels"),
    "a tiff of 400 megapixels": ("x.tif", lambda: tiff_that_claims(20_000), "pixels"),
    "a psd of 900 megapixels": ("x.psd", lambda: psd_header(30_000), "pixels"),
    "an icon": ("x.png", lambda: saved(Image.new("RGB", (63, 20)), "PNG"), "63 x 20"),
    "all transparent": ("x.png", lambda: saved(Image.new("RGBA", (80, 80)), "PNG"), "transparent"),
    "numbers of 32 bits": ("x.tif", lambda: saved(Image.new("F", (80, 80), 0.5), "TIFF"), "32 bits"),
    "whole numbers of 32 bits": ("x.tif", lambda: saved(Image.new("I", (80, 80), 7), "TIFF"), "32 bits"),
    "a pdf": ("x.pdf", lambda: b"%PDF-1.7 ...", "PDF; export"),
    "a postscript file": ("x.eps", lambda: b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
    "a gimp file": ("x.xcf", lambda: b"gimp xcf v011" + bytes(90), "GIMP"),
    "a clip studio file": ("x.clip", lambda: b"CSFCHUNK" + bytes(90), "Clip Studio"),
    "a krita file": ("x.kra", lambda: b"PK\x03\x04" + bytes(90), "Krita"),
    "a video": ("x.mp4", lambda: b"\0\0\0\x18ftypmp42" + bytes(90), "cannot be read"),
}
