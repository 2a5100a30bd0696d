"""
``make show``: the image, a cluster, and a fail-over of an image that is not ours.

Builds the tree of this checkout, makes a kind cluster, installs the chart around a
plain Debian whose command is a shell loop, takes its leader away, and cleans up.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from tests.cluster.kind.cluster import SHARED, KindCluster
from tests.cluster.kind.images import debian_image
from tests.e2e.release import eventually
from tests.e2e.testbed import Testbed, testbed, why_not
from tests.helpers.go_build import HELM_4
from tests.helpers.helm import CHART, Helm

NAMESPACE = "show"
_LOOP = 'while :; do echo "$POD_NAME $LEADER_FENCING_TOKEN" >>$0; sleep 0.1; done'
_BEAT = 0.1


def main() -> int:
    """
    Show it; return 1 when this machine lacks something, and say what.
    """
    reason = why_not()
    if reason:
        sys.stderr.write(f"this machine cannot have a cluster: {reason}\n")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    say("building images and a cluster of three nodes (the first time takes minutes)")
    with testbed() as made:
        show(made)
    say("the cluster is gone again")
    return 0


def show(made: Testbed) -> None:
    """
    Install, look, take the leader away, look again.
    """
    cluster = made.cluster
    journal = cluster.shared / "journal"
    foreign = debian_image(made.engine)
    cluster.load(foreign)
    say(f"an image that is not ours: {foreign}, and its command: sh -c '{_LOOP}'")
    helm = Helm(program=HELM_4, kubeconfig=cluster.kubeconfig)
    words = ("show", str(CHART), "--namespace", NAMESPACE, "--create-namespace")
    values = values_of(foreign, made.images.tree)
    helm.run("install", *words, "--wait", "--timeout", "90s", values=values)
    first = eventually(lambda: last_line(journal), what="a workload that writes")
    look(cluster)
    say(f"{first} works. Deleting its Pod:")
    cluster.kubectl(
        "delete", "pod", first.split()[0], "--namespace", NAMESPACE, "--wait=false"
    )
    gap, second = watch(journal, first)
    look(cluster)
    say(f"{second} works, under a higher fencing token.")
    say(f"Nobody wrote for {gap:.2f} s; a line is due every {_BEAT:.1f} s.")


def values_of(foreign: str, tree: str) -> dict[str, object]:
    """
    Return the chart's values: the foreign image, gated by a copy of our tree.
    """
    repository, _, tag = foreign.rpartition(":")
    ours, _, our_tag = tree.rpartition(":")
    return {
        "fullnameOverride": "show",
        "image": {"repository": repository, "tag": tag},
        "command": ["sh", "-c", _LOOP, f"{SHARED}/journal"],
        "gate": {"method": "copy", "image": {"repository": ours, "tag": our_tag}},
        "volumes": [{"name": "shared", "hostPath": {"path": SHARED}}],
        "volumeMounts": [{"name": "shared", "mountPath": SHARED}],
        "minReadySeconds": 1,
    }


def watch(journal: Path, first: str) -> tuple[float, str]:
    """
    Return how long nothing was written before somebody else than `first` wrote.
    """
    seen, written = first, time.monotonic()
    size, longest = journal.stat().st_size, 0.0
    ends = time.monotonic() + 60
    while seen == first and time.monotonic() < ends:
        time.sleep(0.005)
        if journal.stat().st_size != size:
            now = time.monotonic()
            longest, written = now - written, now
            size, seen = journal.stat().st_size, last_line(journal)
    return longest, seen


def last_line(journal: Path) -> str:
    """
    Return the last whole line: a Pod and its fencing token.
    """
    text = journal.read_text() if journal.exists() else ""
    return (text.splitlines() or [""])[-1] if text.endswith("\n") else ""


def look(cluster: KindCluster) -> None:
    """
    Show Pods and Lease as a person would.
    """
    for words in (
        ("get", "pods", "--label-columns=k8s-leader.io/role"),
        ("get", "lease", "show"),
    ):
        sys.stdout.write(f"$ kubectl {' '.join(words)}\n")
        sys.stdout.write(cluster.kubectl("--namespace", NAMESPACE, *words) + "\n")


def say(line: str) -> None:
    """
    Print a line at once.
    """
    sys.stdout.write(f"== {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
