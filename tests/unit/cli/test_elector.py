"""
What an elector loads at its start, which everybody waits for.
"""

from __future__ import annotations

import os
import signal
from socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from typing import Any

import pytest

from k8s_leader.cli import elector, main
from tests.helpers.fresh import answer_of

PROGRAM = """
import gc, json, os, sys
os.environ["SSL_CERT_FILE"] = "/a/file"
from k8s_leader.cli import elector
elector._load({store!r})
result = {{
    "modules": sorted(sys.modules),
    "trusted": os.environ["SSL_CERT_FILE"],
    "collects": gc.isenabled(),
}}
if "aiohttp" in sys.modules:
    from aiohttp import connector
    result["read"] = connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509"]
print(json.dumps(result))
"""


FOREIGN = {
    *("k8s_leader.cli.arguments", "k8s_leader.cli.run", "k8s_leader.settings.load"),
    *("k8s_leader.settings.table", "argparse", "importlib.metadata"),
    "prometheus_client",
}
"""What checks a command line, and what answers a scrape, is of no use before."""

SERVING = """
import json, sys
from k8s_leader.cli import elector
elector._load("kubernetes")
from k8s_leader.observers import gathering
from k8s_leader.web import pages, server
gathering.answer(gathering.Gathering(), openmetrics=False)
print(json.dumps({"modules": sorted(sys.modules)}))
"""


def loaded(store: str) -> dict[str, Any]:
    return answer_of(PROGRAM.format(store=store))


def test_an_elector_on_sqlite_loads_nothing_for_the_network() -> None:
    found = loaded("sqlite")
    for name in (*FOREIGN, "aiohttp", "yaml", "k8s_leader.kube"):
        assert name not in found["modules"]
    assert "k8s_leader.app.elector" in found["modules"]
    assert (found["trusted"], found["collects"]) == ("/a/file", True)


def test_an_elector_on_kubernetes_reads_no_authorities_that_it_never_asks() -> None:
    found = loaded("kubernetes")
    assert {"aiohttp", "k8s_leader.kube.client"} <= set(found["modules"])
    for name in (*FOREIGN, "aiohttp.web"):
        assert name not in found["modules"]
    # Of the client only what k8s_leader.kube.lean keeps to itself: not its 700 models.
    assert not [name for name in found["modules"] if name.startswith("kubernetes")]
    assert (found["trusted"], found["collects"]) == ("/a/file", True)
    assert found["read"] == 0


def test_an_elector_that_serves_metrics_carries_no_library_for_it() -> None:
    """
    These are 2 MB of each standby: it writes the text of a scrape itself.
    """
    modules = set(answer_of(SERVING)["modules"])
    assert "aiohttp.web" in modules
    assert not {"prometheus_client", "importlib.metadata", "wsgiref"} & modules


@pytest.mark.parametrize("said", [b"", b"hello"])
def test_an_early_elector_loads_before_the_guard_calls(
    monkeypatch: pytest.MonkeyPatch, restored_log: None, said: bytes
) -> None:
    done: list[object] = []
    read = elector._read
    monkeypatch.setattr(elector, "_load", done.append)

    def noted(fd: int) -> dict[str, Any]:
        done.append("read")
        return read(fd)

    monkeypatch.setattr(elector, "_read", noted)
    monkeypatch.setattr("k8s_leader.guard.linux.die_with_parent", done.append)
    guard, end = socketpair(AF_UNIX, SOCK_SEQPACKET)
    config = os.memfd_create("config")
    os.write(config, b'{"elector": {"lease": "x"}}')
    with guard, end:
        guard.send(said) if said else guard.close()
        monkeypatch.setattr("k8s_leader.app.run_elector", lambda *_: 75)
        words = [str(config), str(end.fileno()), "kubernetes"]
        status = elector.elector(words)
        left = end.recv(100)
    os.close(config)
    assert left == said  # the hello is for the election
    assert done == ["kubernetes", signal.SIGCONT, "read"] if said else ["kubernetes"]
    assert status == (75 if said else 0)


@pytest.mark.parametrize("argv", [[], ["3"], ["a", "b"], ["987", "988"]])
def test_an_elector_is_started_by_a_guard_only(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["elector", *argv]) == 78
    assert "use `k8s-leader run`" in capsys.readouterr().err
