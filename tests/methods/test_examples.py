from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from tests.toy_character import make_character, make_recipe
from understudy.bases.base import Base
from understudy.bases.opening import open_base
from understudy.domain import Character, Drawing
from understudy.events import Event, Note, ignore
from understudy.methods.class_pictures import draw_class_pictures
from understudy.methods.examples import Decks, Examples, keyed, make_decks, make_examples
from understudy.runs import Plan


@pytest.fixture(scope="module")
def base(toy_base: Path) -> Base:
    return open_base(toy_base, Plan(device="cpu", precision="fp32", threads=1))


@pytest.fixture(scope="module")
def examples(base: Base, toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    recipe = make_recipe(toy_base)
    prior = draw_class_pictures(base, recipe, "girl", tmp_path_factory.mktemp("prior"), ignore)
    return make_examples(base, make_character(), recipe, prior, ignore)


def units(decks: Decks, num_steps: int) -> Counter[tuple[bool, int]]:
    owner = {row: (False, unit) for unit, rows in enumerate(decks.drawings) for row in rows}
    owner |= {row: (True, unit) for unit, rows in enumerate(decks.prior) for row in rows}
    return Counter(owner[row] for step in range(num_steps) for row in decks.deal(step))


@pytest.mark.parametrize("num_drawings", [1, 2, 5, 6, 7])
@pytest.mark.parametrize("batch", [1, 4, 6])
def test_no_drawing_is_dropped(num_drawings: int, batch: int) -> None:
    drawings = tuple((2 * unit, 2 * unit + 1) for unit in range(num_drawings))
    decks = Decks(drawings, (), 0.25, batch, seed=0)
    seen = units(decks, 35)
    assert len(seen) == num_drawings
    assert max(seen.values()) - min(seen.values()) <= 1


@pytest.mark.parametrize("batch", [1, 3, 6])
def test_class_pictures_have_their_share(batch: int) -> None:
    decks = Decks(((0,), (1,)), ((2,), (3,), (4,)), 0.25, batch, seed=0)
    seen = units(decks, 40)
    num_prior = sum(count for (is_prior, _), count in seen.items() if is_prior)
    assert num_prior == 40 * batch // 4
    assert {unit for is_prior, unit in seen if is_prior} == {0, 1, 2}


def test_deals_depend_on_the_step_alone() -> None:
    decks = Decks(tuple((row,) for row in range(6)), (), 0.0, 4, seed=3)
    assert decks.deal(17) == decks.deal(17)
    other = Decks(decks.drawings, (), 0.0, 4, seed=4)
    assert [decks.deal(step) for step in range(9)] != [other.deal(step) for step in range(9)]


def test_keyed_randomness() -> None:
    assert torch.equal(torch.rand(3, generator=keyed(1, "a")), torch.rand(3, generator=keyed(1, "a")))
    assert not torch.equal(torch.rand(3, generator=keyed(1, "a")), torch.rand(3, generator=keyed(1, "b")))


def test_everything_is_resident(examples: Examples) -> None:
    num = 3 * 3 + 3
    assert examples.mean.shape == examples.std.shape == (num, 4, 8, 8)
    assert examples.mask.shape == (num, 1, 8, 8)
    assert torch.allclose(examples.mask.mean(dim=(1, 2, 3)), torch.ones(num))
    assert examples.is_prior.sum() == 3


def test_paper_counts_less_than_the_figure(examples: Examples) -> None:
    drawing, class_picture = examples.mask[0, 0], examples.mask[-1, 0]
    assert drawing[0, 0] / drawing[5, 3] == pytest.approx(0.3)
    assert (class_picture == 1).all()


def test_prompts_name_the_character_and_class_pictures_do_not(
    base: Base, examples: Examples, toy_base: Path
) -> None:
    said = base.encode_prompt(
        ["a picture of Pip standing, view 0", "a picture of a girl standing, front view"]
    )["hidden"]
    assert torch.allclose(examples.prompts["hidden"][examples.prompt[0]], said[0], atol=1e-6)
    assert torch.allclose(examples.prompts["hidden"][examples.prompt[9]], said[1], atol=1e-6)
    assert torch.allclose(examples.prompts["hidden"][0], base.encode_prompt([""])["hidden"][0], atol=1e-6)


def test_a_caption_with_the_name_says_it_once(base: Base, toy_base: Path) -> None:
    first = make_character(1).drawings[0]
    drawings = tuple(
        Drawing(first.path, first.pixels, caption)
        for caption in ("Pip waving", "a picture of pip, waving", "waving")
    )
    recipe = make_recipe(toy_base)
    found = make_examples(base, Character("Pip", "girl", drawings), recipe, [], ignore)
    assert len(found.prompts) == 2


def test_a_long_caption_gets_one_note(base: Base, toy_base: Path) -> None:
    first = make_character(1).drawings[0]
    drawings = (Drawing(first.path, first.pixels, "waving " * 20),) * 2
    events: list[Event] = []
    make_examples(base, Character("Pip", "girl", drawings), make_recipe(toy_base), [], events.append)
    assert sum(isinstance(event, Note) for event in events) == 1


def test_class_pictures_have_their_weight(base: Base, toy_base: Path, tmp_path: Path) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"prior_weight": 0.5})
    prior = draw_class_pictures(base, recipe, "girl", tmp_path, ignore)
    found = make_examples(base, make_character(), recipe, prior, ignore)
    assert found.weight[found.is_prior].tolist() == [0.5] * 3
    assert found.weight[~found.is_prior].tolist() == [1.0] * 9


def test_without_class_pictures(base: Base, toy_base: Path, tmp_path: Path) -> None:
    recipe = make_recipe(toy_base).model_copy(update={"prior_weight": 0.0})
    assert draw_class_pictures(base, recipe, "girl", tmp_path / "none", ignore) == []
    assert not (tmp_path / "none").exists()


def test_class_pictures_are_drawn_once_and_again_alike(base: Base, toy_base: Path, tmp_path: Path) -> None:
    recipe = make_recipe(toy_base)
    first = [one.path.read_bytes() for one in draw_class_pictures(base, recipe, "girl", tmp_path, ignore)]
    times = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*.png"))]
    draw_class_pictures(base, recipe, "girl", tmp_path, ignore)
    assert times == [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*.png"))]
    (tmp_path / "0001.png").write_bytes(b"half")
    again = [one.path.read_bytes() for one in draw_class_pictures(base, recipe, "girl", tmp_path, ignore)]
    assert again == first


def test_examples_come_back_from_the_disk(examples: Examples, tmp_path: Path) -> None:
    examples.save(tmp_path / "examples.safetensors")
    loaded = Examples.load(tmp_path / "examples.safetensors", "cpu")
    assert torch.equal(loaded.mean, examples.mean)
    assert make_decks(loaded, make_recipe(tmp_path)) == make_decks(examples, make_recipe(tmp_path))
