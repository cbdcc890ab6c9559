"""From stored values to the grey levels that a reading screen would show.

The chain of DICOM (PS3.4 N.2): modality transform, then values of interest (VOI), then the photometric interpretation.
Since a film stores at most 16 bits, the whole chain is computed once for every possible stored value, as a table; each
pixel is then looked up. What the film happens to contain plays no part: the range is always the declared one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from plainfilm.core.formats.raster import Samples, damaged
from plainfilm.errors import Unfit

_LARGEST_NUMBER = 1e12  # no slope, intercept or window is beyond it, nor so near to 0; 65536 steps of it stay finite


@dataclass(frozen=True)
class _Lut:
    """A look-up table of the standard (PS3.3 C.11.1.1, C.11.2.1.1).

    entries: (N,) outputs, 0 to 2**bit_depth - 1. first: the input that the first entry belongs to.
    """

    entries: NDArray[np.int64]
    first: int
    bit_depth: int

    def __call__(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Inputs below the first entry give the first, above the last the last."""
        places: NDArray[np.int64] = np.rint(values).astype(np.int64) - self.first
        outputs: NDArray[np.int64] = self.entries[places.clip(0, len(self.entries) - 1)]
        return outputs


def grey_table(
    film: Dataset, bits_stored: int, is_signed: bool, is_little_endian: bool, *, is_inverted: bool
) -> tuple[Samples, tuple[str, ...]]:
    """((2**bits_stored,) grey level of each stored value taken as an unsigned pattern, notes).

    Grey levels are uint8 where 8 bits or fewer are stored and no table maps them to more, else uint16; they span the
    full scale, and 0 is black whatever the photometric interpretation. Padding is black. is_inverted: it is MONOCHROME1.
    Raises BadImage for a transform that the standard does not know or that would leave nothing to see.
    Source: DICOM PS3.3 C.7.6.3.1.2, C.7.5.1.1.2, C.11.1, C.11.2; PS3.4 N.2.
    """
    stored = np.arange(1 << bits_stored)
    if is_signed:
        stored[len(stored) // 2 :] -= len(stored)
    modality_lut = _lut(film, "ModalityLUTSequence", is_signed, is_little_endian)
    values: NDArray[Any]
    if modality_lut:
        values, low, high = modality_lut(stored), 0.0, float((1 << modality_lut.bit_depth) - 1)
    else:
        values, low, high = _rescaled(stored, film)
    voi_lut = _lut(film, "VOILUTSequence", low < 0, is_little_endian)
    notes: tuple[str, ...] = ()
    if voi_lut:
        shares = voi_lut(values) / ((1 << voi_lut.bit_depth) - 1)
    else:
        shares, notes = _windowed(values, low, high, film)
    if is_inverted:
        shares = 1 - shares
    luts = [lut for lut in (modality_lut, voi_lut) if lut]
    full = 255 if max([bits_stored, *(lut.bit_depth for lut in luts)]) <= 8 else 65535
    table = np.rint(shares * full).astype(np.uint8 if full == 255 else np.uint16)
    table[_is_padding(stored, film, is_signed)] = 0
    return table, notes


def _rescaled(stored: NDArray[np.int64], film: Dataset) -> tuple[NDArray[np.float64], float, float]:
    """(values, the smallest and the largest that can occur). Source: PS3.3 C.11.1.1.2."""
    slope, intercept = _number(film, "RescaleSlope", 1.0), _number(film, "RescaleIntercept", 0.0)
    if not slope:
        raise Unfit("has a Rescale Slope of 0, which leaves nothing to see")
    values = stored * slope + intercept
    return values, float(values.min()), float(values.max())


def _windowed(
    values: NDArray[Any], low: float, high: float, film: Dataset
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """(brightness from 0 to 1 under the first window or, without one, over the whole range; notes).

    Source: PS3.3 C.11.2.1.2 and C.11.2.1.3.
    """
    center, width = _number(film, "WindowCenter"), _number(film, "WindowWidth")
    function = str(film.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise Unfit(f"has the VOI LUT Function {function!r}; expected LINEAR, LINEAR_EXACT or SIGMOID")
    whole_range = (values - low) / (high - low)
    if center is None or width is None:
        return whole_range, ()
    if width < 1 if function == "LINEAR" else width <= 0:
        return whole_range, (f"a window of width {width:g} cannot be; the whole declared range is shown instead",)
    if function == "SIGMOID":
        return 1 / (1 + np.exp((-4 * (values - center) / width).clip(-700, 700))), ()
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:
        return (values > center).astype(np.float64), ()
    return ((values - center) / width + 0.5).clip(0, 1), ()


def _is_padding(stored: NDArray[np.int64], film: Dataset, is_signed: bool) -> NDArray[np.bool_]:
    """Which stored values stand for no film at all. Source: PS3.3 C.7.5.1.1.2."""
    if film.get("PixelPaddingValue") is None:
        return np.zeros(len(stored), dtype=bool)
    one = int(film.PixelPaddingValue)
    other = int(film.PixelPaddingRangeLimit) if film.get("PixelPaddingRangeLimit") is not None else one
    # Its sign is a matter of the value representation, which writers get wrong; its 16 bits are not.
    limits = [value % 65536 for value in (one, other)]
    first, last = sorted(value - 65536 if is_signed and value > 32767 else value for value in limits)
    return (stored >= first) & (stored <= last)


def _number(film: Dataset, keyword: str, default: float | None = None) -> Any:
    """The first value of a decimal element, or the default where it is absent or empty."""
    value = film.get(keyword)
    if value is None or value == "" or (not isinstance(value, (str, float, int)) and not len(value)):
        return default
    number = float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)
    if number and not 1 / _LARGEST_NUMBER < abs(number) < _LARGEST_NUMBER:
        raise damaged(f"{keyword} is {number}")
    return number


def _lut(film: Dataset, keyword: str, has_negative_inputs: bool, is_little_endian: bool) -> _Lut | None:
    """The first table of a sequence, or None where there is none."""
    items = film.get(keyword)
    if not items or items[0].get("LUTDescriptor") is None or items[0].get("LUTData") is None:
        return None
    count, first, bit_depth = (int(value) for value in items[0].LUTDescriptor)
    count = count & 0xFFFF or 1 << 16
    content = items[0].LUTData
    if isinstance(content, bytes):
        is_packed = len(content) in (count, count + 1) and bit_depth <= 8
        dtype = "u1" if is_packed else "<u2" if is_little_endian else ">u2"
        content = np.frombuffer(content[: count * np.dtype(dtype).itemsize // 2 * 2], dtype)
    entries = np.atleast_1d(np.asarray(content, dtype=np.int64))[:count] & 0xFFFF
    if len(entries) < count or not 1 <= bit_depth <= 16:
        raise damaged(f"{keyword} holds {len(entries)} entries of {bit_depth} bits; expected {count} of 1 to 16")
    first = first - 65536 if has_negative_inputs and first > 32767 else first
    return _Lut(np.minimum(entries, (1 << bit_depth) - 1), first, bit_depth)
