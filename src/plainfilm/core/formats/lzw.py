"""LZW as TIFF has it (6.0, section 13), which Python is too slow for: OpenCV's libtiff decompresses it."""

import struct

import cv2

from plainfilm.core.formats.raster import decoded_by_opencv, silent_opencv

# Tags of TIFF, section 8
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS = 273, 277, 278, 279
_MOST_HEIGHTS_TRIED = 4096
_WIDEST_ROW_OF_WORDS = 1 << 20  # bytes; OpenCV refuses pictures wider than 2**20 pixels


def unlzw(coded: bytes, rows: int, row_bytes: int) -> bytes:
    """Exactly rows * row_bytes bytes, decompressed by libtiff.

    OpenCV asks libtiff for 8-bit strips in a way that leaves black what cannot be decompressed, and for 16-bit strips
    in a way that fails. So the bytes are asked for as 16-bit numbers; only where they fill no whole rows of such, the
    last few come the other way, which takes six times as much memory as there are bytes.
    """
    size = rows * row_bytes
    least = max(1, -(-size // _WIDEST_ROW_OF_WORDS))
    exact = (height for height in range(least, least + _MOST_HEIGHTS_TRIED) if size % (2 * height) == 0)
    height = next(exact, least)
    width = size // (2 * height)
    plain = b""
    with silent_opencv():
        if width:
            words = decoded_by_opencv(_grey_tiff(coded, width, height, 16), cv2.IMREAD_UNCHANGED, width, height)
            plain = words.astype("<u2", copy=False).tobytes()
            del words
        if len(plain) < size:
            every = decoded_by_opencv(_grey_tiff(coded, row_bytes, rows, 8), cv2.IMREAD_UNCHANGED, row_bytes, rows)
            plain += every.reshape(-1)[len(plain) :].tobytes()
    return plain


def _grey_tiff(coded: bytes, width: int, height: int, bits: int) -> bytes:
    """A little-endian TIFF of one LZW strip."""
    fields = (
        *((_WIDTH, width), (_HEIGHT, height), (_BITS, bits), (_COMPRESSION, 5), (_PHOTOMETRIC, 1)),
        *((_STRIP_OFFSETS, 8), (_SAMPLES, 1), (_ROWS_PER_STRIP, height), (_STRIP_COUNTS, len(coded))),
    )
    pad = bytes(len(coded) % 2)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(coded) + len(pad))
    entries = (struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    return b"".join((head, coded, pad, struct.pack("<H", len(fields)), *entries, bytes(4)))
