"""Bases in one file: which one it is, by its tensors' names and shapes alone, and what is no base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from understudy.bases.fetching.safetensors_header import read_header
from understudy.bases.fetching.single_file import recognise
from understudy.domain import UserError

Shapes = dict[str, tuple[int, ...]]
DIFFUSION = "model.diffusion_model."
WHOLE_SD: Shapes = {"first_stage_model.encoder.conv_in.weight": (1,), "cond_stage_model.a.weight": (1,)}
WHOLE_SDXL: Shapes = {
    "first_stage_model.encoder.conv_in.weight": (1,),
    "conditioner.embedders.0.a.weight": (1,),
}
CONTEXT = f"{DIFFUSION}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
FIRST = f"{DIFFUSION}input_blocks.0.0.weight"


def write(path: Path, shapes: Shapes) -> Path:
    """A file of toy tensors whose head says other shapes than their one byte each."""
    entries = {
        name: {"dtype": "U8", "shape": shape, "data_offsets": [place, place + 1]}
        for place, (name, shape) in enumerate(shapes.items())
    }
    head = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(len(entries)))
    return path


def unet(width: int, channels: int = 4) -> Shapes:
    return {CONTEXT: (640, width), FIRST: (320, channels, 3, 3)}


def with_prefix(shapes: Shapes) -> Shapes:
    return {DIFFUSION + name: shape for name, shape in shapes.items()}


SD3: Shapes = {"joint_blocks.0.context_block.adaLN_modulation.1.weight": (9, 1536)}
MEDIUM: Shapes = SD3 | {"joint_blocks.0.x_block.attn2.qkv.weight": (1, 1)}
LARGE: Shapes = SD3 | {"joint_blocks.37.x_block.attn.qkv.weight": (1, 1)}
FLUX: Shapes = {"double_blocks.0.img_attn.norm.key_norm.scale": (128,), "img_in.weight": (3072, 64)}
DEV: Shapes = FLUX | {"guidance_in.in_layer.weight": (3072, 256)}
FLUX2: Shapes = FLUX | {"single_stream_modulation.lin.weight": (1, 1), "img_in.weight": (3072, 128)}

KINDS: list[tuple[str, Shapes]] = [
    ("sd15", unet(768) | WHOLE_SD),
    ("sd21", unet(1024) | WHOLE_SD),
    ("sdxl", unet(2048) | WHOLE_SDXL),
    ("sdxl", unet(2048) | WHOLE_SDXL | {"v_pred": (0,), "ztsnr": (0,)}),
    ("sd35", MEDIUM),
    ("sd35-large", with_prefix(LARGE)),
    ("flux", with_prefix(DEV)),
    ("flux", with_prefix(DEV) | {"text_encoders.t5xxl.transformer.encoder.scale_weight": ()}),
    ("flux-schnell", FLUX),
    ("klein", FLUX2 | {"txt_in.weight": (3072, 7680)}),
    ("klein-9b", FLUX2 | {"txt_in.weight": (4096, 12288)}),
    ("qwen", {"transformer_blocks.0.img_mod.1.weight": (18432, 3072), "img_in.weight": (3072, 64)}),
    ("zimage", with_prefix({"layers.0.adaLN_modulation.0.weight": (15360, 256)})),
]


@pytest.mark.parametrize(("name", "shapes"), KINDS, ids=[f"{name}-{n}" for n, (name, _) in enumerate(KINDS)])
def test_each_kind_is_told_by_its_tensors(tmp_path: Path, name: str, shapes: Shapes) -> None:
    assert recognise(write(tmp_path / "any name.safetensors", shapes)).name == name


NONE_OF_THEM: list[tuple[str, Shapes]] = [
    ("of no kind that is known", {"weight": (1,)}),
    ("of no kind that is known", unet(1280) | WHOLE_SDXL),  # SDXL's refiner
    ("of no kind that is known", unet(2048) | WHOLE_SDXL | {"edm_mean": (4,)}),  # Playground 2.5
    ("of no kind that is known", SD3),  # Stable Diffusion 3, not 3.5
    ("of no kind that is known", FLUX | {"distilled_guidance_layer.in_proj.weight": (1, 1)}),  # Chroma
    ("of no kind that is known", FLUX2 | {"txt_in.weight": (1, 99)}),
    (
        r"cannot be used: FLUX\.2 dev .* take klein or klein-9b",
        with_prefix(FLUX2 | {"txt_in.weight": (6144, 15360)}),
    ),
    ("of no kind that is known", FLUX2),
    ("for filling in", unet(768, 9) | WHOLE_SD),
    ("for filling in", DEV | {"img_in.weight": (3072, 384)}),
    ("quantised with scales", FLUX2 | {"double_blocks.0.img_attn.qkv.weight_scale": ()}),
    ("quantised with scales", with_prefix(DEV | {"img_in.scale_weight": (), "scaled_fp8": (0,)})),
    ("quantised with scales", DEV | {"double_blocks.0.img_attn.qkv.weight.absmax": (1,)}),
    ("only the U-Net", unet(2048)),
    ("only the U-Net", unet(768) | {"first_stage_model.a": (1,)}),
    ("an adapter and no base", {"lora_unet_down_blocks_0.lora_down.weight": (4, 320)}),
    ("an adapter and no base", {"transformer.blocks.0.lora_A.weight": (4, 320)}),
    ("an adapter and no base", {"unet.x.lokr_w1": (4, 320)}),
]


@pytest.mark.parametrize(("says", "shapes"), NONE_OF_THEM)
def test_what_is_no_base_is_said(tmp_path: Path, says: str, shapes: Shapes) -> None:
    with pytest.raises(UserError, match=says):
        recognise(write(tmp_path / "a.safetensors", shapes))


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".PTH", ".bin"])
def test_pickles_are_refused_without_being_read(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"could run code .* get the same base as \.safetensors"):
        recognise(tmp_path / f"never read{suffix}")


def test_files_of_other_kinds_and_missing_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    for name in ("a.png", "nothing.safetensors"):
        with pytest.raises(UserError, match=r"is no base: give a folder or a \.safetensors file"):
            recognise(tmp_path / name)


def test_head_is_read_and_a_file_cut_short_is_found_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {"a": (2, 3), "b": ()})
    header = read_header(path)
    assert {name: entry.shape for name, entry in header.items()} == {"a": (2, 3), "b": ()}
    assert header["a"].dtype == "U8"
    content = path.read_bytes()
    for cut in (content[:-1], content[:20], content[:5], b""):
        path.write_bytes(cut)
        with pytest.raises(UserError, match=r"cut short.*get it again"):
            read_header(path)


@pytest.mark.parametrize(
    "head", [b"{nothing", b"[1, 2]", b'{"a": 5}', b'{"a": {"dtype": "F16"}}', b"\xff\xfe{}"]
)
def test_damaged_head_is_one_sentence(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head)
    with pytest.raises(UserError, match="is damaged: get it again"):
        read_header(path)


def test_pointer_of_git_lfs_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    with pytest.raises(UserError, match=r"no \.safetensors file, or is cut short"):
        read_header(path)
