"""What the Hub's library raises, as one sentence; a token found where it is kept, and told to nobody."""

from __future__ import annotations

import errno
import shutil
import sys
import types
from collections import namedtuple
from pathlib import Path

import httpx2
import huggingface_hub
import pytest
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

from tests.fake_hub import COMMIT, FakeHub, serving
from understudy.domain import UserError
from understudy.events import Cancelled, Event, Step
from understudy.hub import Hub, HubFile, Listing, download, find_cached, find_token, list_files
from understudy.hub_errors import explain

REPOSITORY = "somebody/something"
URL = f"https://huggingface.co/{REPOSITORY}"
ONE = Listing(REPOSITORY, COMMIT, (HubFile("a.bin", 3),))


def answer(kind: type[HfHubHTTPError], status: int) -> HfHubHTTPError:
    response = httpx2.Response(status, request=httpx2.Request("GET", URL))
    return kind("what the library says\nover two lines", response=response)


def not_here(cause: Exception | None) -> LocalEntryNotFoundError:
    error = LocalEntryNotFoundError("cannot find it on the disk")
    error.__cause__ = cause
    return error


ERRORS: list[tuple[BaseException, bool, str]] = [
    (answer(GatedRepoError, 401), False, f"accepted: do so at {URL}, make a token"),
    (answer(GatedRepoError, 403), True, f"accept its licence at {URL} with the account"),
    (answer(GatedRepoError, 401), False, "type export HF_TOKEN=YOUR_TOKEN"),
    (answer(RepositoryNotFoundError, 404), False, f"no model '{REPOSITORY}'"),
    (answer(RepositoryNotFoundError, 401), False, f"no model '{REPOSITORY}'"),
    (answer(RepositoryNotFoundError, 401), True, "does not accept the token"),
    (answer(HfHubHTTPError, 401), True, "does not accept the token"),
    (answer(HfHubHTTPError, 403), True, "the right to read gated repositories"),
    (answer(DisabledRepoError, 403), False, "closed"),
    (answer(RevisionNotFoundError, 404), False, "is empty"),
    (answer(HfHubHTTPError, 503), False, "error 503: wait a while"),
    (answer(HfHubHTTPError, 429), True, "error 429: wait a while"),
    (EntryNotFoundError("gone"), False, "is gone from the Hub"),
    (OfflineModeIsEnabled("offline"), False, "type unset HF_HUB_OFFLINE"),
    (httpx2.ConnectError("no route"), False, "cannot be reached"),
    (httpx2.ProxyError("no proxy"), False, "cannot be reached"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), False, "cannot be reached"),
    (httpx2.ConnectTimeout("slow"), False, "not answered in time"),
    (httpx2.ReadTimeout("slow"), True, "not answered in time"),
    (TimeoutError("slow"), False, "not answered in time"),
    (OSError(errno.ENOSPC, "No space left on device"), False, "The disk is full"),
    (OSError(errno.EDQUOT, "quota"), False, "The disk is full"),
    (RuntimeError("Data processing error: IO Error: No space left on device"), False, "The disk is full"),
    (RuntimeError("Data processing error: CAS service error"), False, "broke off (Data processing error"),
    (OSError("Consistency check failed: file should be of size 5"), False, "broke off (Consistency check"),
    (httpx2.RemoteProtocolError("peer closed"), False, "broke off (peer closed)"),
    (not_here(None), False, "cannot be reached"),
    (not_here(httpx2.ReadTimeout("slow")), False, "not answered in time"),
    (not_here(answer(HfHubHTTPError, 500)), False, "error 500"),
]


@pytest.mark.parametrize(
    ("error", "has_token", "says"), ERRORS, ids=[f"{type(one).__name__}-{says}" for one, _, says in ERRORS]
)
def test_every_error_is_one_sentence_that_says_what_to_do(
    error: BaseException, has_token: bool, says: str
) -> None:
    sentence = str(explain(error, REPOSITORY, has_token))
    assert says in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert any(word in sentence for word in ("same command", "choose", "mend", "set HF_TOKEN"))


def test_what_breaks_off_says_that_the_rest_stays() -> None:
    for error in (httpx2.ReadTimeout("slow"), RuntimeError("broken"), OSError(errno.ENOSPC, "full")):
        assert "give the same command again; what has come stays" in str(explain(error, REPOSITORY, False))


# ---------------------------------------------------------------- tokens


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)


def with_module(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    module = types.ModuleType(name)
    for member, value in members.items():
        setattr(module, member, value)
    monkeypatch.setitem(sys.modules, name, module)


def secret(name: str) -> str:
    assert name == "HF_TOKEN"
    return " hf_secret\n"


def refusing(name: str) -> str:
    raise PermissionError(name)


class Kaggle:
    """As kaggle_secrets.UserSecretsClient."""

    def get_secret(self, name: str) -> str:
        return secret(name)


@pytest.mark.usefixtures("no_token")
def test_token_is_found_in_each_of_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_token() is None
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_login")
    assert find_token() == "hf_login"
    with_module(monkeypatch, "google.colab.userdata", get=refusing)
    assert find_token() == "hf_login"
    with_module(monkeypatch, "google.colab.userdata", get=secret)
    assert find_token() == "hf_secret"
    with_module(monkeypatch, "kaggle_secrets", UserSecretsClient=Kaggle)
    assert find_token() == "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    assert find_token() == "hf_environment"


def test_token_goes_to_the_hub_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    token = "hf_thisIsVerySecret"
    monkeypatch.setenv("HF_TOKEN", token)
    events: list[Event] = []
    gated = frozenset({REPOSITORY, "somebody/other"})
    files = {REPOSITORY: {"a.bin": b"abc"}, "somebody/other": {"a.bin": b"abc"}}
    with serving(FakeHub(files, gated, token)) as fake:
        hub = Hub(fake.url, tmp_path)
        download(list_files(REPOSITORY, hub), ONE.files, hub, "fetching", events.append)
        assert fake.tokens == {f"Bearer {token}"}
        monkeypatch.setenv("HF_TOKEN", token + "Not")
        with pytest.raises(UserError) as refused:
            download(list_files("somebody/other", hub), ONE.files, hub, "fetching", events.append)
    out, err = capfd.readouterr()
    assert token not in f"{events} {out} {err} {refused.value} {hub}"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not any(token.encode() in path.read_bytes() for path in written)


# ---------------------------------------------------------------- downloads


def test_download_asks_for_room_before_it_fetches_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(9e9, 6e9, 3_000_000_000))
    large = Listing(REPOSITORY, COMMIT, (HubFile("a.bin", 2_500_000_000),))
    with serving(FakeHub({REPOSITORY: {"a.bin": b"abc"}})) as fake:
        hub = Hub(fake.url, tmp_path / "not" / "there")
        with pytest.raises(UserError, match=r"needs 3\.5 GB, but only 3\.0 GB are free at .*HF_HOME"):
            download(large, large.files, hub, "fetching", lambda event: None)
        assert fake.asked == 0
        download(ONE, ONE.files, hub, "fetching", lambda event: None)


def test_what_has_come_is_neither_fetched_again_nor_counted(tmp_path: Path) -> None:
    both = Listing(REPOSITORY, COMMIT, (HubFile("a.bin", 3), HubFile("b.bin", 5_000_000)))
    content = {"a.bin": b"abc", "b.bin": bytes(5_000_000)}
    events: list[Event] = []
    with serving(FakeHub({REPOSITORY: content})) as fake:
        hub = Hub(fake.url, tmp_path)
        download(both, both.files[:1], hub, "first", events.append)
        assert find_cached(REPOSITORY, "a.bin", hub)
        assert not find_cached(REPOSITORY, "b.bin", hub)
        folder = download(both, both.files, hub, "all", events.append)
        assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.bin"]
        assert fake.fetched == ["a.bin", "b.bin"]
    assert events[-1] == Step("all", 5, 5)
    steps = [event for event in events if isinstance(event, Step) and event.phase == "all"]
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_listener_stops_a_download_and_it_goes_on_later(tmp_path: Path) -> None:
    listing = Listing(REPOSITORY, COMMIT, (HubFile("a.bin", 20_000_000),))

    def stop(event: Event) -> None:
        raise Cancelled

    with serving(FakeHub({REPOSITORY: {"a.bin": bytes(20_000_000)}})) as fake:
        hub = Hub(fake.url, tmp_path)
        with pytest.raises(Cancelled):
            download(listing, listing.files, hub, "fetching", stop)
        assert not find_cached(REPOSITORY, "a.bin", hub)
        download(listing, listing.files, hub, "fetching", lambda event: None)
        assert find_cached(REPOSITORY, "a.bin", hub)


def test_disk_that_fills_up_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fill(*args: object, **options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fill)
    with pytest.raises(UserError, match="The disk is full before all of"):
        download(ONE, ONE.files, Hub(None, tmp_path), "fetching", lambda event: None)


def test_unreachable_hub_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="The Hub cannot be reached"):
        list_files(REPOSITORY, Hub("http://127.0.0.1:9", tmp_path))
