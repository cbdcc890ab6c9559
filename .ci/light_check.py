"""Does the light installation hold, do and weigh what it should? Run by `.ci/light` with the light environment's own Python.

python light_check.py FOLDER SOURCE      FOLDER: of light_bundle.py; SOURCE: the package in the checkout, to compare the wheel with
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import uuid
from pathlib import Path

MOST_MB = 520  # of a million bytes, all files that pip installs
HEAVY = ("torch", "torchvision", "timm", "lightning_fabric", "sklearn", "scipy", "matplotlib", "PIL", "pyarrow", "onnx")
TRAIN = 'pip install "plainfilm[train]"'
PACKAGES = Path(sysconfig.get_path("purelib"))
PLAINFILM = Path(sysconfig.get_path("scripts")) / "plainfilm"


def plainfilm(*typed: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command; it must end with `code`, and never with a traceback."""
    done = subprocess.run([PLAINFILM, *typed], capture_output=True, text=True)
    if done.returncode != code or "Traceback" in done.stderr:
        raise SystemExit(
            f"plainfilm {' '.join(map(str, typed))}: ended with {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done


def check_size() -> None:
    """At most 520 MB, compiled Python included."""
    bytes_of: dict[str, int] = {}
    for path in PACKAGES.rglob("*"):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(PACKAGES).parts[0]
            bytes_of[name] = bytes_of.get(name, 0) + path.stat().st_size
    total = sum(bytes_of.values()) / 1e6
    largest = sorted(bytes_of.items(), key=lambda entry: -entry[1])[:8]
    print(f"{total:.0f} MB: " + ", ".join(f"{name} {size / 1e6:.0f}" for name, size in largest))
    assert total <= MOST_MB, f"the light installation has {total:.0f} MB, expected at most {MOST_MB}"


def check_contents(source: Path) -> None:
    """No heavy package is there; every file of the checkout that is no Python cache is in the wheel."""
    found = [name for name in HEAVY if importlib.util.find_spec(name)]
    assert not found, f"the light installation holds {', '.join(found)}"
    import plainfilm

    installed = Path(plainfilm.__file__).parent
    assert installed.is_relative_to(PACKAGES), f"this is the plainfilm of {installed}"
    files = {
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert Path("serve/web/index.html") in files
    missing = sorted(str(path) for path in files if not (installed / path).is_file())
    assert not missing, f"the wheel lacks {', '.join(missing)}"


def check_predict(films: Path, bundle: Path) -> None:
    """A folder with PNG, DICOM, a mask and a damaged file: each is a row, in every format that needs no extra."""
    text = plainfilm("predict", films, "--bundle", bundle, "--format", "csv").stdout
    rows = {Path(row["film"].lstrip("'")).name: row for row in csv.DictReader(text.splitlines())}
    assert len(rows) == len(list(films.iterdir())), text
    assert rows["bad.png"]["status"] == "error" and "cut off" in rows["bad.png"]["error"], text
    assert rows["mask.png"]["turned_away"], text
    assert rows["0.png"]["class"] and rows["film.dcm"]["class"] == rows["0.png"]["class"], text
    assert "bad.png" in plainfilm("predict", films, "--bundle", bundle).stdout
    plainfilm("predict", films, "--bundle", bundle, "-o", "answers.jsonl", "--heatmaps", "heatmaps")
    assert all(json.loads(line) for line in Path("answers.jsonl").read_text().splitlines())
    assert any(Path("heatmaps").rglob("*.png"))
    refused = plainfilm("predict", films, "--bundle", bundle, "-o", "answers.parquet", code=1).stderr
    assert 'pip install "plainfilm[parquet]"' in refused, refused


def check_serve(films: Path, *typed: str | Path) -> None:
    """The server starts, answers one film, sends the page, and stops when asked. typed: what names the model."""
    with subprocess.Popen(
        [PLAINFILM, "serve", *typed, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
            with urllib.request.urlopen(f"{address}/", timeout=10) as reply:
                assert b"<html" in reply.read()
            (answer,) = json.loads(_posted(f"{address}/v1/predict?heatmaps=true", films / "film.dcm"))["films"]
            assert answer["status"] == "ok", answer
            assert answer["turned_away"] if not typed and not answer["class"] else answer["heatmaps"], answer
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0, f"the server ended with {server.returncode}"


def _posted(address: str, film: Path) -> bytes:
    border = uuid.uuid4().hex
    head = f'--{border}\r\nContent-Disposition: form-data; name="films"; filename="{film.name}"\r\n\r\n'
    body = head.encode() + film.read_bytes() + f"\r\n--{border}--\r\n".encode()
    request = urllib.request.Request(address, body, {"Content-Type": f"multipart/form-data; boundary={border}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return bytes(reply.read())


def check_explain(films: Path, bundle: Path) -> None:
    """Overlays, page and table from the bundle."""
    plainfilm("explain", bundle, films / "0.png", films / "film.dcm", "-o", "maps")
    assert Path("maps/explain.html").is_file()
    assert any(Path("maps").rglob("*.png"))


def check_the_model_inside(films: Path) -> None:
    """A new user's first minutes: predict, explain and serve with the model inside."""
    done = plainfilm("predict", films / "0.png", "--format", "jsonl")
    (answer,) = map(json.loads, done.stdout.splitlines())
    assert answer["status"] == "ok" and (answer["class"] or answer["turned_away"]), answer
    assert "the model inside answers" in done.stderr, done.stderr
    plainfilm("explain", films / "0.png", "-o", "inside", "--even-turned-away")
    assert Path("inside/explain.html").is_file() and any(Path("inside/overlays").glob("*.png"))
    check_serve(films)


def check_the_rest(phantoms: Path) -> None:
    """What works without torch goes on doing so; what needs it says which extra to install."""
    plainfilm("prepare", phantoms, "-o", "prepared", "--test", "0.25", "--val", "0.25")
    plainfilm("check", "prepared", "-o", "checked")
    for typed in (("train", "prepared", "-o", "new"), ("demo", "-o", "demo"), ("audit", "prepared")):
        refused = plainfilm(*typed, code=1).stderr
        assert TRAIN in refused, f"{typed}: {refused}"
    for command in ("evaluate", "export"):
        refused = plainfilm(command, "run", *(("-o", "other.plainfilm") if command == "export" else ()), code=1).stderr
        assert TRAIN in refused, f"{command}: {refused}"


def main() -> None:
    """All of it; the first that fails ends it."""
    folder, source = Path(sys.argv[1]), Path(sys.argv[2])
    os.chdir(folder)
    films, bundle = folder / "films", folder / "tiny.plainfilm"
    check_contents(source)
    check_predict(films, bundle)
    check_explain(films, bundle)
    check_serve(films, "--bundle", bundle)
    check_the_model_inside(films)
    check_the_rest(folder / "set")
    check_size()
    left = sorted(str(path) for path in Path.home().rglob("*"))
    assert not left, f"something was written into the user's home: {', '.join(left)}"
    print("The light installation holds, does and weighs what it should.")


if __name__ == "__main__":
    main()
