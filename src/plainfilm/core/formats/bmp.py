"""BMP: uncompressed, 1 to 32 bits a pixel. Source: https://learn.microsoft.com/windows/win32/gdi/bitmap-storage"""

import struct
from dataclasses import dataclass

import numpy as np

from plainfilm.core.formats.raster import Raster, Samples, check_size, cut_off, damaged, through_palette, unpacked
from plainfilm.errors import Unfit

HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_COMPRESSIONS = {1: "run-length", 2: "run-length", 4: "JPEG", 5: "PNG"}
_BITFIELDS = (3, 6)
_MASKS_OF_16_BITS = (0x001F, 0x03E0, 0x7C00, 0)


@dataclass(frozen=True)
class _Declared:
    """What a BMP declares, and where its parts lie.

    height: rows; is_top_down: the first row stored is the upper one (mostly it is the lower one).
    row_bytes: bytes from one row to the next; pixels_at: where the rows begin.
    palette: (N, 3) blue, green, red, for 1, 4 and 8 bits a pixel.
    masks: which bits of a pixel are blue, green, red and alpha, for 16 and 32; alpha is 0 where there is none.
    """

    width: int
    height: int
    is_top_down: bool
    bits_a_pixel: int
    row_bytes: int
    pixels_at: int
    palette: Samples
    masks: tuple[int, ...]


def read_bmp(content: bytes, max_pixels: int) -> Raster:
    """Decode a BMP. Raises BadImage where it is cut off, damaged, compressed or larger than max_pixels."""
    bmp = _declared(content)
    check_size(bmp.width, bmp.height, max_pixels)
    if bmp.pixels_at + bmp.row_bytes * bmp.height > len(content):
        raise cut_off(f"{bmp.width} x {bmp.height} pixels do not fit into the {len(content):,} bytes of the BMP")
    rows = np.frombuffer(content, np.uint8, bmp.row_bytes * bmp.height, bmp.pixels_at).reshape(bmp.height, -1)
    rows = rows if bmp.is_top_down else rows[::-1]
    if bmp.bits_a_pixel <= 8:
        grey = through_palette(unpacked(rows, bmp.width, bmp.bits_a_pixel), bmp.palette)
        return Raster(samples=grey, alpha=None, bit_depth=8, colour="palette")
    if bmp.bits_a_pixel == 24:
        samples = np.ascontiguousarray(rows[:, : 3 * bmp.width]).reshape(bmp.height, bmp.width, 3)
        return Raster(samples=samples, alpha=None, bit_depth=8, colour="rgb")
    words = np.ascontiguousarray(rows).view(f"<u{bmp.bits_a_pixel // 8}")[:, : bmp.width]
    alpha = _masked(words, bmp.masks[3]) if bmp.masks[3] else None
    samples = np.dstack([_masked(words, mask) for mask in bmp.masks[:3]])
    return Raster(samples=samples, alpha=alpha, bit_depth=8, colour="rgb" if alpha is None else "rgba")


def _declared(content: bytes) -> _Declared:
    """Read and check both headers."""
    if len(content) < 26:
        raise cut_off(f"{len(content)} bytes are too few for a BMP")
    headers = content[:70].ljust(70, b"\x00")  # what is missing here is missed below, where the pixels are
    pixels_at, header_size = struct.unpack_from("<II", headers, 10)
    compression = colours = 0
    if header_size == 12:
        width, height, _, bits_a_pixel = struct.unpack_from("<HHHH", headers, 18)
    else:
        width, height, _, bits_a_pixel, compression = struct.unpack_from("<iiHHI", headers, 18)
        (colours,) = struct.unpack_from("<I", headers, 46)
    if compression and compression not in _BITFIELDS:
        name = _COMPRESSIONS.get(compression, "unknown")
        raise Unfit(f"is a BMP with {name} compression ({compression}), which is not read; save it as PNG")
    if bits_a_pixel not in (1, 4, 8, 16, 24, 32) or (compression and bits_a_pixel not in (16, 32)):
        raise damaged(f"BMP knows no {bits_a_pixel} bits a pixel, compressed by {compression}")
    masks: tuple[int, ...] = _MASKS_OF_16_BITS if bits_a_pixel == 16 else (0x0000FF, 0x00FF00, 0xFF0000, 0)
    if compression:
        red, green, blue, alpha = struct.unpack_from("<IIII", headers, 54)
        masks = (blue, green, red, alpha if header_size >= 56 or compression == 6 else 0)
        if not all(masks[:3]) or max(masks) >> bits_a_pixel:
            raise damaged("the colour masks of the BMP are empty or too wide")
    entry = 3 if header_size == 12 else 4
    palette_at = 14 + header_size
    if pixels_at < palette_at:
        raise damaged("the pixels of the BMP begin inside its header")
    entries = min(colours or 256, 1 << min(bits_a_pixel, 8), (pixels_at - palette_at) // entry)
    stored = content[palette_at : palette_at + entries * entry].ljust(entries * entry, b"\x00")
    palette = np.frombuffer(stored, np.uint8).reshape(entries, entry)[:, :3]
    return _Declared(
        *(width, abs(height), height < 0, bits_a_pixel),
        *((max(width, 0) * bits_a_pixel + 31) // 32 * 4, pixels_at, palette, masks),
    )


def _masked(words: Samples, mask: int) -> Samples:
    """The bits of each word under the mask, spread over 0 to 255."""
    lowest = (mask & -mask).bit_length() - 1
    largest = mask >> lowest
    values = ((words & mask) >> lowest).astype(np.uint64)
    return ((values * 255 + largest // 2) // largest).astype(np.uint8)
