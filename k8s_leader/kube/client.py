"""
The API client: one API server, one identity, two pools of connections of its own.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from k8s_leader.clock import Clock
from k8s_leader.kube.access import Access, resolve
from k8s_leader.kube.answers import Answer, Right, parse
from k8s_leader.kube.lease_api import LeaseApi
from k8s_leader.kube.settings import KubeSettings
from k8s_leader.kube.transport import Transport
from k8s_leader.kube.watch import WatchTiming

__all__ = ["KubeClient"]

_CALLS: Final = 50
"""
Calls at a time. Hundreds of leases of one process that all ask at their start would
each shake hands, none would be done in time, and all would begin anew.
"""


class KubeClient:
    """
    A connection to one API server; made by `connect`.

    Belongs to the event loop it was made in.
    """

    def __init__(
        self,
        access: Access,
        *,
        calls: Transport,
        leases: LeaseApi,
        clock: Clock,
        user_agent: str,
        sent: Counter[tuple[str, ...]],
    ) -> None:
        self._access = access
        self._sent = sent
        self._agent = user_agent
        self._calls = calls
        self._clock = clock
        self.leases = leases

    @property
    def namespace(self) -> str:
        """
        The namespace to use when none is named.
        """
        return self._access.namespace

    @property
    def host(self) -> str:
        """
        The URL of the API server.
        """
        return self._access.host

    @property
    def source(self) -> str:
        """
        Where address and credentials came from, for people.
        """
        return self._access.source

    @property
    def sent(self) -> Mapping[tuple[str, ...], int]:
        """
        The requests sent until now, by verb and status (``none``: no answer).
        """
        return self._sent

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls,
        settings: KubeSettings,
        *,
        environ: Mapping[str, str],
        clock: Clock,
        watch_timing: WatchTiming | None = None,
    ) -> AsyncIterator[KubeClient]:
        """
        Lend a client; no request is sent before the first call.

        Args:
            settings: the user's choices.
            environ: the environment, for KUBECONFIG and a Pod's variables.
            clock: for deadlines and the age of credentials.
            watch_timing: how patient watches are.

        Raises:
            SettingsError: no API server can be found, or what leads there (kubeconfig,
                token, certificates, plugin) is missing, unreadable or malformed.
        """
        access = resolve(settings, environ=environ, clock=clock)
        sent: Counter[tuple[str, ...]] = Counter()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(access.tokens.aclose)
            await access.tokens.current()
            calls = Transport(
                access, user_agent=settings.user_agent, sent=sent, limit=_CALLS
            )
            stack.push_async_callback(calls.close)
            # A watch holds its connection, and many must not delay renewals.
            watches = Transport(access, user_agent=settings.user_agent, sent=sent)
            stack.push_async_callback(watches.close)
            leases = LeaseApi(
                calls, watches=watches, clock=clock, watch_timing=watch_timing
            )
            yield cls(
                access,
                calls=calls,
                leases=leases,
                clock=clock,
                user_agent=settings.user_agent,
                sent=sent,
            )

    @contextlib.asynccontextmanager
    async def apart(self) -> AsyncIterator[KubeClient]:
        """
        Lend a client with connections of its own and the same credentials.

        What goes wrong on them (hanging requests, full windows) stays there.
        """
        calls = Transport(self._access, user_agent=self._agent, sent=self._sent)
        try:
            yield KubeClient(
                self._access,
                calls=calls,
                leases=LeaseApi(calls, watches=calls, clock=self._clock),
                clock=self._clock,
                user_agent=self._agent,
                sent=self._sent,
            )
        finally:
            await calls.close()

    async def probe(self, *, timeout: float) -> Answer:
        """
        Ask for the version of the API server, which everybody may, and return all.

        Raises:
            LeaseUnavailableError: there was no complete answer in time.
        """
        return await self._calls.call("GET", "/version", timeout=timeout)

    async def authorization(self) -> str | None:
        """
        Return the Authorization header in use; secret. ``None``: there is none.
        """
        return (await self._access.tokens.current()).authorization

    async def request(
        self,
        method: str,
        path: str,
        *,
        right: Right,
        timeout: float,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """
        Send any other request (Events, labels of Pods, lists) and return its object.

        Args:
            method: the HTTP method.
            path: the path, with its parts quoted.
            right: what it needs, for the message when it is forbidden.
            timeout: seconds for the whole call.
            query: query parameters.
            body: what to send as JSON.
            content_type: e.g. ``application/merge-patch+json``.

        Raises:
            LeaseError: the one that fits, as for Leases.
        """
        answer = await self._calls.call(
            method,
            path,
            timeout=timeout,
            query=query,
            body=body,
            content_type=content_type,
        )
        return parse(answer, right=right, wall=self._clock.wall())
