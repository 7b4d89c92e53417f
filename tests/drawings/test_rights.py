"""Rights are read where they are stated, carried along, and block only public uploads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.toy_character import make_recipe
from understudy.domain import NOT_STATED, Character, Rights, UserError
from understudy.drawings.keep import kept_character
from understudy.drawings.rights import RIGHTS_FILE, may_publish, read_rights
from understudy.methods import learn
from understudy.methods.adapters import WEIGHTS_FILE
from understudy.pictures import draw
from understudy.provenance import read_record
from understudy.recipes import DrawSettings, PromptOnly
from understudy.runs import MANIFEST_FILE, open_run

STATED = """
artist = "Zoë Müller"
licence = "CC-BY-4.0"
scope = "learning, and pictures for my page"
date = 2026-11-22
"""
ZOE = Rights("Zoë Müller", "CC-BY-4.0", "learning, and pictures for my page", "2026-11-22")


def test_what_is_stated_is_read(tmp_path: Path) -> None:
    (tmp_path / RIGHTS_FILE).write_text(STATED, encoding="utf-8")
    assert read_rights(tmp_path) == ZOE
    drawing = tmp_path / "a.png"
    drawing.touch()
    assert read_rights(drawing) == ZOE
    assert read_rights([drawing, tmp_path / "b.png"]) == ZOE
    (tmp_path / RIGHTS_FILE).write_text('artist = "Zoë"\ndate = "summer 2026"\n', encoding="utf-8")
    assert read_rights(tmp_path) == Rights(artist="Zoë", date="summer 2026")


def test_nothing_stated_is_no_mistake(tmp_path: Path) -> None:
    assert read_rights(tmp_path) == Rights()
    assert set(vars(Rights()).values()) == {NOT_STATED}
    assert read_rights(tmp_path / "missing") == Rights()


def test_drawings_of_two_artists_are_a_mistake(tmp_path: Path) -> None:
    for name in ("zoe", "ann"):
        (tmp_path / name).mkdir()
        (tmp_path / name / RIGHTS_FILE).write_text(f'artist = "{name}"')
    with pytest.raises(UserError, match="different rights"):
        read_rights([tmp_path / "zoe", tmp_path / "ann" / "a.png"])


def test_american_spelling_is_read(tmp_path: Path) -> None:
    (tmp_path / RIGHTS_FILE).write_text('license = "CC0-1.0"')
    assert read_rights(tmp_path) == Rights(licence="CC0-1.0")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"artist = Zo", "quotation marks"),
        (b'licenze = "CC0-1.0"', "licenze"),
        (b"artist = 3", "artist"),
        (b'licence = " "', "licence"),
        (b"\xff\xfe", "not a TOML"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / RIGHTS_FILE).write_bytes(content)
    with pytest.raises(UserError, match=said) as mistake:
        read_rights(tmp_path)
    assert "\n" not in str(mistake.value)
    assert str(tmp_path / RIGHTS_FILE) in str(mistake.value)


def test_rights_go_into_the_run_its_weights_and_its_pictures(
    toy_base: Path, pip: Character, tmp_path: Path
) -> None:
    run = learn(replace(pip, rights=ZOE), make_recipe(toy_base), tmp_path / "run", device="cpu")
    assert open_run(run).manifest.rights == ZOE
    assert kept_character(run).rights == ZOE
    newest = run.newest()
    assert newest is not None
    with safe_open(newest.folder / WEIGHTS_FILE, "pt") as weights:
        facts = weights.metadata()
    assert facts["drawings_artist"] == "Zoë Müller"
    assert facts["drawings_licence"] == "CC-BY-4.0"
    assert facts["drawings_sha256"].split(", ") == [one.sha256 for one in run.manifest.drawings]
    assert (facts["character"], facts["format"]) == ("Pip", "pt")
    (picture,) = draw(run, ["Pip"], DrawSettings(steps=1), device="cpu")
    sidecar = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
    for record in (read_record(picture), sidecar):
        assert record["drawings_artist"] == "Zoë Müller"
        assert record["drawings_scope"] == "learning, and pictures for my page"
    again = learn(replace(pip, rights=ZOE), make_recipe(toy_base), tmp_path / "again", device="cpu").newest()
    assert again is not None
    assert again.sha256 == newest.sha256


def test_only_public_uploads_need_a_statement(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    recipe = PromptOnly(base=str(toy_base))
    run = learn(pip, recipe, tmp_path / "run", device="cpu")
    refusal = may_publish(run)
    assert not refusal.granted
    assert "artist and the licence of Pip's drawings are not stated" in refusal.says
    (picture,) = draw(run, ["Pip"], DrawSettings(steps=1), device="cpu")
    assert read_record(picture)["drawings_licence"] == NOT_STATED
    learn(replace(pip, rights=Rights(artist="Zoë")), recipe, run, device="cpu")
    assert "The licence of Pip's drawings is not stated" in may_publish(run).says
    learn(replace(pip, rights=ZOE), recipe, run, device="cpu")
    assert may_publish(run).granted
    learn(pip, recipe, run, device="cpu")  # from Python, say, where nobody read the file
    assert may_publish(run).says == "Pip's drawings are by Zoë Müller, licence: CC-BY-4.0."


def test_runs_from_before_rights_still_open(toy_base: Path, pip: Character, tmp_path: Path) -> None:
    run = learn(pip, PromptOnly(base=str(toy_base)), tmp_path / "run", device="cpu")
    path = run.folder / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    del manifest["rights"]
    path.write_text(json.dumps(manifest))
    assert open_run(run.folder).manifest.rights == Rights()
    assert not may_publish(run).granted
