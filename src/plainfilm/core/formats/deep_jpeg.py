"""The JPEGs that OpenCV does not decode and DICOM files hold: lossless of 2 to 16 bits and lossy of 12, in grey.

Why not GDCM, which decodes both: a damaged stream can make it end the whole process (an exception that leaves C++), and
others make it print. NumPy is fast enough: the codes cannot be split without reading them in order, but where a code
would end can be looked up for every bit position at once; then one short loop hops from code to code.

Source: ITU-T T.81, annex F (sequential DCT), annex H (lossless), annex C (Huffman tables).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.formats.jpeg import DHT, DQT, DRI, SCAN_DATA, SOS, Frame, Segments, quantisation_tables
from plainfilm.core.formats.raster import cut_off, damaged
from plainfilm.errors import Unfit

_CHUNK = 1 << 16  # bytes of coded pixels looked at together; about 60 bytes of memory for each
_NO_CODE_HOP = 32  # where no code can begin: any hop will do, since what is read there is refused
_MOST_TABLES = 64
_MOST_RESTARTS = 20_000  # a restart for each row of blocks is usual
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_END_OF_BLOCK = 128  # as a skip: farther than any coefficient of 64

# The place of each coefficient of a block in the order in which they are stored. Source: ITU-T T.81 figure A.6.
_ZIGZAG = np.array(sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8)))

_Row = NDArray[np.int32]


@dataclass(frozen=True)
class _Huffman:
    """A Huffman table as look-ups by the next 16 bits.

    length: (65536,) bits of the code that they begin with, 0 where they begin with none.
    symbol: (65536,) what that code stands for.
    hop: (65536,) bits from that code to the next, over the bits of the number that follows it.
    """

    length: NDArray[np.uint8]
    symbol: NDArray[np.uint8]
    hop: NDArray[np.uint8]


@dataclass(frozen=True)
class _Scan:
    """The one scan of a grey JPEG and the tables that hold for it.

    dc, ac: the Huffman tables; lossless uses dc alone. quantisation: (64,) in stored order, None in lossless.
    predictor: 1 to 7, lossless alone. point_transform: bits that were cut off below.
    restart_interval: samples (lossless) or blocks between restarts, 0 for none.
    intervals: the coded bytes between restarts, without stuffing.
    """

    dc: _Huffman
    ac: _Huffman | None
    quantisation: NDArray[np.float32] | None
    predictor: int
    point_transform: int
    restart_interval: int
    intervals: list[bytes]


def decoded_deep_jpeg(segments: Segments, frame: Frame) -> NDArray[np.uint16]:
    """(H, W) samples of 0 to 2**frame.bit_depth - 1.

    Raises BadImage where the stream is damaged, cut off, or of another kind than lossless, baseline or extended.
    """
    if frame.process not in ("lossless", "baseline", "extended") or frame.components != 1:
        kind = f"a {frame.process} JPEG of {frame.components} components"
        raise Unfit(f"holds {kind}; expected one component, lossless, baseline or extended")
    if not 2 <= frame.bit_depth <= (16 if frame.process == "lossless" else 12):
        raise damaged(f"JPEG knows no {frame.process} samples of {frame.bit_depth} bits")
    scan = _scan(segments, frame)
    return _lossless(scan, frame) if frame.process == "lossless" else _lossy(scan, frame)


def _scan(segments: Segments, frame: Frame) -> _Scan:
    """Gather the tables up to the scan, and the scan."""
    huffman: dict[int, _Huffman] = {}
    quantisation: dict[int, NDArray[np.float32]] = {}
    restart_interval = 0
    header, coded = b"", b""
    if sum(marker in (DHT, DQT) for marker, _ in segments) > _MOST_TABLES:
        raise damaged(f"more than {_MOST_TABLES} tables for one scan")
    for marker, body in segments:
        if marker == DHT:
            huffman |= _huffman_tables(bytes(body))
        elif marker == DQT:
            quantisation |= quantisation_tables(bytes(body))
        elif marker == DRI and len(body) == 2:
            restart_interval = int.from_bytes(body)
        elif marker == SOS:
            header = bytes(body)
        elif marker == SCAN_DATA:
            coded = bytes(body)
            break
    if len(header) != 6 or header[0] != 1:
        raise damaged("the scan header of the JPEG; expected one component")
    _, _, tables, predictor, _, transforms = header
    dc, ac = huffman.get(tables >> 4), huffman.get(0x10 | tables & 15)
    if dc is None or (frame.process != "lossless" and (ac is None or frame.quantisation_table not in quantisation)):
        raise damaged("the JPEG lacks a table that its scan asks for")
    return _Scan(
        dc=dc,
        ac=ac,
        quantisation=quantisation.get(frame.quantisation_table),
        predictor=predictor,
        point_transform=transforms & 15,
        restart_interval=restart_interval,
        intervals=[interval.replace(b"\xff\x00", b"\xff") for interval in _RESTART.split(coded)],
    )


def _huffman_tables(body: bytes) -> dict[int, _Huffman]:
    """The tables of one DHT segment, by class (AC: 0x10) and number. Source: ITU-T T.81 B.2.4.2 and C.2."""
    tables: dict[int, _Huffman] = {}
    while body:
        counts, symbols = body[1:17], body[17 : 17 + sum(body[1:17])]
        length, symbol = np.zeros(1 << 16, np.uint8), np.zeros(1 << 16, np.uint8)
        first = used = 0
        for bits, count in enumerate(counts, start=1):
            for value in symbols[used : used + count]:
                after = first + (1 << 16 - bits)
                length[first:after], symbol[first:after] = bits, value
                first = after
            used += count
        is_numbered_well = body[0] & 0xEC == 0 and body[0] not in tables  # class 0 or 1, number 0 to 3
        if len(counts) < 16 or len(symbols) < used or first > 1 << 16 or not is_numbered_well:
            raise damaged("a Huffman table of the JPEG")
        # An AC symbol is a run and a size, a DC symbol a size; of size 16, in lossless alone, no bits follow (H.1.2.2).
        size = symbol & 15 if body[0] & 0x10 else np.where(symbol < 16, symbol, 0)
        hop = np.where(length > 0, length + size, _NO_CODE_HOP).astype(np.uint8)
        tables[body[0]] = _Huffman(length, symbol, hop)
        body = body[17 + used :]
    return tables


def _chunks(interval: bytes) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """(byte at which the chunk begins, the next 16 bits at each of its bit positions)."""
    stream = np.frombuffer(interval + b"\xff\xff\xff", np.uint8).astype(np.uint32)
    shifts = np.arange(8, 0, -1, dtype=np.uint32)
    for begin in range(0, len(interval), _CHUNK):
        here = stream[begin : begin + _CHUNK + 2]
        three_bytes = here[:-2] << 16 | here[1:-1] << 8 | here[2:]
        yield begin, (three_bytes[:, np.newaxis] >> shifts).astype(np.uint16).ravel()


def _extended(interval: NDArray[np.uint8], at: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """The signed number of `size` bits, 0 to 15, at each bit position. Source: ITU-T T.81 F.2.2.1, EXTEND."""
    byte = at >> 3
    first, second, third = (interval[byte + i].astype(np.int64) for i in range(3))
    three_bytes = first << 16 | second << 8 | third
    value: NDArray[np.int64] = three_bytes >> (24 - (at & 7) - size) & (1 << size) - 1
    return np.where(value < 1 << size >> 1, value - (1 << size) + 1, value)


def _padded(interval: bytes) -> NDArray[np.uint8]:
    """The coded bytes and enough after them that no look-up from a position inside them falls beyond the end."""
    return np.frombuffer(interval + bytes(16), np.uint8)


# Lossless, annex H


def _lossless(scan: _Scan, frame: Frame) -> NDArray[np.uint16]:
    if not 1 <= scan.predictor <= 7 or scan.point_transform >= frame.bit_depth:
        raise damaged(f"JPEG knows no predictor {scan.predictor} with a shift of {scan.point_transform}")
    rows_a_restart = frame.height
    if scan.restart_interval:
        if scan.restart_interval % frame.width:
            raise damaged("the JPEG restarts in the middle of a row")
        rows_a_restart = scan.restart_interval // frame.width
    if len(scan.intervals) != -(-frame.height // rows_a_restart):
        raise damaged("the JPEG has a wrong number of restarts")
    middle = 1 << frame.bit_depth - scan.point_transform - 1
    parts = []
    for place, interval in enumerate(scan.intervals):
        rows = min(rows_a_restart, frame.height - place * rows_a_restart)
        differences = _differences(interval, scan.dc, rows * frame.width).reshape(rows, frame.width)
        parts.append(_predicted(differences, scan.predictor, middle))
    return np.concatenate(parts) << np.uint16(scan.point_transform)


def _differences(interval: bytes, table: _Huffman, count: int) -> NDArray[np.uint16]:
    """The first `count` coded differences, modulo 65536. Source: ITU-T T.81 H.1.2.2."""
    if count > 8 * len(interval):
        raise cut_off(f"{count:,} samples cannot be in {len(interval):,} bytes of JPEG data")
    padded = _padded(interval)
    parts: list[NDArray[np.uint16]] = []
    found = at = 0
    for begin, windows in _chunks(interval):
        hops = table.hop[windows].tobytes()
        end = len(hops)
        starts = []
        while at < end:
            starts.append(at)
            at += hops[at]
        at -= end
        codes = np.array(starts[: count - found], dtype=np.int64)
        length, size = table.length[windows[codes]].astype(np.int64), table.symbol[windows[codes]].astype(np.int64)
        if not length.all() or size.max(initial=0) > 16:
            raise damaged("a code in the JPEG's pixels that its table does not have")
        value = _extended(padded, 8 * begin + codes + length, np.where(size == 16, 0, size))
        parts.append(np.where(size == 16, 32768, value).astype(np.uint16))
        found += len(codes)
        if found == count:
            return np.concatenate(parts)
    raise cut_off(f"{found:,} of {count:,} samples are in the JPEG")


def _predicted(differences: NDArray[np.uint16], predictor: int, middle: int) -> NDArray[np.uint16]:
    """Samples from the differences to their prediction, modulo 65536. Source: ITU-T T.81 H.1.2.1 and table H.1.

    The first row is predicted from the left, the first column from above, their corner as `middle`.
    """
    height, width = differences.shape
    samples = differences.astype(np.int32)
    samples[0, 0] += middle
    samples[:, 0] = samples[:, 0].cumsum()
    if predictor == 1:
        return samples.cumsum(axis=1).astype(np.uint16)
    samples[0] = samples[0].cumsum()
    samples &= 0xFFFF
    flat, predict = samples.ravel(), _PREDICTORS[predictor]
    # All samples of a diagonal, where row + column is the same, have their neighbours on the two before it.
    for diagonal in range(2, height + width - 1):
        first_row, last_row = max(1, diagonal - width + 1), min(height - 1, diagonal - 1)
        if first_row <= last_row:
            start, stop = (diagonal + row * (width - 1) for row in (first_row, last_row))
            here, left, above, corner = (
                flat[start - back : stop - back + 1 : width - 1 or 1] for back in (0, 1, width, width + 1)
            )
            here += predict(left, above, corner)
            here &= 0xFFFF
    return samples.astype(np.uint16)


_PREDICTORS: dict[int, Callable[[_Row, _Row, _Row], _Row]] = {
    2: lambda left, above, corner: above,
    3: lambda left, above, corner: corner,
    4: lambda left, above, corner: left + above - corner,
    5: lambda left, above, corner: left + (above - corner >> 1),
    6: lambda left, above, corner: above + (left - corner >> 1),
    7: lambda left, above, corner: left + above >> 1,
}


# Sequential DCT, annex F


def _lossy(scan: _Scan, frame: Frame) -> NDArray[np.uint16]:
    blocks_across, blocks_down = -(-frame.width // 8), -(-frame.height // 8)
    count = blocks_across * blocks_down
    blocks_a_restart = scan.restart_interval or count
    if len(scan.intervals) != -(-count // blocks_a_restart) or len(scan.intervals) > _MOST_RESTARTS:
        raise damaged("the JPEG has a wrong number of restarts")
    coefficients = np.zeros((count, 64), np.float32)
    for place, interval in enumerate(scan.intervals):
        first = place * blocks_a_restart
        _fill_coefficients(coefficients[first : first + blocks_a_restart], interval, scan)
    if scan.quantisation is not None:
        coefficients *= scan.quantisation
    blocks = np.zeros((count, 8, 8), np.float32)
    blocks.reshape(count, 64)[:, _ZIGZAG] = coefficients
    blocks = _COSINES.T @ (blocks @ _COSINES)  # ITU-T T.81 A.3.3
    rows = blocks.reshape(blocks_down, blocks_across, 8, 8).transpose(0, 2, 1, 3).reshape(8 * blocks_down, -1)
    samples = np.rint(rows[: frame.height, : frame.width]) + (1 << frame.bit_depth - 1)
    return samples.clip(0, (1 << frame.bit_depth) - 1).astype(np.uint16)


def _fill_coefficients(coefficients: NDArray[np.float32], interval: bytes, scan: _Scan) -> None:
    """Put the coefficients of one restart interval, in stored order, into a (blocks, 64) view of zeros.

    Source: ITU-T T.81 F.2.2.
    """
    dc, ac, count = scan.dc, scan.ac, len(coefficients)
    if ac is None or 2 * count > 8 * len(interval):
        raise cut_off(f"{count:,} blocks cannot be in {len(interval):,} bytes of JPEG data")
    ac_skip_at = np.where(ac.symbol == 0, _END_OF_BLOCK, (ac.symbol >> 4) + 1).astype(np.uint8)
    padded = _padded(interval)
    at = begun = 0  # bit position in the chunk; blocks begun
    last = 63  # coefficient that was read last; at 63 a block is complete and the next begins with its DC code
    for begin, windows in _chunks(interval):
        dc_hops, ac_hops, ac_skips = (table[windows].tobytes() for table in (dc.hop, ac.hop, ac_skip_at))
        end, begun_before, last_before = len(dc_hops), begun, last
        starts: list[int] = []
        dc_places: list[int] = []
        while at < end:
            if last < 63:
                starts.append(at)
                last += ac_skips[at]
                at += ac_hops[at]
            elif begun < count:
                dc_places.append(len(starts))
                starts.append(at)
                begun, last = begun + 1, 0
                at += dc_hops[at]
            else:
                break
        at -= end
        codes = np.array(starts, dtype=np.int64)
        is_dc = np.zeros(len(codes), dtype=bool)
        is_dc[dc_places] = True
        window, nth_block = windows[codes], is_dc.cumsum()
        length = np.where(is_dc, dc.length[window], ac.length[window]).astype(np.int64)
        symbol = np.where(is_dc, dc.symbol[window], ac.symbol[window]).astype(np.int64)
        skipped = np.where(is_dc, 0, ac_skip_at[window]).cumsum(dtype=np.int64)
        place = skipped - np.concatenate([[-last_before], skipped[dc_places]])[nth_block]
        is_outside = place > 63
        if not length.all() or (symbol[is_dc] > 15).any() or symbol[is_outside].any():
            raise damaged("a code in the JPEG's pixels that its table does not have, or that leaves its block")
        values = _extended(padded, 8 * begin + codes + length, symbol & 15)
        block = begun_before + nth_block - 1
        coefficients[block[~is_outside], place[~is_outside]] = values[~is_outside]
        if begun == count and last >= 63:
            coefficients[:, 0] = coefficients[:, 0].cumsum()
            return
    raise cut_off(f"{begun:,} of {count:,} blocks are in the JPEG")


# (8, 8): row u, column x holds c(u) / 2 * cos((2 x + 1) u pi / 16). Source: ITU-T T.81 A.3.3.
_COSINES = np.array(
    [[(0.5 if u else 8**-0.5) * np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)] for u in range(8)], np.float32
)
