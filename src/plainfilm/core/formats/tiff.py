"""TIFF: one page of unsigned whole numbers of 1 to 16 bits, grey, colour or palette. Source: TIFF 6.0, 1992.

OpenCV alone would not do: it leaves black, without an error, what cannot be decompressed, drops the alpha of grey
pictures, and takes the first of several pages. So the directory is read here, the strips or tiles are decompressed one
by one, and only LZW, which Python is too slow for, is left to OpenCV's libtiff.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.formats.jpeg import decoded_jpeg, jpeg_frame, jpeg_segments
from plainfilm.core.formats.lzw import unlzw
from plainfilm.core.formats.raster import (
    Raster,
    Samples,
    add_up,
    at_full_scale,
    check_size,
    cut_off,
    damaged,
    from_packbits,
    through_palette,
    unpacked,
)
from plainfilm.errors import Unfit

# Tags, section 8
_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
_FILL_ORDER, _STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS = 266, 273, 274, 277, 278, 279
_PLANAR, _PREDICTOR, _COLOUR_MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS = 284, 317, 320, 322, 323, 324
_TILE_COUNTS, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _JPEG_TABLES = 325, 338, 339, 347
_TAGS = frozenset((*range(254, 260), 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, *range(322, 326), 338, 339, 347))

_NONE, _LZW, _JPEG, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 7, 8, 32946, 32773
_CODINGS = {_NONE: "", _LZW: "LZW", _JPEG: "JPEG", _DEFLATE: "deflate", _OLD_DEFLATE: "deflate", _PACKBITS: "PackBits"}
_OTHER_COMPRESSIONS = {2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "old JPEG", 34712: "JPEG 2000", 34925: "LZMA"}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
# (samples, colours) that may be compressed as JPEG: the number of their transform in Adobe's marker; grey needs none.
_JPEG_COLOURS = {(1, _WHITE_IS_ZERO): b"", (1, _BLACK_IS_ZERO): b"", (3, _RGB): b"\x00", (3, _YCBCR): b"\x01"}
_OTHER_COLOURS = {4: "a mask", 5: "in print colours (CMYK)", 8: "in CIE Lab colours", 32803: "a raw sensor picture"}
_NOT_WHOLE_NUMBERS = {2: "signed numbers", 3: "floating-point numbers", 5: "complex numbers", 6: "complex numbers"}
_ASSOCIATED_ALPHA, _ALPHA = 1, 2
_INTEGER_TYPES = {1: "u1", 3: "u2", 4: "u4", 7: "u1"}  # BYTE, SHORT, LONG, UNDEFINED
_MOST_PAGES, _MOST_FIELDS = 100, 512
_MOST_EXTRA_SAMPLES = 4
_REDUCED_OR_MASK = 0b101
_LARGEST_SMALL_TILE = 1 << 22  # pixels; a small picture may lie in one large tile

_Directory = dict[int, NDArray[Any]]


@dataclass(frozen=True)
class _Page:
    """What the directory of the one full-size page declares.

    samples: stored samples a pixel, extra ones included. bits: bits of each.
    is_planar: each sample has its own strips or tiles, else pixels are stored whole.
    extra: what the first sample after the colours is: _ALPHA, _ASSOCIATED_ALPHA (colours already dimmed by it), or 0.
    block_width, block_height: the size of a tile or a strip, of which the last may be lower.
    blocks: (N, 2) where each begins and how many bytes it has.
    """

    width: int
    height: int
    bits: int
    samples: int
    colour: int
    compression: int
    has_predictor: bool
    is_planar: bool
    extra: int
    orientation: int
    is_tiled: bool
    block_width: int
    block_height: int
    blocks: NDArray[np.int64]
    colour_map: NDArray[Any]
    jpeg_tables: bytes


def read_tiff(content: bytes, max_pixels: int) -> Raster:
    """Decode the one full-size page of a TIFF; smaller copies of it beside are left alone.

    Raises BadImage where it is cut off, damaged, of several pages, larger than max_pixels, or of samples without a
    declared range.
    """
    order = "<" if content.startswith(b"II") else ">"
    page = _page(_full_size_directory(content, order), max_pixels, len(content))
    stored = _stored_samples(content, page, order)
    colours = 3 if page.colour in (_RGB, _YCBCR) else 1
    alpha: Samples | None = None
    notes: tuple[str, ...] = ()
    if page.samples > colours:
        further = at_full_scale(stored[:, :, colours], page.bits)
        alpha = np.ascontiguousarray(further) if page.extra == _ALPHA else None  # a view would keep all samples
        notes = _notes_on(further, page.extra)
    if page.colour == _PALETTE:
        samples = through_palette(stored[:, :, 0], _palette(page))
    else:
        samples = at_full_scale(stored[:, :, 2::-1] if page.colour == _RGB else stored[:, :, 0], page.bits)
    is_inverted = page.colour == _WHITE_IS_ZERO
    return Raster(
        samples=np.iinfo(samples.dtype).max - samples if is_inverted else np.ascontiguousarray(samples),
        alpha=alpha,
        bit_depth=page.bits,
        colour={_PALETTE: "palette", _RGB: "rgb" if alpha is None else "rgba", _YCBCR: "rgb"}.get(page.colour, "grey"),
        orientation=page.orientation,
        is_inverted=is_inverted,
        notes=notes,
        coding=_CODINGS[page.compression],
    )


def _notes_on(further: Samples, extra: int) -> tuple[str, ...]:
    """What to say of a sample that is neither colour nor an alpha that is still to be applied."""
    if extra == _ASSOCIATED_ALPHA and further.min() < np.iinfo(further.dtype).max:
        return ("transparent pixels laid on black",)  # by whoever wrote it: the colours are already dimmed
    return () if extra else ("a further channel that is neither colour nor opacity was left out",)


def _palette(page: _Page) -> NDArray[np.uint8]:
    """(N, 3) blue, green, red. The file has 16 bits of each; the upper 8 are what everyone writes and reads."""
    entries = 1 << page.bits
    if len(page.colour_map) != 3 * entries:
        raise damaged(f"a palette of {len(page.colour_map)} numbers; expected {3 * entries}")
    return (page.colour_map.reshape(3, entries)[::-1].T >> 8).astype(np.uint8)


# The directory, section 2


def _full_size_directory(content: bytes, order: str) -> _Directory:
    """The directory of the one page that is neither a smaller copy nor a mask."""
    directories: dict[int, _Directory] = {}
    (at,) = _numbers(content, order + "u4", 1, 4)
    while at:
        if int(at) in directories or len(directories) == _MOST_PAGES:
            raise damaged(f"the pages of the TIFF go round in circles, or are more than {_MOST_PAGES}")
        (fields,) = _numbers(content, order + "u2", 1, int(at))
        if fields > _MOST_FIELDS:
            raise damaged(f"a page of {fields} fields")
        directories[int(at)] = _directory(content, order, int(at) + 2, int(fields))
        (at,) = _numbers(content, order + "u4", 1, int(at) + 2 + 12 * int(fields))
    full_size = [
        directory
        for directory in directories.values()
        if not _one(directory, _SUBFILE_TYPE, 0) & _REDUCED_OR_MASK and _one(directory, _OLD_SUBFILE_TYPE, 1) != 2
    ]
    if len(full_size) != 1:
        raise Unfit(f"is a TIFF of {len(full_size)} pages; expected one film, save each page as its own file")
    return full_size[0]


def _directory(content: bytes, order: str, at: int, entries: int) -> _Directory:
    """The whole-number fields of a directory, by tag."""
    fields: _Directory = {}
    for entry in range(at, at + 12 * entries, 12):
        tag, kind = _numbers(content, order + "u2", 2, entry).tolist()
        (count,) = _numbers(content, order + "u4", 1, entry + 4).tolist()
        if tag in _TAGS and kind in _INTEGER_TYPES:
            dtype = np.dtype(order + _INTEGER_TYPES[kind])
            is_inline = count * dtype.itemsize <= 4
            (place,) = (entry + 8,) if is_inline else _numbers(content, order + "u4", 1, entry + 8).tolist()
            fields[tag] = _numbers(content, dtype, count, place)
    return fields


def _numbers(content: bytes, dtype: str | np.dtype[Any], count: int, at: int) -> NDArray[Any]:
    """`count` numbers at byte `at`, without a copy. Raises BadImage where the file ends before them."""
    if at + count * np.dtype(dtype).itemsize > len(content):
        raise cut_off(f"the TIFF refers to byte {at:,} and beyond; it has {len(content):,}")
    return np.frombuffer(content, dtype, count, at)


def _one(directory: _Directory, tag: int, default: int) -> int:
    """The first number of a field."""
    values = directory.get(tag)
    return default if values is None or not len(values) else int(values[0])


def _page(directory: _Directory, max_pixels: int, file_bytes: int) -> _Page:
    """Check a directory field by field."""
    width, height, bits = _one(directory, _WIDTH, 0), _one(directory, _HEIGHT, 0), _one(directory, _BITS, 1)
    samples, compression, colour = (_one(directory, tag, 1) for tag in (_SAMPLES, _COMPRESSION, _PHOTOMETRIC))
    check_size(width, height, max_pixels)
    _check_samples(directory, bits, samples, colour)
    is_planar = _one(directory, _PLANAR, 1) == 2 and samples > 1
    _check_compression(compression, bits, samples, colour, is_planar)
    predictor = _one(directory, _PREDICTOR, 1) if compression in (_LZW, _DEFLATE, _OLD_DEFLATE) else 1
    if predictor not in (1, 2) or (predictor == 2 and bits not in (8, 16)):
        raise Unfit(f"is a TIFF with predictor {predictor} for {bits} bits, which is not read; save it as PNG")
    is_tiled = _TILE_OFFSETS in directory
    block_width, block_height = width, min(_one(directory, _ROWS_PER_STRIP, height), height)
    if is_tiled:
        block_width, block_height = _one(directory, _TILE_WIDTH, 0), _one(directory, _TILE_HEIGHT, 0)
    if block_width < 1 or block_height < 1 or block_width * block_height > max(4 * width * height, _LARGEST_SMALL_TILE):
        raise damaged(f"strips or tiles of {block_width} x {block_height} pixels for {width} x {height}")
    count = -(-width // block_width) * -(-height // block_height) * (samples if is_planar else 1)
    extra, orientation = _one(directory, _EXTRA_SAMPLES, 0), _one(directory, _ORIENTATION, 1)
    return _Page(
        *(width, height, bits, samples, colour, compression, predictor == 2, is_planar),
        extra=extra if extra in (_ALPHA, _ASSOCIATED_ALPHA) else 0,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        is_tiled=is_tiled,
        block_width=block_width,
        block_height=block_height,
        blocks=_blocks(directory, count, is_tiled, file_bytes),
        colour_map=directory.get(_COLOUR_MAP, np.empty(0)),
        jpeg_tables=directory.get(_JPEG_TABLES, np.empty(0, np.uint8)).tobytes(),
    )


def _blocks(directory: _Directory, count: int, is_tiled: bool, file_bytes: int) -> NDArray[np.int64]:
    """(count, 2) where each strip or tile begins and how many bytes it has, all of them inside the file."""
    tags = (_TILE_OFFSETS, _TILE_COUNTS) if is_tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
    offsets, lengths = (directory.get(tag, np.empty(0)).astype(np.int64)[:count] for tag in tags)
    if not len(offsets) == len(lengths) == count:
        raise damaged(f"{count:,} strips or tiles are needed, {min(len(offsets), len(lengths)):,} are listed")
    end = (offsets + lengths).max()
    if end > file_bytes:
        raise cut_off(f"a strip or tile ends at byte {end:,} of {file_bytes:,}")
    return np.stack([offsets, lengths], axis=1)


def _check_compression(compression: int, bits: int, samples: int, colour: int, is_planar: bool) -> None:
    """Raise BadImage for a compression that is not read, or not for such samples."""
    if compression not in _CODINGS:
        name = _OTHER_COMPRESSIONS.get(compression, "unknown")
        raise Unfit(f"is a TIFF with {name} compression ({compression}), which is not read; save it as PNG")
    if compression == _JPEG and (bits != 8 or is_planar or (samples, colour) not in _JPEG_COLOURS):
        raise Unfit(f"is a TIFF with JPEG compression of {samples} samples ({colour}), not read; save it as PNG")
    if compression != _JPEG and colour == _YCBCR:
        raise Unfit("is a TIFF in YCbCr colours without JPEG compression, which is not read; save it as PNG")


def _check_samples(directory: _Directory, bits: int, samples: int, colour: int) -> None:
    """Raise BadImage where the samples are not unsigned whole numbers of one depth, or make no colour that is read."""
    sample_format = _one(directory, _SAMPLE_FORMAT, 1)
    if sample_format in _NOT_WHOLE_NUMBERS:
        kind = _NOT_WHOLE_NUMBERS[sample_format]
        raise Unfit(f"is a TIFF of {kind}, whose black and white nothing declares; save it as 16-bit unsigned")
    if not 1 <= bits <= 16 or (directory.get(_BITS, np.array([bits])) != bits).any():
        raise Unfit(f"is a TIFF of {bits} bits a sample, or of several depths; expected one of 1 to 16 bits")
    if _one(directory, _FILL_ORDER, 1) != 1:
        raise Unfit("is a TIFF with its bits in reverse (FillOrder 2), which is not read; save it as PNG")
    if colour not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR):
        name = _OTHER_COLOURS.get(colour, "in colours that are not read")
        raise Unfit(f"is a TIFF {name} ({colour}); expected grey, RGB or a palette")
    fewest = 3 if colour in (_RGB, _YCBCR) else 1
    if not fewest <= samples <= fewest + _MOST_EXTRA_SAMPLES or (colour == _PALETTE and bits > 8):
        raise damaged(f"{samples} samples of {bits} bits make no pixel of this TIFF")


# Strips and tiles, sections 3, 9, 13, 14, 15 and technical note 2


def _stored_samples(content: bytes, page: _Page, order: str) -> Samples:
    """(H, W, samples) as they are stored, of the declared depth, not yet at full scale."""
    stored = np.empty((page.height, page.width, page.samples), np.uint8 if page.bits <= 8 else np.uint16)
    blocks = iter(page.blocks.tolist())
    planes = [slice(plane, plane + 1) for plane in range(page.samples)] if page.is_planar else [slice(None)]
    for plane in planes:
        for top in range(0, page.height, page.block_height):
            for left in range(0, page.width, page.block_width):
                offset, length = next(blocks)
                target = stored[top : top + page.block_height, left : left + page.block_width, plane]
                rows = page.block_height if page.is_tiled else len(target)
                block = _block(content[offset : offset + length], page, order, rows, target.shape[2])
                target[...] = block[: target.shape[0], : target.shape[1]]  # now in the machine's own order of bytes
                if page.has_predictor:
                    add_up(target)
    return stored


def _block(coded: bytes, page: _Page, order: str, rows: int, samples: int) -> Samples:
    """(rows, block width, samples) of one strip or tile, in the file's order of bytes; differences where it has a predictor."""
    if page.compression == _JPEG:
        # The directory says what the colours are; in a JPEG of its own, Adobe's marker does.
        adobe = _JPEG_COLOURS[page.samples, page.colour]
        marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + adobe if adobe else b""
        coded = b"\xff\xd8" + marker + page.jpeg_tables[2:].removesuffix(b"\xff\xd9") + coded[2:]
        segments = jpeg_segments(coded)
        frame = jpeg_frame(segments)
        if (frame.width, frame.height) != (page.block_width, rows):
            raise damaged(f"a strip or tile of {frame.width} x {frame.height} pixels for {page.block_width} x {rows}")
        return np.dstack([decoded_jpeg(coded, segments, frame)] * samples)  # grey already
    count = page.block_width * samples
    row_bytes = (count * page.bits + 7) // 8
    plain = np.frombuffer(_decompressed(coded, page.compression, rows, row_bytes), np.uint8).reshape(rows, row_bytes)
    numbers = plain.view(order + "u2") if page.bits == 16 else unpacked(plain, count, page.bits)
    return numbers.reshape(rows, page.block_width, samples)


def _decompressed(coded: bytes, compression: int, rows: int, row_bytes: int) -> bytes:
    """Exactly rows * row_bytes bytes; raises BadImage where the strip holds fewer, or is damaged."""
    size = rows * row_bytes
    if compression == _LZW:
        plain = unlzw(coded, rows, row_bytes)
    elif compression == _PACKBITS:
        plain = from_packbits(coded, size)
    elif compression == _NONE:
        plain = coded[:size]
    else:
        try:
            plain = zlib.decompressobj().decompress(coded, size)
        except zlib.error as error:
            raise damaged(f"a compressed strip or tile ({error})") from error
    if len(plain) < size:
        raise cut_off(f"a strip or tile holds {len(plain):,} bytes of pixels, expected {size:,}")
    return plain
