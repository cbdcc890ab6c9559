"""JPEG with 8 bits: the walk over its markers, and OpenCV for its pixels. Source: ITU-T T.81."""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.formats.exif import orientation_of
from plainfilm.core.formats.raster import Raster, Samples, check_size, cut_off, damaged, decoded_by_opencv
from plainfilm.errors import BadImage, Unfit

SOI, EOI, SOS, DHT, DQT, DRI, APP1 = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD, 0xE1
SCAN_DATA = 0  # our own number, not a marker: the coded pixels that follow a start of scan
_WITHOUT_LENGTH = frozenset((0x00, 0x01, SOI, *range(0xD0, 0xD8)))
_PROCESSES = {
    **{0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless", 0xF7: "JPEG-LS"},
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB), "arithmetic"),
}
_SUBSAMPLINGS: dict[tuple[str, ...], str] = {
    (first, "1x1", "1x1"): name
    for first, name in (("1x1", "4:4:4"), ("2x1", "4:2:2"), ("2x2", "4:2:0"), ("1x2", "4:4:0"), ("4x1", "4:1:1"))
}
_NO_FILL = re.compile(rb"[^\xff]")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a marker that is no stuffed byte, no restart and no fill byte
_AFTER_JPEG_LS_SCAN = re.compile(rb"\xff[\x80-\xfe]")  # there one bit is stuffed, not a byte (ITU-T T.87 A.1)
_MOST_SEGMENTS = 100_000
_MOST_SCANS = 64  # encoders write about ten; each further one costs a pass over the whole picture
_FILLING = 128  # the grey that libjpeg fills with where the data of a JPEG ends too early
_FILLED_WIDTH = 128  # pixels, 16 blocks: as grey they cost at least 32 bits, more than the three bytes left out below

# What the table of grey values adds up to at quality 50, from which most encoders scale it. Source: ITU-T T.81 table K.1.
_SUM_AT_QUALITY_50 = 3688

Segments = Sequence[tuple[int, memoryview]]


@dataclass(frozen=True)
class Frame:
    """The frame header of a JPEG.

    process: baseline, extended, progressive, lossless, hierarchical, arithmetic or JPEG-LS.
    bit_depth: bits a sample. components: samples a pixel: 1 grey, 3 colour, 4 print colours.
    quantisation_table: the number of the table of the first component.
    subsampling: "4:4:4", "4:2:0" and so on for the usual ways to store colour more coarsely, else the sampling factors;
        "" for one component.
    """

    process: str
    width: int
    height: int
    bit_depth: int
    components: int
    quantisation_table: int
    subsampling: str


def read_jpeg(content: bytes, max_pixels: int) -> Raster:
    """Decode a JPEG to grey. Raises BadImage where it is cut off, damaged, too large or of a kind that is not read."""
    segments = jpeg_segments(content)
    frame = jpeg_frame(segments)
    check_size(frame.width, frame.height, max_pixels)
    blocks = (bytes(body) for marker, body in segments if marker == APP1)
    exif = next((block[6:] for block in blocks if block.startswith(b"Exif\x00\x00")), b"")
    return Raster(
        samples=decoded_jpeg(content, segments, frame),
        alpha=None,
        bit_depth=8,
        colour="grey" if frame.components == 1 else "rgb",
        orientation=orientation_of(exif),
        coding=f"{frame.process} {frame.subsampling}".strip(),
        jpeg_quality=_quality(segments, frame),
    )


def jpeg_segments(content: bytes, is_jpeg_ls: bool = False) -> list[tuple[int, memoryview]]:
    """(marker, body) of each segment up to the end of image, and (SCAN_DATA, bytes) after each start of scan.

    What follows the end of image is left alone. Raises BadImage where there is no end of image after coded pixels, and
    where something else stands in a marker's place. Source: ITU-T T.81 annex B.
    """
    view = memoryview(content)
    segments: list[tuple[int, memoryview]] = []
    after_scan = _AFTER_JPEG_LS_SCAN if is_jpeg_ls else _AFTER_SCAN
    scans = 0
    at = 2
    while at + 2 <= len(content) and len(segments) < _MOST_SEGMENTS:
        if content[at] != 0xFF:
            raise damaged(f"byte {at:,} of the JPEG ought to begin a marker")
        marker = content[at + 1]
        if marker == EOI:
            if not scans:
                raise damaged("the JPEG holds no picture")
            return segments
        if marker == 0xFF:  # fill bytes, of which the last one belongs to the marker
            after_fill = _NO_FILL.search(content, at)
            at = after_fill.start() - 1 if after_fill else len(content)
            continue
        length = int.from_bytes(view[at + 2 : at + 4])
        end = at + 2 + length
        if at + 4 > len(content) or end > len(content):
            break
        if marker in _WITHOUT_LENGTH or length < 2:
            raise damaged(f"byte {at:,} of the JPEG ought to begin a marker with a length")
        segments.append((marker, view[at + 4 : end]))
        at = end
        if marker == SOS:
            scans += 1
            if scans > _MOST_SCANS:
                raise Unfit(f"stores its pixels in more than {_MOST_SCANS} scans; save it as a plain JPEG or as PNG")
            next_marker = after_scan.search(content, at)
            if next_marker is None:
                break
            segments.append((SCAN_DATA, view[at : next_marker.start()]))
            at = next_marker.start()
    raise cut_off(f"the JPEG ends after {len(content):,} bytes, before its end-of-image mark")


def jpeg_frame(segments: Segments) -> Frame:
    """The one frame header among the segments. Raises BadImage where there is none, or several, or a broken one."""
    found = [(marker, body) for marker, body in segments if marker in _PROCESSES]
    if len(found) != 1:
        raise damaged(f"the JPEG has {len(found)} frame headers, expected 1")
    marker, body = found[0]
    if len(body) < 9 or len(body) != 6 + 3 * body[5]:
        raise damaged("the frame header of the JPEG is of a wrong length")
    bit_depth, height, width, components = struct.unpack_from(">BHHB", body)
    factors = tuple(f"{factor >> 4}x{factor & 15}" for factor in body[7::3])
    subsampling = _SUBSAMPLINGS.get(factors, " ".join(factors)) if components > 1 else ""
    return Frame(_PROCESSES[marker], width, height, bit_depth, components, body[8], subsampling)


def quantisation_tables(body: bytes) -> dict[int, NDArray[np.float32]]:
    """The tables of one DQT segment by number, each (64,) in stored order. Source: ITU-T T.81 B.2.4.1."""
    tables = {}
    while body:
        width = 2 if body[0] >> 4 else 1
        values = body[1 : 1 + 64 * width]
        if len(values) < 64 * width:
            raise damaged("a quantisation table of the JPEG")
        tables[body[0] & 15] = np.frombuffer(values, f">u{width}").astype(np.float32)
        body = body[1 + 64 * width :]
    return tables


def decoded_jpeg(content: bytes, segments: Segments, frame: Frame) -> Samples:
    """(H, W) uint8 grey; of a colour JPEG its luma, which is stored as such. Raises BadImage where OpenCV could not.

    A block of 8 x 8 pixels costs at least two bits, in progressive scans one (ITU-T T.81 F.1.2, G.1.2): a header that
    declares more blocks than that lies, or the file was cut and closed again, which OpenCV would fill with grey.
    """
    if frame.process not in ("baseline", "extended", "progressive"):
        raise Unfit(f"is a JPEG of the {frame.process} kind, which is read inside DICOM if at all; save it as PNG")
    if frame.bit_depth != 8:
        raise Unfit(f"is a JPEG of {frame.bit_depth} bits, which is read only inside DICOM; save it as a 16-bit PNG")
    if frame.components == 4:
        raise Unfit("is a JPEG in print colours (CMYK); expected grey or RGB, save it as grey first")
    if frame.components not in (1, 3):
        raise Unfit(f"is a JPEG of {frame.components} colours; expected 1 (grey) or 3 (RGB)")
    blocks = -(-frame.width // 8) * -(-frame.height // 8)
    bits = 8 * sum(len(body) for marker, body in segments if marker == SCAN_DATA)
    if bits < blocks * (1 if frame.process == "progressive" else 2):
        raise cut_off(f"{frame.width} x {frame.height} pixels cannot be in {bits // 8:,} bytes of JPEG data")
    pixels = _decoded(content, frame)
    ends_in_filling = frame.width >= _FILLED_WIDTH and (pixels[-8:, -_FILLED_WIDTH:] == _FILLING).all()
    if ends_in_filling and frame.process != "progressive" and not _is_stored_grey(content, segments, frame, pixels):
        raise cut_off("the data of the JPEG ends before its last rows")
    return pixels


def _decoded(content: bytes, frame: Frame) -> Samples:
    return decoded_by_opencv(content, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION, frame.width, frame.height)


def _is_stored_grey(content: bytes, segments: Segments, frame: Frame, pixels: Samples) -> bool:
    """Whether a picture that ends in the grey of libjpeg's filling was stored so, and is not filled.

    If it was stored, the last three bytes hold nothing but that grey; without them, no pixel of another grey changes.
    """
    last_scan = bytes([body for marker, body in segments if marker == SCAN_DATA][-1])
    end = content.rfind(last_scan) + len(last_scan)
    without_end = _decoded(content[: end - 3] + content[end:], frame)
    return bool((pixels[without_end != pixels] == _FILLING).all())


def _quality(segments: Segments, frame: Frame) -> float | None:
    """The quality at which an encoder of the usual kind writes a first quantisation table as coarse as this one.

    Such encoders scale the table of quality 50 by 50 / quality below it and by 2 - quality / 50 above, and round.
    Returns 1 to 100, good to about one from 25 on, below which tables reach their largest number and all seem better than
    they are; None where the table is missing or damaged. Source: libjpeg, jcparam.c.
    """
    tables: dict[int, NDArray[np.float32]] = {}
    try:
        for marker, body in segments:
            if marker == DQT:
                tables |= quantisation_tables(bytes(body))
    except BadImage:  # OpenCV could decode the picture all the same
        return None
    table = tables.get(frame.quantisation_table)
    if table is None:
        return None
    scale = float(table.sum()) / _SUM_AT_QUALITY_50
    return round(min(100.0, max(1.0, 100 - 50 * scale if scale < 1 else 50 / scale)), 1)
