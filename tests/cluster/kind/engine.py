"""
The container engine: the one that answers, or a private one of our own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.kind import runc
from tests.cluster.kind.shell import CommandError, cache, run, which

__all__ = ["Engine"]

_START_TIMEOUT = 60.0
_KEPT_HOURS = 14 * 24
"""Each change of the code makes new images; those of two weeks ago are of no use."""


class Engine:
    """
    Docker, by its socket.

    Args:
        host: DOCKER_HOST of it; None is what the docker command finds by itself.
        sealed: nothing can be pulled into it: what runs on it has to be made here.
    """

    def __init__(self, host: str | None, *, sealed: bool) -> None:
        self.environ = {"DOCKER_HOST": host} if host else {}
        self.sealed = sealed

    def docker(
        self, *args: object, stdin: str | None = None, timeout: float = 600
    ) -> str:
        """
        Run a docker command on this engine; return its output.
        """
        # The classic builder needs no plugin, and is all that old engines have.
        environ = {**self.environ, "DOCKER_BUILDKIT": "0"} if self.sealed else {}
        return run("docker", *args, stdin=stdin, env=environ, timeout=timeout)

    def answers(self) -> bool:
        """
        Tell whether the engine can be reached.
        """
        try:
            self.docker("version", "--format", "{{.Server.Version}}", timeout=30)
        except (CommandError, FileNotFoundError):
            return False
        return True

    def has_image(self, name: str) -> bool:
        """
        Tell whether an image of this name is loaded.
        """
        return bool(self.docker("images", "--quiet", name).strip())

    @classmethod
    def existing(cls, wanted: str) -> Engine | None:
        """
        Return the engine that answers, or None.

        Args:
            wanted: an image; where it cannot be had, nothing can be pulled.
        """
        engine = cls(None, sealed=False)
        if not engine.answers():
            return None
        if not engine.has_image(wanted):
            try:
                engine.docker("pull", "--quiet", wanted, timeout=900)
            except CommandError:
                return cls(None, sealed=True)
        return engine


class PrivateEngine(Engine):
    """
    A dockerd with its own data, socket and networks, started and stopped by us.

    Its containers reach no name server outside, so that nothing can be pulled. On
    stopping, everything that it put into the machine's firewall is taken back.
    """

    def __init__(self) -> None:
        self._home = cache("engine")
        self._process: subprocess.Popen[bytes] | None = None
        super().__init__(f"unix://{self._home}/docker.sock", sealed=True)

    def start(self) -> None:
        """
        Start it, if it is not running.

        Raises:
            CommandError: it did not come up; the message ends with its log.
        """
        if self.answers():
            return
        self._pid_file.unlink(missing_ok=True)
        command = [which("dockerd") or "dockerd", *self._flags()]
        system = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
        with (self._home / "dockerd.log").open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": system},
                start_new_session=True,
            )
        self._await()

    def stop(self) -> None:
        """
        Stop it and take back its bridge and its chains; forget images of long ago.
        """
        if self.answers():
            self.docker("network", "prune", "--force")
            old = ("--all", "--filter", f"until={_KEPT_HOURS}h")
            self.docker("image", "prune", "--force", *old)
        if self._pid_file.exists():
            pid = int(self._pid_file.read_text())
            os.kill(pid, signal.SIGTERM)
            while Path(f"/proc/{pid}").exists() and not _is_zombie(pid):
                time.sleep(0.1)
        if self._process:
            self._process.wait(timeout=60)
        run("ip", "link", "del", "docker0", check=False)
        for program in ("iptables", "ip6tables"):
            _take_back_rules(program)

    @property
    def _pid_file(self) -> Path:
        return self._home / "docker.pid"

    def _flags(self) -> list[str]:
        flags = ["--data-root", str(self._home / "data")]
        flags += ["--exec-root", str(self._home / "exec")]
        flags += ["--pidfile", str(self._pid_file)]
        flags += ["--host", self.environ["DOCKER_HOST"], "--group", "root"]
        flags += ["--storage-driver", "overlay2", "--dns", "127.0.0.1"]
        flags += ["--log-opt", "max-size=10m"]
        if runc.withheld():
            flags += ["--add-runtime", f"stripped={self._runtime()}"]
            flags += ["--default-runtime", "stripped"]
        return flags

    def _runtime(self) -> Path:
        path = self._home / "runc"
        path.write_text(f"#!{sys.executable} -IS\n{Path(runc.__file__).read_text()}")
        path.chmod(0o755)
        return path

    def _await(self) -> None:
        ends = time.monotonic() + _START_TIMEOUT
        while not self.answers():
            if time.monotonic() > ends:
                log = (self._home / "dockerd.log").read_text()[-3000:]
                raise CommandError(f"dockerd did not start:\n{log}")
            time.sleep(0.2)


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def _take_back_rules(program: str) -> None:
    # What dockerd leaves on the host, it made: its chains and a FORWARD policy of DROP.
    for table in ("filter", "nat"):
        rules = run(program, "-w", "-t", table, "-S", check=False).splitlines()
        ours = [r for r in rules if r.startswith("-A") and _is_dockers(r)]
        for rule in ours:
            words = ["-D", *rule.split()[1:]]
            run(program, "-w", "-t", table, *words, check=False)
        chains = [r.split()[1] for r in rules if r.startswith("-N DOCKER")]
        for flag in ("-F", "-X"):
            for chain in chains:
                run(program, "-w", "-t", table, flag, chain, check=False)
    run(program, "-w", "-P", "FORWARD", "ACCEPT", check=False)


def _is_dockers(rule: str) -> bool:
    return any(mark in rule for mark in ("DOCKER", "docker0", "172.17."))
