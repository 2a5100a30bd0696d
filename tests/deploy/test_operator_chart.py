"""
The operator's chart: least rights, restricted Pods, two replicas, strict values.
"""

from __future__ import annotations

from typing import Any

import pytest

from k8s_leader.settings import Settings
from tests.helpers.cluster import ApiServer
from tests.helpers.helm import OPERATOR_CHART, Helm, HelmError, Manifest, only
from tests.helpers.objects import apply, create_service_account
from tests.helpers.operator import RIGHTS, SLICE_RIGHTS

pytestmark = pytest.mark.helm

OWN_LEASE = [
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["demo-k8s-leader-operator"],
        "verbs": ["get", "list", "watch", "update"],
    }
]


def rendered(helm: Helm, values: dict[str, Any], *flags: str) -> list[Manifest]:
    return helm.template(values, *flags, chart=OPERATOR_CHART)


def rules(objects: list[Manifest]) -> dict[tuple[str, str | None], Any]:
    return {
        (body["kind"], body["metadata"].get("namespace")): body["rules"]
        for body in objects
        if body["kind"] in {"Role", "ClusterRole"}
    }


def test_it_has_the_rights_that_a_real_operator_was_tested_with(helm: Helm) -> None:
    objects = rendered(helm, {}, "--namespace", "leaders")
    assert rules(objects) == {
        ("Role", "leaders"): OWN_LEASE,
        ("ClusterRole", None): RIGHTS,
    }


def test_it_has_no_right_outside_the_namespaces_it_was_given(helm: Helm) -> None:
    values = {"namespaces": ["shop", "billing"]}
    objects = rendered(helm, values, "--namespace", "leaders")
    assert rules(objects) == {
        ("Role", "leaders"): OWN_LEASE,
        ("Role", "shop"): RIGHTS,
        ("Role", "billing"): RIGHTS,
    }
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["args"][-2:] == ["--namespace=shop", "--namespace=billing"]


def test_what_is_turned_off_has_no_rights(helm: Helm) -> None:
    names = ("janitor", "columns", "remake", "events")
    objects = rendered(helm, {name: {"enabled": False} for name in names})
    leases, pods = rules(objects)["ClusterRole", None]
    assert leases["verbs"] == ["get", "list", "watch", "update"]
    assert pods["verbs"] == ["list", "watch"]
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    for name in names:
        assert f"--no-{name}" in container["args"]


def test_endpoint_slices_bring_their_rights(helm: Helm) -> None:
    objects = rendered(helm, {"endpointSlices": {"enabled": True}})
    assert rules(objects)["ClusterRole", None] == RIGHTS + SLICE_RIGHTS
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert "--endpoint-slices" in container["args"]


def test_no_rights_and_no_account_where_others_make_them(helm: Helm) -> None:
    values = {
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "mine"},
    }
    objects = rendered(helm, values)
    kinds = {body["kind"] for body in objects}
    assert kinds == {"Deployment", "Lease", "PodDisruptionBudget"}
    spec = only(objects, "Deployment")["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "mine"


def test_two_replicas_of_which_one_may_be_taken_away(helm: Helm) -> None:
    objects = rendered(helm, {})
    assert only(objects, "Deployment")["spec"]["replicas"] == 2
    assert only(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    alone = rendered(helm, {"replicas": 1})
    assert "PodDisruptionBudget" not in {body["kind"] for body in alone}


def test_it_has_time_to_start_and_to_hand_over(helm: Helm) -> None:
    pod = only(rendered(helm, {}), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    start = container["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] == 60
    timing = Settings.load({}, {"K8S_LEADER_LEASE": "a"}).timing
    least = timing.stop_timeout + timing.kill_time + 5
    assert pod["terminationGracePeriodSeconds"] >= least


def test_a_pod_monitor_scrapes_every_port_that_has_metrics(helm: Helm) -> None:
    monitor = {"enabled": True, "interval": "15s", "labels": {"release": "prometheus"}}
    objects = rendered(helm, {"metrics": {"podMonitor": monitor}})
    found = only(objects, "PodMonitor")
    assert found["metadata"]["labels"]["release"] == "prometheus"
    template = only(objects, "Deployment")["spec"]["template"]
    labels = found["spec"]["selector"]["matchLabels"]
    assert labels.items() <= template["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    ends = found["spec"]["podMetricsEndpoints"]
    assert {end["port"] for end in ends} == ports
    assert {end["interval"] for end in ends} == {"15s"}


@pytest.mark.kube
def test_a_real_api_server_takes_every_object_and_the_restricted_level_the_pod(
    helm4: Helm, api_server: ApiServer
) -> None:
    namespace = api_server.create_namespace()
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api_server.patch(
        f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}}
    )
    objects = rendered(helm4, {}, "--namespace", namespace)
    named = rendered(helm4, {"namespaces": [namespace]}, "--namespace", namespace)
    for body in objects + named:
        apply(api_server, body, dry_run=True)
    template = only(objects, "Deployment")["spec"]["template"]
    account = template["spec"]["serviceAccountName"]
    create_service_account(api_server, namespace, account)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "pod", "namespace": namespace},
        "spec": template["spec"],
    }
    apply(api_server, pod, dry_run=True)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"replica": 2}, "replica"),
        ({"replicas": 0}, "replicas"),
        ({"namespaces": "shop"}, "namespaces"),
        ({"namespaces": ["Shop"]}, "namespaces"),
        ({"image": {"digest": "sha256:12"}}, "digest"),
        ({"log": {"level": "loud"}}, "level"),
        ({"metrics": {"podMonitor": {"interval": "often"}}}, "interval"),
        ({"remake": {"enabled": "yes"}}, "remake"),
        ({"endpointSlices": True}, "endpointSlices"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    helm: Helm, values: dict[str, Any], where: str
) -> None:
    with pytest.raises(HelmError, match=where):
        rendered(helm, values)


def test_it_can_be_a_subchart(helm4: Helm) -> None:
    rendered(helm4, {"global": {"any": 1}, "enabled": True})
