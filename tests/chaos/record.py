"""
The history of a record, as its store has it: every write, seen by a watch that goes on.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from k8s_leader.election.record import unix_seconds
from tests.chaos.history import State

if TYPE_CHECKING:
    from tests.helpers.cluster import ApiServer

__all__ = ["RecordWatch"]

_NOTHING: dict[str, Any] = {"metadata": {}, "spec": {}}
_MARKER = "k8s-leader.io/released-by"


class RecordWatch:
    """
    Keeps each state of one Lease in order, across outages, until it is closed.

    Attributes:
        states: all so far; a deletion is a state without a holder.
        holes: when it was noticed that the store no longer knew what had been missed
            (boot-time seconds).
    """

    def __init__(self, api: ApiServer, namespace: str, lease: str) -> None:
        self._api = api
        self._path = (
            f"{api.lease_path(namespace)}?fieldSelector=metadata.name%3D{lease}"
        )
        self._ahead = _wall_ahead()
        self._version = ""
        self._closed = threading.Event()
        self.states: list[State] = []
        self.holes: list[float] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """
        End the watch; what was written before is in ``states``.
        """
        time.sleep(0.5)  # what was written last is on its way
        self._closed.set()
        self._thread.join(10)

    @property
    def stepped(self) -> float:
        """
        Return by how many seconds the wall clock moved against the boot-time clock.

        What is told in wall time was translated as if it had not.
        """
        return _wall_ahead() - self._ahead

    def _follow(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                if not self._version:
                    self._list()
                self._watch()
            self._closed.wait(0.1)

    def _list(self) -> None:
        with self._answer(self._path) as answer:
            listed = json.loads(answer.read())
        # Only of one Lease: without an item it does not exist.
        for item in listed["items"] or ([_NOTHING] if self.states else []):
            state = self._state(item)
            self.states.append(replace(state, after_hole=bool(self.states)))
        self._version = listed["metadata"]["resourceVersion"]

    def _watch(self) -> None:
        more = f"&watch=1&timeoutSeconds=30&resourceVersion={self._version}"
        with self._answer(self._path + more) as answer:
            while not self._closed.is_set() and (line := answer.readline()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    self.holes.append(time.clock_gettime(time.CLOCK_BOOTTIME))
                    self._version = ""
                    return
                body = event["object"]
                self._version = body["metadata"]["resourceVersion"]
                if event["type"] == "DELETED":
                    body["spec"] = {}
                self.states.append(self._state(body))

    @contextlib.contextmanager
    def _answer(self, path: str) -> Any:
        host = urlsplit(self._api.url)
        context = ssl.create_default_context(cafile=str(self._api.ca_file))
        connection = http.client.HTTPSConnection(
            str(host.hostname), host.port, context=context, timeout=35
        )
        try:
            bearer = {"Authorization": f"Bearer {self._api.admin_token}"}
            connection.request("GET", path, headers=bearer)
            answer = connection.getresponse()
            if answer.status != 200:
                raise ValueError(answer.status)
            yield answer
        finally:
            connection.close()

    def _state(self, body: dict[str, Any]) -> State:
        spec = body.get("spec") or {}
        notes = body["metadata"].get("annotations") or {}
        return State(
            holder=spec.get("holderIdentity") or "",
            duration=float(spec.get("leaseDurationSeconds") or 0),
            renewed=(unix_seconds(spec.get("renewTime")) or 0.0) - self._ahead,
            acquired=(unix_seconds(spec.get("acquireTime")) or 0.0) - self._ahead,
            released_by=notes.get(_MARKER, ""),
        )


def _wall_ahead() -> float:
    """
    Return the wall clock less the boot-time clock, by the quickest of some readings.
    """
    readings = []
    for _ in range(5):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        wall = time.time()
        after = time.clock_gettime(time.CLOCK_BOOTTIME)
        readings.append((after - before, wall - (before + after) / 2))
    return min(readings)[1]
