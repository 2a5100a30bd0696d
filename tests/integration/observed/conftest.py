from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import Journal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")
