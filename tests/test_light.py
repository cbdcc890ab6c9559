"""A start is quick because hardly anything is loaded; the light installation asks for what predicting needs, and not for torch."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from conftest import write_png

ROOT = Path(__file__).parent.parent
HEAVY = {
    "torch",
    "timm",
    "matplotlib",
    "scipy",
    "sklearn",
    "pandas",
    "pyarrow",
    "arro3",
    "requests",
    "kagglehub",
    "openpyxl",
}
SERVER = {"fastapi", "starlette", "uvicorn", "prometheus_client", "asyncio"}
LATE = HEAVY | SERVER | {"pydicom", "rich"}
LOADED = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sorted({name.split(".")[0] for name in sys.modules})))
sys.argv = ["plainfilm", *sys.argv[1:]]
from plainfilm.__main__ import main
main()
"""


def loaded(*typed: str | Path) -> set[str]:
    """The packages in memory when a command has ended well."""
    done = subprocess.run([sys.executable, "-c", LOADED, *map(str, typed)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("LOADED", 1)[1].split())


def test_predicting_from_a_bundle_loads_nothing_that_it_does_not_need(bundle_path: Path, tmp_path: Path) -> None:
    film = write_png(tmp_path / "film.png", size=64)
    held = loaded("predict", film, "--bundle", bundle_path)
    assert {"onnxruntime", "cv2"} <= held
    assert not held & LATE


def test_help_loads_neither_networks_nor_tables() -> None:
    assert not loaded("--help") & (LATE | {"onnxruntime"})
    assert not loaded("train", "--help") & (LATE | {"onnxruntime"})


def test_the_plain_installation_asks_for_nothing_heavy() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {line.split(">")[0].split("[")[0] for line in project["dependencies"]}
    assert {"onnxruntime", "fastapi", "uvicorn"} <= asked
    assert not asked & {
        "torch",
        "torchvision",
        "timm",
        "matplotlib",
        "scipy",
        "scikit-learn",
        "pyarrow",
        "pillow",
        "faiss-cpu",
        "onnx",
    }
