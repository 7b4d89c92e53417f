"""A file's bytes become an upright image, or one sentence: which format, how large, is it whole?"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from understudy.domain import UserError
from understudy.drawings.psd import is_whole_psd, psd_size

MIN_SIDE_PX = 64
"""A longer side below this is an icon: too little to learn from."""
MAX_PIXELS = 10_000 * 10_000
SVG_SIDE_PX = 1024
"""An SVG has no pixels of its own: this is what its longer side becomes."""
PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, HEIC, SVG or PSD"
HEAD_BYTES = 4096
"""Where the first mark of a format is looked for; an SVG may begin with long comments."""
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
FOREIGN = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"gimp xcf", "a GIMP file"),
    (b"CSFCHUNK", "a Clip Studio Paint file"),
    (b"SQLite format 3", "a database"),
    (b"PK\x03\x04", "a packed file, as Krita, Procreate and office programs write them"),
)


@dataclass(frozen=True)
class Decoded:
    """An image as its file shows it first, turned upright, and what the user should know about it."""

    image: Image.Image
    remarks: tuple[str, ...] = ()


def decode(content: bytes) -> Decoded:
    """Decode a file's bytes by what they are, whatever the file is called.

    Raises `UserError` with the rest of a sentence that begins with the file's name: where it is no drawing,
    is damaged, smaller than 64 or with more than 100 million pixels, or needs a wheel that is not installed.
    """
    if not content:
        raise UserError("it is empty; save or copy it again.")
    head = content[:HEAD_BYTES]
    for mark, what in FOREIGN:
        if head.startswith(mark):
            raise UserError(f"it is {what}; export it as PNG.")
    if head.startswith(b"8BPS"):
        return _decode_psd(content)
    if _looks_like_svg(head):
        return _decode_svg(content)
    if (
        head[4:8] == b"ftyp"
        and b"avif" not in head[8:40]
        and any(brand in head[8:40] for brand in HEIF_BRANDS)
    ):
        return _decode_heif(content)
    return _decode_by_pillow(content)


def check_size(size: tuple[int, int]) -> None:
    """Raise `UserError` for a picture that is too small to learn from, or too large for the memory."""
    width, height = size
    if max(size) < MIN_SIDE_PX:
        raise UserError(f"it is only {width} x {height} pixels; scan or save it with {MIN_SIDE_PX} or more.")
    if width * height > MAX_PIXELS:
        raise UserError(f"it has {width} x {height} pixels, more than {MAX_PIXELS:,}; save it smaller.")


def _decode_by_pillow(content: bytes) -> Decoded:
    with _one_sentence("a picture"), warnings.catch_warnings():
        # Pillow's own limit lies below ours, and some of its parsers warn about what they can still read.
        warnings.simplefilter("ignore")
        try:
            opened = Image.open(io.BytesIO(content), formats=PILLOW_FORMATS)
        except UnidentifiedImageError as error:
            raise UserError(f"it cannot be read as {READABLE}; save it again as PNG.") from error
        except Image.DecompressionBombError as error:
            raise UserError(f"it has more than {MAX_PIXELS:,} pixels; save it smaller.") from error
        check_size(opened.size)
        remarks = _remark_on_more(_num_frames(opened))
        ImageOps.exif_transpose(opened, in_place=True)
        is_jpeg = isinstance(opened, JpegImageFile)
        if is_jpeg and opened.mode == "CMYK" and "adobe" not in opened.info:
            # Pillow takes every JPEG's CMYK as inverted; only Adobe's is.
            return Decoded(ImageChops.invert(opened), remarks)
        return Decoded(opened, remarks)


def _num_frames(opened: Image.Image) -> int:
    match opened:
        case GifImageFile() | WebPImageFile() | TiffImageFile() | PngImageFile() | AvifImageFile():
            return int(opened.n_frames)
        case _:  # the second picture in a phone's JPEG is a depth or brightness map
            return 1


def _remark_on_more(num_frames: int) -> tuple[str, ...]:
    return (f"it holds {num_frames} pictures, of which the first is taken.",) if num_frames > 1 else ()


def _decode_heif(content: bytes) -> Decoded:
    with _wheel("HEIC", "pillow-heif"), _one_sentence("a HEIC picture"):
        import pillow_heif

        pictures = pillow_heif.open_heif(io.BytesIO(content))
        check_size(pictures.size)
        # libheif has turned it upright already.
        return Decoded(pictures[pictures.primary_index].to_pillow(), _remark_on_more(len(pictures)))


def _decode_svg(content: bytes) -> Decoded:
    with _wheel("SVG", "resvg-py"), _one_sentence("an SVG drawing"):
        import resvg_py

        text = content.decode("utf-8-sig")
        png = resvg_py.svg_to_bytes(svg_string=text, width=SVG_SIDE_PX, height=SVG_SIDE_PX)
        remarks = []
        if "<text" in text:
            remarks.append("its text is set in this computer's fonts; turn it into paths to be sure of it.")
        if "<image" in text and "data:image" not in text:
            remarks.append("it links to other pictures, which are not in it; embed them.")
        return Decoded(Image.open(io.BytesIO(png), formats=("PNG",)), tuple(remarks))


def _decode_psd(content: bytes) -> Decoded:
    with _wheel("PSD", "psd-tools"), _one_sentence("a PSD drawing"):
        check_size(psd_size(content))
        if not is_whole_psd(content):
            raise EOFError
        from psd_tools import PSDImage

        # Flattened as the program that saved it shows it; in sRGB already.
        return Decoded(PSDImage.open(io.BytesIO(content)).composite())


def _looks_like_svg(head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"<") and b"<svg" in head


@contextmanager
def _wheel(what: str, wheel: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UserError(
            f"it is a {what} file, and {wheel} is not installed; run pip install {wheel}, or save it as PNG."
        ) from error


@contextmanager
def _one_sentence(what: str) -> Iterator[None]:
    """Whatever a parser makes of damaged bytes becomes one sentence."""
    try:
        yield
    except (UserError, ImportError):
        raise
    except MemoryError as error:
        raise UserError("it does not fit into the memory; save it smaller.") from error
    # Half a dozen parsers over arbitrary bytes raise whatever comes: struct.error, KeyError, AssertionError.
    except Exception as error:
        raise UserError(f"it is damaged or cut short as {what}; save or copy it again.") from error
