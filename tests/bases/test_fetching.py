"""Bases by name, from a Hub of our own, from the disk without it, and from folders that are not whole."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from tests.fake_hub import FakeHub, serving
from tests.toy_base import make_toy_base
from understudy.bases.catalog import hash_base
from understudy.bases.choosing.known import find_known
from understudy.bases.fetching import fetch
from understudy.bases.fetching.fetch import fetch_base, fetch_texts, fetch_vae, find_fetched, find_on_disk
from understudy.bases.fetching.needed_files import choose_files, variant_of, what_is_missing
from understudy.bases.fetching.packaged import PACKAGED
from understudy.bases.recommended import suited_knobs
from understudy.domain import UserError
from understudy.events import Event, Note, Step
from understudy.hub import Hub, HubFile

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
TOY = "somebody/toy"


def files_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """A base with all that repositories keep beside what is needed."""
    folder = make_toy_base(tmp_path_factory.mktemp("repository") / "toy")
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipe.to(dtype=torch.float16).save_pretrained(folder, variant="fp16")
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    extra = {
        "README.md": b"about it",
        "whole.safetensors": b"all in one",
        "unet/diffusion_pytorch_model.bin": b"a pickle",
        "unet/diffusion_pytorch_model.non_ema.safetensors": b"another variant",
        "unet/model.onnx": b"another format",
        "safety_checker/model.safetensors": b"never loaded",
        "vae_1_0/diffusion_pytorch_model.safetensors": b"no part of it",
    }
    return files_of(folder) | extra


@pytest.fixture
def fake(repository: Mapping[str, bytes]) -> Iterator[FakeHub]:
    vae = {name.removeprefix("vae/"): content for name, content in repository.items() if name[:4] == "vae/"}
    vae |= {"sdxl_vae.safetensors": b"the same again", "diffusion_pytorch_model.bin": b"a pickle"}
    with serving(FakeHub({TOY: repository, SDXL: repository, "madebyollin/sdxl-vae-fp16-fix": vae})) as hub:
        yield hub


def test_only_what_is_needed_is_fetched_in_one_precision_and_diffusers_loads_it(
    fake: FakeHub, tmp_path: Path
) -> None:
    events: list[Event] = []
    hub = Hub(fake.url, tmp_path)
    folder = fetch_base(TOY, events.append, hub)
    names = sorted(files_of(folder))
    assert [name for name in names if name.endswith((".safetensors", ".bin", ".onnx"))] == [
        "text_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ]
    assert {"unet/config.json", "tokenizer/tokenizer_config.json", "model_index.json"} <= set(names)
    assert not any(name.startswith(("safety_checker", "vae_1_0", "README")) for name in names)
    assert what_is_missing(folder) == ""
    variant = variant_of(folder)
    assert variant == "fp16"
    StableDiffusionPipeline.from_pretrained(
        folder, variant=variant, safety_checker=None, local_files_only=True, use_safetensors=True
    )
    assert isinstance(events[0], Note)
    assert isinstance(events[-1], Step)
    assert events[-1].phase == f"fetching {TOY}"
    whole = hash_base(folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"of another tool")
    assert (what_is_missing(folder), variant_of(folder), hash_base(folder)) == ("", "fp16", whole)


def test_what_is_here_is_found_without_the_hub(fake: FakeHub, tmp_path: Path) -> None:
    known = find_known("sdxl")
    assert known is not None
    hub = Hub(fake.url, tmp_path)
    assert find_fetched(known, hub) is None
    folder = fetch_base("sdxl", hub=hub)
    asked = fake.asked
    unreachable = Hub("http://127.0.0.1:9", tmp_path)
    assert fetch_base("sdxl", hub=unreachable) == folder
    assert fetch_base(SDXL.upper(), hub=unreachable) == folder
    assert fetch_base(f"https://huggingface.co/{TOY}", hub=hub) != folder
    assert find_fetched(known, unreachable) == folder
    assert fetch_texts(known, hub=unreachable) == folder
    vae = fetch_vae(known, hub=unreachable)
    assert vae is not None
    assert sorted(files_of(vae)) == ["config.json", "diffusion_pytorch_model.safetensors"]
    assert fake.asked > asked


def test_without_the_hub_a_whole_base_goes_on_with_its_own_autoencoder(fake: FakeHub, tmp_path: Path) -> None:
    folder = fetch_base("sdxl", hub=Hub(fake.url, tmp_path))
    shutil.rmtree(tmp_path / "models--madebyollin--sdxl-vae-fp16-fix")
    events: list[Event] = []
    assert fetch_base("sdxl", events.append, Hub("http://127.0.0.1:9", tmp_path)) == folder
    [note] = events
    assert isinstance(note, Note)
    assert "Going on with the autoencoder of sdxl itself" in note.text


def test_what_lies_on_the_disk_is_found_by_any_name(fake: FakeHub, tmp_path: Path, toy_base: Path) -> None:
    hub = Hub(fake.url, tmp_path)
    names = ("sdxl", TOY, "nowhere", str(tmp_path / "model.safetensors"))
    assert [find_on_disk(name, hub) for name in names] == [None] * 4
    assert fake.asked == 0
    assert find_on_disk(str(toy_base), hub) == toy_base
    assert find_on_disk("Puppet", hub) == PACKAGED["puppet"]
    folder = fetch_base(TOY, hub=hub)
    assert find_on_disk(TOY, hub) == folder


def test_broken_download_is_one_sentence_and_the_same_command_goes_on(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # what the library waits before it tries again
    hub = Hub(fake.url, tmp_path)
    broken = "unet/diffusion_pytorch_model.fp16.safetensors"
    fake.cut_short.add(broken)
    with pytest.raises(UserError, match=r"broke off .*give the same command again; what has come stays"):
        fetch_base(TOY, hub=hub)
    assert capfd.readouterr().err == ""
    known_whole = set(fake.fetched) - {broken}
    fake.cut_short.clear()
    fake.fetched.clear()
    assert what_is_missing(fetch_base(TOY, hub=hub)) == ""
    assert broken in fake.fetched
    assert not known_whole & set(fake.fetched)


def test_half_a_download_is_not_taken_for_a_base(fake: FakeHub, tmp_path: Path) -> None:
    known = find_known("sdxl")
    assert known is not None
    hub = Hub(fake.url, tmp_path)
    texts = fetch_texts(known, hub=hub)
    assert not any(name.endswith(".safetensors") for name in files_of(texts))
    assert find_fetched(known, hub) is None
    with pytest.raises(UserError, match="The Hub cannot be reached"):
        fetch_base("sdxl", hub=Hub("http://127.0.0.1:9", tmp_path))


def test_gated_repository_wants_its_licence_accepted_before_anything_long(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.gated = frozenset({TOY})
    fake.token_that_may = "hf_may"
    hub = Hub(fake.url, tmp_path)
    for token, says in (("", "wants its licence accepted"), ("hf_may_not", "may not read")):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(UserError, match=says):
            fetch_base(TOY, hub=hub)
    assert fake.fetched == []
    monkeypatch.setenv("HF_TOKEN", "hf_may")
    assert fetch_base(TOY, hub=hub).is_dir()


def test_names_that_are_none_and_repositories_that_are_no_base(fake: FakeHub, tmp_path: Path) -> None:
    hub = Hub(fake.url, tmp_path)
    for name in ("sdlx", "./toy", "a/b/c", "so me/toy", "owner/name.git", "a--b/c", "owner/name."):
        with pytest.raises(UserError, match=r"There is no base .*: give one of puppet, klein, sdxl"):
            fetch_base(name, hub=hub)
    assert fake.asked == 0
    with pytest.raises(UserError, match=r"could run code when it is opened"):
        fetch_base("models/any.ckpt", hub=hub)
    with pytest.raises(UserError, match="no model 'somebody/nothing'"):
        fetch_base("somebody/nothing", hub=hub)
    fake.repositories = {TOY: {"whole.safetensors": b"all in one"}}
    with pytest.raises(UserError, match=r"no base in diffusers' layout \(model_index.json is missing\)"):
        fetch_base(TOY, hub=hub)


def test_a_name_that_is_nearly_one_is_told_which(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no base 'kline' \(did you mean klein\?\): .* \.safetensors file"):
        fetch_base("kline", hub=Hub(cache=tmp_path))
    with pytest.raises(UserError, match="no base 'Flux2': give"):  # another version is no slip
        fetch_base("Flux2", hub=Hub(cache=tmp_path))


def test_puppet_and_folders_need_no_hub(toy_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(fetch, "list_files", never)
    assert fetch_base("puppet") == fetch_base("Puppet") == PACKAGED["puppet"]
    assert suited_knobs("lora", "Puppet") == {}
    assert fetch_base(str(toy_base)) == toy_base


def test_short_name_comes_before_a_folder_that_is_called_so(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_toy_base(tmp_path / "sdxl")
    hub = Hub(fake.url, tmp_path / "cache")
    assert "snapshots" in fetch_base("sdxl", hub=hub).parts
    assert fetch_base("./sdxl", hub=hub) == Path("sdxl")


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("model_index.json", "model_index.json is missing"),
        ("unet/diffusion_pytorch_model.safetensors", "no weights as .safetensors in unet/"),
        ("scheduler/scheduler_config.json", "scheduler/ is missing"),
    ],
)
def test_folder_that_is_not_whole_is_refused(tmp_path: Path, lost: str, says: str) -> None:
    folder = make_toy_base(tmp_path / "toy")
    (folder / lost).unlink()
    with pytest.raises(UserError, match=f"is (not whole|no base) .*{says}"):
        fetch_base(str(folder))


# ---------------------------------------------------------------- which files


INDEX = {
    "_class_name": "AnyPipeline",
    "transformer": ["diffusers", "AnyTransformer"],
    "text_encoder": ["transformers", "AnyModel"],
    "tokenizer": ["transformers", "AnyTokenizer"],
    "image_encoder": [None, None],
    "is_distilled": False,
}
PART = "transformer/diffusion_pytorch_model"
ENCODER = "text_encoder/model"


def chosen(*paths: str) -> list[str]:
    found = choose_files([HubFile(path, 1) for path in paths], INDEX, "somebody/something")
    return sorted(file.path for file in found)


def test_shards_come_with_their_index_and_a_variant_of_one_part_alone_is_left() -> None:
    shards = [f"{PART}-0000{number}-of-00002.safetensors" for number in (1, 2)]
    plain = [*shards, f"{PART}.safetensors.index.json", f"{ENCODER}.safetensors"]
    late = [f"{ENCODER}.fp16.safetensors", f"{ENCODER}.safetensors.index.fp16.json"]
    texts = ["tokenizer/chat_template.jinja", "tokenizer/merges.txt", "text_encoder/config.json"]
    assert chosen(*plain, *late, *texts, "tokenizer/spiece.model") == sorted([*plain, *texts])


def test_half_precision_is_chosen_where_all_parts_have_it() -> None:
    half = [
        f"{PART}.fp16-00001-of-00001.safetensors",
        f"{PART}.safetensors.index.fp16.json",
        f"{ENCODER}.fp16.safetensors",
    ]
    assert chosen(*half, f"{PART}.safetensors", f"{ENCODER}.safetensors") == sorted(half)


def test_part_with_pickles_alone_is_refused() -> None:
    with pytest.raises(UserError, match=r"no weights as \.safetensors in text_encoder/"):
        chosen(f"{PART}.safetensors", "text_encoder/pytorch_model.bin")


def test_missing_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"transformer": INDEX["transformer"]}))
    folder = tmp_path / "transformer"
    folder.mkdir()
    names = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    (folder / names[0]).touch()
    assert what_is_missing(tmp_path) == "transformer/the index of its .safetensors files is missing"
    index = {"weight_map": {"a": names[0], "b": names[1]}}
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    assert what_is_missing(tmp_path) == f"transformer/{names[1]} is missing"
    (folder / names[1]).symlink_to(tmp_path / "never fetched")
    assert what_is_missing(tmp_path) == f"transformer/{names[1]} is missing"
    (folder / names[1]).unlink()
    (folder / names[1]).touch()
    assert what_is_missing(tmp_path) == ""
