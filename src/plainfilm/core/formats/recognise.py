"""Which format a file is of, by what is in it; its name plays no part."""

import re

from plainfilm.core.formats import bmp, png
from plainfilm.errors import NoPicture

# What stands after the tag of an element where value representations are written out. Source: PS3.5 6.2.
EXPLICIT_VR = re.compile(rb"AE|AS|AT|CS|DA|DS|DT|IS|LO|LT|OB|OW|PN|SH|SL|SQ|SS|ST|TM|UI|UL|UN|US|UT")
_EXPECTED = "expected PNG, JPEG, TIFF, BMP, WebP or DICOM"

# What people have beside their films, so that the message can name it: (offset, the bytes there, what it is).
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF, which is not a radiograph format plainfilm reads"),
    (0, b"II\x2b\x00", "a BigTIFF"),
    (0, b"MM\x00\x2b", "a BigTIFF"),
    (4, b"ftypavi", "an AVIF picture"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftyphev", "a HEIC picture"),
    (4, b"ftypmif", "a HEIF picture"),
    (4, b"ftyp", "a video"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture outside DICOM"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture outside DICOM"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\x00\x00\x01\x00", "an icon"),
    (0, b"NRRD", "an NRRD volume"),
    (344, b"n+1\x00", "a NIfTI volume"),
    (344, b"ni1\x00", "a NIfTI header"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\x00\x05\x16\x07", "a macOS companion file; the file of the same name without ._ is the picture"),
    (0, b"version https://git-lfs", 'a Git LFS pointer; run "git lfs pull"'),
)


def format_of(content: bytes) -> str:
    """png, jpeg, tiff, bmp, webp or dicom. Raises NoPicture for anything else, and says what it is instead."""
    if content[128:132] == b"DICM":
        return "dicom"
    if content.startswith(png.SIGNATURE):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith((b"II\x2a\x00", b"MM\x00\x2a")):
        return "tiff"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp"
    if content.startswith(b"BM") and int.from_bytes(content[14:18], "little") in bmp.HEADER_SIZES:
        return "bmp"
    for offset, magic, name in _OTHERS:
        if content.startswith(magic, offset):
            raise NoPicture(f"is {name}; {_EXPECTED}")
    if _is_bare_dicom(content):
        return "dicom"
    beginning = content[:512]
    if not beginning.strip(b"\x00"):
        raise NoPicture(f"begins with nothing but zero bytes; {_EXPECTED}. Copy or download the file again")
    if not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", beginning):
        kind = "HTML or XML" if beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else "text"
        raise NoPicture(f"is {kind}, not a picture; {_EXPECTED}")
    raise NoPicture(f"is of no known format (it begins with {content[:8].hex(' ')}); {_EXPECTED}")


def _is_bare_dicom(content: bytes) -> bool:
    """Whether the bytes could be a DICOM data set without preamble and "DICM": the first element is a likely one.

    That is one of group 0002, or an early one of group 0008, in explicit VR or with a short value. Source: PS3.10 7.1.
    """
    group, element = int.from_bytes(content[:2], "little"), int.from_bytes(content[2:4], "little")
    is_first = (group == 2 and element <= 0x10) or (group == 8 and element <= 0x60)
    return is_first and (bool(EXPLICIT_VR.match(content, 4)) or int.from_bytes(content[4:8], "little") <= 256)
