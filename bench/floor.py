"""
What a hand-over costs without any elector: the floor of this machine and server.

One process with three warm connections does by hand what leader and standby do: it
writes the release, sees it in a watch, writes the claim over the other connection and
starts the workload. It decides nothing and no process ends; no elector can be faster.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from bench.stage import boot_time

if TYPE_CHECKING:
    from bench.electors import Measured
    from tests.helpers.cluster_admin import AdminClient

__all__ = ["measure"]

_TIMEOUT = 30.0
_BETWEEN = 0.5
_SHELL = ("/bin/sh", "-c", "echo started; exec sleep 100000")
_LEASE = "floor"


def measure(api: AdminClient, *, rounds: int) -> Measured:
    """
    Return the hops of a hand-over, with the keys of the part ``sigterm``.
    """
    found: dict[str, list[float]] = {"released": [], "acquired": [], "next": []}
    namespace = api.create_namespace("floor")
    api.request("POST", api.lease_path(namespace), {"metadata": {"name": _LEASE}})
    with _Line(api) as leader, _Line(api) as standby, _Line(api) as watch:
        path = api.lease_path(namespace, _LEASE)
        events = watch.follow(api.lease_path(namespace), _LEASE)
        for number in range(rounds):
            _write(standby, path, f"holder-{number}", standby.ask("GET", path))
            events.readline()
            time.sleep(_BETWEEN)
            _hand_over(leader, standby, events, path=path, found=found)
            events.readline()
    return found


def _hand_over(
    leader: _Line,
    standby: _Line,
    events: http.client.HTTPResponse,
    *,
    path: str,
    found: dict[str, list[float]],
) -> None:
    held = leader.ask("GET", path)
    before = boot_time()
    _write(leader, path, "", held)
    released = boot_time()
    _write(standby, path, "next", json.loads(events.readline())["object"])
    acquired = boot_time()
    found["released"].append(released - before)
    found["acquired"].append(acquired - released)
    found["next"].append(_started() - before)


def _started() -> float:
    """
    Start the same shell as the electors do, and return when its line is there.
    """
    with subprocess.Popen(_SHELL, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None  # for mypy: it is a pipe
        os.read(shell.stdout.fileno(), 100)
        at = boot_time()
        shell.kill()
    return at


def _write(line: _Line, path: str, holder: str, lease: dict[str, Any]) -> None:
    lease["spec"] = {**lease.get("spec", {}), "holderIdentity": holder}
    line.ask("PUT", path, lease)


class _Line:
    """
    One open connection, as the administrator.
    """

    def __init__(self, api: AdminClient) -> None:
        where = urlsplit(api.url)
        tls = ssl.create_default_context(cafile=str(api.ca_file))
        self._connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, context=tls, timeout=_TIMEOUT
        )
        self._headers = {
            "Authorization": f"Bearer {api.admin_token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, self._headers)
        reply = self._connection.getresponse()
        content = json.loads(reply.read())
        if reply.status >= http.client.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {reply.status} {content}")
        return dict(content)

    def follow(self, path: str, lease: str) -> http.client.HTTPResponse:
        version = self.ask("GET", path)["metadata"]["resourceVersion"]
        query = f"watch=true&fieldSelector=metadata.name={lease}"
        asked = f"{path}?{query}&resourceVersion={version}"
        self._connection.request("GET", asked, None, self._headers)
        return self._connection.getresponse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
