"""The command line in processes of their own that begin with everything imported: a real exit code in a tenth of the time.

One server a test process, without threads, has imported all of plainfilm; each command is a fork of it. Where a process must be
killed, heard or watched while it runs, or what it imports is the question, start one by subprocess instead.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

_server: subprocess.Popen[str] | None = None


def command(*arguments: object, cwd: Path | None = None, as_shipped: bool = False) -> subprocess.CompletedProcess[str]:
    """Type `plainfilm ARGUMENTS` and wait for its end. Standard input is empty; the output is no terminal, 100 columns wide.

    as_shipped: with all its draws and pictures, which little.py takes away.
    """
    server = _running()
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        asked = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd or Path.cwd()),
            "out": str(out),
            "err": str(err),
            "as_shipped": as_shipped,
        }
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = server.stdout.readline()
        assert code, "the server of commands has ended"
        said = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
    return subprocess.CompletedProcess(["plainfilm", *asked["arguments"]], int(code), *said)


def _running() -> subprocess.Popen[str]:
    global _server
    if _server is None:
        _server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
        )
        atexit.register(_server.kill)
    return _server


def _import_all() -> None:
    """All of plainfilm, and what it imports late."""
    import importlib
    import pkgutil

    import little  # noqa: F401
    import plainfilm

    for module in pkgutil.walk_packages(plainfilm.__path__, "plainfilm."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("timm", "sklearn.metrics", "scipy.stats", "lightning_fabric", "onnx", "onnxruntime", "optuna"):
        importlib.import_module(name)
    for backend in ("agg", "svg"):
        importlib.import_module(f"matplotlib.backends.backend_{backend}")


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever an import prints is no answer
    _import_all()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _become(asked: Mapping[str, object]) -> None:
    """Carry out one command and end, as `python -m plainfilm` does."""
    import traceback

    for number, path in enumerate((os.devnull, str(asked["out"]), str(asked["err"]))):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY), number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)
    os.chdir(str(asked["cwd"]))
    sys.argv = ["plainfilm", *asked["arguments"]]  # type: ignore[misc]
    if not asked["as_shipped"]:
        from little import make_little

        make_little(pytest.MonkeyPatch())
    code: object = 0
    try:
        from plainfilm.__main__ import main

        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1 if code else 0)


if __name__ == "__main__":
    _serve()
