"""
The stage: an API server, candidates behind a proxy each, the log of their workloads.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.history import Beat
from tests.helpers.candidate import boot_time
from tests.helpers.cluster import LEASE_RULES, ApiServer
from tests.helpers.go_build import CLUSTER, PEERS
from tests.helpers.lifeline import Lifeline
from tests.helpers.process import ManagedProcess
from tests.helpers.tcp_proxy import TcpProxy

__all__ = ["LEASE", "Actor", "Log", "Stage", "staged"]

LEASE = "reports"
_ROOT = Path(__file__).parents[2]

_WORKLOAD = """
import os, signal, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
who = os.environ.get("LEADER_IDENTITY", sys.argv[2])
token = os.environ.get("LEADER_FENCING_TOKEN", "0")
def beat(*_):
    at = time.clock_gettime(time.CLOCK_BOOTTIME)
    os.write(out, f"{token} {who} {at:.6f} {os.getpid()}\\n".encode())
def stop(*_):
    beat()
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
while True:
    beat()
    time.sleep(0.01)
"""


class Log:
    """
    The file that all workloads append to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def beats(self) -> list[Beat]:
        """
        Return everything that was written.
        """
        lines = self.path.read_text().splitlines()
        rows = (line.split() for line in lines)
        return [Beat(at=float(r[2]), token=int(r[0]), identity=r[1]) for r in rows]

    def latest(self) -> tuple[str, float, int] | None:
        """
        Return who wrote last, when, and its process id.
        """
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 400))
            lines = file.read().decode().splitlines()
        row = lines[-1].split() if lines else []
        return (row[1], float(row[2]), int(row[3])) if len(row) == 4 else None


class Actor(ManagedProcess):
    """
    One candidate, ours or a peer, with the proxy that it reaches the API server by.
    """

    name: str
    proxy: TcpProxy
    is_ours: bool
    starts = 0

    def again(self) -> None:
        """
        Start it again if it has ended, as a kubelet does.
        """
        if not self.is_running:
            self.starts += 1
            self.start()

    def signal_all(self, number: signal.Signals) -> None:
        """
        Signal the guard (or the peer) itself.
        """
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def elector(self) -> int | None:
        """
        Return the elector's process id, if it has one.
        """
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
            for pid in map(int, children.split()):
                with contextlib.suppress(OSError):
                    if b"\0elector\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        return pid
        return None


@contextlib.contextmanager
def staged(
    *,
    folder: Path,
    lease_duration: float,
    candidates: int,
    client_go: int = 0,
    asyncio_peers: int = 0,
) -> Iterator[Stage]:
    """
    Lend a stage on an API server of its own.
    """
    with Lifeline() as lifeline, ApiServer(CLUSTER.build()) as api:
        stage = Stage(
            api,
            lifeline=lifeline,
            folder=folder,
            lease_duration=lease_duration,
            candidates=candidates,
            client_go=client_go,
            asyncio_peers=asyncio_peers,
        )
        with contextlib.closing(stage):
            yield stage


class Stage:
    """
    Everything that a run is made of; ``close`` ends it all.
    """

    def __init__(
        self,
        api: ApiServer,
        *,
        lifeline: Lifeline,
        folder: Path,
        lease_duration: float,
        candidates: int,
        client_go: int = 0,
        asyncio_peers: int = 0,
    ) -> None:
        self.api, self.folder, self.lease_duration = api, folder, lease_duration
        self.log = Log(folder / "beats")
        self.namespace = api.create_namespace("chaos")
        self._lifeline = lifeline
        self.actors: list[Actor] = [
            *(self._add(f"ours-{i}", "ours") for i in range(candidates)),
            *(self._add(f"go-{i}", "go") for i in range(client_go)),
            *(self._add(f"aio-{i}", "aio") for i in range(asyncio_peers)),
        ]

    @property
    def ours(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.is_ours]

    def keep(self) -> None:
        """
        Start again whatever has ended.
        """
        for actor in self.actors:
            actor.again()

    def keep_control_plane(self) -> None:
        """
        Start again what of it ended: an API server may give up without its store.
        """
        while not self.api.wait_ready():  # false at once where one has ended
            for each in (self.api.etcd, self.api.server):
                if not each.is_running:
                    each.start()

    def leader(self) -> Actor | None:
        """
        Return whose workload wrote last, if that was one of ours.
        """
        latest = self.log.latest()
        who = "" if latest is None else latest[0]
        mine = (actor for actor in self.ours if who.startswith(f"{actor.name}_"))
        return next(mine, None)

    def somebody_works_since(self, instant: float) -> bool:
        latest = self.log.latest()
        return latest is not None and latest[1] > instant

    def give_token(self, actor: Actor) -> None:
        """
        Give an account a new token, in the file that its candidate reads.
        """
        token = self.api.token(self.namespace, actor.name)
        file = self.folder / f"{actor.name}.token"
        new = file.with_suffix(".new")
        new.write_text(token)
        new.replace(file)

    def edit_lease(self, **spec: object) -> bool:
        """
        Write other values into the record, whatever version it has; tell if it was.
        """
        path = self.api.lease_path(self.namespace, LEASE)
        patch = {"spec": spec} if spec else {"metadata": {"labels": {"at": _stamp()}}}
        self.api.patch(path, patch, timeout=5)
        return True

    def close(self) -> None:
        """
        End all candidates at once and their proxies.
        """
        for actor in self.actors:
            if actor.is_running:
                actor.thaw()
                actor.signal_all(signal.SIGTERM)
        deadline = time.monotonic() + 10
        for actor in self.actors:
            while actor.is_running and time.monotonic() < deadline:
                time.sleep(0.02)
            actor.kill()
            actor.proxy.close()

    # -- inside --------------------------------------------------------------------

    def _add(self, name: str, kind: str) -> Actor:
        self.api.service_account(self.namespace, name, rules=LEASE_RULES)
        proxy = TcpProxy.before(self.api.url)
        config = self._kubeconfig(name, proxy.url)
        argv = _COMMANDS[kind](self, name, config)
        actor = Actor(
            argv,
            log=self.folder / f"{name}.log",
            lifeline=self._lifeline,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        actor.name, actor.proxy, actor.is_ours = name, proxy, kind == "ours"
        self.give_token(actor)
        return actor

    def _kubeconfig(self, name: str, server: str) -> Path:
        path = self.api.kubeconfig(namespace=self.namespace, server=server)
        config: dict[str, Any] = json.loads(path.read_text())
        config["users"][0]["user"] = {"tokenFile": str(self.folder / f"{name}.token")}
        path.write_text(json.dumps(config))
        return path

    def workload(self, name: str) -> list[str]:
        log = str(self.log.path)
        return [sys.executable, "-I", "-S", "-c", _WORKLOAD, log, f"{name}_peer"]


def _ours(stage: Stage, name: str, config: Path) -> list[str]:
    length = stage.lease_duration
    argv = [sys.executable, "-m", "k8s_leader", "run", "--lease", LEASE]
    argv += ["--identity", name, "--kubeconfig", str(config)]
    argv += ["--lease-duration", f"{length}s", "--stop-timeout", "2s"]
    if length < 7:  # what is derived leaves too little time for δ
        argv += ["--renew-deadline", f"{0.6 * length}s"]
    return [*argv, "--", *stage.workload(name)]


def _peer(stage: Stage, name: str, config: Path, *, unit: str) -> list[str]:
    length = stage.lease_duration
    return [
        f"--kubeconfig={config}",
        f"--namespace={stage.namespace}",
        f"--lease={LEASE}",
        f"--identity={name}",
        f"--lease-duration={length:g}{unit}",
        f"--renew-deadline={length * 2 / 3:.3f}{unit}",
        f"--retry-period={length * 2 / 15:.3f}{unit}",
        "--",
        *stage.workload(name),
    ]


def _go(stage: Stage, name: str, config: Path) -> list[str]:
    return [str(PEERS.build()), *_peer(stage, name, config, unit="s")]


def _aio(stage: Stage, name: str, config: Path) -> list[str]:
    program = str(_ROOT / "tests" / "peers" / "asyncio_elector.py")
    return [sys.executable, program, *_peer(stage, name, config, unit="")]


_COMMANDS = {"ours": _ours, "go": _go, "aio": _aio}


def _stamp() -> str:
    return f"t{boot_time():.3f}"
