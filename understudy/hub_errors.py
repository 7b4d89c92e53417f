"""What went wrong with the Hub, as one sentence that says what to type next."""

from __future__ import annotations

import errno

from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from understudy.domain import UserError

SITE = "https://huggingface.co"
AGAIN = "give the same command again; what has come stays"
FULL = (errno.ENOSPC, errno.EDQUOT)


def explain(error: BaseException, repository: str, has_token: bool) -> UserError:
    """The sentence for an error that the Hub's library raised about a repository."""
    return UserError(_sentence(error, repository, has_token))


def _sentence(error: BaseException, repository: str, has_token: bool) -> str:
    match error:
        case GatedRepoError() if has_token:
            return (
                f"Your token may not read {repository} yet: accept its licence at {SITE}/{repository} with "
                "the account that the token is of, then give the same command again."
            )
        case GatedRepoError():
            return (
                f"{repository} wants its licence accepted: do so at {SITE}/{repository}, make a token at "
                f"{SITE}/settings/tokens, then type export HF_TOKEN=YOUR_TOKEN (on Kaggle and Colab: add a "
                "secret named HF_TOKEN) and give the same command again."
            )
        case RepositoryNotFoundError() | HfHubHTTPError() if has_token and _status(error) == 401:
            return (
                f"The Hub does not accept the token in HF_TOKEN: make a new one at {SITE}/settings/tokens, "
                "set it and give the same command again."
            )
        case DisabledRepoError():
            return f"The Hub has closed {repository}: choose another base, understudy bases lists them."
        case RepositoryNotFoundError():
            return (
                f"There is no model {repository!r} on the Hub, or it is private: mend the name (understudy "
                "bases lists known ones), or set HF_TOKEN to a token that may read it."
            )
        case RevisionNotFoundError():
            return f"{repository} is empty on the Hub: choose another base, understudy bases lists them."
        case OfflineModeIsEnabled():
            return (
                f"{repository} is not on this disk, and HF_HUB_OFFLINE forbids to ask the Hub: type unset "
                "HF_HUB_OFFLINE and give the same command again."
            )
        case LocalEntryNotFoundError():
            cause = error.__cause__  # the library looks on the disk when the Hub fails, and says that
            return _sentence(cause, repository, has_token) if cause else _is_unreachable(repository)
        case EntryNotFoundError():
            return f"A file of {repository} is gone from the Hub: {AGAIN}."
        case HfHubHTTPError() if has_token and _status(error) == 403:
            return (
                f"Your token may not read {repository}: give it the right to read gated repositories at "
                f"{SITE}/settings/tokens, then give the same command again."
            )
        case HfHubHTTPError():
            return f"The Hub answers with error {_status(error)}: wait a while, then {AGAIN}."
    return _other_sentence(error, repository)


def _other_sentence(error: BaseException, repository: str) -> str:
    """For errors of HTTP libraries, of which the Hub's library has used three, of xet and of the disk."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    is_full = isinstance(error, OSError) and error.errno in FULL
    if is_full or "No space left on device" in str(error):  # xet says so within a RuntimeError
        return (
            f"The disk is full before all of {repository} has come: make room, or set HF_HOME to a folder on "
            f"a larger disk, then {AGAIN}."
        )
    if kinds & {"TimeoutException", "Timeout", "TimeoutError"}:
        return f"The Hub has not answered in time about {repository}: {AGAIN}."
    if kinds & {"NetworkError", "ProxyError", "ConnectionError"}:
        return _is_unreachable(repository)
    return f"Fetching {repository} broke off ({_first_line(error)}): {AGAIN}."


def _is_unreachable(repository: str) -> str:
    return (
        f"The Hub cannot be reached, and {repository} is not whole on this disk: check the connection, "
        f"then {AGAIN}."
    )


def _status(error: BaseException) -> int:
    return int(error.response.status_code) if isinstance(error, HfHubHTTPError) else 0


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
