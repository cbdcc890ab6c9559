"""How much of two classes can be told from the radial power spectrum alone: no anatomy, 64 numbers a film, a logistic regression.

    python benchmarks/spectrum.py MANIFEST Lung_Opacity Normal

Trained on the manifest's train split, judged on its test split, with a 95% interval from a bootstrap over groups. What this
reaches, a network may reach without looking at a lung: the numbers tell how a file was resized and compressed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from plainfilm.core.bootstrap import bootstrap, format_interval
from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest

SIDE, BANDS = 256, 64


def spectrum(path: Path) -> npt.NDArray[np.float64]:
    """(64,) log power by distance from the zero frequency, of the middle 256 x 256 pixels."""
    pixels = read_film(path).pixels.astype(np.float64)
    top, left = (max(0, (side - SIDE) // 2) for side in pixels.shape)
    pixels = pixels[top : top + SIDE, left : left + SIDE]
    window = np.outer(np.hanning(pixels.shape[0]), np.hanning(pixels.shape[1]))
    power = np.abs(np.fft.fft2((pixels - pixels.mean()) * window)) ** 2
    rows, columns = (np.fft.fftfreq(side) for side in pixels.shape)
    band = np.minimum((np.hypot(rows[:, None], columns[None, :]) * 2 * BANDS).astype(int), BANDS - 1).ravel()
    return np.log(np.bincount(band, power.ravel(), BANDS) / np.bincount(band, minlength=BANDS) + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("one")
    parser.add_argument("other")
    options = parser.parse_args()
    manifest = Manifest.open(options.manifest)
    classes = (options.other, options.one)
    rows = manifest.ok[manifest.ok["label"].isin(classes)]
    features = np.array([spectrum(manifest.film_path(path)) for path in rows["path"]])
    label = (rows["label"] == options.one).to_numpy(dtype=np.int64)
    is_train, is_test = (rows["split"] == "train").to_numpy(), (rows["split"] == "test").to_numpy()
    for bands in (BANDS, BANDS // 2, BANDS // 4):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000, class_weight="balanced"))
        model.fit(features[is_train][:, :bands], label[is_train])
        probability = model.predict_proba(features[is_test][:, :bands])
        found = bootstrap(probability, label[is_test], rows["group"][is_test].to_numpy(), classes).measures
        print(f"lowest {bands} of {BANDS} bands: AUROC {format_interval(found[f'auroc/{options.one}'])}", flush=True)


if __name__ == "__main__":
    main()
