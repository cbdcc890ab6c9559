"""The pixels inside a DICOM file, by transfer syntax: from the bytes of Pixel Data to stored values.

They are decoded by NumPy, by OpenCV behind our own walk over the markers, and by OpenJPEG and CharLS once the size in
their headers is known to be the one that DICOM declares. pydicom would hand most of them to GDCM, which a damaged
stream can make end the whole process. Source: DICOM PS3.5, 8.2 and annex A.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from plainfilm.core.formats.deep_jpeg import decoded_deep_jpeg
from plainfilm.core.formats.jpeg import decoded_jpeg, jpeg_frame, jpeg_segments
from plainfilm.core.formats.raster import Samples, cut_off, damaged, from_packbits

_J2K_START = b"\xff\x4f\xff\x51"  # start of codestream, size
_MOST_J2K_TILES = 4096


@dataclass(frozen=True)
class StoredPixels:
    """The Image Pixel module of one grey frame (DICOM PS3.3 C.7.6.3), checked, and its bytes.

    bits_allocated: 8 or 16. bits_stored: 1 to bits_allocated. high_bit: the highest of them, counted from 0.
    is_signed: stored values are two's complement of bits_stored bits.
    syntax: the transfer syntax. is_little_endian, is_in_words: how uncompressed bytes are ordered; VR OW is in words.
    content: the whole of uncompressed Pixel Data, or the bytes of the one compressed frame.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    syntax: str
    is_little_endian: bool
    is_in_words: bool
    content: bytes


@dataclass(frozen=True)
class _Decoded:
    """What a decoder found: (H, W) whole numbers, and what the coded stream says of their depth and sign."""

    samples: Samples
    bit_depth: int
    is_signed: bool = False


def is_known_syntax(syntax: str) -> bool:
    """Whether `stored_values` decodes it."""
    return syntax in _DECODERS


def stored_values(pixels: StoredPixels) -> tuple[Samples, tuple[str, ...]]:
    """(H, W) stored values as unsigned patterns of bits_stored bits, 0 to 2**bits_stored - 1, and notes.

    Raises BadImage where the bytes are cut off, damaged, or hold another picture than the header declares.
    """
    decoded = _DECODERS[pixels.syntax](pixels)
    bits = pixels.bits_stored
    below_zero = 1 << bits - 1 if decoded.is_signed and pixels.is_signed else 0
    lowest, highest = -below_zero, (1 << bits) - 1 - below_zero
    if decoded.samples.min() < lowest or decoded.samples.max() > highest:
        raise damaged(f"samples of {decoded.samples.min()} to {decoded.samples.max()}; {bits} bits stored are declared")
    notes: tuple[str, ...] = ()
    if decoded.bit_depth != bits:
        if pixels.is_signed and not decoded.is_signed:
            raise damaged(f"{bits} signed bits are declared, its compressed pixels have {decoded.bit_depth} unsigned")
        notes = (f"{bits} bits stored are declared, its compressed pixels say {decoded.bit_depth}",)
    return decoded.samples.astype(np.uint16) & np.uint16((1 << bits) - 1), notes


def _native(pixels: StoredPixels) -> _Decoded:
    """Uncompressed. Bits beside the stored ones, which once held overlays, are left out. Source: PS3.5 8.1, annex D."""
    count, width = pixels.rows * pixels.columns, pixels.bits_allocated // 8
    if len(pixels.content) < count * width:
        raise cut_off(f"Pixel Data of {len(pixels.content):,} bytes, expected {count * width:,}")
    content = pixels.content
    if width == 1 and pixels.is_in_words and not pixels.is_little_endian:
        content = np.frombuffer(content[: len(content) // 2 * 2], ">u2").astype("<u2").tobytes()
    order = "<" if pixels.is_little_endian else ">"
    words = np.frombuffer(content, f"{order}u{width}", count).reshape(pixels.rows, pixels.columns)
    shift = pixels.high_bit + 1 - pixels.bits_stored
    return _Decoded(words >> shift & (1 << pixels.bits_stored) - 1, pixels.bits_stored)


def _jpeg(pixels: StoredPixels) -> _Decoded:
    """JPEG of the first generation, lossy or lossless. Source: PS3.5 A.4.1 and A.4.2."""
    segments = jpeg_segments(pixels.content)
    frame = jpeg_frame(segments)
    _check_held(pixels, frame.width, frame.height, frame.components, frame.bit_depth)
    if frame.bit_depth == 8 and frame.process != "lossless":
        return _Decoded(decoded_jpeg(pixels.content, segments, frame), 8)
    return _Decoded(decoded_deep_jpeg(segments, frame), frame.bit_depth)


def _jpeg_ls(pixels: StoredPixels) -> _Decoded:
    """JPEG-LS, lossless or near. Source: PS3.5 A.4.3.

    CharLS reads on beyond the bytes of a stream without an end mark, for seconds; jpeg_segments insists on the mark.
    """
    import jpeg_ls  # type: ignore[import-untyped]  # late, since few films need it and every start would pay for it

    frame = jpeg_frame(jpeg_segments(pixels.content, is_jpeg_ls=True))
    _check_held(pixels, frame.width, frame.height, frame.components, frame.bit_depth)
    try:
        content = bytes(jpeg_ls.decode_pixel_data(pixels.content)[0])
    except Exception as error:
        raise damaged(f"its JPEG-LS pixels ({error})") from error
    return _Decoded(_as_picture(content, pixels, frame.bit_depth, is_signed=False), frame.bit_depth)


def _jpeg_2000(pixels: StoredPixels) -> _Decoded:
    """JPEG 2000 and High-Throughput JPEG 2000. Source: PS3.5 A.4.4, ITU-T T.800 A.5.1."""
    from openjpeg.utils import decode_pixel_data

    start = pixels.content.find(_J2K_START) if pixels.content.startswith(b"\x00\x00\x00\x0cjP  ") else 0
    stream = pixels.content[max(start, 0) :]
    if not stream.startswith(_J2K_START) or len(stream) < 45:
        raise damaged("its JPEG 2000 pixels do not begin as they should")
    width, height, left, top, tile_width, tile_height = struct.unpack_from(">6I", stream, 8)
    components, depth, step_x, step_y = struct.unpack_from(">HBBB", stream, 40)
    bit_depth, is_signed = (depth & 127) + 1, depth > 127
    _check_held(pixels, width, height, components, bit_depth)
    tiles = -(-width // tile_width) * -(-height // tile_height) if tile_width and tile_height else 0
    if (left, top, step_x, step_y) != (0, 0, 1, 1) or not 1 <= tiles <= _MOST_J2K_TILES:
        raise damaged(f"JPEG 2000 pixels in {tiles:,} tiles from {left}, {top}, every {step_x}, {step_y}")
    if not stream.rstrip(b"\x00").endswith(b"\xff\xd9"):
        raise cut_off("its JPEG 2000 pixels have no end mark")
    try:
        content = bytes(decode_pixel_data(stream, version=2))
    except Exception as error:
        raise damaged(f"its JPEG 2000 pixels ({error})") from error
    return _Decoded(_as_picture(content, pixels, bit_depth, is_signed), bit_depth, is_signed)


def _check_held(pixels: StoredPixels, width: int, height: int, components: int, bit_depth: int) -> None:
    """Raise BadImage, before anything is decoded, where a compressed stream is of another picture than declared."""
    if (width, height, components) != (pixels.columns, pixels.rows, 1) or not 1 <= bit_depth <= 16:
        held = f"{width} x {height} pixels of {components} samples of {bit_depth} bits"
        raise damaged(f"declares {pixels.columns} x {pixels.rows} grey pixels and holds {held}")


def _as_picture(content: bytes, pixels: StoredPixels, bit_depth: int, is_signed: bool) -> Samples:
    """The little-endian bytes that a decoder hands back, as (H, W)."""
    samples = np.frombuffer(content, f"<{'i' if is_signed else 'u'}{1 if bit_depth <= 8 else 2}")
    if samples.size != pixels.rows * pixels.columns:
        raise damaged(f"declares {pixels.columns} x {pixels.rows} pixels and holds {samples.size:,}")
    return samples.reshape(pixels.rows, pixels.columns)


def _rle(pixels: StoredPixels) -> _Decoded:
    """Run lengths: one segment for each byte of a sample, the highest first. Source: PS3.5 annex G."""
    segments, count = pixels.bits_allocated // 8, pixels.rows * pixels.columns
    if len(pixels.content) < 64 or int.from_bytes(pixels.content[:4], "little") != segments:
        raise damaged(f"its run lengths are not in {segments} segments")
    starts = struct.unpack_from(f"<{segments}I", pixels.content, 4)
    samples: Samples = np.zeros(count, np.uint16)
    for start, end in zip(starts, (*starts[1:], len(pixels.content)), strict=True):
        plain = from_packbits(pixels.content[start:end], count)
        if len(plain) < count:
            raise cut_off(f"run lengths of {len(plain):,} bytes, expected {count:,}")
        samples = samples << 8 | np.frombuffer(plain, np.uint8)
    mask = (1 << pixels.bits_stored) - 1
    return _Decoded((samples & mask).reshape(pixels.rows, pixels.columns), pixels.bits_stored)


_DECODERS: dict[str, Callable[[StoredPixels], _Decoded]] = {
    "1.2.840.10008.1.2": _native,
    "1.2.840.10008.1.2.1": _native,
    "1.2.840.10008.1.2.1.99": _native,
    "1.2.840.10008.1.2.2": _native,
    "1.2.840.10008.1.2.4.50": _jpeg,
    "1.2.840.10008.1.2.4.51": _jpeg,
    "1.2.840.10008.1.2.4.57": _jpeg,
    "1.2.840.10008.1.2.4.70": _jpeg,
    "1.2.840.10008.1.2.4.80": _jpeg_ls,
    "1.2.840.10008.1.2.4.81": _jpeg_ls,
    "1.2.840.10008.1.2.4.90": _jpeg_2000,
    "1.2.840.10008.1.2.4.91": _jpeg_2000,
    "1.2.840.10008.1.2.4.201": _jpeg_2000,
    "1.2.840.10008.1.2.4.202": _jpeg_2000,
    "1.2.840.10008.1.2.4.203": _jpeg_2000,
    "1.2.840.10008.1.2.5": _rle,
}
