"""
A Deployment that exists gets leadership from the kustomize component.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.cluster.kind.shell import run
from tests.e2e.images import Images
from tests.e2e.release import Release, eventually
from tests.e2e.terms import Measured
from tests.helpers.go_build import KUSTOMIZE
from tests.helpers.helm import ROOT


def with_components(
    folder: Path, release: Release, images: Images, *names: str
) -> None:
    """
    Apply the Deployment of an ungated workload with these components.
    """
    app = folder / "app"
    app.mkdir(exist_ok=True)
    link = folder / "components"
    if not link.is_symlink():
        link.symlink_to(ROOT / "manifests" / "components")
    tree, _, tag = images.tree.rpartition(":")
    lines = {
        "resources": ["deployment.json"],
        "components": [f"../components/{name}" for name in names],
        "images": [{"name": "k8s-leader-tree", "newName": tree, "newTag": tag}],
    }
    (app / "deployment.json").write_text(json.dumps(release.ungated()))
    (app / "kustomization.yaml").write_text(json.dumps(lines))
    flags = ("--load-restrictor=LoadRestrictionsNone", app)
    made = run(KUSTOMIZE.build(), "build", *flags)
    release.kubectl("apply", "--filename=-", stdin=made)
    release.kubectl("rollout", "status", f"deployment/{release.lease}")


def test_three_lines_adopt_a_deployment_and_then_it_rolls_in_one_move(
    release: Release, images: Images, tmp_path: Path, measured: Measured
) -> None:
    release.kubectl("create", "namespace", release.namespace)
    with_components(tmp_path, release, images)
    ungated = release.await_leader()
    # `await_leader` fails when two ever ran at once.
    with_components(tmp_path, release, images, "leader")
    adopted = release.await_leader(after=ungated)
    with_components(tmp_path, release, images, "leader", "rolling")
    assert len(release.pods()) == 2
    assert release.await_leader().first == adopted.first
    release.kubectl("rollout", "restart", f"deployment/{release.lease}")
    release.kubectl("rollout", "status", f"deployment/{release.lease}")
    after = release.await_leader(after=adopted)
    eventually(lambda: len(release.pods()) == 2, what="the old Pods gone")
    assert release.await_leader().first == after.first
    terms = release.terms()
    assert [term.first for term in terms] == [
        t.first for t in (ungated, adopted, after)
    ]
    measured("component, rolling: without a workload", after.first - terms[1].last)
