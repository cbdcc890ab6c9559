"""PNG: 1 to 16 bits, grey, colour, palette, with and without transparency. Source: https://www.w3.org/TR/png-3/"""

import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.formats.exif import orientation_of
from plainfilm.core.formats.raster import (
    Raster,
    Samples,
    check_size,
    cut_off,
    damaged,
    decoded_by_opencv,
    through_palette,
)
from plainfilm.errors import Unfit

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), _GREY_ALPHA: (8, 16), _RGBA: (8, 16)}
_SAMPLES_A_PIXEL = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_COLOUR_NAMES = {_GREY: "grey", _RGB: "rgb", _PALETTE: "palette", _GREY_ALPHA: "grey", _RGBA: "rgba"}
# The passes of an interlaced picture: left, top, and the steps from column to column and from row to row.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_MOST_CHUNKS = 1_000_000


@dataclass(frozen=True)
class _Declared:
    """What the chunks of a PNG declare, and the parts of it that make its pixels.

    palette, transparency, exif: the contents of PLTE, tRNS and eXIf, empty where absent.
    compressed: the contents of all IDAT together, one zlib stream.
    """

    width: int
    height: int
    bit_depth: int
    colour_type: int
    is_interlaced: bool
    palette: bytes
    transparency: bytes
    exif: bytes
    compressed: bytes


def read_png(content: bytes, max_pixels: int) -> Raster:
    """Decode a PNG. Raises BadImage where it is cut off, damaged, animated or larger than max_pixels."""
    declared = _declared(content)
    check_size(declared.width, declared.height, max_pixels)
    samples, alpha = _pixels(declared, _filtered_rows(declared))
    return Raster(
        samples=samples,
        alpha=alpha,
        bit_depth=declared.bit_depth,
        colour=_COLOUR_NAMES[declared.colour_type],
        orientation=orientation_of(declared.exif),
        coding="interlaced" if declared.is_interlaced else "",
    )


def _declared(content: bytes) -> _Declared:
    """Walk all chunks, checksums included."""
    chunks = _chunks(content)
    kind, first = chunks[0]
    if kind != b"IHDR" or len(first) != 13:
        raise damaged("a PNG has to begin with IHDR, 13 bytes long")
    width, height, bit_depth, colour_type, compression, filtering, interlace = struct.unpack(">IIBBBBB", first)
    if bit_depth not in _DEPTHS.get(colour_type, ()) or compression or filtering or interlace > 1:
        raise damaged(f"PNG knows no colour type {colour_type} of {bit_depth} bits compressed by {compression}")
    parts: dict[bytes, memoryview] = {}
    compressed = []
    for kind, body in chunks[1:]:
        if kind == b"IDAT":
            compressed.append(body)
        elif kind in (b"PLTE", b"tRNS", b"eXIf"):
            parts[kind] = body
        elif kind == b"acTL" and len(body) == 8 and (frames := int.from_bytes(body[:4])) > 1:
            raise Unfit(f"is an animation of {frames} pictures; expected one film")
        elif kind[0] & 0x20 == 0 and kind != b"IEND":  # a capital first letter: not to be passed over
            raise damaged(f"it cannot be read without its chunk {kind.decode('latin-1')!r}, which PNG does not know")
    palette, transparency, exif = (bytes(parts.get(kind, b"")) for kind in (b"PLTE", b"tRNS", b"eXIf"))
    if colour_type == _PALETTE and (len(palette) % 3 or not 3 <= len(palette) <= 768):
        raise damaged(f"a palette of {len(palette)} bytes; expected 3 for each of 1 to 256 colours")
    return _Declared(
        *(width, height, bit_depth, colour_type, bool(interlace)), palette, transparency, exif, b"".join(compressed)
    )


def _chunks(content: bytes) -> list[tuple[bytes, memoryview]]:
    """(kind, body) of every chunk up to IEND; what follows IEND is left alone."""
    view = memoryview(content)
    chunks: list[tuple[bytes, memoryview]] = []
    at = len(SIGNATURE)
    while len(chunks) < _MOST_CHUNKS:
        if at + 12 > len(content):
            raise cut_off(f"the PNG ends after {len(content):,} bytes, before its last chunk, IEND")
        kind, end = bytes(view[at + 4 : at + 8]), at + 8 + int.from_bytes(view[at : at + 4])
        if end + 4 > len(content):
            raise cut_off(
                f"the chunk {kind.decode('latin-1')!r} at byte {at:,} goes beyond the {len(content):,} bytes of the file"
            )
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise damaged(f"the checksum of the chunk {kind.decode('latin-1')!r} at byte {at:,} is wrong")
        chunks.append((kind, view[at + 8 : end]))
        if kind == b"IEND":
            return chunks
        at = end + 4
    raise damaged(f"more than {_MOST_CHUNKS:,} chunks")


def _filtered_rows(declared: _Declared) -> bytes:
    """The inflated rows, each after the number of its filter.

    We inflate, not libpng, so that a stream that is too short or damaged is our error and not a line on stderr, and so
    that no more memory is taken than the declared size needs. What is stored beyond that size is left out, as libpng
    does.
    """
    row_bits = _SAMPLES_A_PIXEL[declared.colour_type] * declared.bit_depth
    shapes = []
    for left, top, step_x, step_y in _ADAM7 if declared.is_interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(declared.width - left) // step_x), -(-(declared.height - top) // step_y)
        if columns > 0 and rows > 0:
            shapes.append((rows, 1 + (columns * row_bits + 7) // 8))
    expected = sum(rows * row_bytes for rows, row_bytes in shapes)
    inflater = zlib.decompressobj()
    try:
        filtered = inflater.decompress(declared.compressed, expected + 1)
    except zlib.error as error:
        raise damaged(f"its compressed pixels ({error})") from error
    if len(filtered) < expected or (len(filtered) == expected and not inflater.eof):
        raise cut_off(f"its pixels inflate to {len(filtered):,} bytes, expected {expected:,} and an end mark")
    at = 0
    for rows, row_bytes in shapes:
        if max(filtered[at : at + rows * row_bytes : row_bytes]) > 4:
            raise damaged("a row has a filter that PNG does not know")
        at += rows * row_bytes
    return filtered[:expected]


def _pixels(declared: _Declared, filtered: bytes) -> tuple[Samples, Samples | None]:
    """(samples, alpha) as Raster has them.

    OpenCV reverses the filters. It gets a PNG of the three chunks that this needs, stored without compression: libpng
    has nothing left in it to complain of, and no other chunk to be misled by.
    """
    colour_type = _GREY if declared.colour_type == _PALETTE else declared.colour_type
    first = struct.pack(
        ">IIBBBBB", declared.width, declared.height, declared.bit_depth, colour_type, 0, 0, declared.is_interlaced
    )
    plain = SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        for kind, body in ((b"IHDR", first), (b"IDAT", zlib.compress(filtered, 0)), (b"IEND", b""))
    )
    pixels = decoded_by_opencv(plain, cv2.IMREAD_UNCHANGED, declared.width, declared.height)
    if declared.colour_type in (_GREY_ALPHA, _RGBA):
        return pixels[:, :, :3], pixels[:, :, 3]
    step = 255 // ((1 << min(declared.bit_depth, 8)) - 1)  # OpenCV spreads 1, 2 and 4 bits over 0 to 255
    if declared.colour_type == _PALETTE:
        indices = pixels // step
        palette = np.frombuffer(declared.palette, np.uint8).reshape(-1, 3)[:, ::-1]
        opacity = np.full(256, 255, np.uint8)
        opacity[: len(declared.transparency)] = np.frombuffer(declared.transparency, np.uint8)[:256]
        return through_palette(indices, palette), opacity[indices] if declared.transparency else None
    return pixels, _opaque_except(declared, pixels, step)


def _opaque_except(declared: _Declared, pixels: Samples, step: int) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """The alpha of a picture in which one grey or one colour is transparent (tRNS), else None."""
    if len(declared.transparency) != (2 if declared.colour_type == _GREY else 6):
        return None
    key = np.frombuffer(declared.transparency, ">u2")[::-1].astype(np.int64) * step
    is_key = pixels == key[0] if pixels.ndim == 2 else (pixels == key).all(axis=2)
    return np.where(is_key, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
