"""What schemathesis sends as a film, loaded by it through SCHEMATHESIS_HOOKS: drawn films out of the bundle at PLAINFILM_BUNDLE."""

from __future__ import annotations

import os

import schemathesis
from hypothesis import strategies
from schemathesis.specs.openapi._hypothesis import Binary

from plainfilm.core.bundle import Bundle

FILMS = [probe.content for probe in Bundle.open(os.environ["PLAINFILM_BUNDLE"]).probes]

schemathesis.openapi.format("binary", strategies.sampled_from(FILMS).map(Binary))
