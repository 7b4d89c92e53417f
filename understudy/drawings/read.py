"""A folder of an artist's drawings becomes a `Character`."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from understudy.domain import Character, Drawing, Pixels, UserError
from understudy.events import Note, Notify, ignore

MAX_DRAWINGS = 50
# No base learns from more than this; fifty scans kept whole would fill the memory of a small machine.
MAX_SIDE_PX = 2048
CAPTIONS_FILE = "captions.csv"
FORMATS = ("PNG", "JPEG", "WEBP")
NOT_IMAGES = frozenset(
    f".{ending}"
    for ending in (
        *("csv", "db", "doc", "docx", "htm", "html", "ini", "json", "lnk", "log", "md", "pdf", "py", "rtf"),
        *("toml", "txt", "xml", "yaml", "yml", "zip"),
    )
)


def read_character(
    path: str | Path, name: str, noun: str = "character", notify: Notify = ignore
) -> Character:
    """Read every drawing in the folder at `path`, in the order of their file names.

    PNG, JPEG and WebP are read, turned as their EXIF says, and laid over white paper; transparency becomes
    the drawing's mask; a side longer than 2048 px is scaled down. Captions come from `captions.csv` (columns
    file, caption). A file that cannot be read is named in a `Note` and left out.
    Raises `UserError` for a folder without drawings or with more than 50, and for captions of no file.
    """
    folder = Path(path)
    files = _image_files(folder)
    captions = _read_captions(folder, files)
    drawings: list[Drawing] = []
    for file, image in _open_images(files, notify):
        if len(drawings) == MAX_DRAWINGS:
            raise UserError(
                f"{folder} holds more than {MAX_DRAWINGS} drawings: keep those that show the character best."
            )
        pixels, mask = image
        drawings.append(Drawing(file, pixels, captions.get(file.name, ""), mask))
    if not drawings:
        raise UserError(f"No drawing in {folder} can be read: put PNG, JPEG or WebP files there.")
    return Character(_said(name, "name"), _said(noun, "noun"), tuple(drawings))


def _said(text: str, what: str) -> str:
    """`text` on one line without spaces around it, or the user's mistake."""
    words = " ".join(text.split())
    if not words:
        raise UserError(f"The character's {what} is empty: give it one.")
    return words


def _image_files(folder: Path) -> list[Path]:
    """The files in the folder that may be drawings, sorted by name."""
    if not folder.exists():
        raise UserError(f"There is no folder {folder}: give the folder that holds your drawings.")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: give the folder that holds your drawings.")
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file() and _may_be_image(file))
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if not files:
        raise UserError(f"{folder} holds no drawing: put PNG, JPEG or WebP files there.")
    return files


def _may_be_image(file: Path) -> bool:
    return not file.name.startswith(".") and file.suffix.lower() not in NOT_IMAGES


def _open_images(files: list[Path], notify: Notify) -> Iterator[tuple[Path, tuple[Pixels, Pixels | None]]]:
    """Each readable file with its pixels and mask; the others are named in a note."""
    for file in files:
        try:
            yield file, read_image(file)
        except UserError as error:
            notify(Note(f"{file.name} is left out: {error}"))


def read_image(file: Path) -> tuple[Pixels, Pixels | None]:
    """Read one picture as (height, width, 3) RGB over white paper and its (height, width) mask, if any.

    Raises `UserError` where the file is no readable PNG, JPEG or WebP, is too large, or shows nothing.
    """
    try:
        with warnings.catch_warnings():
            # A few kilobytes can claim gigapixels; Pillow only warns at first.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as opened:
                image = _in_tones(ImageOps.exif_transpose(opened))
                image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
                return _over_paper(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UserError(f"it has more than {Image.MAX_IMAGE_PIXELS} pixels; save it smaller.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError("it cannot be read as PNG, JPEG or WebP; save it again as one of them.") from error


def _in_tones(image: Image.Image) -> Image.Image:
    """Palettes and two-tone scans in full colours, because Pillow would scale them without smoothing."""
    if image.mode == "1":
        return image.convert("RGBA" if image.has_transparency_data else "L")
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _over_paper(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    """RGB over white, and the alpha channel as the mask where anything is transparent."""
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip instead of scaling
        grey = (np.asarray(image, np.uint32) // 257).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(grey)
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB")), None
    layers = image.convert("RGBA")
    mask = np.asarray(layers.getchannel("A"))
    if not mask.any():
        raise UserError("it is wholly transparent; save it with the character visible.")
    paper = Image.new("RGBA", layers.size, "white")
    pixels = np.asarray(Image.alpha_composite(paper, layers).convert("RGB"))
    return pixels, None if (mask == 255).all() else mask


def _read_captions(folder: Path, files: list[Path]) -> dict[str, str]:
    """Captions by file name from `captions.csv`; none where there is no such file."""
    path = folder / CAPTIONS_FILE
    if not path.exists():
        return {}
    captions: dict[str, str] = {}
    names = {file.name for file in files}
    for file, caption in _caption_rows(path):
        if file not in names:
            raise UserError(f"{path} has a caption for {file!r}, which is no drawing there: mend the name.")
        if file in captions:
            raise UserError(f"{path} has two captions for {file!r}: keep one.")
        captions[file] = caption
    return captions


def _caption_rows(path: Path) -> list[tuple[str, str]]:
    """The rows (file, caption) of a table with commas or, as some spreadsheets write it, semicolons."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: save it as a CSV file in UTF-8.") from error
    first_line = text.partition("\n")[0]
    delimiter = ";" if ";" in first_line and "," not in first_line else ","
    table = csv.DictReader(io.StringIO(text), delimiter=delimiter, restval="", skipinitialspace=True)
    try:
        rows = list(table)
    except csv.Error as error:
        raise UserError(
            f"{path} is no CSV table ({error}): save it with the columns file,caption."
        ) from error
    if not {"file", "caption"} <= set(table.fieldnames or ()):
        raise UserError(f"{path} lacks the columns file,caption: name them in its first line.")
    return [(row["file"].strip(), _whole_caption(row, path)) for row in rows if row["file"].strip()]


def _whole_caption(row: dict[str | None, str | list[str]], path: Path) -> str:
    """The caption on one line, with what stands behind commas that nobody put into quotes."""
    cells = row.get(None, [])
    extra = [cell for cell in cells if cell.strip()]
    if extra and list(row)[-2] != "caption":
        raise UserError(f"{path} has more cells for {row['file']!r} than columns: put its caption in quotes.")
    return ", ".join(" ".join(cell.split()) for cell in (str(row["caption"]), *extra))
