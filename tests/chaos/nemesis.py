"""
The nemesis: what goes wrong, and how it is undone.

Each fault is done to the stage and returns how it is healed. Those that leave the
assumptions of the promise say for how long what they did may be felt.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.chaos.stage import LEASE, Actor, Stage
from tests.helpers.cluster import ApiError

if TYPE_CHECKING:
    import random

__all__ = ["FAULTS", "OUTSIDE", "PEER_FAULTS", "Nemesis"]

Heal = Callable[[], None]

OUTSIDE = {
    "freeze_guard": "its own",
    "delete_lease": "everybody's",
    "blank_lease": "everybody's",
    "steal_lease": "everybody's",
    "shorten_lease": "everybody's",
}
"""Faults outside the assumptions, and whose workload may feel them."""


def _nothing() -> None:
    """
    There is nothing to heal.
    """


class Nemesis:
    """
    Does faults to a stage, to the leader more often than to others.
    """

    def __init__(self, stage: Stage, chance: random.Random) -> None:
        self.stage, self.chance = stage, chance

    def target(self) -> Actor:
        """
        Return the leader, or in one of three cases any of ours.
        """
        # Drawn whoever leads, so that the next draws do not depend on it.
        any_of_ours, other = self.chance.choice(self.stage.ours), self.chance.random()
        leader = self.stage.leader()
        return any_of_ours if leader is None or other < 0.33 else leader

    def do(self, kind: str, who: Actor) -> Heal:
        """
        Do a fault and return how it is healed.
        """
        return FAULTS[kind](self, who)

    # -- the control plane ---------------------------------------------------------

    def freeze_api(self, _: Actor) -> Heal:
        self.stage.api.freeze()
        return self.stage.api.thaw

    def kill_api(self, _: Actor) -> Heal:
        self.stage.api.kill()
        return self.stage.keep_control_plane

    def freeze_etcd(self, _: Actor) -> Heal:
        self.stage.api.etcd.freeze()
        return self.stage.api.etcd.thaw

    def kill_etcd(self, _: Actor) -> Heal:
        self.stage.api.etcd.kill()
        return self.stage.keep_control_plane

    # -- processes -----------------------------------------------------------------

    def freeze_guard(self, who: Actor) -> Heal:
        return _freeze(who.pid)

    def kill_guard(self, who: Actor) -> Heal:
        who.signal_all(signal.SIGKILL)
        return _nothing

    def stop_guard(self, who: Actor) -> Heal:
        who.signal_all(signal.SIGTERM)
        return _nothing

    def freeze_elector(self, who: Actor) -> Heal:
        return _freeze(who.elector())

    def kill_elector(self, who: Actor) -> Heal:
        return _kill(who.elector())

    def freeze_workload(self, _: Actor) -> Heal:
        return _freeze(self._workload())

    def kill_workload(self, _: Actor) -> Heal:
        # A peer's elector would lead on without one, and nobody work until it ends.
        return _nothing if self.stage.leader() is None else _kill(self._workload())

    def _workload(self) -> int | None:
        latest = self.stage.log.latest()
        return None if latest is None else latest[2]

    # -- the network ---------------------------------------------------------------

    def black_hole(self, who: Actor) -> Heal:
        who.proxy.black_hole()
        return who.proxy.pass_through

    def reset(self, who: Actor) -> Heal:
        who.proxy.reset()
        return _nothing

    def refuse(self, who: Actor) -> Heal:
        who.proxy.refuse()
        return who.proxy.pass_through

    def slow(self, who: Actor) -> Heal:
        who.proxy.pass_through(latency=self.chance.uniform(0.05, 0.6))
        return who.proxy.pass_through

    # -- rights --------------------------------------------------------------------

    def take_token(self, who: Actor) -> Heal:
        api, namespace = self.stage.api, self.stage.namespace
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        api.request("DELETE", f"{accounts}/{who.name}")

        def heal() -> None:
            with suppress(ApiError):  # it is there, from a try before this one
                api.request("POST", accounts, {"metadata": {"name": who.name}})
            self.stage.give_token(who)

        return heal

    def take_rights(self, who: Actor) -> Heal:
        api = self.stage.api
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.stage.namespace}"
        path = f"{base}/rolebindings"
        binding = api.request("GET", f"{path}/{who.name}")
        api.request("DELETE", f"{path}/{who.name}")
        binding["metadata"] = {"name": who.name}

        def heal() -> None:
            with suppress(ApiError):  # the same
                api.request("POST", path, binding)

        return heal

    # -- the record ----------------------------------------------------------------

    def label_lease(self, _: Actor) -> Heal:
        self.stage.edit_lease()
        return _nothing

    def blank_lease(self, _: Actor) -> Heal:
        self.stage.edit_lease(holderIdentity="", leaseDurationSeconds=1)
        return _nothing

    def steal_lease(self, _: Actor) -> Heal:
        self.stage.edit_lease(holderIdentity="thief", leaseDurationSeconds=1)
        return _nothing

    def shorten_lease(self, _: Actor) -> Heal:
        self.stage.edit_lease(leaseDurationSeconds=1)
        return _nothing

    def delete_lease(self, _: Actor) -> Heal:
        path = self.stage.api.lease_path(self.stage.namespace, LEASE)
        with suppress(ApiError):
            self.stage.api.request("DELETE", path, timeout=5)
        return _nothing

    # -- peers ---------------------------------------------------------------------

    def _peer(self) -> Actor:
        return self.chance.choice([a for a in self.stage.actors if not a.is_ours])

    def freeze_peer(self, _: Actor) -> Heal:
        return _freeze(self._peer().pid)

    def kill_peer(self, _: Actor) -> Heal:
        return _kill(self._peer().pid)

    def stop_peer(self, _: Actor) -> Heal:
        self._peer().signal_all(signal.SIGTERM)
        return _nothing


def _freeze(pid: int | None) -> Heal:
    if pid is None:
        return _nothing
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)

    def heal() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    return heal


def _kill(pid: int | None) -> Heal:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return _nothing


_NAMES = (
    *("freeze_api", "kill_api", "freeze_etcd", "kill_etcd"),
    *("freeze_guard", "kill_guard", "stop_guard", "freeze_elector", "kill_elector"),
    *("freeze_workload", "kill_workload"),
    *("black_hole", "reset", "refuse", "slow"),
    *("take_token", "take_rights"),
    *("label_lease", "blank_lease", "steal_lease", "shorten_lease", "delete_lease"),
)
PEER_FAULTS = ("freeze_peer", "kill_peer", "stop_peer")
FAULTS: dict[str, Callable[[Nemesis, Actor], Heal]] = {
    name: getattr(Nemesis, name) for name in (*_NAMES, *PEER_FAULTS)
}
