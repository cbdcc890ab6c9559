"""What a decoded picture is before it is grey, and what every format needs on the way there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.errors import BadImage, TooManyPixels

# uint8 or uint16, over their full scale: 0 is black, 255 or 65535 is white.
Samples = NDArray[Any]

_ROWS_AT_A_TIME = 256
_LOG_LEVEL = threading.Lock()


@dataclass(frozen=True)
class Raster:
    """A decoded picture, as stored: not yet grey, nor turned upright.

    samples: (H, W) grey or (H, W, 3) blue, green, red; uint8 or uint16 over their full scale.
    alpha: (H, W) opacity of the same type, or None where every pixel is opaque by the format.
    bit_depth: bits a sample that the file declares.
    colour: grey, rgb, rgba or palette.
    orientation: EXIF and TIFF orientation, 1 (upright) to 8.
    is_inverted: the file stored white as the smallest number; the samples here are already turned over.
    notes: oddities that are no errors.
    coding: how the format holds the samples, where it knows several ways; "" else.
    jpeg_quality: 1 to 100 as most encoders count it, estimated; None where no JPEG, or not to be told.
    """

    samples: Samples
    alpha: Samples | None
    bit_depth: int
    colour: str
    orientation: int = 1
    is_inverted: bool = False
    notes: tuple[str, ...] = ()
    coding: str = ""
    jpeg_quality: float | None = None


def cut_off(what: str) -> BadImage:
    """The error of a file that ends too early; `what` says where one sees it."""
    return BadImage(f"is cut off: {what}. Copy or download the file again")


def damaged(what: str) -> BadImage:
    """The error of a file whose bytes contradict each other; `what` says where."""
    return BadImage(f"is damaged: {what}. Copy or download the file again")


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise BadImage where a file declares nothing to see, or more than max_pixels."""
    if width < 1 or height < 1:
        raise BadImage(f"declares a size of {width} x {height} pixels; expected at least 1 x 1")
    if width * height > max_pixels:
        raise TooManyPixels(
            f"declares {width} x {height} pixels; at most {max_pixels:,} are read, make it smaller first"
        )


def decoded_by_opencv(content: bytes, flags: int, width: int, height: int) -> Samples:
    """What OpenCV makes of the bytes of a picture file, which must be height rows of width pixels.

    Our callers hand it only what they have walked, so that its C libraries have nothing to complain of on stderr. One
    case remains that cannot be seen from outside nor be silenced: libjpeg's "Corrupt JPEG data" where bits are flipped
    among the coded pixels.
    """
    try:
        samples = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    except (cv2.error, MemoryError) as error:
        raise damaged("OpenCV could not decode its pixels") from error
    if samples is None:
        raise damaged("OpenCV could not decode its pixels")
    if samples.shape[:2] != (height, width):
        raise damaged(f"declares {width} x {height} pixels and holds {samples.shape[1]} x {samples.shape[0]}")
    return samples


@contextmanager
def silent_opencv() -> Iterator[None]:
    """Keep OpenCV's own log off stderr, for formats whose damage shows only in decoding.

    The level holds for the process; under the lock, our threads put back what they found.
    """
    with _LOG_LEVEL:
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(level)


def unpacked(rows: NDArray[np.uint8], count: int, bits: int) -> Samples:
    """Samples of 1 to 16 bits out of rows of packed bytes, the first sample in the highest bits.

    rows: (H, bytes a row). Returns (H, count): uint8 for up to 8 bits, else big-endian values as uint16.
    """
    dtype = np.uint8 if bits <= 8 else np.uint16
    if bits == 8:
        return rows[:, :count]
    if bits == 16:
        return np.ascontiguousarray(rows[:, : 2 * count]).view(">u2").astype(np.uint16)
    weights: Samples = (1 << np.arange(bits - 1, -1, -1)).astype(dtype)
    samples = np.empty((len(rows), count), dtype)
    for top in range(0, len(rows), _ROWS_AT_A_TIME):
        each_bit = np.unpackbits(rows[top : top + _ROWS_AT_A_TIME], axis=1, count=count * bits)
        samples[top : top + _ROWS_AT_A_TIME] = each_bit.reshape(-1, count, bits) @ weights
    return samples


def add_up(block: Samples) -> None:
    """Undo differences from pixel to pixel of a row, (H, W, samples), in place; few rows at a time, so in next to no memory."""
    for top in range(0, len(block), _ROWS_AT_A_TIME):
        some = block[top : top + _ROWS_AT_A_TIME]
        np.cumsum(some, axis=1, dtype=some.dtype, out=some)


def at_full_scale(samples: Samples, bits: int) -> Samples:
    """Samples of 0 to 2**bits - 1 spread over 0 to 255 (up to 8 bits) or 0 to 65535 (more), rounded to the nearest."""
    if bits in (8, 16):
        return samples
    full = 255 if bits < 8 else 65535
    levels = np.arange(1 << bits, dtype=np.uint64)
    table = (levels * full + ((1 << bits) - 1) // 2) // ((1 << bits) - 1)
    return table.astype(np.uint8 if bits < 8 else np.uint16)[samples]


def grey_of(samples: Samples) -> Samples:
    """Rec. 601 luma, 0.299 R + 0.587 G + 0.114 B; where red, green and blue are equal, exactly that value.

    samples: (H, W) grey, returned as it is, or (H, W, 3) blue, green, red. Source: ITU-R BT.601-7, 2.5.1.
    """
    return samples if samples.ndim == 2 else cv2.cvtColor(samples, cv2.COLOR_BGR2GRAY)


def through_palette(indices: Samples, palette: NDArray[np.uint8]) -> Samples:
    """The colour that each pixel points at, already as grey.

    indices: (H, W). palette: (N, 3) blue, green, red. Returns (H, W) uint8.
    Raises BadImage for an index outside the palette.
    """
    if indices.max(initial=0) >= len(palette):
        raise damaged(f"a pixel points at colour {indices.max()} of a palette of {len(palette)}")
    return grey_of(palette[:, np.newaxis, :])[:, 0][indices]


def from_packbits(coded: bytes, size: int) -> bytes:
    """At most `size` bytes out of run lengths, the same in TIFF (6.0, section 9) and in DICOM (PS3.5 G.3.2)."""
    plain = bytearray()
    at = 0
    while at < len(coded) and len(plain) < size:
        head = coded[at]
        if head < 128:
            plain += coded[at + 1 : at + 2 + head]
            at += 2 + head
        elif head > 128:
            plain += coded[at + 1 : at + 2] * (257 - head)
            at += 2
        else:
            at += 1
    return bytes(memoryview(plain)[:size])
