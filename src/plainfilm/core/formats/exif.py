"""The one thing that matters here in an EXIF block: which way is up. Source: CIPA DC-008-2019, 4.6.4."""

import struct

import cv2
import numpy as np

from plainfilm.core.formats.raster import Samples

_MOST_ENTRIES = 512
_TURNS = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}


def orientation_of(exif: bytes) -> int:
    """1 (upright) to 8; 1 where the block, which begins with II or MM, is absent, silent or damaged."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return 1
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    if directory + 2 > len(exif):
        return 1
    (entries,) = struct.unpack_from(order + "H", exif, directory)
    after_last = min(directory + 2 + 12 * min(entries, _MOST_ENTRIES), len(exif) - 11)
    for entry in range(directory + 2, after_last, 12):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", exif, entry)
        if (tag, kind, count) == (0x0112, 3, 1):
            return int(value) if 1 <= value <= 8 else 1
    return 1


def upright(pixels: Samples, orientation: int) -> Samples:
    """The picture turned and mirrored as its orientation asks; (H, W), or (W, H) for orientations 5 to 8."""
    if orientation in (2, 4):
        return np.ascontiguousarray(pixels[:, ::-1] if orientation == 2 else pixels[::-1])
    if orientation in (5, 7):
        return np.ascontiguousarray(pixels.T if orientation == 5 else pixels[::-1, ::-1].T)
    return cv2.rotate(pixels, _TURNS[orientation]) if orientation in _TURNS else pixels
