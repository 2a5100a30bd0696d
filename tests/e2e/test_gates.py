"""
Images that are not ours, rights that are the chart's alone, and users of any number.
"""

from __future__ import annotations

import json

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.e2e.images import Images
from tests.e2e.release import Release, eventually


def copied(images: Images, workload: str) -> dict[str, object]:
    """
    Return values that gate another image by an init container's copy of the tree.
    """
    repository, _, tag = images.tree.rpartition(":")
    mine = workload.rpartition(":")[0]
    image = {"repository": repository, "tag": tag, "pullPolicy": "Never"}
    return {"image": {"repository": mine}, "gate": {"method": "copy", "image": image}}


def leads_and_hands_over(release: Release) -> None:
    before = release.await_leader()
    release.kubectl("delete", "pod", before.pod, "--wait=false")
    after = release.await_leader(after=before)
    assert after.pod != before.pod


@pytest.mark.parametrize("kind", ["scratch", "glibc", "musl"])
def test_an_image_without_a_shell_is_gated_by_a_copied_tree(
    release: Release, images: Images, kind: str
) -> None:
    release.install(copied(images, getattr(images, kind)))
    leads_and_hands_over(release)


def test_a_shell_that_is_busybox_is_gated_by_a_copied_tree(
    release: Release, images: Images
) -> None:
    values = copied(images, images.busybox)
    line = f'echo "starting"; exec /workload -folder {release.path}'
    release.install({**values, "command": ["sh", "-c", line]})
    leads_and_hands_over(release)


@pytest.mark.parametrize("kind", ["on_musl", "on_busybox"])
def test_an_image_of_any_kind_is_gated_once_it_is_the_base_of_ours(
    release: Release, images: Images, kind: str
) -> None:
    repository, _, tag = getattr(images, kind).rpartition(":")
    release.install({"image": {"repository": repository, "tag": tag}})
    leads_and_hands_over(release)


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
    release.install(
        {**copied(images, images.scratch), **plain, "podSecurityContext": user}
    )
    logs = eventually(lambda: said(release), what="a workload that speaks")
    assert len(logs) == 1
    assert logs[0].endswith(" user 1000710000")


def test_the_chart_s_rights_are_all_that_a_candidate_has(
    release: Release, cluster: KindCluster
) -> None:
    release.install()
    who = f"--as=system:serviceaccount:{release.namespace}:{release.lease}"
    words = ("auth", "can-i", "--list", "--no-headers", who)
    lines = cluster.kubectl(*words, "--namespace", release.namespace).splitlines()
    mine = {" ".join(line.split()) for line in lines if not is_everybodys(line)}
    assert mine == {
        f"leases.coordination.k8s.io [] [{release.lease}] [get list watch update]",
        "pods [] [] [patch]",
        "events [] [] [create]",
    }


def is_everybodys(line: str) -> bool:
    return line.startswith((" ", "selfsubject"))


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
