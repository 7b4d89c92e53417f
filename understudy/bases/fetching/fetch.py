"""Getting a base: by its short name, from a repository of the Hub, from a folder, or from one file.

What is on the disk whole is used as it is, without asking the Hub: a run goes on with what it began with.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

from understudy.bases.choosing.known import KNOWN, KnownBase, find_known
from understudy.bases.choosing.refused import find_refused, say_refused
from understudy.bases.fetching.needed_files import (
    INDEX_FILE,
    choose_files,
    choose_texts,
    read_index,
    what_is_missing,
)
from understudy.bases.fetching.packaged import PACKAGED
from understudy.bases.fetching.single_file import PICKLES, recognise
from understudy.bases.layouts import LAYOUTS, find_layout, find_other_part
from understudy.domain import UserError
from understudy.events import Note, Notify, ignore
from understudy.hub import Hub, Listing, download, find_cached, is_repository, list_files

REPOSITORY = re.compile(r"(https://(huggingface\.co|hf\.co)/)?(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)/?")
VAE_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
OPTIONAL = tuple(part for layout in LAYOUTS for part in layout.optional)
"""What people leave out of a folder of their own to save memory."""
OWN = Hub()


def fetch_base(name: str, notify: Notify = ignore, hub: Hub = OWN) -> Path:
    """The folder in diffusers' layout of a base: a short name, a repository (owner/name), a folder or a file.

    What is not on the disk is fetched, the autoencoder that it is better used with as well, and told of as
    `Step`s in MB. Raises `UserError`: no such base, a folder that is not whole, something wrong with the Hub.
    """
    known = find_known(name)
    is_short = known is not None and "/" not in name  # as "puppet" is before a folder that is called so
    if known is not None and is_short and known.name in PACKAGED:
        return PACKAGED[known.name]
    folder = Path(name).expanduser()
    if folder.is_dir() and not is_short:
        return _whole(folder, OPTIONAL)
    if folder.suffix.lower() in (".safetensors", *PICKLES):
        from understudy.bases.fetching.converting import (
            open_single_file,  # which needs torch, and this module
        )

        return open_single_file(folder, notify=notify, hub=hub)
    if known is None:
        return _fetch_repository(_read_repository(name), hub, notify)
    here = find_fetched(known, hub)
    try:
        fetched = here or _fetch_repository(known.repository, hub, notify)
        fetch_vae(known, notify, hub)
    except UserError as error:
        if here is None:
            raise
        notify(Note(f"Going on with the autoencoder of {known.name} itself: {error}"))
        return here
    return fetched


def fetch_vae(known: KnownBase, notify: Notify = ignore, hub: Hub = OWN) -> Path | None:
    """The folder of the autoencoder that a base is better used with, or None where its own is."""
    repository = known.vae_repository
    if not repository:
        return None
    config, weights = (find_cached(repository, file, hub) for file in VAE_FILES)
    if config is not None and weights is not None:
        return config.parent
    listing = list_files(repository, hub)
    files = [file for file in listing.files if file.path in VAE_FILES]
    return download(listing, files, hub, f"fetching {repository}", notify)


def fetch_configs(name: str, notify: Notify = ignore, hub: Hub = OWN) -> Path:
    """A folder with at least all but the weights, a few MB, of a base as in `fetch_base`.

    So that what can be said of a base is said before its weights are fetched. Of one file they are those of
    the known base that it is a kind of. Raises `UserError` as `fetch_base` does.
    """
    here = find_on_disk(name, hub)
    if here is not None:
        return here
    known, path = find_known(name), Path(name).expanduser()
    if known is not None and is_in_the_hub(name):
        return fetch_texts(known, notify, hub)
    if path.is_dir():
        return _whole(path, OPTIONAL)
    if path.suffix.lower() in (".safetensors", *PICKLES):
        return fetch_texts(recognise(path), notify, hub)
    return _fetch_texts(_read_repository(name), hub, notify)


def fetch_texts(known: KnownBase, notify: Notify = ignore, hub: Hub = OWN) -> Path:
    """The same of a known base."""
    return find_fetched(known, hub) or _fetch_texts(known.repository, hub, notify)


def find_fetched(known: KnownBase, hub: Hub = OWN) -> Path | None:
    """Where a known base lies on the disk, if it is there whole; the Hub is not asked."""
    return PACKAGED.get(known.name) or _find_whole(known.repository, hub)


def find_on_disk(name: str, hub: Hub = OWN) -> Path | None:
    """Where a base as in `fetch_base` lies, if it is on the disk whole; the Hub is not asked."""
    known, folder = find_known(name), Path(name).expanduser()
    if known is not None and is_in_the_hub(name):
        return find_fetched(known, hub)
    if folder.is_dir():
        return None if what_is_missing(folder, left_out=OPTIONAL) else folder
    if folder.suffix.lower() == ".safetensors":
        from understudy.bases.fetching.converting import find_converted  # which needs torch, and this module

        return find_converted(folder, hub)
    repository = _match_repository(name)
    return _find_whole(repository, hub) if repository else None


def is_in_the_hub(name: str) -> bool:
    """Whether a name is a short one, or a repository's, and not a folder or a file on the disk."""
    known = find_known(name)
    if known is not None:
        return "/" not in name or not Path(name).is_dir()
    return _match_repository(name) is not None and not Path(name).expanduser().exists()


def find_better_vae(folder: Path, hub: Hub = OWN) -> Path | None:
    """The autoencoder to take instead of that in a fetched base's folder, if it was fetched as well."""
    repository = folder.parent.parent.name.removeprefix("models--").replace("--", "/")
    known = find_known(repository)
    if known is None or not known.vae_repository:
        return None
    config, weights = (find_cached(known.vae_repository, file, hub) for file in VAE_FILES)
    return config.parent if config is not None and weights is not None else None


def _fetch_repository(repository: str, hub: Hub, notify: Notify) -> Path:
    here = _find_whole(repository, hub)
    if here is not None:
        return here
    listing = list_files(repository, hub)
    files = choose_files(listing.files, _fetch_index(listing, hub), repository)
    size = sum(file.size for file in files) / 1e9
    notify(Note(f"{repository}: {size:.1f} GB, kept in {hub.folder}."))
    return _whole(download(listing, files, hub, f"fetching {repository}", notify))


def _fetch_texts(repository: str, hub: Hub, notify: Notify) -> Path:
    try:
        listing = list_files(repository, hub)
    except UserError:
        texts = _find_whole(repository, hub, but_weights=True)
        if texts is None:
            raise
        return texts
    files = choose_texts(listing.files, _fetch_index(listing, hub))
    return download(listing, files, hub, f"fetching the configs of {repository}", notify)


def _fetch_index(listing: Listing, hub: Hub) -> Mapping[str, object]:
    index = [file for file in listing.files if file.path == INDEX_FILE]
    if not index:
        raise UserError(
            f"{listing.repository} is no base in diffusers' layout ({INDEX_FILE} is missing): give a "
            "repository that is, or fetch its .safetensors file yourself and give that."
        )
    found = read_index(download(listing, index, hub, "", ignore) / INDEX_FILE)
    _refuse_unknown(listing.repository, found)
    return found


def _refuse_unknown(repository: str, index: Mapping[str, object]) -> None:
    """As `catalog.read_layout` does of a folder, before tens of GB are fetched."""
    refused = find_refused(repository, index.get("_class_name"))
    if refused is not None:
        raise UserError(say_refused(refused))
    layout = find_layout(index)
    other = "" if layout is None else find_other_part(layout, index)
    if layout is None or other:
        has = f"{INDEX_FILE} has another {other}" if other else f"it is a {index.get('_class_name')}"
        raise UserError(
            f"{repository} is no base of a known family ({has}): choose another, understudy bases lists them."
        )


def _find_whole(repository: str, hub: Hub, but_weights: bool = False) -> Path | None:
    index = find_cached(repository, INDEX_FILE, hub)
    is_whole = index is not None and not what_is_missing(index.parent, but_weights)
    return index.parent if index is not None and is_whole else None


def _whole(folder: Path, left_out: Collection[str] = ()) -> Path:
    if not (folder / INDEX_FILE).is_file():
        raise UserError(
            f"{folder} is no base in diffusers' layout ({INDEX_FILE} is missing): give another folder."
        )
    lacking = what_is_missing(folder, left_out=left_out)
    if lacking:
        raise UserError(
            f"The base in {folder} is not whole ({lacking}): get it again, or give another folder."
        )
    return folder


def _read_repository(name: str) -> str:
    repository = _match_repository(name)
    if repository is None:
        names = [known.name for known in KNOWN]
        # Numbers are versions: flux2 is no slip for flux.
        of_version = [one for one in names if re.findall(r"\d", one) == re.findall(r"\d", name)]
        near = get_close_matches(name.lower(), of_version, n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(
            f"There is no base {name!r}{meant}: give one of {', '.join(names)}, a repository (owner/name), "
            "a folder or a .safetensors file."
        )
    refused = find_refused(repository)
    if refused is not None:  # before anybody accepts a licence for it
        raise UserError(say_refused(refused))
    return repository


def _match_repository(name: str) -> str | None:
    match = REPOSITORY.fullmatch(name)
    return match["name"] if match and is_repository(match["name"]) else None
