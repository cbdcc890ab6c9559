"""What the tests of the server share: a running server, films as files, and networks that wait or fail."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from plainfilm.core.bundle import Bundle
from plainfilm.core.network import Scores
from plainfilm.serve.api import create_app
from plainfilm.serve.guard import Doors
from plainfilm.serve.limits import Limits
from plainfilm.serve.queue import WorkQueue
from plainfilm.serve.server import address_of, listening, server_of

PATIENT = "SECRET-4711"


@dataclass
class Served:
    """A running server. url: where. client: speaks to it. queue: its own."""

    url: str
    client: httpx.Client
    queue: WorkQueue

    def predict(self, *films: tuple[str, bytes], query: str = "") -> httpx.Response:
        """Send films by name and content."""
        return self.client.post(f"/v1/predict{query}", files=[("films", film) for film in films])

    @property
    def is_idle(self) -> bool:
        """Whether nothing holds room in the queue; a request gives back its own just after its answer has gone."""
        until = time.monotonic() + 5
        while (self.queue.films, self.queue.bytes) != (0, 0) and time.monotonic() < until:
            time.sleep(0.01)
        return (self.queue.films, self.queue.bytes) == (0, 0)


@contextmanager
def served(
    bundle: Bundle, limits: Limits | None = None, doors: Doors | None = None, workers: int = 2
) -> Iterator[Served]:
    """Serve on a free port of the loopback until the block ends."""
    app = create_app(bundle, limits, doors, workers=workers)
    server, queue = server_of(app), app.state.service.queue
    with listening("127.0.0.1", 0) as bound:
        url = address_of(bound, "127.0.0.1")
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        try:
            with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
                yield Served(url, client, queue)
        finally:
            server.stop()
            thread.join(30)
            assert not thread.is_alive(), "the server does not stop"


class Gated:
    """A bundle's network that waits for a gate before every answer. began: set once one waits."""

    def __init__(self, bundle: Bundle) -> None:
        self._network = bundle.network
        self.has_maps = bundle.network.has_maps
        self.began, self.gate = threading.Event(), threading.Event()

    def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
        self.began.set()
        assert self.gate.wait(30), "nobody has opened the gate"
        return self._network.scores(films, maps=maps)


class Failing(Gated):
    """A network with a defect, whose message quotes what it was given."""

    def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
        raise RuntimeError(f"{PATIENT} cannot be dealt with")


def with_network(bundle: Bundle, network: Any) -> Bundle:
    """The bundle with another network in it."""
    return replace(bundle, network=network)


def phantom(bundle: Bundle, place: int = 0) -> tuple[str, bytes]:
    """A film that the bundle carries, as (name, content)."""
    probe = bundle.probes[place]
    return probe.name, probe.content


def own_answer(bundle: Bundle, content: bytes, name: str = "film.png") -> dict[str, Any]:
    """What the bundle's own predictor says of a film, in the form of JSON."""
    predictor = bundle.predictor
    (answer,) = predictor.answers([predictor.see(content, name)])
    told: dict[str, Any] = json.loads(json.dumps(answer.to_dict()))
    return told


def png(pixels: NDArray[Any]) -> bytes:
    """A PNG file."""
    return bytes(cv2.imencode(".png", pixels)[1])


def decoded(content: bytes) -> NDArray[Any]:
    """The grey pixels of a PNG or JPEG."""
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))


def dicom(pixels: NDArray[Any]) -> bytes:
    """A DX film of a patient, uncompressed. pixels: (H, W) uint16."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    film = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.Modality, film.ViewPosition = "DX", "PA"
    film.PatientID, film.PatientName, film.PatientSex, film.PatientAge = PATIENT, PATIENT, "F", "042Y"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated = film.BitsStored = 16
    film.HighBit, film.PixelRepresentation = 15, 0
    film.PixelData = pixels.astype("<u2").tobytes()
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    return file.getvalue()
