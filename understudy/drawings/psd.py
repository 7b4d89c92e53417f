"""A PSD file's shape, read from its bytes: psd-tools fills up what is cut off without a word."""

from __future__ import annotations

import struct

RAW, RLE = 0, 1


def psd_size(content: bytes) -> tuple[int, int]:
    """Width and height, as the header claims them."""
    height, width = struct.unpack(">II", content[14:22])
    return width, height


def is_whole_psd(content: bytes) -> bool:
    """Whether the flattened picture at the end is all there (Adobe's file format specification, image data).

    Raises `struct.error` where the file ends before it.
    """
    version, channels, height, width, depth = struct.unpack(">4xH6xHIIH", content[:24])
    place = 26
    for length_format in (">I", ">I", ">Q" if version == 2 else ">I"):  # colours, resources, layers
        (length,) = struct.unpack_from(length_format, content, place)
        place += struct.calcsize(length_format) + length
    (compression,) = struct.unpack_from(">H", content, place)
    place += 2
    if compression == RAW:
        end: int = place + channels * height * ((width * depth + 7) // 8)
        return end <= len(content)
    if compression == RLE:
        count = "I" if version == 2 else "H"
        lengths = f">{channels * height}{count}"
        needed = sum(struct.unpack_from(lengths, content, place))
        end = place + struct.calcsize(lengths) + needed
        return end <= len(content)
    return True  # zip tells by itself
