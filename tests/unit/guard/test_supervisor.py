"""
The guard's loop where a real process cannot be brought to fail.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from k8s_leader.cli.arguments import parse_settings
from k8s_leader.cli.guard_config import guard_config
from k8s_leader.cli.run import parser
from k8s_leader.guard.elector import Elector
from k8s_leader.guard.supervisor import Guard
from k8s_leader.settings import Settings

if TYPE_CHECKING:
    import pytest


def test_an_elector_that_cannot_be_forked_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError("no process left")

    monkeypatch.setattr(Elector, "start", full)
    settings = Settings.load(parse_settings(parser(), ["--lease", "a/b"])[1], {})
    config = guard_config(settings, ["true"], {})
    guard = Guard(config, config_fd=0, environ=dict(os.environ))
    guard._start_elector()
    for fd in (guard._wake, guard._woken):
        os.close(fd)
    if guard._cgroup is not None:
        guard._cgroup.remove()
    assert guard._elector.look_at > 0
    assert "the elector cannot be started: no process left" in capfd.readouterr().err
