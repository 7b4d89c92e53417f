"""Where the drawings lie: folders, single files and zips, each as a shelf of files that are sorted out."""

from __future__ import annotations

import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from understudy.domain import UserError
from understudy.runs import StrPath

Sources: TypeAlias = StrPath | Sequence[StrPath]
TABLES = ("captions.csv", "metadata.jsonl", "metadata.csv")
RIGHTS_FILE = "rights.toml"
MASKS_FOLDER = "masks"
MASK_ENDING = ".mask"
MAX_FILE_BYTES = 2**29
MAX_UNPACKED_BYTES = 2**30
MAX_FILES = 10_000
NOT_DRAWINGS = frozenset(
    f".{ending}"
    for ending in (
        *("csv", "db", "doc", "docx", "htm", "html", "ini", "json", "jsonl", "lnk", "log", "md", "odt", "py"),
        *("rtf", "toml", "txt", "xls", "xlsx", "xml", "yaml", "yml", "zip"),
    )
)
OF_SYSTEMS = frozenset({"desktop.ini", "thumbs.db", "__macosx"})


@dataclass(frozen=True)
class File:
    """A file on the disk or, with an `archive`, in a zip: `path` is for people, `name` within its shelf."""

    path: Path
    name: str
    archive: Path | None = None
    member: str = ""

    @property
    def stem(self) -> str:
        """The name without folder and ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending, in small letters."""
        return PurePosixPath(self.name).suffix.lower()

    def read(self) -> bytes:
        """All of its bytes; raises `UserError` with the rest of a sentence that begins with its name."""
        try:
            if self.archive is None:
                if self.path.stat().st_size > MAX_FILE_BYTES:
                    raise UserError(f"it is larger than {MAX_FILE_BYTES >> 20} MB; save it smaller.")
                return self.path.read_bytes()
            with zipfile.ZipFile(self.archive) as packed, packed.open(self.member) as member:
                # No more than the zip declares, which `open_shelves` has bounded, whatever is packed.
                return member.read(packed.getinfo(self.member).file_size)
        except FileNotFoundError as error:
            raise UserError("it is not there; give the file's right name.") from error
        except IsADirectoryError as error:
            raise UserError("it is a folder; give a file in it.") from error
        except OSError as error:
            raise UserError(f"it cannot be opened ({error.strerror}); check its permissions.") from error
        except RuntimeError as error:  # zipfile's word for a password, and for an unknown compression
            raise UserError(
                "it is packed with a password or in a rare way; pack it again without."
            ) from error
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
            raise UserError("it is damaged in its zip; pack it again.") from error


@dataclass(frozen=True)
class Shelf:
    """Files that lie together: what may be drawings in order of names, what goes with them, and the rest.

    `companions` are captions and masks by name. `is_whole` is False where single files were asked for.
    `others` are the names of what is no drawing, `folders` those of sub-folders, which are not read.
    """

    place: Path
    drawings: tuple[File, ...]
    companions: Mapping[str, File]
    is_whole: bool
    others: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def open_shelves(sources: Sources) -> list[Shelf]:
    """A shelf for each folder and zip, and for each folder of which single files are given.

    A folder, also in a zip, that holds nothing but one folder stands for that one. Raises `UserError` for a
    path that is not there, cannot be read, or holds no drawing, and for a zip that would unpack to too much.
    """
    several = (sources,) if isinstance(sources, (str, os.PathLike)) else sources
    paths = [Path(source) for source in several]
    if not paths:
        raise UserError("No drawing is given: give a folder, files or a zip.")
    shelves: list[Shelf] = []
    single: dict[Path, list[Path]] = {}
    for path in paths:
        match _kind(path):
            case "folder":
                shelves.append(_folder_shelf(path))
            case "zip":
                shelves.append(_zip_shelf(path))
            case _:
                single.setdefault(path.parent, []).append(path)
    shelves += [_files_shelf(folder, files) for folder, files in single.items()]
    if not any(shelf.drawings for shelf in shelves):
        raise UserError(_nothing_in(shelves))
    return shelves


def _nothing_in(shelves: list[Shelf]) -> str:
    first = shelves[0]
    if first.folders:
        return (
            f"{first.place} holds no drawing itself, but folders ({_few(first.folders)}): give one of them."
        )
    if first.others and not first.is_whole:
        return f"{_few(first.others)} is no picture: give PNG, JPEG or other picture files, or their folder."
    return f"{first.place} holds no drawing: put PNG, JPEG or other picture files there."


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"There is no folder or file {path}: give the folder that holds your drawings."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{str(path)[:80]} cannot be read ({_reason(error)}): give another path.") from error
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is neither a folder nor a file: give the folder that holds your drawings.")
    return "zip" if path.suffix.lower() == ".zip" else "file"


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


# ---------------------------------------------------------------- folders and files


def _folder_shelf(folder: Path) -> Shelf:
    folder = _innermost(folder)
    entries = _listed(folder)
    files = [File(entry, entry.name) for entry in entries if entry.is_file()]
    folders = [entry.name for entry in entries if entry.is_dir() and entry.name != MASKS_FOLDER]
    strange = [entry.name for entry in entries if not entry.is_file() and not entry.is_dir()]
    return _sort_out(folder, [*files, *_masks_beside(folder)], folders, strange, is_whole=True)


def _innermost(folder: Path) -> Path:
    """The folder, or the one in it where it holds nothing else."""
    entries = _listed(folder)
    while len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
        folder = entries[0]
        entries = _listed(folder)
    return folder


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not _is_hidden(entry.name))
    except OSError as error:
        raise UserError(
            f"The folder {folder} cannot be read ({error.strerror}): check its permissions."
        ) from error


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in OF_SYSTEMS


def _masks_beside(folder: Path) -> list[File]:
    masks = folder / MASKS_FOLDER
    if not masks.is_dir():
        return []
    return [File(entry, f"{MASKS_FOLDER}/{entry.name}") for entry in _listed(masks) if entry.is_file()]


def _files_shelf(folder: Path, given: list[Path]) -> Shelf:
    """The given files with what lies beside them and goes with them."""
    beside = [File(entry, entry.name) for entry in _listed(folder) if entry.is_file() and entry not in given]
    companions = [file for file in beside if _is_companion(file, {path.stem for path in given})]
    files = [File(path, path.name) for path in given]
    return _sort_out(folder, [*files, *companions, *_masks_beside(folder)], [], [], is_whole=False)


# ---------------------------------------------------------------- zips


def _zip_shelf(path: Path) -> Shelf:
    """A zip's files, read in place: nothing is unpacked to the disk, so no name in it can point elsewhere."""
    try:
        with zipfile.ZipFile(path) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} cannot be read as a zip: pack the drawings again.") from error
    if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise UserError(
            f"{path} would unpack to more than {MAX_FILES:,} files or {MAX_UNPACKED_BYTES >> 30} GB: "
            "pack only the drawings."
        )
    inner = {PurePosixPath(member.filename): member for member in members if not _is_outside(member.filename)}
    outside = [member.filename for member in members if _is_outside(member.filename)]
    shown = {name: member for name, member in inner.items() if not any(map(_is_hidden, name.parts))}
    root = _common_folder(shown)
    files, folders = [], set()
    for name, member in shown.items():
        relative = name.relative_to(root)
        if len(relative.parts) == 1 or (len(relative.parts) == 2 and relative.parts[0] == MASKS_FOLDER):
            files.append(File(path / name, str(relative), path, member.filename))
        else:
            folders.add(relative.parts[0])
    files.sort(key=lambda file: file.name)
    return _sort_out(path, files, sorted(folders), outside, is_whole=True)


def _is_outside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or not path.parts


def _common_folder(names: Iterable[PurePosixPath]) -> PurePosixPath:
    """The folder below which all of them lie, as deep as it goes without other files beside it."""
    folders = [name.parts[:-1] for name in names]
    common: list[str] = []
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1 or level[0] == MASKS_FOLDER:
            break
        common.append(level[0])
    return PurePosixPath(*common)


# ---------------------------------------------------------------- drawings, companions, others


def _sort_out(
    place: Path, files: list[File], folders: list[str], strange: list[str], is_whole: bool
) -> Shelf:
    may_be = [file for file in files if _may_be_drawing(file)]
    stems = {file.stem for file in may_be}
    companions = {file.name: file for file in files if file not in may_be and _is_companion(file, stems)}
    others = [file.name for file in files if file not in may_be and file.name not in companions]
    if not is_whole:  # the whole folder of masks was looked into, for a few of its drawings
        others = [name for name in others if not name.startswith(f"{MASKS_FOLDER}/")]
    return Shelf(place, tuple(may_be), companions, is_whole, (*others, *strange), tuple(folders))


def _may_be_drawing(file: File) -> bool:
    is_mask = "/" in file.name or file.stem.endswith(MASK_ENDING)
    return not is_mask and not _is_hidden(file.name) and file.suffix not in NOT_DRAWINGS


def _is_companion(file: File, stems: set[str]) -> bool:
    """Whether it says something about the drawings with these stems."""
    if "/" in file.name:
        return file.stem in stems
    if file.stem.endswith(MASK_ENDING):
        return file.stem.removesuffix(MASK_ENDING) in stems
    return file.name in (*TABLES, RIGHTS_FILE) or (file.suffix == ".txt" and file.stem in stems)
