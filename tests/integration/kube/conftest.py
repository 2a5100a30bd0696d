"""
What the tests of the API client share.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest

from k8s_leader.kube import transport


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """
    Every socket that a client makes.
    """
    made: list[socket.socket] = []
    make = transport._socket

    def remember(address: Any) -> socket.socket:
        made.append(make(address))
        return made[-1]

    monkeypatch.setattr(transport, "_socket", remember)
    return made
