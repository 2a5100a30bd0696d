"""
Several candidates over one thread and one connection.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

from k8s_leader.clock import SystemClock
from k8s_leader.errors import LeaderError
from k8s_leader.leases.shared import SharedLease
from k8s_leader.runner.term import call_in
from k8s_leader.runner.thread import Main

if TYPE_CHECKING:
    from k8s_leader.kube import KubeClient

__all__ = ["Runtime"]


class Runtime:
    """
    The thread, and the connection to the API server, of several candidates.

    ::

        async with k8s_leader.Runtime() as runtime:
            async with campaign(lease="a", runtime=runtime) as a:
                async with campaign(lease="b", runtime=runtime) as b:
                    ...

    Each lease is still won and lost on its own. Candidates have to be left before the
    runtime is.

    Args:
        kubeconfig: a path; as client-go finds it by default.
        context: of the kubeconfig.
    """

    def __init__(
        self, *, kubeconfig: str | None = None, context: str | None = None
    ) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stack = AsyncExitStack()
        self._client: asyncio.Task[KubeClient] | None = None
        self._leases: WeakValueDictionary[tuple[str, str], SharedLease] = (
            WeakValueDictionary()
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="k8s-leader-runtime", daemon=True
        )

    def start(self, main: Main) -> None:
        """
        Run an election in the shared thread (for the runner).

        Raises:
            LeaderError: the runtime was not entered, or was left already.
        """
        if self._loop is None:
            raise LeaderError("enter the runtime first: `async with Runtime() as r`")
        asyncio.run_coroutine_threadsafe(main(), self._loop)

    async def client(self) -> KubeClient:
        """
        Return the shared connection; call it in the runtime's thread.

        Raises:
            SettingsError: credentials or kubeconfig cannot be used.
        """
        if self._client is None:
            self._client = asyncio.create_task(self._connect(), name="connect")
        return await asyncio.shield(self._client)

    def lease(self, namespace: str, name: str) -> SharedLease:
        """
        Return what all candidates of one Lease share; call it in the runtime's thread.
        """
        found = self._leases.get((namespace, name))
        if found is None:
            found = self._leases[namespace, name] = SharedLease()
        return found

    async def _connect(self) -> KubeClient:
        from k8s_leader.kube import KubeClient, KubeSettings

        settings = KubeSettings(kubeconfig=self.kubeconfig, context=self.context)
        opened = KubeClient.connect(settings, environ=os.environ, clock=SystemClock())
        return await self._stack.enter_async_context(opened)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._ready.set()
        async with self._stack:
            await self._over.wait()

    async def __aenter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            call_in(loop, self._over.set)
        await asyncio.to_thread(self._thread.join)
