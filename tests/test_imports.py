"""The house has walls: rooms import core and errors alone, and torch is reached from learn only."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "plainfilm"
ROOMS = ("prepare", "learn", "judge", "serve")
TORCH = ("torch", "timm", "torchvision", "lightning_fabric", "safetensors")
FILES = sorted(SOURCE.rglob("*.py"))


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _allowed(part: str) -> tuple[str, ...]:
    if part == "errors.py":
        return ()
    if part == "core":
        return ("plainfilm.errors", "plainfilm.core")
    if part in ROOMS:
        return ("plainfilm.errors", "plainfilm.core", f"plainfilm.{part}")
    return ("plainfilm",)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_arrow_points_the_right_way(path: Path) -> None:
    part = path.relative_to(SOURCE).parts[0]
    ours = {name for name in _imported(path) if name.split(".")[0] == "plainfilm" and name != "plainfilm"}
    wrong = {name for name in ours if not any(name == ok or name.startswith(f"{ok}.") for ok in _allowed(part))}
    assert not wrong, f"{path} imports {sorted(wrong)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_torch_is_reached_from_learn_alone(path: Path) -> None:
    if path.relative_to(SOURCE).parts[0] == "learn":
        return
    assert not {name for name in _imported(path) if name.split(".")[0] in TORCH}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_onnx_runtime_has_one_door_since_it_tells_microsoft_otherwise(path: Path) -> None:
    part = str(path.relative_to(SOURCE))
    if part != "core/onnx_session.py":
        text = path.read_text()
        assert ".InferenceSession(" not in text
        loads = "import onnxruntime\n" in text.replace("if TYPE_CHECKING:\n    import onnxruntime\n", "")
        assert not loads, f"{part} loads ONNX Runtime by itself: take onnx_session"


def test_the_walk_sees_the_house() -> None:
    assert {path.relative_to(SOURCE).parts[0] for path in FILES} >= {
        "core",
        "prepare",
        "learn",
        "judge",
        "cli.py",
        "errors.py",
    }


def test_importing_plainfilm_and_its_command_line_loads_no_torch_and_prints_nothing() -> None:
    code = (
        "import sys, plainfilm, plainfilm.cli, plainfilm.jobs; "
        "sys.exit(any(m.split('.')[0] in ('torch', 'timm', 'matplotlib', 'sklearn') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_public_name_is_there() -> None:
    import plainfilm

    assert all(getattr(plainfilm, name) is not None for name in plainfilm.__all__)
    with pytest.raises(AttributeError, match="no 'nothing'"):
        _ = plainfilm.nothing


def test_every_public_name_is_what_it_is_called_whatever_was_imported_before() -> None:
    """`plainfilm.prepare` is a room as soon as anything of it is imported, so no public name may be a room's."""
    import plainfilm
    import plainfilm.prepare.ingest

    rooms = {path.stem for path in Path(plainfilm.__file__).parent.iterdir()}
    for name in set(plainfilm.__all__) - {"__version__"}:
        assert callable(getattr(plainfilm, name)), name
        assert name not in rooms
    named = re.search(
        r"^from plainfilm import (.+)$", (Path(__file__).parent.parent / "README.md").read_text(), re.MULTILINE
    )
    assert named and set(named[1].split(", ")) <= set(plainfilm.__all__)
