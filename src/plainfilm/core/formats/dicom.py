"""DICOM: one CR or DX film, as a reading screen would show it, and what its header says of the patient.

pydicom reads the header; codecs.py decodes the pixels, display.py makes them grey levels.
"""

import io
import re
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from plainfilm.core.formats.codecs import StoredPixels, is_known_syntax, stored_values
from plainfilm.core.formats.display import grey_table
from plainfilm.core.formats.raster import Samples, check_size, cut_off, damaged
from plainfilm.core.formats.recognise import EXPLICIT_VR
from plainfilm.core.words import printable
from plainfilm.errors import BadImage, TooManyPixels, Unfit

_RADIOGRAPHS = ("CR", "DX")
_RADIOGRAPH_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",  # Computed Radiography Image Storage
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",  # Digital X-Ray Image Storage, for presentation
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX",  # the same, for processing
}
# View Code Sequence, CID 4010, for films without a View Position; SNOMED RT and SNOMED CT.
_VIEW_CODES = {
    **dict.fromkeys(("R-10206", "399348003"), "AP"),
    **dict.fromkeys(("R-10214", "272479007"), "PA"),
    **dict.fromkeys(("R-10236", "399173006"), "LL"),
    **dict.fromkeys(("R-10232", "399198007"), "RL"),
}
_YEARS_A_UNIT = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
# All that is read of a header; names, dates and addresses are not.
_ELEMENTS = (
    *("SOPClassUID", "Modality", "PresentationIntentType", "BodyPartExamined", "ViewPosition", "ViewCodeSequence"),
    *("PatientID", "PatientAge", "PatientSex"),
    *("NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PresentationLUTShape", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "PixelData"),
)
_TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in _ELEMENTS]
_LARGEST_HEADER = 1 << 26  # bytes; what may be inflated beside the pixels
_MOST_PYDICOM_NOTES = 5
_QUOTED = re.compile(r"'.*'|\".*\"")  # a note is shown with the answer, and must not say who is on the film

# warnings.catch_warnings changes the whole process; under this lock at least our own threads do not undo each other's.
_READING = threading.Lock()


@dataclass(frozen=True)
class DicomFilm:
    """A film out of a DICOM file.

    pixels: (H, W) uint8 or uint16 grey over the full scale, 0 is black.
    bit_depth: bits stored. is_inverted: it was MONOCHROME1, and is turned over here.
    patient_id, view, sex, age (years), body_part: as in the header, "" and None where it does not say.
    notes: oddities that are no errors.
    coding: the name of its transfer syntax.
    """

    pixels: Samples
    bit_depth: int
    is_inverted: bool
    patient_id: str
    view: str
    age: float | None
    sex: str
    notes: tuple[str, ...]
    coding: str
    body_part: str


def read_dicom(content: bytes, max_pixels: int) -> DicomFilm:
    """Decode a DICOM film. Raises BadImage where it is no film, not readable, or larger than max_pixels."""
    with _pydicom_notes() as pydicom_notes:
        try:
            film, syntax = _parsed(content, max_pixels)
            photometric = _checked_photometric(film)
            is_inverted = photometric == "MONOCHROME1"
            pixels = _stored_pixels(film, syntax, max_pixels)
            table, display_notes = grey_table(
                film, pixels.bits_stored, pixels.is_signed, pixels.is_little_endian, is_inverted=is_inverted
            )
            age, age_notes = _age(film)
            patient_id, view, sex = _text(film, "PatientID"), _view(film), _text(film, "PatientSex").upper()
            body_part = printable(_text(film, "BodyPartExamined").upper())
            film_notes = _film_notes(film, photometric)
        except BadImage:
            raise
        except Exception as error:  # pydicom raises whatever its parsing comes upon
            raise damaged(f"its DICOM header cannot be read ({type(error).__name__}: {error})") from error
    stored, pixel_notes = stored_values(pixels)
    return DicomFilm(
        pixels=table[stored],
        bit_depth=pixels.bits_stored,
        is_inverted=is_inverted,
        patient_id=patient_id,
        view=view,
        age=age,
        sex=sex if sex in ("M", "F", "O") else "",
        notes=(*film_notes, *age_notes, *display_notes, *pixel_notes, *pydicom_notes),
        coding=UID(syntax).name,
        body_part=body_part,
    )


@contextmanager
def _pydicom_notes() -> Iterator[list[str]]:
    """Gather what pydicom warns of, as notes that quote nothing of the header; the warnings of others are passed on."""
    notes: list[str] = []
    with _READING:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield notes
        for warning in caught:
            message = _QUOTED.sub("...", str(warning.message).splitlines()[0])
            if "pydicom" not in Path(warning.filename).parts:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            elif len(notes) < _MOST_PYDICOM_NOTES and message not in notes:
                notes.append(message)


def _parsed(content: bytes, max_pixels: int) -> tuple[Dataset, UID]:
    """(the data set, its transfer syntax). Source: PS3.10 7.1, PS3.5 10.1 and annex A."""
    stream = io.BytesIO(content)
    stream.seek(132 if content[128:132] == b"DICM" else 0)
    syntax = None
    if content[stream.tell() : stream.tell() + 2] == b"\x02\x00":
        meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
        syntax = meta.get("TransferSyntaxUID")
    if syntax is None:  # nothing declares it, but whether value representations are written out can be seen
        start = content[stream.tell() : stream.tell() + 6]
        syntax = UID("1.2.840.10008.1.2.1") if EXPLICIT_VR.match(start, 4) else ImplicitVRLittleEndian
    if not is_known_syntax(syntax):
        raise Unfit(f"is stored in the transfer syntax {UID(syntax).name} ({syntax}), which is not read")
    if syntax == DeflatedExplicitVRLittleEndian:
        stream = io.BytesIO(_inflated(content[stream.tell() :], 2 * max_pixels + _LARGEST_HEADER))
    is_implicit, is_little_endian = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    film = read_dataset(stream, is_implicit, is_little_endian, specific_tags=_TAGS)
    if not film:
        raise cut_off("the file ends in the middle of its DICOM header")
    return film, syntax


def _inflated(deflated: bytes, most_bytes: int) -> bytes:
    """A deflated data set. Source: PS3.5 A.5."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(deflated, most_bytes)
    if inflater.unconsumed_tail:
        raise TooManyPixels(f"inflates to more than {most_bytes:,} bytes, more than a film needs")
    if not inflater.eof:
        raise cut_off("its deflated data set has no end mark")
    return inflated


def _checked_photometric(film: Dataset) -> str:
    """MONOCHROME1 or MONOCHROME2. Raises BadImage for what is no single grey radiograph."""
    modality, sop_class = _text(film, "Modality").upper(), UID(_text(film, "SOPClassUID"))
    if not modality:
        modality = _RADIOGRAPH_CLASSES.get(sop_class, "")
        if not modality:
            name = sop_class.name or "none"
            raise Unfit(f"names no Modality, and its SOP class ({name}) is no radiograph; expected CR or DX")
    if modality not in _RADIOGRAPHS:
        raise Unfit(f"is of the modality {modality}; expected a radiograph, CR or DX")
    if "PixelData" not in film:
        raise Unfit("holds no pixels: a report, a reference to a film elsewhere, or a file that was cut off")
    frames = int(film.get("NumberOfFrames") or 1)
    if frames != 1:
        raise Unfit(f"holds {frames} frames; expected one film")
    photometric, samples = _text(film, "PhotometricInterpretation"), int(film.get("SamplesPerPixel") or 1)
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or samples != 1:
        raise Unfit(
            f"is {photometric or 'of no photometric interpretation'} with {samples} samples a pixel; expected grey"
        )
    return photometric


def _stored_pixels(film: Dataset, syntax: UID, max_pixels: int) -> StoredPixels:
    """Check the Image Pixel module. Source: PS3.3 C.7.6.3."""
    rows, columns, bits_allocated, bits_stored, sign = (
        _whole_number(film, keyword)
        for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
    )
    high_bit = _whole_number(film, "HighBit") if "HighBit" in film else bits_stored - 1
    check_size(columns, rows, max_pixels)
    if bits_allocated not in (8, 16) or not 1 <= bits_stored <= high_bit + 1 <= bits_allocated or sign not in (0, 1):
        raise damaged(
            f"{bits_stored} bits stored of {bits_allocated} allocated up to bit {high_bit}, representation {sign}; "
            "expected 8 or 16 bits allocated"
        )
    element = film["PixelData"]
    content = element.value
    if syntax.is_encapsulated:
        content = get_frame(content, 0, number_of_frames=1)
    return StoredPixels(
        *(rows, columns, bits_allocated, bits_stored, high_bit, sign == 1),
        syntax=str(syntax),
        is_little_endian=syntax != ExplicitVRBigEndian,
        is_in_words=element.VR == "OW",
        content=bytes(content),
    )


def _whole_number(film: Dataset, keyword: str) -> int:
    value = film.get(keyword)
    if not isinstance(value, int):
        raise damaged(f"{keyword} is {value!r}; expected a whole number")
    return value


def _text(film: Dataset, keyword: str) -> str:
    """A text element without the spaces around it; "" where it is absent."""
    value = film.get(keyword)
    return "" if value is None else str(value).strip()


def _view(film: Dataset) -> str:
    """AP, PA, LL, RL or whatever else View Position says. Source: PS3.3 C.8.1.2, C.8.11.5."""
    position = _text(film, "ViewPosition").upper()
    codes = film.get("ViewCodeSequence")
    return printable(position) or (_VIEW_CODES.get(_text(codes[0], "CodeValue"), "") if codes else "")


def _age(film: Dataset) -> tuple[float | None, tuple[str, ...]]:
    """(years, notes). Source: PS3.5 6.2, value representation AS."""
    written = _text(film, "PatientAge").upper()
    parts = re.fullmatch(r"(\d{1,3})([YMWD])", written)
    if parts:
        return int(parts[1]) * _YEARS_A_UNIT[parts[2]], ()
    return None, (("the age is not written as DICOM asks for, with a unit; it is left unknown",) if written else ())


def _film_notes(film: Dataset, photometric: str) -> tuple[str, ...]:
    notes = []
    if _text(film, "PresentationIntentType").upper() == "FOR PROCESSING":
        notes.append("a film for processing: detector values that its maker has not yet made ready to be looked at")
    shape = _text(film, "PresentationLUTShape").upper()
    # INVERSE beside MONOCHROME1 says the same thing twice, not the opposite. Source: PS3.3 C.8.11.3.1.2.
    if (shape, photometric) in (("INVERSE", "MONOCHROME2"), ("IDENTITY", "MONOCHROME1")):
        notes.append(f"Presentation LUT Shape {shape} contradicts {photometric}, which is followed")
    return tuple(notes)
