"""
A namespace with two replicas of a kopf operator, and the journal of what they do.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from tests.helpers.cluster import ApiError
from tests.helpers.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from bench.lab import Lab


__all__ = ["WAYS", "Deed", "KopfSite", "make_peerings"]

T = TypeVar("T")

WAYS = ("ours", "peering")
PRIORITIES = {"a": 100, "b": 50}
_PROGRAM = Path(__file__).with_name("kopf_operator.py")
_PATIENCE = 150.0
_PEERINGS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "kopfpeerings.kopf.dev"},
    "spec": {
        "group": "kopf.dev",
        "scope": "Namespaced",
        "names": {
            "plural": "kopfpeerings",
            "singular": "kopfpeering",
            "kind": "KopfPeering",
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


def make_peerings(lab: Lab) -> None:
    """
    Teach the API server the kind that kopf's peering needs.
    """
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    lab.api.request("POST", path, _PEERINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """
    One line of the journal.
    """

    at: float
    name: str
    event: str
    about: str


class KopfSite:
    """
    Two replicas, ``a`` and ``b``; each reaches the API server through its own proxy.

    Args:
        lab: where.
        way: how they are led; one of `WAYS`.
    """

    def __init__(self, lab: Lab, way: str) -> None:
        self._lab, self._way = lab, way
        self._stack = contextlib.ExitStack()
        self.namespace = lab.api.create_namespace("kopf")
        self._journal = lab.folder / f"{self.namespace}.journal"
        self.proxies = {
            name: self._stack.enter_context(TcpProxy.before(lab.api.url))
            for name in PRIORITIES
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._starts = 0
        if way == "peering":
            self._make_peering()
        self.make("ticking", ticks="yes")

    def enter(self, name: str) -> Path:
        """
        Start a replica; return its log, a new one each time.
        """
        self._starts += 1
        log = self._lab.folder / f"{self.namespace}-{name}-{self._starts}.log"
        kubeconfig = self._lab.api.kubeconfig(server=self.proxies[name].url)
        environ = {
            **os.environ,
            "NAME": name,
            "PRIORITY": str(PRIORITIES[name]),
            "NAMESPACE": self.namespace,
            "JOURNAL": str(self._journal),
            "KUBECONFIG": str(kubeconfig),
        }
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), self._way],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environ,
                cwd=_PROGRAM.parents[1],
            )
        self._lab.lifeline.add(process.pid)
        self._running[name] = process
        return log

    def enter_and_wait(self, name: str) -> None:
        """
        Start the second replica, and wait until it stands by.
        """
        log = self.enter(name)

        def waits() -> bool:
            if self._way == "ours":
                return "the leader is" in log.read_text()
            # kopf starts paused and says nothing as long as it stays so.
            found = self._lab.api.request("GET", f"{self._peerings}/operator")
            return len(found.get("status") or {}) == len(PRIORITIES)

        self._until(waits, f"{name} stands by")

    def end(self, name: str, number: int) -> None:
        """
        Send a replica a signal, and do not wait for its end.
        """
        self._running[name].send_signal(number)

    def make(self, name: str, **annotations: str) -> None:
        """
        Make an object to handle.
        """
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        metadata = {
            "name": name,
            "labels": {"bench": "yes"},
            "annotations": annotations,
        }
        self._lab.api.request("POST", path, {"metadata": metadata})

    def deeds(self, event: str, *, name: str = "", about: str = "") -> list[Deed]:
        """
        Return what was done, in its order.
        """
        if not self._journal.exists():
            return []
        text = self._journal.read_text()
        found = []
        for line in text[: text.rfind("\n") + 1].splitlines():
            at, who, what, which = line.split()
            if what == event and name in ("", who) and about in ("", which):
                found.append(Deed(at=float(at), name=who, event=what, about=which))
        return found

    def wait_for(
        self, event: str, *, name: str = "", about: str = "", after: float = 0.0
    ) -> Deed:
        """
        Wait for the first deed of its kind after an instant.
        """

        def first() -> Deed | None:
            deeds = self.deeds(event, name=name, about=about)
            return next((deed for deed in deeds if deed.at > after), None)

        return self._until(first, f"{name or 'anybody'}: {event} {about}")

    def close(self) -> None:
        """
        Kill what is left.
        """
        for process in self._running.values():
            process.kill()
            process.wait()
            self._lab.lifeline.discard(process.pid)
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _peerings(self) -> str:
        return f"/apis/kopf.dev/v1/namespaces/{self.namespace}/kopfpeerings"

    def _make_peering(self) -> None:
        body = {
            "apiVersion": "kopf.dev/v1",
            "kind": "KopfPeering",
            "metadata": {"name": "operator"},
        }

        def made() -> bool:
            with contextlib.suppress(ApiError):  # not served yet
                self._lab.api.request("POST", self._peerings, body)
                return True
            return False

        self._until(made, "kopf's peerings are served")

    def _until(self, look: Callable[[], T | None], what: str) -> T:
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends:
            found = look()
            if found:
                return found
            time.sleep(0.02)
        raise RuntimeError(f"{self._way}: not in {_PATIENCE:.0f} s: {what}")
