"""
Real releases on a real API server: install, upgrade, a changed Lease, uninstall.

No controllers run there, so Pods are made by hand where a test needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.helpers.candidate import Candidate, Journal, wait_until
from tests.helpers.cluster import ApiServer
from tests.helpers.helm import CHART, MINIMAL, Helm, HelmError, merged
from tests.helpers.lifeline import Lifeline
from tests.helpers.objects import apply, create_service_account, objects_of

pytestmark = [pytest.mark.helm, pytest.mark.kube]

NAME = "demo-k8s-leader"

Release = Callable[..., str]


@pytest.fixture
def release(helm: Helm, api_server: ApiServer, namespace: str) -> Release:
    """
    Runs ``helm COMMAND demo`` in the test's namespace.
    """
    on_cluster = replace(helm, kubeconfig=api_server.admin_kubeconfig)

    def run(command: str, *flags: str, **values: Any) -> str:
        chart = [str(CHART)] if command in {"install", "upgrade"} else []
        args = [command, "demo", *chart, "--namespace", namespace, *flags]
        return on_cluster.run(*args, values=merged(MINIMAL, values))

    return run


def deployment_path(namespace: str, name: str = NAME) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def lease_name(values: str) -> dict[str, Any]:
    return {"lease": {"name": values}}


def make_pod(server: ApiServer, namespace: str, *, name: str = "left-over") -> None:
    """
    Make a Pod as the Deployment's controller would have.
    """
    create_service_account(server, namespace, "default")
    deployment = server.request("GET", deployment_path(namespace))
    pod = {
        "metadata": {
            "name": name,
            "labels": deployment["spec"]["selector"]["matchLabels"],
        },
        "spec": {"containers": [{"name": "workload", "image": "worker"}]},
    }
    server.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)


def strategy_of(server: ApiServer, namespace: str) -> str:
    spec = server.request("GET", deployment_path(namespace))["spec"]
    return str(spec["strategy"]["type"])


def test_install_makes_what_it_renders_and_uninstall_leaves_nothing(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    before = objects_of(api_server, namespace)
    notes = release("install")
    assert f"kubectl -n {namespace} get lease {NAME}" in notes
    made = objects_of(api_server, namespace) - before
    assert {one for one in made if not one.startswith("secrets/")} == {
        f"deployments/{NAME}",
        f"leases/{NAME}",
        f"poddisruptionbudgets/{NAME}",
        f"roles/{NAME}",
        f"rolebindings/{NAME}",
        f"serviceaccounts/{NAME}",
    }
    release("uninstall")
    assert objects_of(api_server, namespace) == before


def test_an_upgrade_leaves_the_lease_to_its_holder(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    release("install")
    path = api_server.lease_path(namespace, NAME)
    lease = api_server.request("GET", path)
    lease["spec"] = {
        "holderIdentity": "somebody",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-01T00:00:00.000000Z",
    }
    lease["metadata"]["annotations"]["k8s-leader.io/fencing-token"] = "7"
    held = api_server.request("PUT", path, lease)
    release("upgrade", image={"tag": "2"}, timing={"profile": "tolerant"})
    after = api_server.request("GET", path)
    assert after["spec"] == held["spec"]
    assert after["metadata"]["annotations"] == held["metadata"]["annotations"]
    template = api_server.request("GET", deployment_path(namespace))["spec"]["template"]
    assert template["spec"]["containers"][0]["image"].endswith(":2")


def test_an_upgrade_under_a_working_leader_ends_no_term(
    release: Release,
    api_server: ApiServer,
    namespace: str,
    lifeline: Lifeline,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "journal")
    release("install")
    token = api_server.token(namespace, NAME)
    environ = {
        "KUBECONFIG": str(api_server.kubeconfig(token, namespace=namespace)),
        "K8S_LEADER_LEASE_CREATE": "false",
    }
    lease = f"{namespace}/{NAME}"
    with Candidate(  # whose lease outlasts two runs of Helm on a busy machine
        lease, journal, name="a", lifeline=lifeline, environ=environ, flags=()
    ) as candidate:
        wait_until(lambda: candidate.leads(journal), why="it leads")
        release("upgrade", image={"tag": "2"}, commonLabels={"a": "b"})
        release("rollback")
        path = api_server.lease_path(namespace, NAME)
        seen = api_server.request("GET", path)["spec"]["renewTime"]
        wait_until(
            lambda: api_server.request("GET", path)["spec"]["renewTime"] != seen,
            why="it renews after the upgrade",
        )
        assert candidate.stop() == 0
    assert len(journal.tokens()) == 1


def test_a_lease_deleted_by_hand_comes_back_with_an_upgrade(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    release("install")
    api_server.request("DELETE", api_server.lease_path(namespace, NAME))
    release("upgrade")
    assert api_server.lease(namespace, NAME) is not None


@pytest.mark.parametrize(
    "change", [lease_name("other"), {"lease": {"namespace": "elsewhere"}}], ids=str
)
def test_a_changed_lease_is_refused_on_upgrade(
    release: Release, api_server: ApiServer, namespace: str, change: dict[str, Any]
) -> None:
    release("install")
    with pytest.raises(HelmError) as refused:
        release("upgrade", **change)
    message = str(refused.value)
    assert f"from the Lease {namespace}/{NAME}" in message
    assert f"--set lease.changeFrom={namespace}/{NAME}" in message
    assert "upgrade with replicas=0" in message
    assert api_server.lease(namespace, "other") is None


def test_an_acknowledged_change_of_lease_replaces_all_pods_at_once(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    release("install")
    lease = {"name": "other", "changeFrom": f"{namespace}/{NAME}"}
    notes = release("upgrade", lease=lease)
    assert "Take\nlease.changeFrom out again" in notes
    assert strategy_of(api_server, namespace) == "Recreate"
    assert api_server.lease(namespace, "other") is not None
    assert api_server.lease(namespace, NAME) is None
    release("upgrade", **lease_name("other"))
    assert strategy_of(api_server, namespace) == "RollingUpdate"


def test_the_acknowledgement_of_another_lease_does_not_count(
    release: Release, namespace: str
) -> None:
    release("install")
    lease = {"name": "third", "changeFrom": f"{namespace}/second"}
    with pytest.raises(HelmError, match="Keep lease.name"):
        release("upgrade", lease=lease)


def test_a_lease_may_change_once_every_pod_is_gone(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    release("install")
    release("upgrade", replicas=0)
    make_pod(api_server, namespace)
    with pytest.raises(HelmError, match="wait until they are gone"):
        release("upgrade", **lease_name("other"))
    gone = {"gracePeriodSeconds": 0}
    pod = f"/api/v1/namespaces/{namespace}/pods/left-over"
    api_server.request("DELETE", pod, gone)
    release("upgrade", **lease_name("other"))
    assert strategy_of(api_server, namespace) == "RollingUpdate"


def test_a_renamed_deployment_never_starts_beside_the_old_one(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    release("install")
    change = {
        "fullnameOverride": "renamed",
        "lease": {"changeFrom": f"{namespace}/{NAME}"},
    }
    with pytest.raises(HelmError, match="would start renamed"):
        release("upgrade", **change)
    change["lease"] = {"name": NAME}  # on one Lease they may run beside each other
    release("upgrade", **change)
    assert api_server.request("GET", deployment_path(namespace, "renamed"))


def test_an_ungated_deployment_is_adopted_only_with_all_its_pods_replaced(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    release("install")
    path = deployment_path(namespace)
    ungated = {"metadata": {"annotations": {"k8s-leader.io/lease": None}}}
    api_server.patch(path, ungated)
    with pytest.raises(HelmError, match="lease.changeFrom=ungated"):
        release("upgrade", image={"tag": "2"})
    # The Deployment's controller scales the old Pods first, and then replaces them.
    with pytest.raises(HelmError, match="Adopt with --set replicas=2"):
        release("upgrade", replicas=3, lease={"changeFrom": "ungated"})
    release("upgrade", image={"tag": "2"}, lease={"changeFrom": "ungated"})
    assert strategy_of(api_server, namespace) == "Recreate"


def test_a_foreign_deployment_whose_container_would_stay_ungated_is_refused(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    labels = {"app": "old"}
    container = {"name": "worker", "image": "registry.example/old"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": spec,
    }
    apply(api_server, body)
    with pytest.raises(HelmError, match="has a container worker, which Kubernetes"):
        release("install", "--take-ownership")


def test_two_releases_in_a_namespace_do_not_share_a_lease(
    release: Release, helm: Helm, api_server: ApiServer, namespace: str
) -> None:
    release("install")
    other = replace(helm, kubeconfig=api_server.admin_kubeconfig)
    other.run("install", "second", str(CHART), "--namespace", namespace)
    assert api_server.lease(namespace, "second-k8s-leader") is not None
    assert api_server.lease(namespace, NAME) is not None


def test_a_change_of_timings_alone_is_an_ordinary_rollout(
    release: Release, api_server: ApiServer, namespace: str
) -> None:
    release("install")
    release("upgrade", timing={"profile": "fast"})
    assert strategy_of(api_server, namespace) == "RollingUpdate"
