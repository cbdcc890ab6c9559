"""A run becomes one file that answers as the run does, and that file is refused once anything about it has changed."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plainfilm.core.bundle import SHIPPED, Bundle
from plainfilm.core.bundle_file import is_bundle
from plainfilm.errors import BadBundle
from plainfilm.explain_jobs import open_model

Parts = dict[str, bytes]


def test_a_bundle_opens_and_names_what_it_is(bundle_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    assert bundle.precision == "fp32"
    assert bundle.network.has_maps
    assert bundle.classes == ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
    assert len(bundle.probes) == 4


def test_a_bundle_is_an_archive_that_anybody_can_open(bundle_path: Path) -> None:
    with zipfile.ZipFile(bundle_path) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) >= {"bundle.json", "network.onnx", "card.md", "probes/phantom-covid.png"}
        assert archive.comment[-64:] == hashlib.sha256(bundle_path.read_bytes()[:-64]).hexdigest().encode()


def test_a_bundle_is_known_by_what_it_holds_whatever_it_is_called(tmp_path: Path) -> None:
    from plainfilm.commands.explain import _model_and_films

    other, film = tmp_path / "model.bin", tmp_path / "film.png"
    shutil.copy(SHIPPED, other)
    film.write_bytes(b"\x89PNG\r\n\x1a\n")
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("film.png", b"")
    assert is_bundle(other)
    assert not any(map(is_bundle, (film, tmp_path / "films.zip", tmp_path, tmp_path / "none")))
    assert _model_and_films([other, film], None) == (other, [film])
    assert _model_and_films([film], None) == (SHIPPED, [film])


@pytest.mark.parametrize("at", [0, 40, 0.3, 0.6, 0.999, -1])
def test_a_changed_byte_is_refused(bundle_path: Path, tmp_path: Path, at: float) -> None:
    content = bytearray(bundle_path.read_bytes())
    place = int(at * len(content)) if isinstance(at, float) else at
    content[place] ^= 1
    damaged = tmp_path / "damaged.plainfilm"
    damaged.write_bytes(content)
    with pytest.raises(BadBundle, match=r"damaged\.plainfilm: (has changed|is no bundle|is cut off)"):
        Bundle.open(damaged)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda content: content[: len(content) // 2], "is cut off, or something was added"),
        (lambda content: content + b"\n", "is cut off, or something was added"),
        (lambda content: b"", "is no bundle: expected the file"),
        (lambda content: b"\x89PNG\r\n\x1a\n" + content[8:500], "is no bundle: expected the file"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    bundle_path: Path, tmp_path: Path, change: Callable[[bytes], bytes], match: str
) -> None:
    (tmp_path / "part.plainfilm").write_bytes(change(bundle_path.read_bytes()))
    with pytest.raises(BadBundle, match=rf"part\.plainfilm: {match}"):
        Bundle.open(tmp_path / "part.plainfilm")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match=r"none\.plainfilm: is missing"):
        Bundle.open(tmp_path / "none.plainfilm")
    with pytest.raises(BadBundle, match="is a folder; expected a bundle"):
        Bundle.open(tmp_path)


# Somebody changes a part and makes the sha256 right again ----------------------------------------------------------------


def _remade(
    source: Path,
    target: Path,
    change: Callable[[Parts], None],
    *,
    version: int = 1,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """The bundle with its parts changed and its sha256 right, written by hand as core/bundle_file.py says it is."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part, compress_type=compression)
        archive.comment = f"plainfilm bundle, format {version}, sha256 of all before: {'0' * 64}".encode()
    before = held.getvalue()[:-64]
    target.write_bytes(before + hashlib.sha256(before).hexdigest().encode())
    return target


def _in_about(change: Callable[[dict[str, Any]], object]) -> Callable[[Parts], None]:
    """A change of what bundle.json holds."""

    def changed(parts: Parts) -> None:
        about = json.loads(parts["bundle.json"])
        change(about)
        parts["bundle.json"] = json.dumps(about).encode()

    return changed


def _swapped(parts: Parts) -> None:
    parts["probes/phantom-covid.png"] = parts["probes/phantom-viral-pneumonia.png"]


def _weakened(parts: Parts) -> None:
    """Every weight of the network's last layer a little smaller."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(parts["network.onnx"])
    for weights in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weights)
        if values.ndim == 2 and 4 in values.shape:
            weights.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.98) * values, weights.name))
    parts["network.onnx"] = model.SerializeToString()


def _familiarity(about: dict[str, Any]) -> dict[str, Any]:
    return about["calibration"]["familiarity"]


def test_a_bundle_made_by_hand_opens(bundle_path: Path, tmp_path: Path) -> None:
    """So what is refused below is refused for its change."""
    same = _remade(bundle_path, tmp_path / "same.plainfilm", _in_about(lambda about: about))
    assert Bundle.open(same).classes == Bundle.open(bundle_path).classes


@pytest.mark.parametrize("name", ["bundle.json", "network.onnx", "card.md", "probes/phantom-normal.jpg"])
def test_a_missing_part_is_named(bundle_path: Path, tmp_path: Path, name: str) -> None:
    lacking = _remade(bundle_path, tmp_path / "lacking.plainfilm", lambda parts: parts.pop(name) and None)
    with pytest.raises(BadBundle, match=rf"lacking\.plainfilm: lacks its part {name}\."):
        Bundle.open(lacking)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_swapped, "answers its probe phantom-covid.png otherwise than where it was made"),
        (_weakened, "answers its probe .* otherwise than where it was made: a number is off by"),
        (lambda parts: parts.update({"more.txt": b"nothing"}), "holds 'more.txt', which is no part of a bundle"),
        (lambda parts: parts.update({"network.onnx": b"nothing"}), "its network cannot be opened"),
        (lambda parts: parts.update({"probes/phantom-covid.png": b"nothing"}), "its probe phantom-covid.png"),
        (lambda parts: parts.update({"bundle.json": b"[1]"}), "bundle.json is not of format version 1"),
        (lambda parts: parts.update({"bundle.json": b"{"}), "bundle.json is no JSON"),
    ],
)
def test_a_changed_part_is_refused(
    bundle_path: Path, tmp_path: Path, change: Callable[[Parts], None], match: str
) -> None:
    with pytest.raises(BadBundle, match=rf"changed\.plainfilm: .*{match}"):
        Bundle.open(_remade(bundle_path, tmp_path / "changed.plainfilm", change))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda about: about["calibration"]["scaling"].update(kind="temperature", weight=[0.5] * 4),
            "answers its probe",
        ),
        (lambda about: about["calibration"]["scaling"].update(weight=[1.0] * 3), "bundle.json is damaged .*scaling"),
        (lambda about: about["calibration"]["scaling"].update(weight=[float("nan")] * 4), "bundle.json is damaged"),
        (lambda about: about["calibration"].update(error=1.5), "bundle.json is damaged .*error is 1.5"),
        (lambda about: about["calibration"].update(error="many"), "bundle.json is damaged"),
        (
            lambda about: about["calibration"].update(classes=["A", "B", "C", "D"]),
            "its calibration is of other classes|damaged",
        ),
        (lambda about: _familiarity(about).update(limit=_familiarity(about)["limit"] * 2), "answers its probe"),
        (lambda about: about["calibration"].update(familiarity=None), "answers its probe"),
        (lambda about: about["preprocess"].update(mean=0.5), "answers its probe"),
        (lambda about: about["preprocess"].update(size=32), "its network takes"),
        (lambda about: about.update(classes=about["classes"][::-1]), "its calibration is of other classes"),
        (lambda about: about.update(probes=[]), "carries no probes"),
        (lambda about: about.pop("tolerance"), "bundle.json is damaged"),
        (lambda about: about["probes"][0]["expected"].pop("probability"), "answers its probe"),
        (lambda about: about["probes"][0]["expected"].update(gate="no frontal chest film"), "sees its probe"),
        (lambda about: about.update(format_version=2), "bundle.json is not of format version 1"),
    ],
)
def test_a_changed_description_is_refused(
    bundle_path: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], match: str
) -> None:
    with pytest.raises(BadBundle, match=rf"changed\.plainfilm: .*({match})"):
        Bundle.open(_remade(bundle_path, tmp_path / "changed.plainfilm", _in_about(change)))


def test_another_format_is_refused(bundle_path: Path, tmp_path: Path) -> None:
    later = _remade(bundle_path, tmp_path / "later.plainfilm", lambda parts: None, version=2)
    with pytest.raises(BadBundle, match="has format version 2; this plainfilm reads 1"):
        Bundle.open(later)
    packed = _remade(bundle_path, tmp_path / "packed.plainfilm", lambda parts: None, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(BadBundle, match="is packed as no bundle's is"):
        Bundle.open(packed)


def test_the_model_inside_is_brought_back_by_installing_again(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, content = tmp_path / "default.plainfilm", bundle_path.read_bytes()
    for module in ("plainfilm.core.bundle", "plainfilm.explain_jobs"):
        monkeypatch.setattr(f"{module}.SHIPPED", inside)
    for held, said in (
        (None, "missing"),
        (b"nothing", r"damaged \(is no bundle\)"),
        (content[:900], r"damaged \(is cut off"),
        (content[:900] + b"?" + content[901:], r"damaged \(has changed since"),
    ):
        if held is not None:
            inside.write_bytes(held)
        for opened in (Bundle.open, open_model):
            with pytest.raises(BadBundle, match=rf"plainfilm's own model is {said}.*: install plainfilm again") as told:
                opened(inside)
            assert "export" not in str(told.value)
