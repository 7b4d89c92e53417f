"""A picture carries its record and says that it is machine-made."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from understudy.domain import UserError
from understudy.provenance import COMPOSITE, TRAINED, is_marked, read_record, write_picture

RECORD = {
    "prompt": 'Zoë "looks" <up> & 笑う\nagain',
    "seed": "7",
    "settings": '{"steps": 25}',
    "weights": "ab12",
}
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def test_the_record_and_the_pixels_come_back(tmp_path: Path) -> None:
    path = tmp_path / "pictures" / "a.png"
    write_picture(path, PIXELS, RECORD)
    assert read_record(path) == RECORD
    with Image.open(path) as image:
        assert (np.asarray(image) == PIXELS).all()
    assert sorted(file.name for file in path.parent.iterdir()) == ["a.json", "a.png"]


def test_the_sidecar_says_the_same(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", PIXELS, RECORD)
    sidecar = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert RECORD.items() <= sidecar.items()
    assert sidecar["picture"] == "a.png"
    assert sidecar["digital_source_type"].endswith("/trainedAlgorithmicMedia")


def test_the_xmp_packet_marks_it_as_machine_made(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", PIXELS, RECORD)
    with Image.open(tmp_path / "a.png") as image:
        packet = image.info["XML:com.adobe.xmp"]
    description = ElementTree.fromstring(packet).find(
        ".//{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    assert description is not None
    source_type = description.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert source_type == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def test_the_same_picture_is_the_same_bytes(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", PIXELS, RECORD)
    first = (tmp_path / "a.png").read_bytes()
    write_picture(tmp_path / "a.png", PIXELS, RECORD)
    assert (tmp_path / "a.png").read_bytes() == first


def test_a_failed_write_leaves_the_old_picture_whole(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", PIXELS, RECORD)
    with pytest.raises(TypeError):
        write_picture(tmp_path / "a.png", PIXELS.astype(np.complex128), RECORD)
    assert read_record(tmp_path / "a.png") == RECORD


def test_other_files_have_no_record(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no picture")
    for name in ("plain.png", "text.png", "missing.png"):
        with pytest.raises(UserError, match="give"):
            read_record(tmp_path / name)


def test_a_composite_says_so_and_its_size_on_paper(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", np.dstack((PIXELS, PIXELS[..., :1])), RECORD, COMPOSITE, dpi=300)
    assert read_record(tmp_path / "a.png") == RECORD
    assert is_marked(tmp_path / "a.png", COMPOSITE)
    assert not is_marked(tmp_path / "a.png", TRAINED)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGBA"
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    sidecar = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert sidecar["digital_source_type"] == COMPOSITE
