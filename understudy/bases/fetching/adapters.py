"""Getting one file of a repository: a LoRA. What is on the disk is used without asking the Hub."""

from __future__ import annotations

from pathlib import Path

from understudy.bases.fetching.fetch import OWN
from understudy.domain import UserError
from understudy.events import Notify, ignore
from understudy.hub import Hub, download, find_cached, list_files


def fetch_file(repository: str, file: str, notify: Notify = ignore, hub: Hub = OWN) -> Path:
    """Where a file of a repository lies, fetched if need be and told of as `Step`s in MB.

    Raises `UserError` where the repository has no such file, and for something wrong with the Hub.
    """
    here = find_cached(repository, file, hub)
    if here is not None:
        return here
    listing = list_files(repository, hub)
    found = [one for one in listing.files if one.path == file]
    if not found:
        raise UserError(f"{repository} no longer has {file}: fetch it elsewhere and give its path.")
    return download(listing, found, hub, f"fetching {repository}", notify) / file
