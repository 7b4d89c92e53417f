"""Statistics of drawings against Pillow, the standard library, and drawings of known make."""

from __future__ import annotations

import colorsys
import math
import statistics as by_hand
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageStat

from understudy.domain import Drawing
from understudy.drawings.describe import Statistics, describe
from understudy.drawings.hues import mean_angle, mean_hsv
from understudy.drawings.read import read_character
from understudy.events import Event, Step

INK = (28, 24, 32)
RED, BLUE = (220, 40, 40), (40, 60, 220)


def drawing(image: Image.Image, name: str = "a.png") -> Drawing:
    return Drawing(Path(name), np.asarray(image.convert("RGB")), "")


def outlined(width_px: int, scale: int = 1, colour: tuple[int, int, int] = RED) -> Image.Image:
    """A block of colour with an outline of `width_px` around it, and a line across its middle."""
    image = Image.new("RGB", (200 * scale, 260 * scale), "white")
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = 30 * scale, 20 * scale, 170 * scale - 1, 240 * scale - 1
    pen.rectangle((left, top, right, bottom), fill=colour, outline=INK, width=width_px)
    middle = 130 * scale
    pen.rectangle((left, middle, right, middle + width_px - 1), fill=INK)
    return image


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of noise in different sizes."""
    folder = tmp_path_factory.mktemp("noise")
    random = np.random.default_rng(0)
    for number, size in enumerate(((84, 60), (54, 96), (72, 72))):
        pixels = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def described(files: Path) -> Statistics:
    return describe(read_character(files, "Mo").drawings)


def test_sizes_and_channels_are_pillows(files: Path, described: Statistics) -> None:
    for one in described.drawings:
        path = files / one.file
        image = Image.open(path)
        assert (one.width_px, one.height_px) == image.size
        assert one.aspect_ratio == pytest.approx(image.width / image.height)
        assert one.file_bytes == path.stat().st_size
        assert [one.red.mean, one.green.mean, one.blue.mean] == pytest.approx(ImageStat.Stat(image).mean)
        assert [(c.min, c.max) for c in (one.red, one.green, one.blue)] == list(image.getextrema())


def test_spreads_are_the_standard_librarys(files: Path, described: Statistics) -> None:
    means = [ImageStat.Stat(Image.open(path)).mean[0] for path in sorted(files.iterdir())]
    red = described.spreads["red"]
    assert (red.min, red.max) == pytest.approx((min(means), max(means)))
    assert red.median == pytest.approx(by_hand.median(means))
    assert red.mean == pytest.approx(by_hand.fmean(means))
    assert red.std == pytest.approx(by_hand.pstdev(means))
    assert described.spreads["width_px"].median == 72
    assert described.spreads["file_bytes"].max == max(path.stat().st_size for path in files.iterdir())


def test_histogram_is_pillows(files: Path, described: Statistics) -> None:
    total = np.sum([np.array(Image.open(path).histogram()) for path in files.iterdir()], axis=0)
    assert np.array(described.histogram).ravel().tolist() == total.tolist()


def test_hsv_is_colorsys_with_hue_as_an_angle(files: Path, described: Statistics) -> None:
    for one in described.drawings:
        pixels = np.asarray(Image.open(files / one.file)).reshape(-1, 3) / 255
        hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in pixels]
        assert one.hsv.saturation == pytest.approx(by_hand.fmean(s for _, s, _ in hsv), abs=1e-5)
        assert one.hsv.value == pytest.approx(by_hand.fmean(v for _, _, v in hsv), abs=1e-5)
        east = sum(s * v * math.cos(2 * math.pi * h) for h, s, v in hsv)
        north = sum(s * v * math.sin(2 * math.pi * h) for h, s, v in hsv)
        length = math.hypot(east, north) / sum(s * v for _, s, v in hsv)
        assert one.hsv.hue_agreement == pytest.approx(length, abs=1e-5)
        if length < 0.1:
            assert one.hsv.hue_deg is None
        else:
            assert one.hsv.hue_deg == pytest.approx(math.degrees(math.atan2(north, east)) % 360, abs=0.01)


def test_mean_hue_wraps_around_and_greys_have_none() -> None:
    angle, agreement = mean_angle(np.array([350, 10], np.float32), np.ones(2, np.float32))
    assert angle is not None
    assert min(angle, 360 - angle) == pytest.approx(0, abs=1e-3)
    assert agreement == pytest.approx(math.cos(math.radians(10)))
    grey = mean_hsv(np.full((4, 4, 3), 90, np.uint8))
    assert (grey.hue_deg, grey.saturation) == (None, 0)
    opposite = mean_hsv(np.array([[(255, 0, 0), (0, 255, 255)]], np.uint8))
    assert opposite.hue_deg is None


def test_hue_over_the_set_leaves_greys_out() -> None:
    sheets = [Image.new("RGB", (20, 20), colour) for colour in ("red", "grey")]
    hsv = describe([drawing(sheet) for sheet in sheets]).hsv
    assert hsv.hue_deg == pytest.approx(0)
    assert hsv.saturation.mean == pytest.approx(0.5)


def test_paper_is_what_the_figure_leaves() -> None:
    image = Image.new("RGB", (100, 80), "white")
    image.paste(RED, (10, 20, 60, 60))
    one = describe([drawing(image)]).drawings[0]
    assert one.paper_share == pytest.approx(1 - 50 * 40 / 8000)
    assert (one.is_cut_out, one.touches_edge, one.figure_height_px) == (True, False, 40)
    assert one.file_bytes is None


def test_a_drawing_without_paper_says_so() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    one = describe([Drawing(Path("a.png"), pixels, "")]).drawings[0]
    assert (one.is_cut_out, one.touches_edge, one.paper_share) == (False, True, 0)


def test_soft_masks_count_in_part() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 51
    mask[15:25, 15:25] = 255
    pixels = np.full((40, 40, 3), 200, np.uint8)
    one = describe([Drawing(Path("a.png"), pixels, "", mask)]).drawings[0]
    assert one.paper_share == pytest.approx(1 - (100 + 300 * 0.2) / 1600)


@pytest.mark.parametrize("width_px", [2, 3, 5, 8, 11])
def test_line_weight_is_the_pens(width_px: int) -> None:
    ink = describe([drawing(outlined(width_px))]).drawings[0].ink
    assert ink is not None
    assert ink.weight_px == pytest.approx(width_px, abs=0.5)
    assert ink.weight_share == pytest.approx(width_px / 220, abs=0.5 / 220)
    assert (ink.colour, ink.hex) == (INK, "#1c1820")


@pytest.mark.parametrize("width_px", [3, 5, 8])
def test_a_line_that_begins_within_a_pixel_is_the_pens(width_px: int) -> None:
    large = Image.new("RGB", (800, 1040), "white")
    pen = ImageDraw.Draw(large)
    first, last = 162, 642  # half a pixel on, in quarters of one
    pen.rectangle((first, first, last - 1, last + 199), fill=INK)
    edge = 4 * width_px
    pen.rectangle((first + edge, first + edge, last - edge - 1, last + 199 - edge), fill=RED)
    ink = describe([drawing(large.resize((200, 260), Image.Resampling.BOX))]).drawings[0].ink
    assert ink is not None
    assert ink.weight_px == pytest.approx(width_px, abs=0.3)


def test_smooth_lines_are_measured_too_and_size_does_not_matter() -> None:
    large = outlined(width_px=24, scale=4)
    weights = []
    for factor in (1, 2, 4):
        image = large.resize((large.width // factor, large.height // factor), Image.Resampling.LANCZOS)
        ink = describe([drawing(image)]).drawings[0].ink
        assert ink is not None
        weights.append(ink.weight_share)
    assert weights == pytest.approx([24 / 880] * 3, rel=0.1)


def test_a_dark_area_is_no_line() -> None:
    image = Image.new("RGB", (200, 260), "white")
    ImageDraw.Draw(image).rectangle((40, 20, 160, 240), fill=INK)
    statistics = describe([drawing(image)])
    assert statistics.drawings[0].ink is None
    assert statistics.line_weight is None
    assert [swatch.colour for swatch in statistics.palette] == [INK]


def test_palette_has_the_exact_colours_and_their_shares_without_ink_and_paper() -> None:
    image = Image.new("RGB", (200, 260), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((20, 20, 179, 99), fill=RED, outline=INK, width=5)
    pen.rectangle((20, 100, 59, 219), fill=BLUE, outline=INK, width=5)  # two legs, white paper between
    pen.rectangle((140, 100, 179, 219), fill=BLUE, outline=INK, width=5)
    palette = describe([drawing(image)]).palette
    assert [swatch.hex for swatch in palette] == ["#dc2828", "#283cdc"]
    red, blue = 150 * 70, 2 * 30 * 110
    assert [swatch.share for swatch in palette] == pytest.approx(
        [red / (red + blue), blue / (red + blue)], abs=0.03
    )


def test_a_small_colour_is_the_characters_where_it_is_always_there() -> None:
    def body(has_ball: bool) -> Drawing:
        image = outlined(4, 2)
        if has_ball:
            ImageDraw.Draw(image).rectangle((180, 120, 209, 149), "#d94f8c")
        return drawing(image)

    always, once = (describe([body(at < num) for at in range(4)]).palette for num in (4, 1))
    assert [swatch.hex for swatch in always] == ["#dc2828", "#d94f8c"]
    assert 0.004 < always[1].share < 0.01
    assert [swatch.hex for swatch in once] == ["#dc2828"]


def test_smooth_edges_add_no_colours() -> None:
    image = Image.new("RGB", (800, 800), "white")
    ImageDraw.Draw(image).ellipse((100, 100, 700, 700), fill=RED, outline=INK, width=20)
    palette = describe([drawing(image.resize((200, 200), Image.Resampling.LANCZOS))]).palette
    assert [swatch.hex for swatch in palette] == ["#dc2828"]


def on_ground(paper: str = "white") -> Image.Image:
    """A red block, a shadow below it, and beside that a white shoe with an outline."""
    image = Image.new("RGB", (200, 260), paper)
    pen = ImageDraw.Draw(image)
    pen.ellipse((20, 222, 180, 246), fill=(222, 222, 228))
    pen.rectangle((40, 20, 160, 230), fill=RED, outline=INK, width=4)
    pen.rectangle((110, 218, 170, 240), fill=(225, 235, 232), outline=INK, width=4)
    return image


@pytest.mark.parametrize("paper", ["white", "#faf0d7"])
def test_the_shadow_on_the_ground_is_no_colour_of_the_characters(paper: str) -> None:
    palette = describe([drawing(on_ground(paper))]).palette
    assert [swatch.hex for swatch in palette] == ["#dc2828", "#e1ebe8"]


def test_pale_grey_is_a_colour_elsewhere() -> None:
    upside_down = describe([drawing(on_ground().transpose(Image.Transpose.FLIP_TOP_BOTTOM))]).palette
    cut_off = describe([drawing(on_ground().crop((0, 0, 200, 240)))]).palette
    for palette in (upside_down, cut_off):
        assert "#dedee4" in [swatch.hex for swatch in palette]


def test_a_little_noise_makes_no_new_colours() -> None:
    noise = np.random.default_rng(0).integers(-3, 4, (260, 200, 3))
    pixels = np.clip(np.asarray(on_ground()).astype(int) + noise, 0, 255).astype(np.uint8)
    palette = describe([Drawing(Path("a.png"), pixels, "")]).palette
    found = np.array([swatch.colour for swatch in palette[:2]])
    assert np.abs(found - (RED, (225, 235, 232))).max() <= 3
    assert len(palette) == 2


def test_palette_weighs_drawings_alike_and_says_where_a_colour_is() -> None:
    small, large = outlined(3), outlined(12, scale=4, colour=BLUE)
    red, blue = describe([drawing(small), drawing(large)]).palette
    assert (red.share, blue.share) == pytest.approx((0.5, 0.5))
    assert {red.shares, blue.shares} == {(1.0, 0.0), (0.0, 1.0)}
    assert (red.num_drawings, red.drift) == (1, 0)


def test_a_colour_that_drifts_is_told() -> None:
    shades = [(220, 40, 40), (220, 40, 40), (205, 52, 44)]
    (swatch,) = describe([drawing(outlined(3, colour=shade)) for shade in shades]).palette
    assert swatch.num_drawings == 3
    assert 0.01 < swatch.drift < 0.05
    (same,) = describe([drawing(outlined(3)) for _ in range(3)]).palette
    assert same.drift < 1e-6


def test_an_empty_sheet_has_no_ink() -> None:
    one = describe([drawing(Image.new("RGB", (30, 30), "white"))])
    assert one.drawings[0].ink is None
    assert one.palette == ()


def test_progress_is_told_and_nothing_is_refused() -> None:
    events: list[Event] = []
    describe([drawing(outlined(3)), drawing(outlined(4))], events.append)
    assert events == [Step("describing", 1, 2), Step("describing", 2, 2)]
    with pytest.raises(ValueError, match="no drawing"):
        describe([])
