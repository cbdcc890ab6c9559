"""Many clients at once, overload included, and schemathesis: every reply is right, or an honest no."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from plainfilm.core.bundle import Bundle
from plainfilm.serve.guard import Doors
from plainfilm.serve.limits import Limits
from plainfilm.serve.openapi import problems
from plainfilm.serve.problems import KINDS
from served import decoded, dicom, own_answer, phantom, png, served

TESTS = Path(__file__).parent


@pytest.mark.parametrize("queue", [6, 256], ids=["overload", "room"])
def test_every_answer_of_many_is_right_or_an_honest_503(bundle: Bundle, queue: int) -> None:
    good = [*(phantom(bundle, place) for place in range(4)), ("d.dcm", dicom(decoded(bundle.probes[1].content)))]
    bad = [
        ("cut.png", good[0][1][:-999]),
        ("text.txt", b"no picture, only text"),
        ("dark.png", png(np.zeros((90, 90), np.uint8))),
    ]
    own = {name: own_answer(bundle, content, name) for name, content in [*good, bad[2]]}
    status = {"cut.png": 422, "text.txt": 415}
    limits = Limits(films_in_work=queue, films_per_request=3)
    replies: Counter[int] = Counter()

    def client(seed: int) -> None:
        draw = random.Random(seed)
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as session:
            for _ in range(8):
                films = draw.choices(good + bad, k=draw.randint(1, 3))
                reply = session.post("/v1/predict", files=[("films", film) for film in films])
                replies[reply.status_code] += 1
                if reply.status_code == 503:
                    assert int(reply.headers["Retry-After"]) >= 1
                elif reply.status_code == 200:
                    for told, (name, _) in zip(reply.json()["films"], films, strict=True):
                        if name in own:
                            assert {key: told[key] for key in own[name]} == own[name]
                        else:
                            assert told["problem"]["status"] == status[name]
                else:
                    assert (reply.status_code, len(films)) == (status[films[0][0]], 1)

    with served(bundle, limits) as server, ThreadPoolExecutor(16) as pool:
        list(pool.map(client, range(16)))
        assert server.is_idle
    assert replies.total() == 128
    assert (replies[503] > 0) == (queue == 6)
    assert replies[200] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "key"), [("films", ""), ("anything", "sesame")])
def test_schemathesis_finds_nothing(bundle: Bundle, bundle_path: Path, tmp_path: Path, sent: str, key: str) -> None:
    environment = {
        **os.environ,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(TESTS),
        "PLAINFILM_BUNDLE": str(bundle_path),
    }
    options = ["--header", f"X-API-Key: {key}"] if key else []
    if sent == "films":
        environment["SCHEMATHESIS_HOOKS"] = "film_strategy"
    else:  # bytes that are no film are refused, and so they should be
        options += ["--exclude-checks", "positive_data_acceptance"]
    with served(bundle, doors=Doors.named(key)) as server:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json"),
                *("--max-examples", "8", "--seed", "7", "--no-color", "--continue-on-failure", *options),
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert passed and int(passed[1]) == int(passed[2]) > 50, done.stdout
    assert "9 selected / 9 total" in done.stdout


def test_openapi_names_every_way_to_fail(bundle: Bundle) -> None:
    with served(bundle) as server:
        schema = server.client.get("/openapi.json").json()
    told = {int(status) for status in schema["paths"]["/v1/predict"]["post"]["responses"]}
    assert told == {200, 408, 413, 415, 422, 503, 504, *problems()}
    assert {status for status, *_ in KINDS.values()} - told == {404, 405}
    assert "HTTPValidationError" not in str(schema)
    assert schema["paths"]["/v1/predict"]["post"]["responses"]["200"]["content"]["application/json"]["example"]["films"]
