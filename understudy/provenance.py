"""What a picture says of itself: how it came to be, and that a machine made it, readable by machines."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from understudy.domain import Pixels, UserError
from understudy.runs import write_whole
from understudy.version import VERSION

# IPTC NewsCodes, the value that the EU's marking duty and most viewers look for.
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""Drawn by a model, all of it."""
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""Put together from such pictures and others, or drawn anew in parts."""
DIGITAL_SOURCE_TYPE = TRAINED
REDRAWN = "redrawn"
"""What the record of a picture says of which a part was drawn anew."""
FLATTENED, CUT_OUT = "flattened", "cut_out"
"""What the record of a picture says that was made of a drawn one, without drawing anything."""
XMP_KEYWORD = "XML:com.adobe.xmp"
_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool={tool}
    Iptc4xmpExt:DigitalSourceType={source_type}/>
 </rdf:RDF>
</x:xmpmeta>"""
_PACKET = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{}\n<?xpacket end="r"?>'


def write_picture(
    path: Path, pixels: Pixels, record: Mapping[str, str], source_type: str = TRAINED, dpi: int | None = None
) -> None:
    """Write RGB or RGBA `pixels` (height, width, 3 or 4) as a PNG at `path`, with its record as JSON.

    It is marked with its `source_type`, `TRAINED` or `COMPOSITE`; `dpi` is its size on paper, if it has one.
    The same pixels and record give the same bytes: nothing here depends on when or where they are written.
    A picture that lies at `path` is whole and has its sidecar, even if the process is killed in between.
    """
    write_whole(path.with_suffix(".json"), _sidecar(path, record, source_type))
    write_whole(path, _png(pixels, record, source_type, dpi))


def read_record(path: Path) -> dict[str, str]:
    """The record inside a picture that `write_picture` wrote; raises `UserError` for any other file."""
    texts = _read_texts(path)
    packet = texts.pop(XMP_KEYWORD, "")
    if TRAINED not in packet and COMPOSITE not in packet:
        raise UserError(f"{path} carries no record: give a picture that understudy drew.")
    return texts


def is_drawn(path: Path) -> bool:
    """Whether the sidecar of `path` says that a prompt drew it: a picture that was made of others is none.

    Without a sidecar it is none either. The picture itself is not opened, so thousands are asked quickly.
    """
    try:
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and "prompt" in said and not said.keys() & {FLATTENED, CUT_OUT}


def is_marked(path: Path, source_type: str) -> bool:
    """Whether the file at `path` is a PNG with this mark."""
    try:
        return source_type in _read_texts(path).get(XMP_KEYWORD, "")
    except UserError:
        return False


def encode_png(pixels: Pixels, texts: PngInfo | None = None, dpi: int | None = None) -> bytes:
    """A PNG file of `pixels` (height, width, 3 or 4); it carries a record and a mark only if `texts` do."""
    buffer = io.BytesIO()
    resolution = {} if dpi is None else {"dpi": (dpi, dpi)}
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=texts, compress_level=6, **resolution)
    return buffer.getvalue()


def make_mark(source_type: str) -> str:
    """The mark as an XMP document, for any format that holds one; files but PDF want it in a packet."""
    return _XMP.format(tool=quoteattr(_tool()), source_type=quoteattr(source_type))


def _read_texts(path: Path) -> dict[str, str]:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
            return {str(key): str(value) for key, value in image.info.items() if isinstance(value, str)}
    except (OSError, SyntaxError) as error:
        raise UserError(f"{path} cannot be read as a PNG picture: give one that understudy drew.") from error


def _png(pixels: Pixels, record: Mapping[str, str], source_type: str, dpi: int | None) -> bytes:
    texts = PngInfo()
    for key, value in record.items():
        texts.add_itxt(key, value)
    texts.add_itxt(XMP_KEYWORD, _PACKET.format(make_mark(source_type)))
    return encode_png(pixels, texts, dpi)


def _sidecar(path: Path, record: Mapping[str, str], source_type: str) -> bytes:
    fields = {"picture": path.name, **record, "digital_source_type": source_type, "software": _tool()}
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def _tool() -> str:
    return f"understudy {VERSION}"
