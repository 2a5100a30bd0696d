"""
Guards for the tests, and the proof that nothing of them is left alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.guard.harness import Guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Callable[..., Guarded]]:
    """
    Start guards; after the test each must have ended, and all that it started.
    """
    made: list[Guarded] = []

    def start(command: Sequence[str], **options: Any) -> Guarded:
        folder = tmp_path / f"guard{len(made)}"
        folder.mkdir()
        made.append(Guarded(command, folder=folder, **options))
        return made[-1]

    yield start
    statuses = [guard.process.poll() for guard in made]
    left = {guard.mark: guard.close() for guard in made}
    for guard, status in zip(made, statuses, strict=True):  # shown when it failed
        # -9 and no last word: the kernel's timer, on a machine that stood still.
        print(f"guard {guard.pid}, status {status}:\n{guard.logged()}")  # noqa: T201
    assert not any(left.values()), f"still alive: {left}"
