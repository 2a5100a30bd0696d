"""
A fake API server for Leases: a real HTTP server in a thread of its own.

It knows get, list, watch, create, update, patch (merge) and delete of Leases and can
misbehave on command. Use it as ``async with FakeKube() as fake`` or ``with``; all of
its methods may be called from any thread, also while the caller's loop is blocked.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.helpers.fake_server import FakeServer, Fault, Seen
from tests.helpers.fake_store import Lease, StatusError, Store

__all__ = ["FakeKube", "Fault", "Seen"]

_HTML = b"<html><body><h1>503 Service Unavailable</h1></body></html>"


class FakeKube(FakeServer):
    """
    The server, and what tests do to it; see `FakeServer` for how to make one.
    """

    # What tests look at and change

    @property
    def leases(self) -> dict[str, Lease]:
        """
        All Leases as they are stored now, by ``namespace/name``.
        """
        with self._changed:
            stored = self._store.leases.items()
            return {f"{ns}/{name}": copy.deepcopy(v) for (ns, name), v in stored}

    @property
    def version(self) -> int:
        """
        The present resourceVersion of the store.
        """
        return self._store.version

    @property
    def missing_namespaces(self) -> set[str]:
        """
        Namespaces in which nothing can be created.
        """
        return self._store.missing_namespaces

    def count(self, verb: str) -> int:
        """
        Return how many requests of this verb there were.
        """
        return sum(seen.verb == verb for seen in self.requests)

    def create(self, key: str, spec: Lease | None = None, **metadata: Any) -> Lease:
        """
        Create a Lease behind everybody's back.
        """
        namespace, name = key.split("/")
        body = {"metadata": {"name": name, **metadata}, "spec": spec or {}}
        with self._changed:
            return self._store.create(namespace, body)

    def edit(self, key: str, change: Callable[[Lease], None]) -> Lease:
        """
        Change a Lease as somebody else would.
        """
        namespace, name = key.split("/")
        with self._changed:
            lease = self._store.get(namespace, name)
            change(lease)
            return self._store.replace(namespace, name, lease)

    def delete(self, key: str) -> None:
        """
        Delete a Lease as somebody else would.
        """
        with self._changed:
            self._store.delete(*key.split("/"))

    def snapshot(self) -> Store:
        """
        Return a back-up of the store.
        """
        with self._changed:
            saved = copy.copy(self._store)
            saved.leases = copy.deepcopy(self._store.leases)
            saved.history = list(self._store.history)
            return saved

    def roll_back(self, saved: Store) -> None:
        """
        Restore a back-up: the resourceVersion goes back. Watches are cut.
        """
        with self._changed:
            self._store = saved
        self.drop_watches()

    def wait(self, predicate: Callable[[], bool], *, timeout: float = 30.0) -> None:
        """
        Block until something about requests or Leases is true.
        """
        with self._changed:
            assert self._changed.wait_for(predicate, timeout), "waited in vain"

    async def until(
        self, predicate: Callable[[], bool], *, timeout: float = 30.0
    ) -> None:
        """
        Wait until something about requests or Leases is true.
        """
        await asyncio.to_thread(self.wait, predicate, timeout=timeout)

    def kubeconfig(self, folder: Path, **user: Any) -> str:
        """
        Write a kubeconfig for this server; return its path.
        """
        cluster: dict[str, Any] = {"server": self.url}
        user.setdefault("token", self.token or "anybody")
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    # Misbehaviour

    def answer(
        self,
        code: int,
        *,
        verb: str | None = None,
        times: int = 1,
        lands: bool = False,
        message: str = "injected",
        **headers: str,
    ) -> None:
        """
        Answer with a Kubernetes Status; header names are written with ``_``.
        """
        status = StatusError(code, "Injected", message).status
        self.faults.append(
            Fault(
                kind="raw",
                verb=verb,
                times=times,
                lands=lands,
                code=code,
                headers={key.replace("_", "-"): v for key, v in headers.items()}
                | {"Content-Type": "application/json"},
                body=json.dumps(status).encode(),
            )
        )

    def raw(
        self,
        code: int = 503,
        body: bytes = _HTML,
        *,
        verb: str | None = None,
        times: int = 1,
        lands: bool = False,
        content_type: str = "text/html",
        **headers: str,
    ) -> None:
        """
        Answer with any bytes, by default a load balancer's 503 page.
        """
        found = {key.replace("_", "-"): value for key, value in headers.items()}
        self.faults.append(
            Fault(
                kind="raw",
                verb=verb,
                times=times,
                lands=lands,
                code=code,
                headers=found | {"Content-Type": content_type},
                body=body,
            )
        )

    def hang(
        self, verb: str | None = None, *, times: int = 1, lands: bool = False
    ) -> None:
        """
        Do not answer until `release`.
        """
        self.faults.append(Fault(kind="hang", verb=verb, times=times, lands=lands))

    def reset(
        self, verb: str | None = None, *, times: int = 1, lands: bool = False
    ) -> None:
        """
        Cut the connection instead of answering.
        """
        self.faults.append(Fault(kind="reset", verb=verb, times=times, lands=lands))

    def truncate(
        self, verb: str | None = None, *, times: int = 1, lands: bool = False
    ) -> None:
        """
        Cut the connection in the middle of the answer.
        """
        self.faults.append(Fault(kind="truncate", verb=verb, times=times, lands=lands))

    def release(self) -> None:
        """
        End all hanging requests by cutting them; later ones hang again.
        """
        self._loop.call_soon_threadsafe(self._let_go)

    def end_watches(self) -> None:
        """
        End all watches properly.
        """
        self._tell_watchers(None)

    def expire_watches(self, code: int = 410) -> None:
        """
        Send an ERROR event to all watches and end them.
        """
        status = StatusError(code, "Expired", "too old resource version").status
        self._tell_watchers({"type": "ERROR", "object": status})

    def tell_watches(self, event: dict[str, Any]) -> None:
        """
        Send any event to all watches.
        """
        self._tell_watchers(event)

    def compact(self) -> None:
        """
        Forget the history: watches from older versions get 410.
        """
        with self._changed:
            self._store.compacted = self._store.version
            self._store.history.clear()

    @property
    def watchers(self) -> int:
        """
        How many watches are open.
        """
        return len(self._watchers)
