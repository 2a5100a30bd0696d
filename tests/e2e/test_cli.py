"""
The command line as a person with a kubeconfig uses it, on a release of the chart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import yaml

from tests.e2e.release import Release, eventually

FAST = {"timing": {"profile": "fast"}}


def ours(release: Release, *words: str, status: int = 0) -> str:
    """
    Run one of our commands against the cluster; return what it prints.
    """
    done = subprocess.run(
        [sys.executable, "-m", "k8s_leader", *words],
        env={**os.environ, "KUBECONFIG": str(release.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + (done.stderr if status else "")


def test_one_release_seen_and_moved_by_every_command(release: Release) -> None:
    release.install()
    before = release.await_leader()
    lease = f"{release.namespace}/{release.lease}"

    def status() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ours(release, "status", lease, "-o", "json"))
        return found

    eventually(lambda: status()["holder"], what="a holder in status")
    assert before.pod in ours(release, "status", lease)
    rows = json.loads(ours(release, "list", "-A", "-o", "json"))
    (row,) = [
        r for r in rows if (r["namespace"], r["lease"]) == tuple(lease.split("/"))
    ]
    assert row["owner"] == "ours"
    assert "acquired" in ours(release, "history", lease)

    watching = subprocess.Popen(
        [sys.executable, "-m", "k8s_leader", "watch", lease, "-o", "json"],
        env={**os.environ, "KUBECONFIG": str(release.cluster.kubeconfig)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["what"] == "led"
        ours(release, "step-down", lease, "--yes", "--wait")
        told = [json.loads(watching.stdout.readline()) for _ in range(2)]
        assert [one["what"] for one in told] == ["released", "acquired"]
        assert told[0]["why"] == "asked to step down"
    finally:
        watching.kill()
        watching.communicate()
    after = release.await_leader(after=before)
    assert after.pod != before.pod
    ours(release, "switchover", lease, "--to", before.pod, "--yes", "--wait")
    assert release.await_leader(after=after).pod == before.pod

    ours(release, "pause", lease, "--yes")
    assert "PAUSED" in ours(release, "status", lease)
    said = ours(release, "step-down", lease, "--yes", status=65)
    assert "is paused" in said
    ours(release, "resume", lease, "--yes")
    assert "ghost is no candidate" in ours(
        release, "switchover", lease, "--to", "ghost", "--yes", status=65
    )
    assert "there is no Lease" in ours(
        release, "status", f"{release.namespace}/nope", status=66
    )


def test_doctor_is_content_in_the_pod_and_rbac_prints_what_the_api_server_takes(
    release: Release,
) -> None:
    release.install()
    leader = release.await_leader()
    lease = f"{release.namespace}/{release.lease}"
    said = release.kubectl("exec", leader.pod, "--", "k8s-leader", "doctor")
    assert "0 failed" in said
    for job in ("candidate", "viewer", "manager"):
        printed = ours(release, "rbac", lease, "--for", job, "--serviceaccount", "x")
        kinds = [body["kind"] for body in yaml.safe_load_all(printed)]
        assert kinds == ["Role", "RoleBinding"]
        release.cluster.kubectl(
            *("apply", "--dry-run=server", "--filename=-"), stdin=printed
        )
    assert "Why they never overlap" in ours(release, "explain", "--profile", "fast")
