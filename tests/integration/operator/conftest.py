"""
An operator in a namespace of its own, with candidates that it looks after.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.candidate import Journal, wait_until
from tests.helpers.cluster import ApiServer
from tests.helpers.http import ask
from tests.helpers.lifeline import Lifeline
from tests.helpers.operator import RIGHTS, SLICE_RIGHTS, Operator
from tests.helpers.site import Site


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def site(api_server: ApiServer, journal: Journal, lifeline: Lifeline) -> Site:
    return Site(api_server, journal, lifeline)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _serves(port: int) -> bool:
    try:
        return ask(port, "/metrics").status == 200
    except OSError:
        return False


@pytest.fixture
def operator(site: Site, tmp_path: Path, port: int) -> Iterator[Operator]:
    rights = [*RIGHTS, *SLICE_RIGHTS]
    token = site.api.service_account(site.namespace, "operator", rules=rights)
    running = Operator(
        site.api.kubeconfig(token, namespace=site.namespace),
        *("--endpoint-slices", "--http", f"127.0.0.1:{port}"),
        namespace=site.namespace,
        log=tmp_path / "operator.log",
        lifeline=site.lifeline,
    )
    # To start takes long on a busy machine; what it does then is waited for alone.
    wait_until(lambda: _serves(port), timeout=90, why="the operator has started")
    yield running
    assert running.stop() == 0
    for sign in ("Traceback", "failed"):
        assert not running.said(sign)
