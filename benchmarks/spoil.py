"""What happens to a radiograph between two collections: one function a kind, from 8-bit pixels to the bytes of a file."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

Pixels = NDArray[np.uint8]
Spoiler = Callable[[Pixels, np.random.Generator], Pixels]


def grey_levels(film: object) -> Pixels:
    """Any numbers as 8-bit grey levels."""
    clipped: Pixels = np.clip(np.asarray(film), 0, 255).astype(np.uint8)
    return clipped


def resized(film: Pixels, rng: np.random.Generator) -> Pixels:
    """To another size, 0.4 to 2 times, and sometimes another shape."""
    factor = np.exp(rng.uniform(np.log(0.4), np.log(2)))
    shape = np.exp(rng.uniform(-0.15, 0.15)) if rng.random() < 0.3 else 1.0
    height, width = film.shape
    size = max(64, round(width * factor)), max(64, round(height * factor * shape))
    return grey_levels(cv2.resize(film, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC))


def jpeg(film: Pixels, rng: np.random.Generator) -> Pixels:
    """JPEG at quality 50 to 95."""
    _, content = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))])
    return grey_levels(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))


def brightness(film: Pixels, rng: np.random.Generator) -> Pixels:
    """15 to 60 grey levels up or down."""
    return grey_levels(film + rng.choice([-1, 1]) * rng.uniform(15, 60))


def contrast(film: Pixels, rng: np.random.Generator) -> Pixels:
    """Half to twice the contrast around the mean."""
    factor = np.exp(rng.choice([-1, 1]) * rng.uniform(0.15, 0.69))
    return grey_levels((film - film.mean()) * factor + film.mean())


def gamma(film: Pixels, rng: np.random.Generator) -> Pixels:
    """Gamma 0.5 to 2."""
    exponent = np.exp(rng.choice([-1, 1]) * rng.uniform(0.15, 0.69))
    return grey_levels(np.rint((film / 255) ** exponent * 255))


def crop(film: Pixels, rng: np.random.Generator) -> Pixels:
    """Up to a tenth cut from each side, at least 4% from one."""
    height, width = film.shape
    shares = rng.uniform(0, 0.1, 4) * (rng.random(4) < 0.7)
    shares[rng.integers(4)] = rng.uniform(0.04, 0.1)
    left, right, top, bottom = (shares * [width, width, height, height]).astype(int)
    return film[top : height - bottom, left : width - right]


def padding(film: Pixels, rng: np.random.Generator) -> Pixels:
    """A frame of one grey, on some or all sides, or to a square: up to 12% of the side each."""
    height, width = film.shape
    shares = rng.uniform(0.02, 0.12, 4) * (rng.random(4) < 0.7)
    shares[rng.integers(4)] = rng.uniform(0.04, 0.12)
    grey = [0, 0, 0, 255, int(rng.integers(0, 256))][int(rng.integers(5))]
    left, right, top, bottom = (shares * [width, width, height, height]).astype(int)
    return grey_levels(cv2.copyMakeBorder(film, top, bottom, left, right, cv2.BORDER_CONSTANT, value=grey))


def rotation(film: Pixels, rng: np.random.Generator) -> Pixels:
    """1 to 5 degrees either way; the corners black or cut."""
    height, width = film.shape
    angle = rng.choice([-1, 1]) * rng.uniform(1, 5)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    border = int(rng.choice([cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE]))
    return grey_levels(cv2.warpAffine(film, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border))


def blur(film: Pixels, rng: np.random.Generator) -> Pixels:
    """Gaussian blur, sigma 0.2% to 0.8% of the width."""
    return grey_levels(cv2.GaussianBlur(film, (0, 0), film.shape[1] * rng.uniform(0.002, 0.008)))


def noise(film: Pixels, rng: np.random.Generator) -> Pixels:
    """Gaussian noise of 4 to 16 grey levels."""
    return grey_levels(film + rng.normal(0, rng.uniform(4, 16), film.shape))


def text(film: Pixels, rng: np.random.Generator) -> Pixels:
    """One to four words burnt in, white or black, some in a box."""
    film = film.copy()
    height, width = film.shape
    for _ in range(int(rng.integers(1, 5))):
        word = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUX0123456789 :/-"), int(rng.integers(1, 14))))
        scale = width / 256 * rng.uniform(0.3, 0.9)
        place = int(rng.uniform(0, 0.7) * width), int(rng.uniform(0.06, 0.98) * height)
        grey = int(rng.choice([255, 255, 0]))
        if rng.random() < 0.3:
            (across, up), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
            cv2.rectangle(film, (place[0], place[1] - up), (place[0] + across, place[1]), 255 - grey, -1)
        cv2.putText(film, word, place, cv2.FONT_HERSHEY_SIMPLEX, scale, grey, max(1, round(scale * 1.5)), cv2.LINE_AA)
    return film


def mirror(film: Pixels, rng: np.random.Generator) -> Pixels:
    """Left is right."""
    return np.ascontiguousarray(film[:, ::-1])


def inversion(film: Pixels, rng: np.random.Generator) -> Pixels:
    """Black is white."""
    return 255 - film


def unchanged(film: Pixels, rng: np.random.Generator) -> Pixels:
    """The same pixels, for the kinds that change the file only."""
    return film


KINDS: dict[str, Spoiler] = {
    "resize": resized, "jpeg": jpeg, "brightness": brightness, "contrast": contrast, "gamma": gamma, "crop": crop,
    "padding": padding, "rotation": rotation, "blur": blur, "noise": noise, "text": text, "mirror": mirror,
    "inversion": inversion, "bit depth": unchanged, "format": unchanged, "dicom": unchanged,
}  # fmt: skip


def encoded(film: Pixels, kind: str, rng: np.random.Generator) -> tuple[str, bytes]:
    """File ending and content: of the kind that is asked for, else PNG."""
    if kind == "bit depth":
        deep = film.astype(np.uint32) * 257 + rng.integers(0, 200, film.shape)
        return ".png", cv2.imencode(".png", np.minimum(deep, 65535).astype(np.uint16))[1].tobytes()
    if kind == "format":
        ending = str(rng.choice([".webp", ".bmp", ".tif", ".jpg"]))
        return ending, cv2.imencode(ending, film)[1].tobytes()
    if kind == "dicom":
        return ".dcm", dicom(film, rng)
    return ".png", cv2.imencode(".png", film)[1].tobytes()


def dicom(film: Pixels, rng: np.random.Generator) -> bytes:
    """A DX file of 12 bits, with a window, MONOCHROME1 or 2."""
    stored = (film.astype(np.uint16) * 16 + rng.integers(0, 16, film.shape)).astype(np.uint16)
    is_first = bool(rng.random() < 0.5)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientID = "DX", ""
    data.Rows, data.Columns = film.shape
    data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = 1, 16, 12, 11
    data.PixelRepresentation = 0
    data.PhotometricInterpretation = "MONOCHROME1" if is_first else "MONOCHROME2"
    data.WindowCenter, data.WindowWidth = 2048, 4096
    data.PixelData = (4095 - stored if is_first else stored).tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()
