"""
The real elector as its guard hears it: the test plays the guard.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from k8s_leader.cli.arguments import parse_settings
from k8s_leader.cli.guard_config import guard_config
from k8s_leader.cli.run import parser
from k8s_leader.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_a_standbys_elector_answers_from_the_first_question_on(tmp_path: Path) -> None:
    """
    It has nothing else to say: who does not answer is replaced, again and again.
    """
    words = ["--lease", f"sqlite:{tmp_path}/lease.db"]
    settings = Settings.load(parse_settings(parser(), words)[1], {})
    config = guard_config(settings, ["true"], {})
    fd = os.memfd_create("config")
    os.write(fd, json.dumps(config).encode())
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(60)
    argv = [*config["elector_argv"], str(fd), str(theirs.fileno())]
    with ours:
        # Before it starts: it is asked as soon as it looks.
        for message in (
            {"type": "hello", "identity": "me_1", "guard": 0},
            {"type": "ping"},
            {"type": "ping"},
        ):
            ours.send(json.dumps(message).encode())
        with theirs:
            elector = subprocess.Popen(argv, pass_fds=[fd, theirs.fileno()])
        os.close(fd)
        heard = [json.loads(ours.recv(65536))["type"] for _ in range(2)]
        elector.kill()  # while its guard lives: it would bury what that left
        elector.wait()
    assert heard == ["pong", "pong"]
