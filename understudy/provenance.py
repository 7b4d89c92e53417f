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
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP_KEYWORD = "XML:com.adobe.xmp"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool={tool}
    Iptc4xmpExt:DigitalSourceType={source_type}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def write_picture(path: Path, pixels: Pixels, record: Mapping[str, str]) -> None:
    """Write (height, width, 3) RGB `pixels` as a marked PNG at `path`, and its record as JSON beside it.

    The same pixels and record give the same bytes: nothing here depends on when or where they are written.
    A picture that lies at `path` is whole and has its sidecar, even if the process is killed in between.
    """
    write_whole(path.with_suffix(".json"), _sidecar(path, record))
    write_whole(path, _png(pixels, record))


def read_record(path: Path) -> dict[str, str]:
    """The record inside a picture that `write_picture` wrote; raises `UserError` for any other file."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
            texts = {str(key): str(value) for key, value in image.info.items() if isinstance(value, str)}
    except (OSError, SyntaxError) as error:
        raise UserError(f"{path} cannot be read as a PNG picture: give one that understudy drew.") from error
    if DIGITAL_SOURCE_TYPE not in texts.pop(XMP_KEYWORD, ""):
        raise UserError(f"{path} carries no record: give a picture that understudy drew.")
    return texts


def mark() -> str:
    """The mark of a machine-made picture as an XMP packet, for any format that holds one."""
    return _XMP.format(tool=quoteattr(_tool()), source_type=quoteattr(DIGITAL_SOURCE_TYPE))


def _png(pixels: Pixels, record: Mapping[str, str]) -> bytes:
    texts = PngInfo()
    for key, value in record.items():
        texts.add_itxt(key, value)
    texts.add_itxt(XMP_KEYWORD, mark())
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=texts, compress_level=6)
    return buffer.getvalue()


def _sidecar(path: Path, record: Mapping[str, str]) -> bytes:
    fields = {"picture": path.name, **record, "digital_source_type": DIGITAL_SOURCE_TYPE, "software": _tool()}
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def _tool() -> str:
    return f"understudy {VERSION}"
