"""
From what a library user says about the lease to something that opens its manager.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeGuard, cast

from k8s_leader.app.runtime import Runtime
from k8s_leader.app.stores import LeaseChoice, Lender, open_manager
from k8s_leader.clock import Clock
from k8s_leader.election.priority import HIGHEST
from k8s_leader.election.timing import Timing
from k8s_leader.errors import InWords, SettingsError
from k8s_leader.leases.custom import BoolLeaseManager, BoolManager
from k8s_leader.leases.memory import (
    InMemoryLeaseManager,
    MemoryLease,
    process_lease,
    warn_once,
)
from k8s_leader.leases.port import LeaseManager
from k8s_leader.settings import LeaseName, in_cluster, lease_name
from k8s_leader.values import dataclass

__all__ = ["ManagerPlan", "Opened", "OwnManager", "plan_manager"]

OwnManager = BoolManager | LeaseManager | Callable[[str], BoolManager | LeaseManager]
"""A user's manager, or a factory of one that is called with the identity."""

_METHODS = ("acquire", "renew", "release")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """
    A manager with the names that people know its lease by.

    Attributes:
        manager: of the lease.
        lease: its name; of a manager of one's own what ``lease=`` says.
        namespace: where it is; empty outside Kubernetes.
        sent: requests to its API server by verb and status; ``None``: it has none.
    """

    manager: LeaseManager
    lease: str
    namespace: str = ""
    sent: Mapping[tuple[str, ...], int] | None = None


Opener = Callable[[], AbstractAsyncContextManager[Opened]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerPlan:
    """
    How to open the manager in the election's thread.

    Attributes:
        open: opens it.
        memory: the memory lease, if it is one.
    """

    open: Opener
    memory: MemoryLease | None = None


def plan_manager(
    lease: str | None,
    manager: OwnManager | None,
    *,
    identity: str,
    clock: Clock,
    timing: Timing,
    kubeconfig: str | None = None,
    context: str | None = None,
    may_create: bool = True,
    priority: int = HIGHEST,
    runtime: Runtime | None = None,
) -> ManagerPlan:
    """
    Choose the store (S14): memory only outside a cluster, or when it is named.

    Raises:
        SettingsError: the lease cannot be named so, or is missing in a cluster.
    """
    if manager is not None:
        if not _is_factory(manager):
            _check_manager(manager)
        return ManagerPlan(open=lambda: _own(manager, identity, lease or "default"))
    if runtime is not None:
        kubeconfig, context = runtime.kubeconfig, runtime.context
    name = _name(lease, on_kubernetes=bool(kubeconfig or context))
    if name.store == "memory":
        row = process_lease(name.name)
        return ManagerPlan(
            open=lambda: _memory(row, name.name, identity, clock, timing), memory=row
        )
    choice = LeaseChoice(
        store=name.store,
        lease=name.name,
        namespace=name.namespace,
        may_create=may_create,
        kubeconfig=kubeconfig,
        context=context,
        priority=priority,
    )
    return ManagerPlan(open=lambda: _stored(choice, identity, clock, timing, runtime))


def _name(lease: str | None, *, on_kubernetes: bool) -> LeaseName:
    here = on_kubernetes or in_cluster(os.environ)
    if lease is None:
        if here:
            raise SettingsError(
                "lease",
                None,
                allowed="[NAMESPACE/]NAME, sqlite:PATH or memory:",
                fix="name the lease: in a cluster nothing runs ungated by default",
            )
        lease = "default"
    try:
        name = lease_name(str(lease))  # a path, too, is refused by its name
    except ValueError as exc:
        raise SettingsError(
            "lease", lease, allowed=str(exc), fix="name another lease"
        ) from exc
    if name.store == "kubernetes" and not here and name.namespace is None:
        warn_once()
        return LeaseName(store="memory", name=name.name)
    return name


def _is_factory(
    manager: OwnManager,
) -> TypeGuard[Callable[[str], BoolManager | LeaseManager]]:
    """
    Tell a factory from an instance; a class has the methods, too, and is a factory.
    """
    return isinstance(manager, type) or (
        callable(manager) and not hasattr(manager, "acquire")
    )


def _check_manager(manager: object) -> None:
    missing = [name for name in _METHODS if not callable(getattr(manager, name, None))]
    if missing:
        raise SettingsError(
            "manager",
            InWords(f"a {type(manager).__name__} without {', '.join(missing)}"),
            allowed="an object with acquire, renew and release, or a factory of one",
            fix="write the three methods: docs/library.md",
        )


@asynccontextmanager
async def _own(manager: OwnManager, identity: str, lease: str) -> AsyncIterator[Opened]:
    made = manager
    if _is_factory(manager):
        made = manager(identity)
        _check_manager(made)
    if hasattr(made, "changes"):
        opened = cast("LeaseManager", made)
    else:
        opened = BoolLeaseManager(cast("BoolManager", made), identity=identity)
    try:
        yield Opened(manager=opened, lease=lease)
    finally:
        await opened.close()


@asynccontextmanager
async def _memory(
    row: MemoryLease, lease: str, identity: str, clock: Clock, timing: Timing
) -> AsyncIterator[Opened]:
    manager = InMemoryLeaseManager(
        row, identity=identity, clock=clock, lease_duration=timing.lease_duration
    )
    try:
        yield Opened(manager=manager, lease=lease)
    finally:
        await manager.close()


@asynccontextmanager
async def _stored(
    choice: LeaseChoice,
    identity: str,
    clock: Clock,
    timing: Timing,
    lend: Lender | None,
) -> AsyncIterator[Opened]:
    async with open_manager(
        choice, identity=identity, clock=clock, timing=timing, lend=lend
    ) as opened:
        yield Opened(
            manager=opened.manager,
            lease=opened.lease,
            namespace=opened.namespace,
            sent=None if opened.client is None else opened.client.sent,
        )
