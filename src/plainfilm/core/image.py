"""From a file to the grey pixels of one chest film: the one door, whatever the format.

Nothing is guessed. The format is told by the content, the grey scale by the declared bit depth, and what cannot be read
wholly is not read at all. The formats themselves are in `plainfilm.core.formats`.
"""

import errno
import hashlib
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plainfilm.core.formats.bmp import read_bmp
from plainfilm.core.formats.exif import upright
from plainfilm.core.formats.jpeg import read_jpeg
from plainfilm.core.formats.png import read_png
from plainfilm.core.formats.raster import Raster, Samples, grey_of
from plainfilm.core.formats.recognise import format_of
from plainfilm.core.formats.tiff import read_tiff
from plainfilm.core.formats.webp import read_webp
from plainfilm.core.words import one_line
from plainfilm.errors import BadImage, Unfit

LEAST_SIDE_PX = 16  # nobody could see a chest in less
MAX_PIXELS = 100_000_000  # more than twice the largest detector; keeps a lying header from filling the memory

_FORMAT_OF_SUFFIX = {
    **{
        ".png": "png",
        ".jpg": "jpeg",
        ".jpeg": "jpeg",
        ".jpe": "jpeg",
        ".jfif": "jpeg",
        ".tif": "tiff",
        ".tiff": "tiff",
    },
    **{".bmp": "bmp", ".webp": "webp", ".dcm": "dicom", ".dicom": "dicom", ".ima": "dicom"},
}
# Pictures that are not read. They count as films, so that they become rows with an error instead of vanishing.
_OTHER_PICTURES = frozenset(
    {".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".jxl", ".ppm", ".pgm", ".pnm", ".psd", ".tga"}
)
FILM_SUFFIXES = frozenset(_FORMAT_OF_SUFFIX) | _OTHER_PICTURES

_READERS: dict[str, Callable[[bytes, int], Raster]] = {
    "png": read_png,
    "jpeg": read_jpeg,
    "tiff": read_tiff,
    "bmp": read_bmp,
    "webp": read_webp,
}
_MOST_BYTES_A_PIXEL = 8  # four samples of 16 bits, uncompressed
_LARGEST_HEADER = 1 << 26  # bytes
_DICM_AT = 128
_NO_UTF8 = re.compile(r"\\x[0-9a-f]{2}")
_DARK_BELOW = 1 << 14


@dataclass(frozen=True)
class ImageInfo:
    """What a file says about its film.

    format: png, jpeg, tiff, bmp, webp or dicom.
    width, height: pixels, as the film stands upright.
    bit_depth: bits a sample that the file declares; for DICOM the bits stored.
    colour: grey, rgb, rgba or palette, before it was made grey.
    is_inverted: white was stored as the smallest number (MONOCHROME1, MinIsWhite); the pixels are already turned over.
    patient_id, view (AP, PA, LL ...), sex (M, F or O), body_part (CHEST ...): out of a DICOM header, "" where it does not say.
    age: years, None where unknown.
    notes: oddities that are no errors, one sentence each.
    coding: how the format holds the pixels, where it knows several ways: process and subsampling of a JPEG, transfer syntax
        of a DICOM file, compression of a TIFF; "" else.
    jpeg_quality: 1 to 100, estimated from the tables of a JPEG; None for all else.
    file_bytes: the size of the file.
    """

    format: str
    width: int
    height: int
    bit_depth: int
    colour: str
    is_inverted: bool = False
    patient_id: str = ""
    view: str = ""
    age: float | None = None
    sex: str = ""
    notes: tuple[str, ...] = ()
    coding: str = ""
    jpeg_quality: float | None = None
    file_bytes: int = 0
    body_part: str = ""


@dataclass(frozen=True)
class Film:
    """One film: pixels (H, W), uint8 or uint16 over the full scale of 0 to 255 or 65535, 0 is black."""

    pixels: Samples
    info: ImageInfo


def read_film(
    source: Path | str | bytes,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    least_side: int = LEAST_SIDE_PX,
) -> Film:
    """Read one film.

    source: a file, or the bytes of one.
    name: what to call it in messages, and whose ending to compare with the content; else the path.
    max_pixels: a file that declares more is refused before it is decoded. least_side: what is smaller either way is refused.
    Raises BadImage for everything that is not one whole picture whose file declares its range: missing, empty, cut off,
    damaged, animated, of several pages or frames, too large, or no picture. Only a JPEG with bits flipped among its
    coded pixels cannot always be told from a good one: JPEG has no checksum.
    """
    where = name if isinstance(source, bytes) else (name or str(source))
    try:
        content = source if isinstance(source, bytes) else _content(Path(source), max_pixels)
        if not content:
            raise BadImage("is empty: 0 bytes. Copy or download the file again")
        film = _film(content, Path(where or "").suffix.lower(), max_pixels)
        if min(film.pixels.shape) < least_side:
            size = f"{film.info.width} x {film.info.height}"
            raise Unfit(f"is {size} pixels, too small for a film: {least_side} a side are expected at least")
        return film
    except BadImage as error:
        raise type(error)(one_line(error.message), where) from error.__cause__


def pixel_sha256(pixels: Samples) -> str:
    """A digest of type, shape and pixels: the same for the same picture in any lossless file, on any machine."""
    pixels = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{pixels.dtype.name} {pixels.shape}\n".encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def is_film_name(path: Path | str) -> bool:
    """Whether a file in a folder counts as a film, by its ending.

    Exports from a PACS have numbers for names: without an ending, or with one of digits, "DICM" at byte 128 decides.
    Neither hidden files (.DS_Store, and ._COVID-1.png of macOS) nor the DICOMDIR of a disc count.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return False
    if suffix in FILM_SUFFIXES:
        return True
    return (not suffix or suffix[1:].isdecimal()) and _has_dicm(path)


def _has_dicm(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(_DICM_AT + 4)[_DICM_AT:] == b"DICM"
    except OSError:
        return False


def _content(path: Path, max_pixels: int) -> bytes:
    """The bytes of a regular file; pipes and devices, which may never end, are refused."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise BadImage("is a directory; expected a picture file")
        if not stat.S_ISREG(status.st_mode):
            raise BadImage("is a pipe or a device; expected a picture file")
        if status.st_size > max_pixels * _MOST_BYTES_A_PIXEL + _LARGEST_HEADER:
            raise BadImage(f"has {status.st_size:,} bytes, more than {max_pixels:,} pixels could need")
        return path.read_bytes()
    except FileNotFoundError as error:
        if path.is_symlink():
            raise BadImage("is a link to a file that is not there") from error
        if _NO_UTF8.search(path.name):
            raise BadImage("has a name that is not UTF-8: rename it") from error
        raise BadImage("does not exist; check the path") from error
    except PermissionError as error:
        raise BadImage("may not be read by you; change its permissions") from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise BadImage("is a link that leads in a circle, to no file: remove it, or link it to a film") from error
        raise BadImage(f"cannot be opened ({getattr(error, 'strerror', '') or error})") from error


def _film(content: bytes, suffix: str, max_pixels: int) -> Film:
    """Decode, and make one grey upright picture of it."""
    format_ = format_of(content)
    notes = []
    promised = _FORMAT_OF_SUFFIX.get(suffix, suffix[1:] if suffix in _OTHER_PICTURES else format_)
    if promised != format_:
        notes.append(f"the name says {promised}, the content is {format_}")
    if format_ == "dicom":
        from plainfilm.core.formats.dicom import read_dicom  # late: pydicom costs every start a quarter of a second

        dicom = read_dicom(content, max_pixels)
        height, width = dicom.pixels.shape
        return Film(
            dicom.pixels,
            ImageInfo(
                *("dicom", width, height, dicom.bit_depth, "grey", dicom.is_inverted),
                *(dicom.patient_id, dicom.view, dicom.age, dicom.sex, (*notes, *dicom.notes)),
                coding=dicom.coding,
                file_bytes=len(content),
                body_part=dicom.body_part,
            ),
        )
    raster = _READERS[format_](content, max_pixels)
    pixels = grey_of(raster.samples)
    if raster.alpha is not None and raster.alpha.min() < np.iinfo(raster.alpha.dtype).max:
        pixels = _on_black(pixels, raster.alpha)
        notes.append("transparent pixels laid on black")
    if raster.orientation != 1:
        pixels = upright(pixels, raster.orientation)
        notes.append(f"turned upright, as its orientation ({raster.orientation}) asks")
    if pixels.dtype == np.uint16 and 0 < int(pixels.max()) < _DARK_BELOW:
        notes.append("uses less than a quarter of the range that its 16 bits declare, so it is read as dark")
    height, width = pixels.shape
    return Film(
        pixels,
        ImageInfo(
            *(format_, width, height, raster.bit_depth, raster.colour, raster.is_inverted),
            notes=(*notes, *raster.notes),
            coding=raster.coding,
            jpeg_quality=raster.jpeg_quality,
            file_bytes=len(content),
        ),
    )


def _on_black(pixels: Samples, alpha: Samples) -> Samples:
    """Grey pixels dimmed by their opacity, rounded to the nearest."""
    full = int(np.iinfo(pixels.dtype).max)
    product = pixels.astype(np.uint32) * alpha  # at most 65535 squared, and half of 65535 still fits
    return ((product + full // 2) // full).astype(pixels.dtype)
