"""Make what `.ci/light` tries the light installation on: phantom films, a DICOM file, a file that is no film, a small bundle.

    python .ci/light_bundle.py FOLDER      with the full installation

Leaves FOLDER/set, labelled phantoms; FOLDER/films, some of them with film.dcm, mask.png and bad.png; FOLDER/tiny.plainfilm.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from plainfilm import TrainConfig, read_film, train_runs
from plainfilm.bundle_jobs import export_run
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.phantom_set import make_phantoms
from plainfilm.prepare.split import SplitPlan


def make(folder: Path) -> None:
    """Everything, in about half a minute."""
    phantoms = make_phantoms(folder / "set", 16, seed=1)
    manifest = prepare(phantoms, folder / "data", PrepareOptions(plan=SplitPlan(test=0.25, val=0.25)))
    config = TrainConfig(
        model="cnn-plain", weights="scratch", size=64, epochs=4, batch_size=16, progressive="none", device="cpu"
    )
    (evaluation,) = train_runs(manifest, folder / "run", config, read_test=True)
    export_run(evaluation.run, folder / "tiny.plainfilm")
    films = folder / "films"
    films.mkdir()
    found = sorted(phantoms.rglob("images/*.png"))
    for place, path in enumerate(found[::16]):
        shutil.copy(path, films / f"{place}.png")
    shutil.copy(min(phantoms.rglob("masks/*.png")), films / "mask.png")
    (films / "bad.png").write_bytes(found[0].read_bytes()[:300])
    write_dicom(films / "film.dcm", read_film(found[0]).pixels)


def write_dicom(path: Path, pixels: np.ndarray) -> None:
    """A computed radiograph, uncompressed."""
    film = pydicom.Dataset()
    film.file_meta = pydicom.dataset.FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    film.Modality, film.ViewPosition, film.PhotometricInterpretation = "CR", "PA", "MONOCHROME2"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PixelRepresentation = 1, 0
    film.BitsAllocated = film.BitsStored = 8 * pixels.itemsize
    film.HighBit = film.BitsStored - 1
    film.PixelData = pixels.tobytes()
    film.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
