"""
The three electors, each started as its users start it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.processes import Memory, descendants, memory, processor
from tests.helpers.cluster import LEASE_RULES
from tests.helpers.go_build import PEERS, TESTS
from tests.helpers.site import EVENTS, PATCH_PODS

if TYPE_CHECKING:
    from tests.helpers.cluster import ApiServer
    from tests.helpers.lifeline import Lifeline

__all__ = ["KINDS", "Candidate", "Kind", "Seat", "k8s_leader"]

_EXIT_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """
    What a candidate gets: who it is for the API server, and what it shall run.

    Attributes:
        options: more flags, in the elector's own words.
        pod: the downward API's variables of its Pod; none: it has no Pod.
    """

    namespace: str
    lease: str
    account: str
    kubeconfig: Path
    log: Path
    command: Sequence[str]
    options: Sequence[str] = ()
    pod: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        api: ApiServer,
        *,
        namespace: str,
        lease: str,
        account: str,
        command: Sequence[str],
        options: Sequence[str] = (),
        with_pod: bool = False,
    ) -> Self:
        """
        Create the account with the rights of a candidate, and a Pod if it has one.
        """
        rules = [*LEASE_RULES, *((PATCH_PODS, EVENTS) if with_pod else ())]
        token = api.service_account(namespace, account, rules=rules)
        return cls(
            namespace=namespace,
            lease=lease,
            account=account,
            kubeconfig=api.kubeconfig(token, namespace=namespace),
            log=api.folder / f"{namespace}-{account}.log",
            command=command,
            options=options,
            pod=_pod(api, namespace, account) if with_pod else {},
        )

    @property
    def user(self) -> str:
        """
        The name in the audit log.
        """
        return f"system:serviceaccount:{self.namespace}:{self.account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """
    One elector under measurement.
    """

    name: str
    releases: bool

    def argv(self, seat: Seat) -> list[str]:
        """
        Return the command line of a candidate.
        """
        if self.name == "ours":
            return [*_ours(seat), "--", *seat.command]
        program = (
            [str(PEERS.build())]
            if self.name == "client-go"
            else [sys.executable, str(TESTS / "peers" / "asyncio_elector.py")]
        )
        # The defaults of both programs are those of Kubernetes: 15 s, 10 s, 2 s.
        return [
            *program,
            f"--kubeconfig={seat.kubeconfig}",
            f"--namespace={seat.namespace}",
            f"--lease={seat.lease}",
            f"--identity={seat.account}",
            *seat.options,
            "--",
            *seat.command,
        ]


KINDS = {
    "ours": Kind(name="ours", releases=True),
    "client-go": Kind(name="client-go", releases=True),
    "asyncio": Kind(name="asyncio", releases=False),
}


def k8s_leader() -> str:
    """
    Return our command, as it is installed.
    """
    return str(Path(sys.executable).parent / "k8s-leader")


def _ours(seat: Seat) -> list[str]:
    return [
        k8s_leader(),
        "run",
        f"--lease={seat.namespace}/{seat.lease}",
        f"--kubeconfig={seat.kubeconfig}",
        "--http=127.0.0.1:0",
        *seat.options,
    ]


def _pod(api: ApiServer, namespace: str, name: str) -> dict[str, str]:
    """
    Make a Pod that is in the API only, and return what its container would know.
    """
    made = api.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/pods",
        {
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "main", "image": "none"}]},
        },
    )
    uid = str(made["metadata"]["uid"])
    return {"POD_NAME": name, "POD_NAMESPACE": namespace, "POD_UID": uid}


class Candidate:
    """
    A running candidate with all its processes.
    """

    def __init__(self, kind: Kind, *, seat: Seat, lifeline: Lifeline) -> None:
        self.seat = seat
        self._lifeline = lifeline
        with seat.log.open("ab") as log:
            self._process = subprocess.Popen(
                kind.argv(seat),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **seat.pod},
            )
        lifeline.add(self._process.pid)

    @property
    def pid(self) -> int:
        """
        Its first process.
        """
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """
        Whether its first process is there.
        """
        return self._process.poll() is None

    def terminate(self) -> None:
        """
        Send SIGTERM to the first process, as the kubelet does.
        """
        self._process.terminate()

    def wait(self) -> None:
        """
        Wait for the end of the first process.
        """
        self._process.wait(_EXIT_TIMEOUT)
        self._lifeline.discard(self._process.pid)

    def kill(self) -> None:
        """
        SIGKILL all processes at once, as the end of a container's PID 1 does.
        """
        if not self.is_running:
            return
        for pid in [self._process.pid, *descendants(self._process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()

    def memory(self) -> Memory:
        """
        Add up what its processes hold; the workload's are left out.
        """
        return memory(self._own())

    def processor(self) -> float:
        """
        Add up the seconds that its processes have run; not the workload's.
        """
        return processor(self._own())

    def _own(self) -> list[int]:
        pids = [self._process.pid, *descendants(self._process.pid)]
        return [pid for pid in pids if not _is_workload(pid)]

    def tail(self) -> str:
        """
        Return its last words.
        """
        text = self.seat.log.read_text(errors="replace")
        return "\n".join(text.splitlines()[-15:])


def _is_workload(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip() in {"sh", "sleep"}
    return True
