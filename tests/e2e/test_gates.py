"""
Images that are not ours, rights that are the chart's alone, and users of any number.
"""

from __future__ import annotations

import json

from tests.cluster.kind.cluster import KindCluster
from tests.e2e.images import Images
from tests.e2e.release import Release, eventually


def foreign(images: Images) -> dict[str, object]:
    repository, _, tag = images.tree.rpartition(":")
    mine = images.foreign.rpartition(":")[0]
    image = {"repository": repository, "tag": tag, "pullPolicy": "Never"}
    return {"image": {"repository": mine}, "gate": {"method": "copy", "image": image}}


def test_an_image_with_nothing_in_it_is_gated_by_a_copied_tree(
    release: Release, images: Images
) -> None:
    release.install(foreign(images))
    before = release.await_leader()
    release.kubectl("delete", "pod", before.pod, "--wait=false")
    after = release.await_leader(after=before)
    assert after.pod != before.pod


def test_a_restricted_namespace_takes_any_user(
    release: Release, cluster: KindCluster, images: Images
) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    meta = {"name": release.namespace, "labels": labels}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(made))
    # No volume of the node is allowed here: the workload speaks to the log.
    plain = {"command": ["/workload"], "volumes": [], "volumeMounts": []}
    user = {"runAsUser": 1000710000, "runAsGroup": 0}
    release.install({**foreign(images), **plain, "podSecurityContext": user})
    logs = eventually(lambda: said(release), what="a workload that speaks")
    assert len(logs) == 1
    assert logs[0].endswith(" user 1000710000")


def test_the_chart_gives_no_right_beyond_its_own_lease(
    release: Release, cluster: KindCluster
) -> None:
    release.install()
    who = f"--as=system:serviceaccount:{release.namespace}:{release.lease}"
    allowed = [
        ("get", f"leases/{release.lease}"),
        ("update", f"leases/{release.lease}"),
    ]
    refused = [
        ("create", "leases"),
        ("delete", f"leases/{release.lease}"),
        ("update", "leases/another"),
        ("get", "secrets"),
        ("get", "pods"),
    ]
    for wanted, expected in ((allowed, "yes"), (refused, "no")):
        for verb, what in wanted:
            words = ("auth", "can-i", verb, what, "--namespace", release.namespace, who)
            answer = cluster.kubectl(*words, check=False).strip()
            assert answer == expected, (verb, what)


def test_a_workload_that_ends_is_run_again_under_a_new_token(release: Release) -> None:
    command = ["/workload", "-lasts", "2s", "-folder", f"/shared/{release.namespace}"]
    release.install({"command": command, "onExit": "release"})
    terms = eventually(
        lambda: (found := release.terms())[2:] and found, what="three runs"
    )
    for term in terms[:2]:
        assert 1.5 < term.last - term.first < 3


def said(release: Release) -> list[str]:
    selector = "--selector=app.kubernetes.io/name=k8s-leader"
    words = ("--container=workload", "--tail=-1")
    lines = release.kubectl("logs", selector, *words).splitlines()
    return [line for line in lines if line.startswith("workload of token")]
