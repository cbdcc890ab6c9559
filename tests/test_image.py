"""Reading films: every format against an independent reader, every kind of bad file, and a few hundred mutations."""

from __future__ import annotations

import hashlib
import io
import os
import random
import struct
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import jpeg_ls
import numpy as np
import openjpeg
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from plainfilm.core.formats.deep_jpeg import decoded_deep_jpeg
from plainfilm.core.formats.exif import orientation_of
from plainfilm.core.formats.jpeg import jpeg_frame, jpeg_segments
from plainfilm.core.image import FILM_SUFFIXES, Film, is_film_name, pixel_sha256, read_film
from plainfilm.errors import BadImage

Array = NDArray[Any]
HEIGHT, WIDTH = 37, 53  # odd, so that nothing comes out even by luck


def smooth(bits: int, noise: float = 0.02, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """A smooth picture with a little noise over most of the range of `bits`."""
    rows, columns = np.mgrid[:height, :width]
    full = (1 << bits) - 1
    picture = (np.sin(columns / 9) + np.cos(rows / 7) + 2) / 4 + np.random.default_rng(bits).normal(
        0, noise, rows.shape
    )
    return (picture * full).round().clip(0, full).astype(np.uint8 if bits <= 8 else np.uint16)


GREY = smooth(8)
GREY16 = smooth(16)
COLOUR = np.dstack([smooth(8), smooth(8)[::-1], smooth(8)[:, ::-1]])
ALPHA = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))


def pillow(pixels: Array, mode: str = "", format_: str = "PNG", **options: Any) -> bytes:
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, format_, **options)
    return file.getvalue()


def pillow_grey(content: bytes) -> Array:
    """What Pillow makes of it: laid on black, then luma."""
    image = Image.open(io.BytesIO(content))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA")).convert("RGB")
    return np.asarray(image.convert("L"))


def png_of(width: int, height: int, depth: int, colour_type: int, rows: bytes, *more: tuple[bytes, bytes]) -> bytes:
    first = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return png_chunks((b"IHDR", first), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def tiff_of(
    pixels: Array, *fields: tuple[int, int, tuple[int, ...]], order: str = "<", strip: bytes | None = None
) -> bytes:
    """An uncompressed one-strip TIFF written by hand; `fields` (tag, type, values) add to or replace the usual ones."""
    height, width = pixels.shape[:2]
    content = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes() if strip is None else strip
    table: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (pixels.dtype.itemsize * 8,)),
        259: (3, (1,)),
        262: (3, (1,)),
        273: (4, (8,)),
        278: (4, (height,)),
        279: (4, (len(content),)),
    }
    table |= {tag: (kind, values) for tag, kind, values in fields}
    content += bytes(len(content) % 2)
    directory = 8 + len(content)
    beyond = directory + 2 + 12 * len(table) + 4
    entries, outside = b"", b""
    for tag, (kind, values) in sorted(table.items()):
        packed = struct.pack(f"{order}{len(values)}{ {1: 'B', 3: 'H', 4: 'I'}[kind] }", *values)
        place = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(order + "I", beyond + len(outside))
        outside += b"" if len(packed) <= 4 else packed
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + place
    mark = b"II" if order == "<" else b"MM"
    return (
        mark
        + struct.pack(order + "HI", 42, directory)
        + content
        + struct.pack(order + "H", len(table))
        + entries
        + bytes(4)
        + outside
    )


def film(content: bytes) -> Film:
    return read_film(content, least_side=1)


def refusal(content: bytes, **options: Any) -> str:
    with pytest.raises(BadImage) as caught:
        read_film(content, name="a.film", **{"least_side": 1, **options})
    assert str(caught.value).startswith("a.film: ")
    return caught.value.message


# Pictures, against Pillow


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGB", "RGBA"])
def test_pictures_agree_with_pillow(format_: str, mode: str) -> None:
    pixels = np.dstack([COLOUR, ALPHA]) if mode in ("RGBA", "LA", "PA") else COLOUR
    options = {"lossless": True} if format_ == "WEBP" else {}
    try:
        content = pillow(pixels, mode, format_, **options)
    except OSError as error:
        assert "cannot write mode" in str(error)
        pytest.skip(f"{format_} has no {mode}")
    ours, theirs = film(content), pillow_grey(content).astype(int)
    assert ours.pixels.dtype == np.uint8
    assert ours.info.format == format_.lower()
    assert (ours.info.height, ours.info.width) == (HEIGHT, WIDTH)
    tolerance = 3 if format_ == "JPEG" else 1  # of colour JPEG we take the stored luma, Pillow that of rounded RGB
    assert np.abs(ours.pixels - theirs).max() <= tolerance
    if mode in ("1", "L"):
        assert np.array_equal(ours.pixels, theirs) or format_ == "JPEG"
    has_alpha = Image.open(io.BytesIO(content)).has_transparency_data
    assert ("transparent pixels laid on black" in ours.info.notes) == has_alpha


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_png_grey_of_every_depth_spans_the_full_scale(depth: int) -> None:
    rows = bytes([0, 0b00011011, 0b11100100]) * 4
    width = 16 // depth
    ours = film(png_of(width, 4, depth, 0, rows))
    values = np.unpackbits(np.frombuffer(rows, np.uint8).reshape(4, 3)[:, 1:], axis=1).reshape(4, width, depth)
    expected = (values @ (1 << np.arange(depth)[::-1])) * ((65535 if depth == 16 else 255) // ((1 << depth) - 1))
    assert np.array_equal(ours.pixels, expected)
    assert (ours.info.bit_depth, ours.info.colour) == (depth, "grey")


@pytest.mark.parametrize(("depth", "colour_type"), [(8, 0), (16, 0), (8, 2), (16, 2), (8, 4), (16, 4), (8, 6), (16, 6)])
def test_png_interlaced_is_the_same_picture(depth: int, colour_type: int) -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    pixels = np.dstack([smooth(depth)] * channels)
    plain = imagecodecs.png_encode(pixels.squeeze())
    samples = pixels.astype(f">u{depth // 8}")
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in passes for row in samples[y::dy, x::dx])
    first = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, 1)
    interlaced = png_chunks((b"IHDR", first), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    assert np.array_equal(film(interlaced).pixels, film(plain).pixels)


def test_png_with_one_transparent_grey_or_colour() -> None:
    grey = pillow(np.full((4, 4), 200, np.uint8), transparency=200)
    assert not film(grey).pixels.any()
    picture = np.full((4, 4, 3), (10, 200, 30), np.uint8)
    picture[0] = (11, 200, 30)
    ours = film(pillow(picture, transparency=(10, 200, 30)))
    assert ours.pixels[0].all()
    assert not ours.pixels[1:].any()
    assert "transparent pixels laid on black" in ours.info.notes


def test_transparency_that_hides_nothing_is_not_noted() -> None:
    assert film(pillow(np.dstack([COLOUR, np.full_like(ALPHA, 255)]))).info.notes == ()


@pytest.mark.parametrize("encode", [cv2.imencode], ids=["opencv"])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_kept(encode: Callable[..., Any], suffix: str, channels: int) -> None:
    pixels = (
        GREY16 if channels == 1 else np.dstack([GREY16, GREY16[::-1], GREY16[:, ::-1], np.full_like(GREY16, 30000)])
    )
    content = encode(suffix, pixels if channels == 1 else pixels[:, :, :channels])[1].tobytes()
    expected: Array = pixels if channels == 1 else pixels[:, :, :3] @ np.array([0.114, 0.587, 0.299])
    if channels == 4 and suffix == ".png":
        expected = expected * (30000 / 65535)
    ours = film(content)
    assert ours.pixels.dtype == np.uint16
    assert ours.info.bit_depth == 16
    assert np.abs(ours.pixels - expected.astype(float)).max() <= (0 if channels == 1 else 1)


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_stored_as_colour_keeps_every_level(depth: int) -> None:
    levels = np.arange(1 << depth).astype(GREY.dtype if depth == 8 else GREY16.dtype).reshape(1 << depth // 2, -1)
    grey = film(imagecodecs.png_encode(levels))
    rgb = film(imagecodecs.png_encode(np.dstack([levels] * 3)))
    assert np.array_equal(rgb.pixels, levels)
    assert pixel_sha256(rgb.pixels) == pixel_sha256(grey.pixels)
    assert (grey.info.colour, rgb.info.colour) == ("grey", "rgb")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_orientation_is_honoured(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format_ == "WEBP" else {"quality": 95} if format_ == "JPEG" else {}
    content = pillow(GREY, "L", format_, exif=exif, **options)
    ours = film(content)
    turned = Image.open(io.BytesIO(content)).convert("L")
    orientation = 1 if format_ == "TIFF" else orientation  # of TIFF, Pillow has done it already
    transposition = {
        **{2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM},
        **{5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270},
        **{7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90},
    }.get(orientation)
    expected = np.asarray(turned if transposition is None else turned.transpose(transposition))
    assert (ours.info.height, ours.info.width) == expected.shape
    assert np.abs(ours.pixels.astype(int) - expected).max() <= (1 if format_ in ("JPEG", "WEBP") else 0)
    assert bool(ours.info.notes) == (Image.open(io.BytesIO(content)).getexif()[0x0112] != 1)


def test_exif_ends_where_its_directory_ends() -> None:
    """What follows is the directory of the thumbnail, which may lie otherwise."""
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "film", 6
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    order = "<" if block.startswith(b"II") else ">"
    assert orientation_of(block) == 6 and block[8:10] == struct.pack(order + "H", 2)
    assert orientation_of(block[:8] + struct.pack(order + "H", 1) + block[10:]) == 1
    assert orientation_of(block[:9]) == orientation_of(block[:4] + struct.pack(order + "I", 9999) + block[8:]) == 1


# JPEG


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 2}])
def test_jpeg_variants_agree_with_pillow(options: dict[str, Any]) -> None:
    grey, colour = pillow(GREY, "L", "JPEG", **options), pillow(COLOUR, "RGB", "JPEG", **options)
    assert np.abs(film(grey).pixels.astype(int) - pillow_grey(grey)).max() <= 1
    assert np.abs(film(colour).pixels.astype(int) - pillow_grey(colour)).max() <= 3


def test_jpeg_followed_by_garbage_is_fine() -> None:
    content = pillow(GREY, "L", "JPEG")
    assert np.array_equal(film(content + b"\0\0garbage\xff\xd8").pixels, film(content).pixels)


def test_jpeg_with_fill_bytes_before_its_markers_is_fine() -> None:
    content = pillow(GREY, "L", "JPEG")
    filled = content.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1)
    assert np.array_equal(film(filled).pixels, film(content).pixels)
    assert "cut off" in refusal(content[:2] + bytes([255] * 1000))


def test_jpeg_in_print_colours_is_refused() -> None:
    assert "CMYK" in refusal(pillow(COLOUR, "CMYK", "JPEG"))


def test_jpeg_cut_and_closed_again_is_refused() -> None:
    content = pillow(smooth(8, 0.2, 512, 512), "L", "JPEG", quality=95)
    assert "cannot be in" in refusal(content[:900] + b"\xff\xd9")
    for share in (0.3, 0.6, 0.9):
        assert "ends before its last rows" in refusal(content[: int(len(content) * share)] + b"\xff\xd9")


def test_jpeg_that_ends_in_grey_of_its_own_is_fine() -> None:
    for height in (0, 40, 248):
        pixels = smooth(8, 0.2, 256, 256)
        pixels[height:] = 128
        assert (film(pillow(pixels, "L", "JPEG")).pixels[-3:] == 128).all()


def test_lossless_and_deep_jpeg_outside_dicom_are_refused() -> None:
    assert "lossless" in refusal(imagecodecs.ljpeg_encode(GREY, bitspersample=8))
    assert "12 bits" in refusal(imagecodecs.jpeg_encode(smooth(12), level=90, bitspersample=12))


@pytest.mark.parametrize("bits", [2, 8, 12, 16])
@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (1, 9), (9, 1), (2, 2)])
def test_lossless_jpeg_is_lossless(bits: int, predictor: int, shape: tuple[int, int]) -> None:
    pixels = np.ascontiguousarray(smooth(bits, 0.2)[: shape[0], : shape[1]])
    content = imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=predictor, bitspersample=bits)
    segments = jpeg_segments(content)
    assert np.array_equal(decoded_deep_jpeg(segments, jpeg_frame(segments)), pixels)


@pytest.mark.parametrize("level", [30, 90, 100])
def test_twelve_bit_jpeg_agrees_with_libjpeg(level: int) -> None:
    content = imagecodecs.jpeg_encode(smooth(12, 0.1), level=level, bitspersample=12)
    segments = jpeg_segments(content)
    ours = decoded_deep_jpeg(segments, jpeg_frame(segments)).astype(int)
    assert np.abs(ours - imagecodecs.jpeg_decode(content)).max() <= 1


@pytest.mark.parametrize("blocks", [1, 3, 7])
def test_restarts_in_a_sequential_jpeg(blocks: int) -> None:
    content = cv2.imencode(".jpg", smooth(8), [cv2.IMWRITE_JPEG_RST_INTERVAL, blocks])[1].tobytes()
    segments = jpeg_segments(content)
    ours = decoded_deep_jpeg(segments, jpeg_frame(segments)).astype(int)
    assert np.abs(ours - film(content).pixels).max() <= 1


def test_restarts_in_a_lossless_jpeg() -> None:
    """Three equal bands, since each restart begins the prediction anew."""
    band = smooth(12)
    content = bytearray(imagecodecs.ljpeg_encode(band, bitspersample=12))
    frame_at, scan_at = content.index(b"\xff\xc3"), content.index(b"\xff\xda")
    content[frame_at + 5 : frame_at + 7] = struct.pack(">H", 3 * HEIGHT)
    data_at = scan_at + 2 + int.from_bytes(content[scan_at + 2 : scan_at + 4])
    data = bytes(content[data_at:-2])
    interval = b"\xff\xdd" + struct.pack(">HH", 4, HEIGHT * WIDTH)
    whole = bytes(content[:scan_at]) + interval + bytes(content[scan_at:data_at])
    whole += data + b"\xff\xd0" + data + b"\xff\xd1" + data + b"\xff\xd9"
    segments = jpeg_segments(whole)
    assert np.array_equal(decoded_deep_jpeg(segments, jpeg_frame(segments)), np.tile(band, (3, 1)))
    segments = jpeg_segments(whole.replace(b"\xff\xd1", b""))
    with pytest.raises(BadImage, match="wrong number of restarts"):
        decoded_deep_jpeg(segments, jpeg_frame(segments))


# TIFF


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "jpeg"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_tiff_compressions_agree_with_pillow(compression: str | None, mode: str) -> None:
    if compression == "jpeg" and mode in ("1", "P", "I;16"):
        pytest.skip("TIFF has no such JPEG")
    if compression == "jpeg" and mode in ("LA", "RGBA"):
        assert "JPEG compression of" in refusal(pillow(np.dstack([COLOUR, ALPHA]), mode, "TIFF", compression="jpeg"))
        return
    pixels = GREY16 if mode == "I;16" else np.dstack([COLOUR, ALPHA]) if mode in ("LA", "RGBA") else COLOUR
    content = pillow(pixels, "" if mode == "I;16" else mode, "TIFF", compression=compression)
    ours = film(content)
    if mode == "I;16":
        assert np.array_equal(ours.pixels, GREY16)
    else:
        assert np.abs(ours.pixels.astype(int) - pillow_grey(content)).max() <= (3 if compression == "jpeg" else 1)


def test_tiff_in_ycbcr_colours_has_no_further_channel() -> None:
    content = pillow(COLOUR, "YCbCr", "TIFF", compression="jpeg")
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.tag_v2[262] == 6  # type: ignore[attr-defined]
    assert film(content).info.notes == () and film(content).info.colour == "rgb"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16])
def test_tiff_depths_are_scaled_by_what_is_declared(bits: int, order: str) -> None:
    pixels = smooth(bits)
    packed = np.unpackbits(pixels.astype(">u2").view(np.uint8).reshape(HEIGHT, WIDTH, 2), axis=2)[:, :, 16 - bits :]
    strip = np.packbits(packed.reshape(HEIGHT, -1), axis=1).tobytes()
    if bits == 16:
        strip = pixels.astype(order + "u2").tobytes()
    ours = film(tiff_of(pixels, (258, 3, (bits,)), order=order, strip=strip))
    full = 255 if bits <= 8 else 65535
    assert np.array_equal(ours.pixels, np.rint(pixels * (full / ((1 << bits) - 1))).astype(ours.pixels.dtype))
    assert ours.info.bit_depth == bits
    inverted = film(tiff_of(pixels, (258, 3, (bits,)), (262, 3, (0,)), order=order, strip=strip))
    assert np.array_equal(inverted.pixels, full - ours.pixels)
    assert (inverted.info.is_inverted, ours.info.is_inverted) == (True, False)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "packbits"])
@pytest.mark.parametrize("layout", ["strips", "tiles", "planes"])
def test_tiff_layouts_agree_with_libtiff(dtype: type, compression: str, layout: str) -> None:
    source = np.dstack([smooth(np.iinfo(dtype).bits)] * 3)
    options: dict[str, Any] = {"strips": {"rowsperstrip": 5}, "tiles": {"tile": (16, 32)}, "planes": {}}[layout]
    content = tifffile_like(source, compression, layout, options)
    assert np.array_equal(film(content).pixels, source[:, :, 0])


def tifffile_like(pixels: Array, compression: str, layout: str, options: dict[str, Any]) -> bytes:
    """A TIFF in strips, tiles or planes, with horizontal differencing where LZW or deflate follows."""
    code, encode = {
        "none": (1, bytes),
        "lzw": (5, imagecodecs.lzw_encode),
        "deflate": (8, zlib.compress),
        "packbits": (32773, lambda block: b"".join(imagecodecs.packbits_encode(row) for row in block_rows(block))),
    }[compression]
    height, width, samples = pixels.shape
    tile_height, tile_width = options.get("tile", (options.get("rowsperstrip", height), width))
    planes = [pixels[:, :, [i]] for i in range(samples)] if layout == "planes" else [pixels]
    blocks: list[bytes] = []

    def block_rows(block: bytes) -> list[bytes]:
        return [block[at : at + row_bytes] for at in range(0, len(block), row_bytes)]

    for plane in planes:
        row_bytes = tile_width * plane.shape[2] * pixels.dtype.itemsize
        for top in range(0, height, tile_height):
            for left in range(0, width, tile_width):
                block = plane[top : top + tile_height, left : left + tile_width]
                if layout == "tiles":
                    missing = ((0, tile_height - block.shape[0]), (0, tile_width - block.shape[1]), (0, 0))
                    block = np.pad(block, missing)
                if code in (5, 8):
                    block = np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1]))
                blocks.append(bytes(encode(np.ascontiguousarray(block).tobytes())))
    offsets = np.cumsum([8] + [len(block) for block in blocks[:-1]]).tolist()
    counts = [len(block) for block in blocks]
    where = (324, 325) if layout == "tiles" else (273, 279)
    extra = [(322, 4, (tile_width,)), (323, 4, (tile_height,))] if layout == "tiles" else [(278, 4, (tile_height,))]
    return tiff_of(
        pixels,
        *((259, 3, (code,)), (262, 3, (2,)), (277, 3, (samples,)), (258, 3, (pixels.dtype.itemsize * 8,) * samples)),
        *((284, 3, (2 if layout == "planes" else 1,)), (317, 3, (2 if code in (5, 8) else 1,))),
        *((where[0], 4, tuple(offsets)), (where[1], 4, tuple(counts)), *extra),
        strip=b"".join(blocks),
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "packbits"])
def test_tiff_of_many_samples_takes_no_more_memory_than_the_server_reckons_with(compression: str, order: str) -> None:
    """45 bytes a pixel, as docs/serve.md has it; what libtiff takes by itself is not seen here."""
    height, width = 100, 1024
    pixels = np.zeros((height, width, 7), np.uint16)
    pixels[:, ::64, :3] = 1000
    code, encode = {
        "none": (1, bytes),
        "lzw": (5, imagecodecs.lzw_encode),
        "deflate": (8, zlib.compress),
        "packbits": (32773, imagecodecs.packbits_encode),
    }[compression]
    differs = code in (5, 8)
    stored = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1])) if differs else pixels
    content = tiff_of(
        pixels,
        *((259, 3, (code,)), (262, 3, (2,)), (277, 3, (7,)), (258, 3, (16,) * 7), (338, 3, (2, 0, 0, 0))),
        (317, 3, (2 if differs else 1,)),
        order=order,
        strip=bytes(encode(stored.astype(stored.dtype.newbyteorder(order)).tobytes())),
    )
    tracemalloc.start()
    found = film(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / (height * width) < 45
    assert not found.pixels.any(), "alpha is 0"


def test_tiff_with_a_thumbnail_is_fine_and_with_two_pages_is_not() -> None:
    thumbnail, page = io.BytesIO(), Image.fromarray(GREY)
    small = page.resize((9, 7))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    page.save(thumbnail, "TIFF", save_all=True, append_images=[small])
    assert np.array_equal(film(thumbnail.getvalue()).pixels, GREY)
    pages = io.BytesIO()
    page.save(pages, "TIFF", save_all=True, append_images=[page])
    assert "2 pages" in refusal(pages.getvalue())


def test_tiff_alpha_that_is_already_applied_is_not_applied_twice() -> None:
    pixels = np.dstack([GREY, ALPHA])
    fields = ((277, 3, (2,)), (258, 3, (8, 8)))
    assert np.array_equal(film(tiff_of(pixels, *fields, (338, 3, (1,)))).pixels, GREY)
    dimmed = np.rint(GREY * (ALPHA / 255)).astype(np.uint8)
    assert np.array_equal(film(tiff_of(pixels, *fields, (338, 3, (2,)))).pixels, dimmed)
    nameless = film(tiff_of(pixels, *fields))
    assert np.array_equal(nameless.pixels, GREY)
    assert "left out" in nameless.info.notes[0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([(339, 3, (3,))], "floating-point"),
        ([(339, 3, (2,))], "signed"),
        ([(258, 3, (32,))], "32 bits"),
        ([(262, 3, (5,)), (277, 3, (4,)), (258, 3, (8,) * 4)], "CMYK"),
        ([(259, 3, (4,))], "CCITT"),
        ([(259, 3, (50000,))], "unknown compression"),
        ([(266, 3, (2,))], "FillOrder"),
        ([(317, 3, (3,)), (259, 3, (8,))], "predictor 3"),
        ([(256, 4, (0,))], "0 x 37"),
        ([(273, 4, (100_000,))], "cut off"),
        ([(262, 3, (3,))], "palette of 0"),
        ([(258, 3, (8, 16)), (277, 3, (2,))], "several depths"),
        ([(322, 4, (60000,)), (323, 4, (60000,)), (324, 4, (8,)), (325, 4, (9,))], "60000 x 60000"),
    ],
)
def test_tiff_without_a_range_or_beyond_us_is_refused_by_name(fields: list[Any], words: str) -> None:
    assert words in refusal(tiff_of(GREY, *fields))


def test_tiff_whose_directories_would_take_forever_is_refused_at_once() -> None:
    began = time.process_time()
    assert "fields" in refusal(b"II\x2a\0\x08\0\0\0\xff\xff" + bytes(800_000))
    circle = b"II\x2a\0\x08\0\0\0" + bytes(2) + struct.pack("<I", 8)
    assert "circles" in refusal(circle)
    assert "0 pages" in refusal(b"II\x2a\0" + bytes(20))
    assert time.process_time() - began < 1


def test_float_tiff_of_pillow_is_refused() -> None:
    assert "floating-point" in refusal(pillow(GREY.astype(np.float32), "", "TIFF"))


# BMP


def bmp_of(
    pixels: bytes, width: int, height: int, bits: int, compression: int = 0, masks: tuple[int, ...] = ()
) -> bytes:
    size = 56 if masks else 40
    offset = 14 + size
    header = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    header += struct.pack(f"<{len(masks)}I", *masks)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + pixels


def test_bmp_top_down_and_with_masks() -> None:
    words = (np.arange(12, dtype=np.uint32).reshape(3, 4) * 0x01010101).astype("<u4")
    upside = film(bmp_of(words.tobytes(), 4, 3, 32)).pixels
    assert np.array_equal(film(bmp_of(words.tobytes(), 4, -3, 32)).pixels, upside[::-1])
    masks = (0x3FF00000, 0x000FFC00, 0x000003FF, 0)
    grey = np.arange(0, 1024, 93, dtype=np.uint32)[:12].reshape(3, 4)
    ours = film(bmp_of((grey << 20 | grey << 10 | grey).astype("<u4").tobytes(), 4, -3, 32, 3, masks))
    assert np.array_equal(ours.pixels, np.rint(grey * 255 / 1023))
    with_alpha = film(
        bmp_of(np.full((2, 2), 0x80FFFFFF, "<u4").tobytes(), 2, -2, 32, 3, (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    )
    assert (with_alpha.pixels == 128).all()
    assert with_alpha.info.colour == "rgba"
    fifteen = film(bmp_of(np.array([[0x7FFF, 0], [0, 0x7FFF]], "<u2").tobytes(), 2, -2, 16))
    assert np.array_equal(fifteen.pixels, [[255, 0], [0, 255]])


def test_bmp_with_run_lengths_is_refused_by_name() -> None:
    assert "run-length" in refusal(bmp_of(bytes(64), 8, 8, 8, compression=1))


# Files that are no film


def test_what_a_path_can_be(tmp_path: Path) -> None:
    def message(path: Path) -> str:
        with pytest.raises(BadImage) as caught:
            read_film(path)
        assert caught.value.path == path
        return caught.value.message

    empty = tmp_path / "empty.png"
    empty.touch()
    assert "0 bytes" in message(empty)
    assert "directory" in message(tmp_path)
    assert "does not exist" in message(tmp_path / "gone.png")
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert "pipe" in message(pipe)
    assert "cannot be opened" in message(tmp_path / ("x" * 300))
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(2 << 30)
    assert "bytes, more than" in message(huge)
    with pytest.raises(BadImage, match="cannot be opened"):
        read_film("a\0b.png")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(pillow(GREY))
    path.chmod(0)
    if os.geteuid() == 0:  # root may read everything

        def refuse(_: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadImage, match="may not be read") as caught:
        read_film(path)
    assert isinstance(caught.value.__cause__, PermissionError)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>Not found</html>", "HTML"),
        (b"\xef\xbb\xbf  <svg/>", "HTML or XML"),
        (b"image_id,label\n1,COVID\n", "is text"),
        ("Röntgenbild".encode(), "is text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04" + bytes(40), "ZIP"),
        (b"GIF89a" + bytes(40), "not a radiograph format plainfilm reads"),
        (b"\0\0\0\x20ftypavif", "AVIF"),
        (b"\0\0\0\x20ftypheic", "HEIC"),
        (bytes(1000), "zero bytes"),
        (b"\x01\x02\x03\x04 something else", "no known format"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (b"\xff\xd8\xff", "cut off"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "cut off"),
        (b"II\x2a\0", "cut off"),
        (b"RIFF\x04\0\0\0WEBP", "0 pictures"),
        (bytes(128) + b"DICM", "cut off"),
    ],
)
def test_lying_files_are_called_what_they_are(content: bytes, words: str) -> None:
    message = refusal(content)
    assert words in message
    assert "expected" in message or "again" in message


def test_the_name_plays_no_part_but_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "COVID-1.png"
    path.write_bytes(pillow(GREY, "L", "JPEG"))
    assert read_film(path).info.notes == ("the name says png, the content is jpeg",)
    assert read_film(str(path)).info.format == "jpeg"
    assert read_film(path.read_bytes()).info.notes == ()
    assert read_film(path.read_bytes(), name="x.JPE").info.notes == ()


def test_animations_are_refused() -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())]
    for format_ in ("PNG", "WEBP"):
        file = io.BytesIO()
        frames[0].save(file, format_, save_all=True, append_images=frames[1:], duration=100)
        assert "animation" in refusal(file.getvalue())


def declare(content: bytes, format_: str, width: int, height: int) -> bytes:
    """The same file with another size in its header."""
    lie = bytearray(content)
    if format_ == "PNG":
        lie[16:24] = struct.pack(">II", width, height)
        lie[29:33] = struct.pack(">I", zlib.crc32(lie[12:29]))
    elif format_ == "JPEG":
        at = lie.index(b"\xff\xc0")
        lie[at + 5 : at + 9] = struct.pack(">HH", height, width)
    elif format_ == "BMP":
        lie[18:26] = struct.pack("<ii", width, height)
    elif format_ == "WEBP":
        at = lie.index(b"VP8L") + 9
        lie[at : at + 4] = ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
    return bytes(lie)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "BMP", "WEBP"])
def test_size_is_checked_before_decoding(format_: str) -> None:
    content = pillow(GREY, "L", format_, **({"lossless": True} if format_ == "WEBP" else {}))
    assert "at most 1,000 are read" in refusal(content, max_pixels=1000)
    assert film(content).info.width == WIDTH
    assert read_film(content, max_pixels=WIDTH * HEIGHT).info.width == WIDTH
    began = time.process_time()
    assert refusal(declare(content, format_, 9000, 9000))
    if format_ != "JPEG":
        assert refusal(declare(content, format_, WIDTH, HEIGHT + 40))
    if format_ != "WEBP":
        assert "at most 100,000,000" in refusal(declare(content, format_, 65000, 65000))
        assert "expected at least 1 x 1" in refusal(declare(content, format_, 0, 10))
    assert time.process_time() - began < 2


def test_inflating_bombs_are_bounded() -> None:
    bomb = png_of(10, 10, 8, 0, bytes(60_000_000))
    began = time.process_time()
    assert film(bomb).pixels.shape == (10, 10)  # what is stored beyond the declared size is never inflated
    assert time.process_time() - began < 1
    strip = zlib.compress(bytes(60_000_000))
    tiff = tiff_of(GREY, (259, 3, (8,)), (279, 4, (len(strip),)), strip=strip)
    assert not film(tiff).pixels.any()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (bytes(11 * 5), "inflate to"),
        (b"\x09" + bytes(109), "filter"),
    ],
)
def test_png_with_too_few_or_impossible_rows_prints_nothing(
    rows: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert words in refusal(png_of(10, 10, 8, 0, rows))
    assert capfd.readouterr() == ("", "")


def test_png_that_libpng_would_complain_of_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"iCCP", b"broken profile")
    info.add(b"gAMA", bytes(4))
    assert np.array_equal(film(pillow(GREY, pnginfo=info)).pixels, GREY)
    palette = png_of(3, 1, 8, 3, b"\0\1\2\3", (b"PLTE", bytes(9)))
    assert "palette of 3" in refusal(palette)
    assert capfd.readouterr() == ("", "")


def test_png_with_a_wrong_checksum_or_an_unknown_critical_chunk() -> None:
    content = bytearray(pillow(GREY))
    content[60] ^= 1
    assert "checksum" in refusal(bytes(content))
    assert "HEAD" in refusal(png_of(10, 10, 8, 0, bytes(110), (b"HEAD", b"")))
    assert film(png_of(10, 10, 8, 0, bytes(110), (b"heAd", b""))).info.width == 10


# Names and digests


@pytest.mark.parametrize(
    ("name", "is_film"),
    [
        ("COVID-1.png", True),
        ("a.JPEG", True),
        ("a.jpe", True),
        ("a.tif", True),
        ("a.Dcm", True),
        ("a.gif", True),
        ("a.avif", True),
        ("a.heic", True),
        ("a.csv", False),
        ("metadata.xlsx", False),
        ("README", False),
        ("._COVID-1.png", False),
        (".DS_Store", False),
    ],
)
def test_which_names_are_films(name: str, is_film: bool) -> None:
    assert is_film_name(Path(name)) == is_film


def test_a_file_without_an_ending_is_told_by_its_content(tmp_path: Path) -> None:
    for name in ("IM0001", "1.2.840.113619.2"):
        (tmp_path / name).write_bytes(bytes(128) + b"DICM")
        assert is_film_name(tmp_path / name)
        (tmp_path / name).write_bytes(bytes(128))
        assert not is_film_name(tmp_path / name)
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    assert not is_film_name(tmp_path / "DICOMDIR")
    assert not is_film_name(tmp_path)
    assert all(suffix.startswith(".") and suffix.islower() for suffix in FILM_SUFFIXES)


def test_digests_tell_type_shape_and_pixels_apart() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    expected = hashlib.sha256(b"uint8 (3, 4)\n" + pixels.tobytes()).hexdigest()
    assert pixel_sha256(pixels) == expected
    assert pixel_sha256(np.asfortranarray(pixels)) == expected
    others = [pixels.reshape(4, 3), pixels.astype(np.uint16), pixels + np.uint8(1)]
    assert len({expected, *(pixel_sha256(other) for other in others)}) == 4
    assert pixel_sha256(pixels.astype(">u2")) == pixel_sha256(pixels.astype("<u2"))


# DICOM

FULL = 65535


def header(pixels: Array, bits: int, **elements: Any) -> Dataset:
    """A CR film's data set without its pixels; elements by keyword, None to leave one out."""
    film = Dataset()
    film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    film.SOPInstanceUID = "1.2.3"
    film.Modality = "CR"
    film.PatientID = "007"
    film.PatientAge = "034Y"
    film.PatientSex = "F"
    film.ViewPosition = "PA"
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.Rows, film.Columns = pixels.shape[:2]
    film.BitsAllocated = pixels.dtype.itemsize * 8
    film.BitsStored = bits
    film.HighBit = bits - 1
    film.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in elements.items():
        if value is None:
            delattr(film, keyword)
        else:
            setattr(film, keyword, value)
    return film


def dicom(
    pixels: Array, bits: int, syntax: UID = ExplicitVRLittleEndian, frame: bytes | None = None, **elements: Any
) -> bytes:
    film = header(pixels, bits, **elements)
    if "PixelData" not in elements:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        plain = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        film.PixelData = encapsulate([frame]) if frame else plain + bytes(len(plain) % 2)
        film["PixelData"].VR = "OB" if frame or pixels.dtype.itemsize == 1 else "OW"
    return saved(film, syntax)


def saved(film: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    file, meta = io.BytesIO(), FileMetaDataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meta.TransferSyntaxUID = syntax
        meta.MediaStorageSOPClassUID = film.get("SOPClassUID", "1.2.3")
        meta.MediaStorageSOPInstanceUID = "1.2.3"
        whole = FileDataset(file, film, preamble=bytes(128), file_meta=meta)
        pydicom.dcmwrite(file, whole, enforce_file_format=True)
    return file.getvalue()


def displayed(content: bytes) -> Array:
    """The film through pydicom's own modality and VOI transforms, spread over their declared range to 0 to 1."""
    film = pydicom.dcmread(io.BytesIO(content))
    values = apply_voi_lut(apply_modality_lut(film.pixel_array, film), film).astype(float)
    bits, slope, intercept = film.BitsStored, float(film.get("RescaleSlope", 1)), float(film.get("RescaleIntercept", 0))
    low = -(1 << bits - 1) if film.PixelRepresentation else 0
    ends = sorted(end * slope + intercept for end in (low, low + (1 << bits) - 1))
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        if keyword in film:
            ends = [0, (1 << film[keyword][0].LUTDescriptor[2]) - 1]
    shares = (values - ends[0]) / (ends[1] - ends[0])
    return 1 - shares if film.PhotometricInterpretation == "MONOCHROME1" else shares


def lut(entries: Array, first: int, bits: int) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, first, bits]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return [item]


CURVE10 = (np.linspace(0, 1, 900) ** 0.6 * 1023).astype(np.uint16)
SIGNED12 = smooth(12).astype(np.int16) - 2048


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("pixels", "bits", "elements"),
    [
        (GREY, 8, {}),
        (GREY, 8, {"WindowCenter": 100, "WindowWidth": 120}),
        (smooth(10), 10, {}),
        (smooth(12), 12, {"WindowCenter": 2000, "WindowWidth": 1500}),
        (smooth(12), 12, {"WindowCenter": [2000, 1], "WindowWidth": [1500, 2]}),
        (smooth(12), 12, {"WindowCenter": 2000, "WindowWidth": 1}),
        (smooth(12), 12, {"WindowCenter": 2000.5, "WindowWidth": 900.25, "VOILUTFunction": "LINEAR_EXACT"}),
        (smooth(12), 12, {"WindowCenter": 2000, "WindowWidth": 900, "VOILUTFunction": "SIGMOID"}),
        (smooth(14), 14, {"RescaleSlope": 2.5, "RescaleIntercept": -300}),
        (smooth(14), 14, {"RescaleSlope": -1, "RescaleIntercept": 16383}),
        (smooth(14), 14, {"RescaleSlope": 0.5, "RescaleIntercept": 7, "WindowCenter": 4000, "WindowWidth": 3000}),
        (smooth(12), 12, {"VOILUTSequence": lut(CURVE10, 100, 10)}),
        (smooth(12), 12, {"VOILUTSequence": lut(CURVE10, 100, 10), "WindowCenter": 2000, "WindowWidth": 10}),
        (smooth(12), 12, {"ModalityLUTSequence": lut(np.arange(4096)[::-1] * 16, 0, 16)}),
        (smooth(16), 16, {"VOILUTSequence": lut(np.arange(65536)[::-1], 0, 16)}),
        (SIGNED12, 12, {}),
        (SIGNED12, 12, {"WindowCenter": -200, "WindowWidth": 1500}),
        (SIGNED12, 12, {"VOILUTSequence": lut(CURVE10, -500, 10)}),
        ((smooth(16).astype(np.int32) - 32768).astype(np.int16), 16, {"RescaleSlope": 1, "RescaleIntercept": 0}),
        (GREY.astype(np.int16) - 128, 8, {}),
    ],
)
def test_dicom_is_shown_as_pydicom_shows_it(
    pixels: Array, bits: int, elements: dict[str, Any], photometric: str
) -> None:
    content = dicom(pixels, bits, PhotometricInterpretation=photometric, **elements)
    ours = film(content)
    full = 255 if bits == 8 and "VOILUTSequence" not in elements else FULL
    assert ours.pixels.dtype == (np.uint8 if full == 255 else np.uint16)
    # pydicom takes whole numbers after a look-up table; half a level of the table is the most that this can differ.
    assert np.abs(ours.pixels - displayed(content) * full).max() <= 0.5 + 1e-6
    assert ours.info.is_inverted == (photometric == "MONOCHROME1")
    assert (ours.info.bit_depth, ours.info.colour, ours.info.format) == (bits, "grey", "dicom")


def test_dicom_says_who_and_how() -> None:
    info = film(dicom(GREY, 8)).info
    assert (info.patient_id, info.view, info.age, info.sex, info.notes) == ("007", "PA", 34.0, "F", ())
    assert info.body_part == "" and film(dicom(GREY, 8, BodyPartExamined="HAND")).info.body_part == "HAND"
    code = Dataset()
    code.CodeValue = "R-10206"
    unknown = film(
        dicom(GREY, 8, PatientID=None, ViewPosition=None, PatientSex="", PatientAge=None, ViewCodeSequence=[code])
    ).info
    assert (unknown.patient_id, unknown.view, unknown.age, unknown.sex) == ("", "AP", None, "")


@pytest.mark.parametrize(
    ("written", "years"),
    [
        ("034Y", 34),
        ("018M", 1.5),
        ("003W", 3 * 7 / 365.25),
        ("010D", 10 / 365.25),
        ("34", None),
        ("", None),
        ("XXXY", None),
    ],
)
def test_dicom_ages(written: str, years: float | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = dicom(GREY, 8, PatientAge=written)
    info = film(content).info
    assert info.age == (None if years is None else pytest.approx(years))
    assert any("age" in note for note in info.notes) == (years is None and bool(written))


def test_dicom_is_turned_over_once() -> None:
    plain = film(dicom(GREY, 8)).pixels
    once = film(dicom(GREY, 8, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"))
    assert np.array_equal(once.pixels, 255 - plain)
    assert once.info.notes == ()
    contradiction = film(dicom(GREY, 8, PresentationLUTShape="INVERSE"))
    assert np.array_equal(contradiction.pixels, plain)
    assert "contradicts" in contradiction.info.notes[0]


def test_dicom_with_spaces_around_its_photometric_interpretation_is_turned_over() -> None:
    plain = film(dicom(GREY, 8)).pixels
    for written in (" MONOCHROME1", "MONOCHROME1 "):
        once = film(dicom(GREY, 8, PhotometricInterpretation=written, PresentationLUTShape="INVERSE"))
        assert np.array_equal(once.pixels, 255 - plain) and once.info.is_inverted, written


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_dicom_padding_is_black(photometric: str) -> None:
    pixels = smooth(12).clip(100, 4000)
    pixels[:5], pixels[5:9] = 4095, 4094
    one = film(dicom(pixels, 12, PhotometricInterpretation=photometric, PixelPaddingValue=4095)).pixels
    assert not one[:5].any()
    assert one[9:].all()
    both = film(
        dicom(pixels, 12, PhotometricInterpretation=photometric, PixelPaddingValue=4095, PixelPaddingRangeLimit=4094)
    ).pixels
    assert not both[:9].any()
    negative = SIGNED12.copy()
    negative[:5] = -2000
    assert (
        not film(dicom(negative, 12, PhotometricInterpretation=photometric, PixelPaddingValue=-2000)).pixels[:5].any()
    )


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize(("pixels", "bits"), [(GREY, 8), (smooth(12), 12), (SIGNED12, 12), (GREY16, 16)])
def test_dicom_uncompressed(syntax: UID, pixels: Array, bits: int) -> None:
    ours = film(dicom(pixels, bits, syntax)).pixels
    low = int(pixels.dtype.kind == "i") << bits - 1
    expected = (pixels.astype(float) + low) / ((1 << bits) - 1) * (255 if bits == 8 else FULL)
    assert np.array_equal(ours, np.rint(expected))


def test_dicom_eight_bits_in_big_endian_words() -> None:
    pixels = GREY[:, :52]
    swapped = pixels.reshape(-1, 2)[:, ::-1].tobytes()
    film_ = header(pixels, 8, PixelData=swapped)
    film_["PixelData"].VR = "OW"
    assert np.array_equal(film(saved(film_, ExplicitVRBigEndian)).pixels, pixels)


def test_dicom_bits_beside_the_stored_ones_are_left_out() -> None:
    stored = smooth(12)
    overlay = stored | np.uint16(0xA000)
    assert np.array_equal(film(dicom(overlay, 12)).pixels, film(dicom(stored, 12)).pixels)
    assert np.array_equal(film(dicom(stored << 4, 12, HighBit=15)).pixels, film(dicom(stored, 12)).pixels)


def rle(pixels: Array, bits: int) -> bytes:
    """The film as pydicom's own RLE encoder writes it."""
    film = pydicom.dcmread(io.BytesIO(dicom(pixels, bits)))
    film.compress(RLELossless)
    file = io.BytesIO()
    film.save_as(file)
    return file.getvalue()


def compressed(pixels: Array, bits: int) -> dict[str, bytes]:
    """One film in every lossless compressed transfer syntax."""
    frames = {
        "lossless, selection 1": (JPEGLosslessSV1, imagecodecs.ljpeg_encode(pixels, bitspersample=bits)),
        "lossless, process 14": (
            JPEGLossless,
            imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=6, bitspersample=bits),
        ),
        "JPEG-LS": (JPEGLSLossless, bytes(jpeg_ls.encode_array(pixels))),
        "JPEG 2000": (JPEG2000Lossless, bytes(openjpeg.encode(pixels, bits_stored=bits, photometric_interpretation=2))),
        "JPEG 2000 as JP2": (
            JPEG2000Lossless,
            imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", bitspersample=bits),
        ),
        "HTJ2K": (HTJ2K, imagecodecs.htj2k_encode(pixels)) if hasattr(imagecodecs, "htj2k_encode") else (HTJ2K, b""),
    }
    films = {name: dicom(pixels, bits, syntax, frame) for name, (syntax, frame) in frames.items() if frame}
    return films | {"RLE": rle(pixels, bits)}


@pytest.mark.parametrize("name", compressed(smooth(12), 12))
def test_dicom_compressed_without_loss(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    ours = film(compressed(smooth(12), 12)[name])
    assert np.array_equal(ours.pixels, film(dicom(smooth(12), 12)).pixels)
    assert ours.info.notes == () or name == "HTJ2K"  # its encoder always says 16 bits
    assert capfd.readouterr().err == ""


def test_dicom_compressed_with_loss() -> None:
    pixels = smooth(12)
    exact = film(dicom(pixels, 12)).pixels.astype(int)
    frames = {
        JPEGExtended12Bit: imagecodecs.jpeg_encode(pixels, level=98, bitspersample=12),
        JPEGLSNearLossless: bytes(jpeg_ls.encode_array(pixels, lossy_error=3)),
        JPEG2000: imagecodecs.jpeg2k_encode(pixels, level=50, codecformat="j2k", reversible=False, bitspersample=12),
    }
    for syntax, frame in frames.items():
        assert np.abs(film(dicom(pixels, 12, syntax, frame)).pixels - exact).max() <= 0.02 * FULL, syntax.name
    frame = pillow(GREY, "L", "JPEG", quality=95)
    assert np.array_equal(film(dicom(GREY, 8, JPEGBaseline8Bit, frame)).pixels, film(frame).pixels)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1, RLELossless])
def test_dicom_signed_and_compressed(syntax: UID) -> None:
    pattern = SIGNED12.view(np.uint16) & 0x0FFF
    encode: dict[UID, Callable[[], bytes]] = {
        JPEGLSLossless: lambda: bytes(imagecodecs.jpegls_encode(pattern)),
        JPEG2000Lossless: lambda: imagecodecs.jpeg2k_encode(SIGNED12, level=0, codecformat="j2k", bitspersample=12),
        JPEGLosslessSV1: lambda: imagecodecs.ljpeg_encode(pattern, bitspersample=12),
    }
    content = rle(SIGNED12, 12) if syntax == RLELossless else dicom(SIGNED12, 12, syntax, encode[syntax]())
    if syntax == JPEGLSLossless and jpeg_frame(jpeg_segments(encode[syntax](), is_jpeg_ls=True)).bit_depth != 12:
        assert "16 unsigned" in refusal(content)
        content = dicom(SIGNED12, 12, syntax, bytes(jpeg_ls.encode_array(pattern)))
    assert np.array_equal(film(content).pixels, film(dicom(SIGNED12, 12)).pixels)


def test_dicom_frame_in_several_fragments() -> None:
    pixels = smooth(12)
    frame = imagecodecs.ljpeg_encode(pixels, bitspersample=12)
    film_ = header(pixels, 12, PixelData=encapsulate([frame], fragments_per_frame=3))
    film_["PixelData"].VR = "OB"
    assert np.array_equal(film(saved(film_, JPEGLosslessSV1)).pixels, film(dicom(pixels, 12)).pixels)


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"Modality": "CT"}, "modality CT"),
        ({"Modality": "RG"}, "modality RG"),
        ({"Modality": "MG"}, "expected a radiograph, CR or DX"),
        ({"Modality": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "CT Image Storage"),
        ({"Modality": None, "SOPClassUID": None}, "names no Modality"),
        ({"PixelData": None}, "holds no pixels"),
        ({"NumberOfFrames": 3}, "3 frames"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "RGB"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"PhotometricInterpretation": None}, "no photometric interpretation"),
        ({"Rows": 0}, "53 x 0"),
        ({"Rows": None}, "Rows is None"),
        ({"Rows": 60000, "Columns": 60000}, "at most 100,000,000"),
        ({"Rows": 400}, "is cut off: Pixel Data of"),
        ({"BitsAllocated": 32}, "expected 8 or 16 bits allocated"),
        ({"BitsStored": 9}, "9 bits stored of 8"),
        ({"HighBit": 8}, "up to bit 8"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "Rescale Slope of 0"),
        ({"WindowCenter": 1, "WindowWidth": 9, "VOILUTFunction": "CUBIC"}, "CUBIC"),
        ({"VOILUTSequence": lut(CURVE10, 0, 33)}, "33 bits"),
    ],
)
def test_dicom_that_is_no_film_is_refused(elements: dict[str, Any], words: str) -> None:
    film_ = header(GREY, 8)
    film_.PixelData = GREY.tobytes() + b"\0"
    film_["PixelData"].VR = "OB"
    for keyword, value in elements.items():
        if value is None:
            delattr(film_, keyword)
        else:
            setattr(film_, keyword, value)
    assert words in refusal(saved(film_))


def test_dicom_without_modality_is_told_by_its_class() -> None:
    for sop_class in ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"):
        assert np.array_equal(film(dicom(GREY, 8, Modality=None, SOPClassUID=sop_class)).pixels, GREY)


def test_dicom_oddities_become_notes() -> None:
    assert "width 0" in film(dicom(GREY, 8, WindowCenter=10, WindowWidth=0)).info.notes[0]
    assert "for processing" in film(dicom(GREY, 8, PresentationIntentType="FOR PROCESSING")).info.notes[0]
    deep = film(dicom(GREY.astype(np.uint16), 10, JPEGBaseline8Bit, pillow(GREY, "L", "JPEG")))
    assert "10 bits stored are declared" in deep.info.notes[0]
    with pytest.warns(UserWarning):
        film_ = header(GREY, 8, SOPClassUID="1.2.840.10008.5.1.4.1.1.1 nonsense")
    film_.PixelData = GREY.tobytes() + b"\0"
    film_["PixelData"].VR = "OB"
    assert any("Invalid value for VR UI" in note for note in film(saved(film_)).info.notes)


def test_dicom_of_an_unknown_transfer_syntax_is_refused_by_name() -> None:
    assert "MPEG2" in refusal(dicom(GREY, 8, MPEG2MPML, b"frame"))
    assert "1.2.3.4.5" in refusal(
        dicom(GREY, 8, ExplicitVRLittleEndian).replace(b"1.2.840.10008.1.2.1\0", b"1.2.3.4.5".ljust(20, b"\0"), 1)
    )


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_dicom_without_a_preamble(syntax: UID) -> None:
    whole = dicom(GREY, 8, syntax)
    assert np.array_equal(film(whole[132:]).pixels, GREY)
    meta_length = 132 + 12 + struct.unpack_from("<I", whole, 140)[0]
    bare = film(whole[meta_length:])
    assert np.array_equal(bare.pixels, GREY)
    assert refusal(b"\x08\0\x05\0" + bytes(range(200)))
    assert refusal(b"\x02\0\0\0UL\4\0" + bytes(300))


def test_dicom_whose_compressed_frame_is_of_another_size() -> None:
    other = np.ascontiguousarray(smooth(12)[:30, :40])
    for syntax, frame in (
        (JPEGLosslessSV1, imagecodecs.ljpeg_encode(other, bitspersample=12)),
        (JPEGLSLossless, bytes(jpeg_ls.encode_array(other))),
        (JPEG2000Lossless, imagecodecs.jpeg2k_encode(other, level=0, codecformat="j2k", bitspersample=12)),
    ):
        assert "declares 53 x 37" in refusal(dicom(smooth(12), 12, syntax, frame))


def test_dicom_with_samples_above_the_declared_bits_is_refused() -> None:
    frame = imagecodecs.ljpeg_encode(smooth(12), bitspersample=12)
    assert "10 bits stored are declared" in refusal(dicom(smooth(10), 10, JPEGLosslessSV1, frame))


def test_dicom_deflated_bomb_is_bounded() -> None:
    plain = dicom(GREY, 8, ExplicitVRLittleEndian)
    start = 132 + 12 + struct.unpack_from("<I", plain, 140)[0]
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = deflater.compress(plain[start:] + bytes(80_000_000)) + deflater.flush()
    meta = dicom(GREY, 8, DeflatedExplicitVRLittleEndian)
    meta = meta[: 132 + 12 + struct.unpack_from("<I", meta, 140)[0]]
    assert "inflates to more than" in refusal(meta + bomb, max_pixels=10_000)


def test_dicom_warnings_stay_inside_and_threads_do_not_mind() -> None:
    contents = [dicom(GREY, 8, PatientAge="034Y"), dicom(smooth(12), 12), *compressed(smooth(12), 12).values()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters = list(warnings.filters)
        with ThreadPoolExecutor(4) as pool:
            digests = list(pool.map(lambda content: pixel_sha256(film(content).pixels), contents * 10))
        assert warnings.filters == filters
    assert len(set(digests)) == 2


@pytest.mark.parametrize("path", ["chest-monochrome1-10bit", "chest-monochrome1-jpeg2000", "chest-uncompressed"])
def test_real_dicom_films_are_shown_as_pydicom_shows_them(real_films: Path, path: str) -> None:
    path_ = real_films / "dicom" / f"{path}.dcm"
    ours = read_film(path_)
    full = np.iinfo(ours.pixels.dtype).max
    assert np.abs(ours.pixels - displayed(path_.read_bytes()) * full).max() <= 0.5 + 1e-6
    height, width = ours.pixels.shape
    lungs = np.concatenate(
        [
            ours.pixels[height // 3 : height // 2, column : column + width // 10].ravel()
            for column in (width // 4, width * 2 // 3)
        ]
    )
    spine = ours.pixels[height // 2 : height * 3 // 4, width * 9 // 20 : width * 11 // 20]
    assert lungs.mean() < 0.9 * spine.mean(), "lungs are dark, bones are bright"


def test_real_files_of_every_kind_are_read(real_films: Path) -> None:
    read = [read_film(path) for path in sorted((real_films / "dicom").glob("rsna-*.dcm"))]
    read += [read_film(path) for path in sorted((real_films / "native299").rglob("*.png"))[:20]]
    read += [read_film(path) for path in sorted((real_films / "external" / "cohen").glob("*.jpg"))[:20]]
    assert {one.info.format for one in read} == {"dicom", "png", "jpeg"}
    with pytest.raises(BadImage, match="modality CT"):
        read_film(real_films / "dicom" / "not-a-radiograph-modality-ct.dcm")


# Damage of every kind


def samples() -> dict[str, bytes]:
    """A small file of every format and way of storing that is read."""
    rgba, exif = np.dstack([COLOUR, ALPHA]), Image.Exif()
    exif[0x0112] = 6
    pictures = {
        "png grey": pillow(GREY, exif=exif),
        "png palette": pillow(COLOUR, "P", transparency=3),
        "png rgba": pillow(rgba),
        "png 16": imagecodecs.png_encode(GREY16),
        "jpeg grey": pillow(GREY, "L", "JPEG", exif=exif),
        "jpeg colour": pillow(COLOUR, "RGB", "JPEG"),
        "jpeg progressive": pillow(COLOUR, "RGB", "JPEG", progressive=True),
        "tiff": pillow(GREY, "L", "TIFF"),
        "tiff lzw": pillow(COLOUR, "RGB", "TIFF", compression="tiff_lzw"),
        "tiff deflate": pillow(GREY, "P", "TIFF", compression="tiff_deflate"),
        "tiff packbits": pillow(rgba, "RGBA", "TIFF", compression="packbits"),
        "tiff jpeg": pillow(COLOUR, "RGB", "TIFF", compression="jpeg"),
        "tiff tiles": tifffile_like(np.dstack([GREY16] * 3), "lzw", "tiles", {"tile": (16, 32)}),
        "bmp": pillow(GREY, "L", "BMP"),
        "bmp rgb": pillow(COLOUR, "RGB", "BMP"),
        "bmp masks": bmp_of(bytes(range(96)), 4, 6, 32, 3, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
        "webp": pillow(COLOUR, "RGB", "WEBP"),
        "webp lossless": pillow(rgba, "RGBA", "WEBP", lossless=True, exif=exif),
    }
    elements = {
        "VOILUTSequence": lut(CURVE10, 100, 10),
        "RescaleSlope": 2,
        "RescaleIntercept": 5,
        "PixelPaddingValue": 9,
    }
    films = {
        "dicom": dicom(smooth(12), 12, WindowCenter=2000, WindowWidth=900, VOILUTFunction="SIGMOID"),
        "dicom luts": dicom(smooth(12), 12, ImplicitVRLittleEndian, **elements),
        "dicom big endian": dicom(SIGNED12, 12, ExplicitVRBigEndian),
        "dicom deflated": dicom(GREY, 8, DeflatedExplicitVRLittleEndian),
        "dicom baseline": dicom(GREY, 8, JPEGBaseline8Bit, pillow(GREY, "L", "JPEG")),
        "dicom extended": dicom(
            smooth(12), 12, JPEGExtended12Bit, imagecodecs.jpeg_encode(smooth(12), bitspersample=12)
        ),
        **{f"dicom {name}": content for name, content in compressed(smooth(12), 12).items()},
    }
    return pictures | films


SAMPLES = samples()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The file with bits flipped, bytes changed, cut out or repeated, or its end missing; mostly in its header."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = min(int(len(damaged) * chance.random() ** chance.choice((1, 3))), len(damaged) - 1)
        kind = chance.random()
        if kind < 0.4:
            damaged[at] ^= 1 << chance.randrange(8)
        elif kind < 0.7:
            damaged[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind < 0.85:
            damaged[at : at + 4] = chance.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xff\xff")
            )
        elif kind < 0.9:
            del damaged[at : at + chance.randrange(1, 64)]
        elif kind < 0.95:
            damaged[at:at] = damaged[at : at + chance.randrange(1, 64)]
        else:
            del damaged[max(at, 1) :]
        if not damaged:
            break
    if damaged[:8] == b"\x89PNG\r\n\x1a\n" and chance.random() < 0.7:
        damaged = with_png_checksums(damaged)
    return bytes(damaged)


def with_png_checksums(damaged: bytearray) -> bytearray:
    """A mutated PNG would mostly be refused for its checksums alone; this mends them, so that the rest is tried."""
    at = 8
    while at + 12 <= len(damaged):
        end = at + 8 + int.from_bytes(damaged[at : at + 4])
        if end + 4 > len(damaged):
            break
        damaged[end : end + 4] = struct.pack(">I", zlib.crc32(damaged[at + 4 : end]))
        at = end + 4
    return damaged


def test_mutations_are_read_or_refused_and_never_worse() -> None:
    """PLAINFILM_MUTATIONS asks for more of them than the usual few hundred."""
    chance = random.Random(20)
    refused = 0
    count = int(os.environ.get("PLAINFILM_MUTATIONS", "600"))
    names = sorted(SAMPLES)
    for place in range(count):
        name = names[place % len(names)]
        content = mutated(SAMPLES[name], chance)
        began = time.process_time()
        try:
            ours = read_film(content, max_pixels=4_000_000)
        except BadImage:
            refused += 1
        else:
            assert ours.pixels.ndim == 2, name
            assert ours.pixels.dtype in (np.uint8, np.uint16), name
            assert ours.pixels.shape == (ours.info.height, ours.info.width), name
        assert time.process_time() - began < 5, f"{name} took too long"
    assert refused > count // 3


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_cut_file_is_refused(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    content = SAMPLES[name]
    assert film(content)
    step = max(1, len(content) // 40)
    for length in (*range(1, len(content) - 9, step), len(content) - 9):
        assert refusal(content[:length]), f"{name} cut to {length} of {len(content)}"
    assert capfd.readouterr().err == ""
