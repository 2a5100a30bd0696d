"""
A real etcd and a real kube-apiserver on loopback, for the tests marked ``kube``.

What is real: storage, resource versions, watches, admission, validation, RBAC, and
service-account tokens from TokenRequest. What is missing: controllers, scheduler and
nodes. So nothing creates default service accounts, deletes namespaces or runs pods.

All calls block; they use the standard library only, so that the tests do not judge
the client by itself.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from tests.helpers.cluster_admin import LEASE_RULES, AdminClient, ApiError
from tests.helpers.lifeline import Lifeline
from tests.helpers.process import ManagedProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LEASE_RULES", "ApiError", "ApiServer"]

ISSUER = "https://kubernetes.default.svc"
_READY_TIMEOUT = 90.0

AuditLevel = Literal["None", "Metadata", "Request"]


class ApiServer(AdminClient):
    """
    A control plane of one etcd and one API server, with RBAC and an admin.

    Usage: ``with ApiServer(CLUSTER.build()) as api: ...``

    Attributes:
        url: https address on 127.0.0.1; stays the same across restarts.
        admin_token: bearer token of a member of system:masters.
        ca_file: certificate that the server shows (it signs itself).
        folder: temporary folder of everything here; removed at the end.
        server, etcd: the two processes, each with freeze, thaw, kill.
    """

    def __init__(
        self,
        binary: Path,
        *,
        audit: AuditLevel = "None",
        durable: bool = False,
        flags: Sequence[str] = (),
    ) -> None:
        """
        Prepare; `start` (or the context manager) starts.

        Args:
            binary: the multi-call binary of tests/cluster.
            audit: what of each request on Leases is written to `audit_log`.
            durable: let etcd sync its writes to the disk, as in production.
            flags: more flags for the API server.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="k8s-leader-api-"))
        self.lifeline = Lifeline()
        self.lifeline.add_folder(self.folder)
        self.admin_token = secrets.token_hex(16)
        self.audit_log = self.folder / "audit.log"
        self._binary = binary
        self._audit = audit
        self._durable = durable
        self._flags = list(flags)
        self._numbers = itertools.count(1)
        self._write_secrets()
        self._make_processes()

    # -- life ---------------------------------------------------------------

    def start(self) -> None:
        """
        Start both processes and wait until the API server is ready (1 to 3 s).

        Raises:
            TimeoutError: it never became ready; the logs are in the message.
        """
        for attempt in range(3):
            self.etcd.start()
            self.server.start()
            if self.wait_ready():
                return
            if attempt < 2 and self._port_was_taken():
                self.kill()
                self.etcd.kill()
                self._make_processes()
        raise TimeoutError(
            f"kube-apiserver is not ready\n{self.server.tail()}\n{self.etcd.tail()}"
        )

    def stop(self) -> None:
        """
        End everything and remove its files. May be called twice.
        """
        self.server.kill()
        self.etcd.kill()
        self.lifeline.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def freeze(self) -> None:
        """
        Freeze the API server: an outage in which requests hang.
        """
        self.server.freeze()

    def thaw(self) -> None:
        """
        End a `freeze`.
        """
        self.server.thaw()

    def kill(self) -> None:
        """
        Kill the API server: an outage in which connections are refused.
        """
        self.server.kill()

    def restart(self) -> None:
        """
        Start the API server again on the same port, killing it first if it runs.
        """
        self.server.kill()
        self._start_server()

    def save_store(self) -> Path:
        """
        Copy etcd's data, restarting both processes, and return the copy.
        """
        copy = self.folder / f"saved-{next(self._numbers)}"
        self._exchange_store(source=self.folder / "etcd", target=copy)
        return copy

    def restore_store(self, copy: Path) -> None:
        """
        Roll the store back to a copy from `save_store`, as a restored backup does.
        """
        self._exchange_store(source=copy, target=self.folder / "etcd")

    def wait_ready(self, *, timeout: float = _READY_TIMEOUT) -> bool:
        """
        Wait until the server answers on /readyz; False if it ended or took too long.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.server.is_running or not self.etcd.is_running:
                return False
            try:
                self.request("GET", "/readyz", timeout=2)
            except (OSError, ApiError, http.client.HTTPException):
                time.sleep(0.02)
            else:
                return True
        return False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def audit_events(self) -> list[dict[str, Any]]:
        """
        Return the requests on Leases so far (needs ``audit``).
        """
        lines = self.audit_log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    # -- things to test with ------------------------------------------------

    def kubeconfig(
        self,
        token: str | None = None,
        *,
        namespace: str | None = None,
        server: str | None = None,
    ) -> Path:
        """
        Write a kubeconfig and return its path.

        Args:
            token: bearer token; the admin's if None.
            namespace: namespace of the context, if any.
            server: another address, such as a proxy's on 127.0.0.1.
        """
        context: dict[str, str] = {"cluster": "test", "user": "test"}
        if namespace:
            context["namespace"] = namespace
        certificate = base64.b64encode(self.ca_file.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": context}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": server or self.url,
                        "certificate-authority-data": certificate,
                    },
                }
            ],
            "users": [{"name": "test", "user": {"token": token or self.admin_token}}],
        }
        path = self.folder / f"kubeconfig-{next(self._numbers)}"
        path.write_text(json.dumps(config, indent=1))
        path.chmod(0o600)
        return path

    @property
    def admin_kubeconfig(self) -> Path:
        """
        A kubeconfig that may do everything.
        """
        return self.kubeconfig()

    # -- inside -------------------------------------------------------------

    def _write_secrets(self) -> None:
        (self.folder / "tokens.csv").write_text(
            f'{self.admin_token},admin,admin,"system:masters"\n'
        )
        (self.folder / "audit.json").write_text(json.dumps(_audit_policy(self._audit)))
        key = self.folder / "sa.key"
        openssl = ["openssl", "genrsa", "-out", str(key), "2048"]
        subprocess.run(openssl, check=True, capture_output=True)
        public = ["openssl", "rsa", "-in", str(key), "-pubout"]
        subprocess.run(
            [*public, "-out", str(self.folder / "sa.pub")],
            check=True,
            capture_output=True,
        )

    def _make_processes(self) -> None:
        port, client_port, peer_port = _free_ports(3)
        self.url = f"https://127.0.0.1:{port}"
        self.ca_file = self.folder / "certs" / "apiserver.crt"
        self.etcd = ManagedProcess(
            self._etcd_argv(client_port=client_port, peer_port=peer_port),
            executable=self._binary,
            log=self.folder / "etcd.log",
            lifeline=self.lifeline,
        )
        self.server = ManagedProcess(
            self._server_argv(port=port, client_port=client_port),
            executable=self._binary,
            log=self.folder / "kube-apiserver.log",
            lifeline=self.lifeline,
        )

    def _etcd_argv(self, *, client_port: int, peer_port: int) -> list[str]:
        client = f"http://127.0.0.1:{client_port}"
        peer = f"http://127.0.0.1:{peer_port}"
        argv = ["etcd", "--name=default", f"--data-dir={self.folder / 'etcd'}"]
        argv += [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        argv += [f"--listen-peer-urls={peer}", f"--initial-cluster=default={peer}"]
        argv += [f"--initial-advertise-peer-urls={peer}", "--log-level=warn"]
        if not self._durable:
            argv.append("--unsafe-no-fsync")
        return argv

    def _server_argv(self, *, port: int, client_port: int) -> list[str]:
        folder = self.folder
        argv = [
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{client_port}",
            f"--secure-port={port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={folder / 'certs'}",
            f"--service-account-key-file={folder / 'sa.pub'}",
            f"--service-account-signing-key-file={folder / 'sa.key'}",
            f"--service-account-issuer={ISSUER}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
        ]
        if self._audit != "None":
            argv += [
                f"--audit-policy-file={folder / 'audit.json'}",
                f"--audit-log-path={self.audit_log}",
            ]
        return argv + self._flags

    def _port_was_taken(self) -> bool:
        logs = self.server.tail() + self.etcd.tail()
        return "address already in use" in logs

    def _start_server(self) -> None:
        self.server.start()
        if not self.wait_ready():
            raise TimeoutError(f"kube-apiserver is not ready\n{self.server.tail()}")

    def _exchange_store(self, *, source: Path, target: Path) -> None:
        self.server.kill()
        self.etcd.kill()
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(source, target)
        self.etcd.start()
        self._start_server()


def _free_ports(count: int) -> list[int]:
    # All are held until all are known, so that they differ from each other.
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(holder.getsockname()[1]) for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def _audit_policy(level: AuditLevel) -> dict[str, Any]:
    leases = {"group": "coordination.k8s.io", "resources": ["leases"]}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": level, "resources": [leases]}, {"level": "None"}],
    }
