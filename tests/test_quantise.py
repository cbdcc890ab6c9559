"""Promises of the int8 networks: they answer nearly as the float32 network does, from a quarter of the bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy.linalg import toeplitz

from plainfilm.core.config import TrainConfig
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Silence
from plainfilm.learn.model import build_network
from plainfilm.learn.onnx_file import write_onnx
from plainfilm.learn.quantise import quantise
from plainfilm.learn.ranges import best_range, refined, rounded
from plainfilm.learn.rounding import compensated, nearest, steps_of
from plainfilm.prepare.phantom import FINDINGS, render_phantom

SIZE = 64
RECIPE = Preprocess(size=SIZE)


def test_compensated_rounding_keeps_a_layers_output_closer_than_rounding_to_the_nearest() -> None:
    rng = np.random.default_rng(0)
    moment = toeplitz(0.95 ** np.arange(60)) + 1.0  # neighbours alike, over a large mean
    inputs = rng.multivariate_normal(np.zeros(60), moment, 4000)
    weight = rng.normal(size=(8, 60))
    step = steps_of(weight) * 4
    plain = (inputs @ (nearest(weight, step) - weight).T).std()
    ours = (inputs @ (compensated(weight, step, inputs.T @ inputs / 4000) - weight).T).std()
    assert ours < 0.6 * plain


def test_rounded_weights_are_whole_levels_within_what_every_processor_adds_rightly() -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(5, 300)) ** 3
    weight[2] = 0
    step = steps_of(weight)
    for whole in (nearest(weight, step), compensated(weight, step, np.eye(300))):
        level = whole / step
        np.testing.assert_allclose(level, np.rint(level), atol=1e-9)
        assert np.abs(level).max() < 64.001  # two products with an unsigned byte fit 16 bits
    np.testing.assert_allclose(compensated(weight, step, np.eye(300)), nearest(weight, step))


def test_inputs_that_never_vary_are_no_obstacle() -> None:
    weight = np.random.default_rng(2).normal(size=(3, 10))
    moment = np.zeros((10, 10))
    moment[0, 0] = 1
    assert np.isfinite(compensated(weight, steps_of(weight), moment)).all()


def test_a_range_keeps_the_usual_values_and_gives_up_the_rare_marker() -> None:
    usual = np.abs(np.random.default_rng(3).normal(size=20000)).astype(np.float32)
    low, high = best_range(np.append(usual, np.float32(300)))
    assert low == 0
    assert 2 < high < 20


def test_a_range_holds_nought() -> None:
    low, high = best_range(np.linspace(3, 4, 100, dtype=np.float32))
    assert low <= 0 < high
    assert best_range(np.zeros(10, np.float32)) == (0.0, 1.0)


def test_rounded_values_are_bytes_of_their_range() -> None:
    values = np.linspace(-3, 9, 1000, dtype=np.float32)
    back = rounded(values, (-1.0, 4.1))
    assert len(np.unique(back)) == 256
    inside = (values > -1) & (values < 4.1)
    assert np.abs(back - values)[inside].max() <= 0.51 * 5.1 / 255
    assert rounded(np.zeros(1, np.float32), (-1.0, 4.1)) == 0


def test_ranges_are_refined_only_towards_nearer_logits() -> None:
    best = {"a": 2.8, "b": 10.0}

    def moved(tried: Mapping[str, tuple[float, float]]) -> float:
        return sum(abs(tried[name][1] - best[name]) for name in best)

    told: list[int] = []
    got = refined({"a": (-2.0, 2.0), "b": (0.0, 20.0)}, [["b"], ["a"]], moved, told.append)
    assert got["a"] == pytest.approx((-2 / 0.7, 2 / 0.7))
    assert got["b"] == pytest.approx((0, 9.8))
    assert told == [1, 1]


class _WithOutputs(torch.nn.Module):
    """Logits, embedding and heatmaps, as a bundle's graph gives them."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, films: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        features = self.network.forward_features(films)
        layer = self.network.get_classifier()
        embedding = features.mean(dim=(2, 3))
        return layer(embedding), embedding, torch.nn.functional.conv2d(features, layer.weight[:, :, None, None])


def _phantoms(count: int) -> tuple[NDArray[np.float32], torch.Tensor]:
    rng = np.random.default_rng(4)
    films = [RECIPE.fitted(render_phantom(FINDINGS[i % 2], rng)[0]) for i in range(count)]
    return RECIPE.network_input(np.stack(films)), torch.arange(count) % 2


def _trained(name: str, tmp_path: Path, films: NDArray[np.float32], label: torch.Tensor) -> bytes:
    torch.manual_seed(0)
    network = build_network(TrainConfig(model=name, weights="scratch", size=SIZE, dropout=0.0), ("a", "b"))
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    for _ in range(12):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(torch.from_numpy(films)), label).backward()
        optimizer.step()
    path = tmp_path / "network.onnx"
    write_onnx(_WithOutputs(network), SIZE, ("logit", "embedding", "strength"), path)
    return path.read_bytes()


def _answers(model: bytes, films: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(session.run(["logit", "embedding", "strength"], {"films": films}))


@pytest.fixture(scope="module")
def in_bytes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[NDArray[np.float32], bytes, bytes]]:
    """Films, and a network before and after, made once each."""

    @cache
    def made(name: str) -> tuple[NDArray[np.float32], bytes, bytes]:
        films, label = _phantoms(24)
        before = _trained(name, tmp_path_factory.mktemp(name), films, label)
        return films, before, quantise(before, films, RECIPE.mean, RECIPE.std, Silence())

    return made


@pytest.mark.parametrize(
    "name", ["cnn-plain", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cnn-swish", "resnet18"))]
)
def test_a_network_in_bytes_answers_nearly_as_in_float32(
    name: str, in_bytes: Callable[[str], tuple[NDArray[np.float32], bytes, bytes]]
) -> None:
    films, before, after = in_bytes(name)
    assert len(after) < 0.3 * len(before)
    graph = onnx.load_from_string(after)
    for one, other in zip(_answers(before, films), _answers(after, films), strict=True):
        assert one.shape == other.shape
        assert np.linalg.norm(one - other) < 0.15 * np.linalg.norm(one)
    assert len(_levels_of_weights(graph)) == len(
        [node for node in onnx.load_from_string(before).graph.node if node.op_type == "Conv"][1:]
    )
    assert all(np.abs(level).max() <= 64 for level in _levels_of_weights(graph))
    assert [each.domain for each in graph.opset_import] == [""]
    assert graph.opset_import[0].version <= 18
    assert b"site-packages" not in after


class _ByChannel(torch.nn.Module):
    """A layer whose every channel is made of one other alone, on a large mean: it finds edges, one channel has died."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(1, 8, 3, padding=1)
        self.each = torch.nn.Conv2d(8, 8, 3, groups=8)
        self.head = torch.nn.Linear(8, 2)
        with torch.no_grad():
            self.first.bias += 6.0  # type: ignore[operator]
            self.each.weight -= self.each.weight.mean(dim=(2, 3), keepdim=True)
            self.each.weight[3] *= 1e-12
            self.each.bias[3] = 4.0  # type: ignore[index]

    def get_classifier(self) -> torch.nn.Module:
        return self.head

    def forward_features(self, films: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.each(torch.relu(self.first(films))))


def test_channels_by_themselves_keep_their_edges_and_a_dead_one_its_bias(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    write_onnx(_WithOutputs(_ByChannel()), SIZE, ("logit", "embedding", "strength"), path)
    films, _ = _phantoms(16)
    after = quantise(path.read_bytes(), films, RECIPE.mean, RECIPE.std, Silence())
    before, found = (np.delete(_answers(model, films)[1], 3, axis=1) for model in (path.read_bytes(), after))
    assert np.linalg.norm(found - before) < 0.05 * np.linalg.norm(before)
    biases = [
        numpy_helper.to_array(each) for each in onnx.load_from_string(after).graph.initializer if each.data_type == 6
    ]
    assert max(np.abs(bias).max() for bias in biases) == pytest.approx(2**30, rel=1e-6)  # half of what fits


def _levels_of_weights(graph: onnx.ModelProto) -> list[NDArray[np.int8]]:
    return [
        numpy_helper.to_array(each) for each in graph.graph.initializer if each.data_type == 3 and len(each.dims) == 4
    ]


@pytest.mark.slow
def test_the_same_films_give_the_same_network(tmp_path: Path) -> None:
    films, label = _phantoms(8)
    before = _trained("cnn-plain", tmp_path, films, label)
    one, other = (quantise(before, films, RECIPE.mean, RECIPE.std, Silence()) for _ in range(2))
    assert one == other


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "std"), [(0.449, 0.226), (0.5, 0.25), (0.3, 0.2)])
def test_no_grey_level_of_a_film_is_lost(tmp_path: Path, mean: float, std: float) -> None:
    films, label = _phantoms(8)
    graph = onnx.load_from_string(quantise(_trained("cnn-plain", tmp_path, films, label), films, mean, std, Silence()))
    constants = {each.name: numpy_helper.to_array(each) for each in graph.graph.initializer}
    taken = next(node for node in graph.graph.node if node.op_type == "QuantizeLinear")
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(taken.output[0]))
    grey = np.resize(np.arange(256), (1, 1, SIZE, SIZE)).astype(np.float32)
    given = (grey / np.float32(255) - np.float32(mean)) / np.float32(std)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    level = session.run([taken.output[0]], {"films": given})[0]
    assert np.array_equal(level[:, :1], grey)
    assert constants[taken.input[2]] == round(255 * mean)


@pytest.mark.parametrize("name", ["cnn-plain", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_openvino_answers_as_onnx_runtime_does(
    name: str, in_bytes: Callable[[str], tuple[NDArray[np.float32], bytes, bytes]], tmp_path: Path
) -> None:
    openvino = pytest.importorskip("openvino")
    films, _, after = in_bytes(name)
    path = tmp_path / "int8.onnx"
    path.write_bytes(after)
    found = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(films)
    for one, other in zip(_answers(after, films), found.values(), strict=True):
        assert np.linalg.norm(one - other) < 0.05 * np.linalg.norm(one)
