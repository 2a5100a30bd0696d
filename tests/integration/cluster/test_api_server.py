"""
The test cluster itself keeps what its helper promises.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.cluster import LEASE_RULES, ApiError

if TYPE_CHECKING:
    from tests.helpers.cluster import ApiServer

pytestmark = pytest.mark.kube
REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(
    api_server: ApiServer, namespace: str
) -> None:
    token = api_server.service_account(namespace, "candidate", rules=LEASE_RULES)
    path = api_server.lease_path(namespace)
    body = {"metadata": {"name": "reports"}, "spec": {}}

    created = api_server.request("POST", path, body, token=token)
    with pytest.raises(ApiError) as refused:
        api_server.request("DELETE", f"{path}/reports", token=token)

    assert created["metadata"]["resourceVersion"]
    assert refused.value.status == 403
    assert api_server.lease(namespace, "reports") is not None
    assert api_server.lease(namespace, "nothing") is None


def test_a_frozen_server_hangs_and_answers_again_when_thawed(
    own_api_server: ApiServer,
) -> None:
    own_api_server.freeze()
    with pytest.raises(OSError, match="timed out"):
        own_api_server.request("GET", "/readyz", timeout=0.3)

    own_api_server.thaw()

    assert own_api_server.wait_ready()


def test_a_killed_server_comes_back_on_the_same_address_with_its_records(
    own_api_server: ApiServer,
) -> None:
    namespace = own_api_server.create_namespace()
    url = own_api_server.url
    own_api_server.kill()
    with pytest.raises(OSError, match="refused"):
        own_api_server.request("GET", "/readyz")

    own_api_server.restart()

    assert own_api_server.url == url
    assert own_api_server.request("GET", f"/api/v1/namespaces/{namespace}")


def test_a_restored_store_forgets_what_came_after_the_copy(
    own_api_server: ApiServer,
) -> None:
    copy = own_api_server.save_store()
    path = f"/api/v1/namespaces/{own_api_server.create_namespace()}"

    own_api_server.restore_store(copy)

    with pytest.raises(ApiError) as missing:
        own_api_server.request("GET", path)
    assert missing.value.status == 404


_OWNER = """
import sys, time
from pathlib import Path
from tests.helpers.cluster import ApiServer
api = ApiServer(Path(sys.argv[1]))
api.start()
api.freeze()
print(api.server.pid, api.etcd.pid, api.folder, flush=True)
time.sleep(600)
"""


def test_nothing_is_left_when_the_test_run_is_killed(cluster_binary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(cluster_binary)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as owner:
        assert owner.stdout is not None
        server, etcd, folder = owner.stdout.readline().split()
        watched = [os.pidfd_open(int(pid)) for pid in (server, etcd)]
        owner.send_signal(signal.SIGKILL)
        for descriptor in watched:
            _wait_until_ended(descriptor)

    _wait_until_removed(Path(folder))


def _wait_until_ended(descriptor: int) -> None:
    try:
        assert select.select([descriptor], [], [], 30)[0], "still runs"
    finally:
        os.close(descriptor)


def _wait_until_removed(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < deadline, f"{folder} is left"
        time.sleep(0.01)
