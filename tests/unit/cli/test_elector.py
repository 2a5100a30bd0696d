"""
What an elector loads at its start, which everybody waits for.
"""

from __future__ import annotations

from typing import Any

import pytest

from k8s_leader.cli import main
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


def loaded(store: str) -> dict[str, Any]:
    return answer_of(PROGRAM.format(store=store))


def test_an_elector_on_sqlite_loads_nothing_for_the_network() -> None:
    found = loaded("sqlite")
    for name in ("aiohttp", "yaml", "k8s_leader.kube", "k8s_leader.settings.load"):
        assert name not in found["modules"]
    assert "k8s_leader.app.elector" in found["modules"]
    assert (found["trusted"], found["collects"]) == ("/a/file", True)


def test_an_elector_on_kubernetes_reads_no_authorities_that_it_never_asks() -> None:
    found = loaded("kubernetes")
    assert {"aiohttp", "k8s_leader.kube.client"} <= set(found["modules"])
    for name in ("k8s_leader.settings.load", "aiohttp.web", "prometheus_client"):
        assert name not in found["modules"]
    assert (found["trusted"], found["collects"]) == ("/a/file", True)
    assert found["read"] == 0


@pytest.mark.parametrize("argv", [[], ["3"], ["a", "b"], ["987", "988"]])
def test_an_elector_is_started_by_a_guard_only(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["elector", *argv]) == 78
    assert "use `k8s-leader run`" in capsys.readouterr().err
