"""
Each example with two replicas: one works, the other stands by and takes over.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.candidate import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
GATE = (sys.executable, "-m", "k8s_leader", "run", "--lease")


class Replicas:
    """
    Processes with a log each, ended with the test.
    """

    def __init__(self, folder: Path, lifeline: Lifeline, stack: ExitStack) -> None:
        self.folder, self._lifeline, self._stack = folder, lifeline, stack
        self.lease = f"sqlite:{folder / 'lease.db'}"

    def start(self, name: str, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "EXAMPLE_LEASE": self.lease}
        with self.log(name).open("ab") as log:  # as what it starts may do, too
            replica = subprocess.Popen(
                argv, stdout=log, stderr=log, env=environ, cwd=ROOT
            )
        self._lifeline.add(replica.pid)
        self._stack.callback(replica.wait, 30)
        self._stack.callback(replica.kill)
        return replica

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def wait_for(self, name: str, sign: str) -> None:
        wait_until(
            lambda: sign in self.log(name).read_text(),
            timeout=60,
            why=f"{name} says {sign!r}",
        )

    def take_turns(
        self, argv: Sequence[str], *, sign: str, standby: str = "the leader is"
    ) -> None:
        """
        Let a lead and stop, and b lead after it.

        Args:
            argv: a replica's command.
            sign: what the one that works says.
            standby: what b says before it works; empty if it says nothing.
        """
        a = self.start("a", argv)
        self.wait_for("a", sign)
        b = self.start("b", argv)
        self.wait_for("b", standby)
        assert sign not in self.log("b").read_text()
        a.send_signal(signal.SIGTERM)
        assert a.wait(60) == 0
        ended = self.log("a").read_text()
        self.wait_for("b", sign)
        assert self.log("a").read_text() == ended
        b.send_signal(signal.SIGTERM)
        assert b.wait(60) == 0


@pytest.fixture
def replicas(tmp_path: Path, lifeline: Lifeline) -> Iterator[Replicas]:
    with ExitStack() as stack:
        yield Replicas(tmp_path, lifeline, stack)


def test_celery_beat_sends_from_one_replica(replicas: Replicas) -> None:
    celery = [sys.executable, "-m", "celery", "-A", "examples.celery_beat", "beat"]
    celery += ["--loglevel=INFO", "--pidfile=", "-s", str(replicas.folder / "beat")]
    replicas.take_turns([*GATE, replicas.lease, "--", *celery], sign="Sending due task")


def test_the_readmes_service_works_on_one_replica_and_shows_life_on_both(
    replicas: Replicas,
) -> None:
    source = (ROOT / "examples" / "service.py").read_text()
    readme = (ROOT / "README.md").read_text()
    printed = readme.split("```python\n")[1].split("```")[0]
    assert printed.strip() in source, "README.md shows the middle of that file"
    argv = [sys.executable, "examples/service.py", replicas.lease]
    replicas.take_turns(argv, sign="working under fencing token", standby="standing by")
    assert "standing by" in replicas.log("b").read_text()


def test_apscheduler_runs_jobs_on_one_replica(replicas: Replicas) -> None:
    argv = [sys.executable, "examples/scheduler.py", replicas.lease]
    replicas.take_turns(argv, sign="tick", standby="")


def test_a_django_command_works_on_one_replica(replicas: Replicas) -> None:
    argv = [sys.executable, "examples/django_manage.py", "nightly", replicas.lease]
    replicas.take_turns(argv, sign="work", standby="")


def test_a_shell_daemon_runs_on_one_replica(replicas: Replicas) -> None:
    script = ["sh", "examples/shell_daemon.sh", "/dev/stdout"]
    replicas.take_turns([*GATE, replicas.lease, "--", *script], sign="start ")


def test_cron_runs_its_lines_on_one_replica(replicas: Replicas) -> None:
    crontab = replicas.folder / "crontab"
    crontab.write_text("# every\n0.1 echo tick-$LEADER_FENCING_TOKEN\n")
    cron = [sys.executable, "examples/cron.py", str(crontab)]
    replicas.take_turns([*GATE, replicas.lease, "--", *cron], sign="tick-")


def test_a_web_app_serves_on_both_and_works_in_the_background_on_one(
    replicas: Replicas,
) -> None:
    def ask(name: str) -> dict[str, Any]:
        line = next(
            x for x in replicas.log(name).read_text().splitlines() if "on h" in x
        )
        url = line.split(" on ")[1].split()[0]
        with urllib.request.urlopen(url, timeout=10) as reply:
            return dict(json.loads(reply.read()))

    argv = [sys.executable, "-m", "uvicorn", "examples.web_app:app", "--port", "0"]
    a = replicas.start("a", argv)
    replicas.wait_for("a", "running on")
    wait_until(lambda: ask("a")["leader"])
    replicas.start("b", argv)
    replicas.wait_for("b", "running on")
    assert ask("b") == {"leader": False, "rounds": 0}
    wait_until(lambda: ask("a")["rounds"] > 2)
    a.send_signal(signal.SIGTERM)
    a.wait(60)
    wait_until(lambda: ask("b")["rounds"])


class Bot(ThreadingHTTPServer):
    """
    The far side: two pollers at once are a conflict, as with Telegram.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.pollers = threading.Lock()
        self.acknowledged = 0
        self.conflicts = 0
        self.said: list[str] = []


class _Answer(BaseHTTPRequestHandler):
    server: Bot

    def do_GET(self) -> None:
        if not self.server.pollers.acquire(timeout=1):  # or a poll that was cut off
            self.server.conflicts += 1
            self.send_error(409)
            return
        try:
            self._poll()
        finally:
            self.server.pollers.release()

    def _poll(self) -> None:
        asked = int(self.path.split("offset=")[1].split("&")[0])
        self.server.acknowledged = max(self.server.acknowledged, asked)
        threading.Event().wait(0.05)
        update = {"update_id": self.server.acknowledged, "text": "hi"}
        self._send({"result": [update]})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.said.append(json.loads(self.rfile.read(length))["text"])
        self._send({})

    def _send(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_one_poller_polls_and_the_next_goes_on_after_it(replicas: Replicas) -> None:
    with Bot() as bot:
        threading.Thread(target=bot.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{bot.server_address[1]}"
        argv = [sys.executable, "examples/poller.py", url, replicas.lease]
        a = replicas.start("a", argv)
        wait_until(lambda: bot.acknowledged > 2, timeout=60)
        replicas.start("b", argv)
        a.send_signal(signal.SIGTERM)
        assert a.wait(60) == 0
        before = bot.acknowledged
        wait_until(lambda: bot.acknowledged > before + 2, timeout=60)
        assert bot.conflicts == 0
        bot.shutdown()
