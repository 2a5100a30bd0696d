from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def restored_log() -> Iterator[None]:
    """
    Undo what a test configures about the log of the package.
    """
    logger = logging.getLogger("k8s_leader")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], level, logger.propagate = before
    logger.setLevel(level)
