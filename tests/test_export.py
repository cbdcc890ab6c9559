"""Export: the graph gives what the run's network gives, in every runtime; and what is not shown to do so is not written."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from plainfilm.core.audit import Audit, Finding
from plainfilm.core.bundle import Bundle
from plainfilm.core.calibration import Calibration, Scaling
from plainfilm.core.files import without_folders
from plainfilm.core.manifest import Manifest
from plainfilm.core.network import Scores
from plainfilm.core.parity import Parity, parity
from plainfilm.core.progress import Silence
from plainfilm.core.run import Run
from plainfilm.errors import BadManifest, BadRun, CannotWrite

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime  # noqa: E402
from tests.conftest import TINY  # noqa: E402
from tests.networks import lived_in, smooth_films, thinned  # noqa: E402

from plainfilm.bundle_jobs import export_run  # noqa: E402
from plainfilm.learn.export import as_onnx, onnx_graph  # noqa: E402
from plainfilm.learn.heatmaps import heatmaps, map_source  # noqa: E402
from plainfilm.learn.infer import TorchNetwork, scores_of  # noqa: E402
from plainfilm.learn.onnx_file import write_onnx  # noqa: E402

Arrays = list[NDArray[np.float32]]
OUTPUTS = ("logit", "embedding", "strength")


def _in_onnxruntime(model: bytes, films: torch.Tensor) -> Arrays:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run([output.name for output in session.get_outputs()], {"films": films.numpy()})


def _in_openvino(model: bytes, films: torch.Tensor) -> Arrays:
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given = compiled([films.numpy()])
    return [given[output] for output in compiled.outputs]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 96),
        pytest.param("densenet121", 96, marks=pytest.mark.slow),
        pytest.param("vgg19", 64, marks=pytest.mark.slow),
        ("cnn-plain", 64),
        ("cnn-swish", 96),
        pytest.param("convnext_tiny", 96, marks=pytest.mark.slow),
        pytest.param("vit_tiny_patch16_224", 96, marks=pytest.mark.slow),
    ],
)
def test_the_graph_gives_logits_embedding_and_heatmaps_of_the_network(name: str, size: int) -> None:
    """In two runtimes, for one film and for three: neither the number of films nor a gradient is frozen into the graph."""
    network = thinned(lived_in(name, size))
    source, shown = map_source(network, size), [smooth_films(size, count) for count in (1, 3)]
    expected = [scores_of(network, films, source) for films in shown]
    for films, scores in zip(shown, expected, strict=True):
        np.testing.assert_array_equal(scores.strength, heatmaps(network, films, source).strength)
        with torch.no_grad():
            np.testing.assert_allclose(scores.logit, network(films).numpy(), atol=1e-5)
    model, why_none = as_onnx(network, size)
    assert why_none == ""
    for run_in in (_in_onnxruntime, _in_openvino):
        for films, scores in zip(shown, expected, strict=True):
            for kind, one, other in zip(OUTPUTS, scores, run_in(model, films), strict=True):
                assert one.shape == other.shape and one.std() > 1e-3, kind
                np.testing.assert_allclose(
                    other, one, atol=1e-3, rtol=1e-3, err_msg=f"{kind} of {name}, {run_in.__name__}"
                )


def test_a_network_without_heatmaps_gives_the_rest_and_says_why() -> None:
    network, films = lived_in("resnet18", 32), smooth_films(32, 3)
    expected = scores_of(network, films)
    model, why_none = as_onnx(network, 32)
    assert "1 x 1 places" in why_none
    given = _in_onnxruntime(model, films)
    assert len(given) == 2
    for one, other in zip(expected, given, strict=False):
        np.testing.assert_allclose(other, one, atol=1e-3)


class _BothWays(torch.nn.Module):
    """A square matrix and a square convolution that are used as they stand and turned around."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.matrix = torch.nn.Parameter(torch.randn(8, 8, generator=generator))
        self.kernel = torch.nn.Parameter(torch.randn(8, 8, 1, 1, generator=generator))

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        flat = films.flatten(1).unflatten(1, (8, 8)).flatten(0, 1)  # (8 B, 8)
        turned = (flat @ self.matrix).relu() @ self.matrix.T
        places = turned[:, :, None, None]
        there = torch.nn.functional.conv2d(places, self.kernel).relu()
        return torch.nn.functional.conv_transpose2d(there, self.kernel).flatten(1)


def test_a_matrix_that_is_used_both_ways_is_not_mistaken(tmp_path: Path) -> None:
    """OpenVINO took a square matrix for its transposed self where a graph used both; the file holds it twice."""
    network, films = _BothWays().eval(), torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        expected = network(films).numpy()
    write_onnx(network, 8, ["given"], tmp_path / "both.onnx")
    model = (tmp_path / "both.onnx").read_bytes()
    for run_in in (_in_onnxruntime, _in_openvino):
        np.testing.assert_allclose(run_in(model, films)[0], expected, atol=1e-3, rtol=1e-4, err_msg=run_in.__name__)


# What is not written ---------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(answering_run: Run, tmp_path: Path) -> Path:
    """A copy of an evaluated run, to be spoilt."""
    return shutil.copytree(answering_run.directory, tmp_path / "copied")


def _refused(directory: Path, out: Path, error: type[Exception], match: str, manifest: Manifest | None = None) -> None:
    with pytest.raises(error, match=match):
        export_run(Run.open(directory), out, manifest=manifest)
    assert not out.exists() and not list(out.parent.glob("*.part"))


def test_a_run_that_is_not_ready_is_refused(copied: Path, manifest: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "model.plainfilm"
    other = replace(manifest, films=manifest.films.iloc[:-5].reset_index(drop=True))
    _refused(copied, out, BadManifest, "is not the manifest that .*copied was trained on", other)
    (copied / "calibration.json").rename(copied / "kept.json")
    _refused(copied, out, BadRun, 'was never evaluated, .*: run "plainfilm evaluate" first')
    (copied / "kept.json").rename(copied / "calibration.json")
    (copied / "complete.json").unlink()
    _refused(copied, out, BadRun, "copied: is not finished")


def test_a_place_that_takes_no_file_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = Run(tmp_path, ("A", "B"), TINY, TINY.preprocess, "", tmp_path)
    (tmp_path / "file").touch()
    for place, said in (
        (tmp_path / "out", "Make its folder first"),
        (tmp_path / "file", "A file stands where a folder"),
    ):
        with pytest.raises(CannotWrite, match=rf"m\.plainfilm: cannot be written: .*{said}"):
            export_run(unfinished, place / "m.plainfilm")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(CannotWrite, match="Ask for the right to write there"):
        export_run(unfinished, tmp_path / "m.plainfilm")


def test_what_lies_there_already_is_kept(answering_run: Run, bundle_path: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.plainfilm"
    taken.write_text("years of work")
    with pytest.raises(CannotWrite, match=r"taken\.plainfilm: is there already: .* --force"):
        export_run(answering_run, taken)
    assert taken.read_text() == "years of work"
    with pytest.raises(CannotWrite, match=r"is a folder: name a file for the bundle, such as .*model\.plainfilm"):
        export_run(answering_run, tmp_path, force=True)
    with pytest.raises(CannotWrite, match="nowhere"):
        export_run(answering_run, tmp_path / "nowhere" / "model.plainfilm")
    export_run(answering_run, taken, force=True)
    assert Bundle.open(taken).classes == Bundle.open(bundle_path).classes


def test_answers_for_a_card_that_is_not_there_are_refused(copied: Path, tmp_path: Path) -> None:
    (copied / "model_card.md").unlink()
    author, out = tmp_path / "author.toml", tmp_path / "model.plainfilm"
    author.write_text('[answers]\n"who" = "we"\n')
    with pytest.raises(
        BadRun, match=r'model_card\.md: is missing, so .*author\.toml answers nothing: run "plainfilm evaluate"'
    ):
        export_run(Run.open(copied), out, author=author)
    assert not out.exists()


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [((1.0, 0.0), (0.0, 1.0), 1.0), ((4.0, 0.0), (2.0, 0.0), 0.0)],  # argmax of logits: another; the same
)
def test_labels_are_compared_as_they_are_answered(
    before: tuple[float, float], after: tuple[float, float], alike: float
) -> None:
    """The bias of the scaling makes the second class the more probable one unless the first leads by 3."""
    calibration = replace(Calibration.none(("A", "B")), scaling=Scaling("vector", (1.0, 1.0), (0.0, 3.0)))
    forms = (Scores(np.array([logit], np.float32), np.zeros((1, 2), np.float32)) for logit in (before, after))
    assert parity(calibration, *forms, ["A"], [""]).labels == alike


def test_a_bundle_says_how_far_the_run_s_numbers_hold_for_it() -> None:
    found = Parity(1737, 2.2, 0.2, 0.1, 0.9973, 0.97, 1.0, 0.992, 0.991)
    assert found.told("int8") == (
        "The numbers below are of the run in float32; this bundle counts in int8 and gives the run's label for 99.73% of 1,737"
        " validation films."
    )
    assert found.told("fp32").startswith("This bundle counts in float32, as the run does")


def _scaled(model: bytes, output: str, factor: float) -> bytes:
    """The graph with one of its outputs multiplied, and nothing else changed."""
    graph = onnx.load_from_string(model)
    raw = f"{output}_raw"
    for node in graph.graph.node:
        for names in (node.input, node.output):
            names[:] = [raw if name == output else name for name in names]
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    graph.graph.node.append(onnx.helper.make_node("Mul", [raw, "factor"], [output]))
    return graph.SerializeToString()


@pytest.mark.parametrize(
    ("output", "factor", "named"),
    [
        ("logit", 1.01, "logits"),
        ("embedding", 1.1, "embeddings"),
        ("strength", 1.1, "heatmaps"),
    ],
)
def test_a_graph_that_gives_other_numbers_is_not_written(
    answering_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, factor: float, named: str
) -> None:
    model, why_none = onnx_graph(answering_run)
    wrong = _scaled(model, output, factor)
    monkeypatch.setattr("plainfilm.learn.export.onnx_graph", lambda run: (wrong, why_none))
    match = rf"cannot be exported as fp32: on \d+ validation films its {named} differ by up to"
    _refused(answering_run.directory, tmp_path / "wrong.plainfilm", BadRun, match)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_graph_that_gives_no_numbers_is_not_written(
    answering_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    model, why_none = onnx_graph(answering_run)
    wrong = _scaled(model, output, float("nan"))
    monkeypatch.setattr("plainfilm.learn.export.onnx_graph", lambda run: (wrong, why_none))
    match = "cannot be exported as fp32: the network gives no finite numbers"
    _refused(answering_run.directory, tmp_path / "wrong.plainfilm", BadRun, match)


def test_scaling_by_one_is_no_other_graph(answering_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is the numbers that were refused above, not the changed graph."""
    model, why_none = onnx_graph(answering_run)
    monkeypatch.setattr("plainfilm.learn.export.onnx_graph", lambda run: (_scaled(model, "strength", 1.0), why_none))
    assert export_run(answering_run, tmp_path / "same.plainfilm").parity.problem("fp32") == ""


# What is written -------------------------------------------------------------------------------------------------------


def test_the_bundle_answers_as_the_run_on_films_that_it_was_not_shown_on(
    answering_run: Run, bundle_path: Path, manifest: Manifest
) -> None:
    from plainfilm.learn.infer import predictor_of

    bundle, run = Bundle.open(bundle_path), predictor_of(answering_run, Silence())
    test = manifest.ok[manifest.ok["split"] == "test"]
    seen = [run.see(manifest.film_path(path)) for path in test["path"]]
    for one, other in zip(run.answers(seen, maps=True), bundle.predictor.answers(seen, maps=True), strict=True):
        assert (one.label, one.turned_away, one.prediction_set) == (
            other.label,
            other.turned_away,
            other.prediction_set,
        )
        np.testing.assert_allclose(one.logit, other.logit, atol=1e-3)  # type: ignore[arg-type]
        if one.is_answered:
            np.testing.assert_allclose(one.strength, other.strength, atol=1e-3)  # type: ignore[arg-type]
    assert bundle.network.has_maps == TorchNetwork(answering_run, Silence()).has_maps


def _audited(run: Run) -> None:
    """Leave an audit of the run's weights that found a leak, and names folders and films."""
    told = "Patients on two sides: 3 patients on two sides, 7 films; the first: SMITH_JOHN (train), DOE.JANE (test)."
    row = {"title": "Patients on two sides", "level": "failure", "text": told}
    finding = Finding("leaks", "fail", "share of test films", None, "any", (told,), "Split again.", {"rows": [row]})
    made = {
        "command": "plainfilm audit '/home/anna/secret study/first'",
        "weights_sha256": run.completion()["weights_sha256"],
    }
    Audit("run", "first", "accuracy 0.9", (finding,), made).write(run / "audit.json")


def test_a_bundle_names_no_folder_and_no_film_of_whoever_made_it(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plainfilm.cli import app

    trained = "plainfilm train '/home/anna/secret study/data_' -o /home/anna/runs/first --weights scratch"
    environment = json.loads((copied / "environment.json").read_text())
    (copied / "environment.json").write_text(json.dumps({**environment, "command": trained}))
    known = Run.open(copied).own_manifest()
    noted = {
        **known.info,
        "notes": ["the split was drawn anew by plainfilm check --fix from /home/anna/secret study/manifest.csv"],
    }
    (tmp_path / "noted").mkdir()
    noted_manifest = replace(known, info=noted).write(tmp_path / "noted" / "manifest.csv").path
    _audited(Run.open(copied))
    told = "Leaks: fail. Patients on two sides: 3 patients on two sides, 7 films; the first: SMITH_JOHN (train), DOE.JANE (test)."
    card = (copied / "model_card.md").read_text()
    (copied / "model_card.md").write_text(
        f"{card}\n- Command: plainfilm train '/home/anna/secret study/data\\_' -o /home/anna/runs/first --weights scratch; begun.\n"
        f"- {told}\n- As prepare noted: {noted['notes'][0]}.\n"
    )
    out = tmp_path / "out" / "model.plainfilm"
    out.parent.mkdir()
    arguments = ["export", str(copied), "-o", str(out), "--manifest", str(noted_manifest)]
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/plainfilm", *arguments])
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    content, bundle = out.read_bytes(), Bundle.open(out)
    for folder in (str(tmp_path), str(Path.cwd()), str(Path.home()) + "/", "/home/", "secret study", sys.prefix):
        assert folder.encode() not in content, folder
    for name in ("SMITH", "DOE"):
        assert name.encode() not in content, "a film is named"
    assert bundle.about["made"]["command"] == "plainfilm export copied -o model.plainfilm --manifest manifest.csv"
    assert bundle.audit is not None and bundle.audit.made["command"] == "plainfilm audit first"
    (leaks,) = bundle.audit.findings
    assert leaks.told == ("Patients on two sides: 3 patients on two sides, 7 films.",) and not leaks.evidence
    assert "Leaks: fail. Patients on two sides: 3 patients on two sides, 7 films.\n" in bundle.card
    assert "As prepare noted: the split was drawn anew by plainfilm check --fix from manifest.csv." in bundle.card
    before_numbers = bundle.card.partition("\n## ")[0]
    assert "This bundle counts in float32, as the run does, and gives the run's label for 100.00% of" in before_numbers
    assert "Command: plainfilm train data\\_ -o first --weights scratch; begun." in bundle.card


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("plainfilm export runs/first -o model.plainfilm", "plainfilm export first -o model.plainfilm"),
        ("plainfilm export '/a b/c d' --output=/x/y.plainfilm", "plainfilm export 'c d' --output=y.plainfilm"),
        ("plainfilm train ../data -o . --lr 0.001 --class A=0.5", "plainfilm train data -o . --lr 0.001 --class A=0.5"),
        ("python", "python"),
    ],
)
def test_a_command_is_told_without_folders(typed: str, told: str) -> None:
    assert without_folders(typed) == told
