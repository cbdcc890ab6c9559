"""WebP: one still picture, lossy or lossless. Source: https://developers.google.com/speed/webp/docs/riff_container"""

import struct

import cv2

from plainfilm.core.formats.exif import orientation_of
from plainfilm.core.formats.raster import Raster, check_size, cut_off, damaged, decoded_by_opencv, silent_opencv
from plainfilm.errors import Unfit

_MOST_CHUNKS = 10_000


def read_webp(content: bytes, max_pixels: int) -> Raster:
    """Decode a WebP. Raises BadImage where it is cut off, damaged, animated or larger than max_pixels."""
    width, height, orientation = _declared(content)
    check_size(width, height, max_pixels)
    with silent_opencv():
        pixels = decoded_by_opencv(content, cv2.IMREAD_UNCHANGED, width, height)
    has_alpha = pixels.ndim == 3 and pixels.shape[2] == 4
    return Raster(
        samples=pixels[:, :, :3] if has_alpha else pixels,
        alpha=pixels[:, :, 3] if has_alpha else None,
        bit_depth=8,
        colour="rgba" if has_alpha else "rgb",
        orientation=orientation,
    )


def _declared(content: bytes) -> tuple[int, int, int]:
    """(width, height, orientation), after a walk over all chunks."""
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise cut_off(f"the WebP declares {end:,} bytes and has {len(content):,}")
    canvas, frames, orientation = None, [], 1
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            break
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise cut_off(f"the chunk {kind!r} at byte {at:,} goes beyond the end of the WebP")
        if kind in (b"ANIM", b"ANMF"):
            raise Unfit("is an animation; expected one film")
        start = content[at + 8 : at + 18]
        if kind == b"VP8X" and len(start) == 10:
            canvas = (1 + int.from_bytes(start[4:7], "little"), 1 + int.from_bytes(start[7:10], "little"))
        elif kind == b"VP8 " and start[3:6] == b"\x9d\x01\x2a" and len(start) == 10:
            width, height = struct.unpack_from("<HH", start, 6)
            frames.append((width & 0x3FFF, height & 0x3FFF))
        elif kind == b"VP8L" and start[:1] == b"\x2f" and len(start) >= 5:
            bits = int.from_bytes(start[1:5], "little")
            frames.append((1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)))
        elif kind == b"EXIF":
            orientation = orientation_of(content[at + 8 : at + 8 + length].removeprefix(b"Exif\x00\x00"))
        at += 8 + length + length % 2
    if len(frames) != 1 or canvas not in (None, frames[0]):
        raise damaged(f"the WebP declares {len(frames)} pictures of {frames} pixels on a canvas of {canvas}")
    return *frames[0], orientation
