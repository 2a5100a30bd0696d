"""
A real API server takes every object of the chart, read strictly, field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.cluster import ApiError, ApiServer
from tests.helpers.helm import CHART, MINIMAL, Helm, Manifest, merged, only
from tests.helpers.objects import apply, create_service_account, path_of

pytestmark = [pytest.mark.helm, pytest.mark.kube]

CI_VALUES = {file.stem: file for file in (CHART / "ci").glob("*.yaml")}
# Made by the Prometheus operator; the API server here has no such types.
FOREIGN = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="module")
def modern_server(cluster_binary: Path) -> Iterator[ApiServer]:
    """
    An API server that knows image volumes.
    """
    flags = ["--feature-gates=ImageVolume=true"]
    with ApiServer(cluster_binary, flags=flags) as server:
        yield server


def rendered(helm: Helm, namespace: str, values: dict[str, Any]) -> list[Manifest]:
    return helm.template(values, "--namespace", namespace)


@pytest.mark.parametrize("stem", sorted(CI_VALUES))
def test_every_object_is_applied_strictly_and_read_back_as_rendered(
    helm4: Helm, modern_server: ApiServer, stem: str
) -> None:
    namespace = modern_server.create_namespace()
    values = yaml.safe_load(CI_VALUES[stem].read_text())
    for body in rendered(helm4, namespace, values):
        if body["kind"] in FOREIGN or body["kind"] == "Pod":
            continue
        body["metadata"].setdefault("namespace", namespace)
        apply(modern_server, body, dry_run=True)
        apply(modern_server, body)
        found = modern_server.request("GET", path_of(body))
        assert_contains(found, body, where=body["kind"])


@pytest.mark.parametrize("stem", sorted(CI_VALUES))
def test_the_pods_pass_the_restricted_security_level(
    helm4: Helm, modern_server: ApiServer, stem: str
) -> None:
    namespace = modern_server.create_namespace(labels=RESTRICTED)
    values = yaml.safe_load(CI_VALUES[stem].read_text())
    values = {k: v for k, v in values.items() if not k.startswith("extra")}
    objects = rendered(helm4, namespace, values)
    template = only(objects, "Deployment")["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "pod", "namespace": namespace},
        "spec": template["spec"],
    }
    if stem == "openshift-values":  # there the cluster adds the user
        pod["spec"]["securityContext"]["runAsUser"] = 1_000_680_000
    for one in (pod, only(objects, "Pod")):
        account = one["spec"]["serviceAccountName"]
        create_service_account(modern_server, namespace, account)
        apply(modern_server, one, dry_run=True)


def test_the_restricted_level_would_refuse_a_looser_pod(
    helm4: Helm, modern_server: ApiServer
) -> None:
    # With its labels at once: admission learns of a later change a moment late.
    namespace = modern_server.create_namespace(labels=RESTRICTED)
    loose = merged(MINIMAL, {"securityContext": {"allowPrivilegeEscalation": True}})
    pod = only(rendered(helm4, namespace, loose), "Pod")
    create_service_account(modern_server, namespace, pod["spec"]["serviceAccountName"])
    with pytest.raises(ApiError, match="allowPrivilegeEscalation"):
        apply(modern_server, pod, dry_run=True)


def assert_contains(found: Any, wanted: Any, *, where: str) -> None:
    """
    Check that all that is wanted is there; the server may have added to it.
    """
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            assert isinstance(found, dict), where
            if key not in found:
                assert not value, f"{where}.{key} was dropped"
                continue
            assert_contains(found[key], value, where=f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for at, value in enumerate(wanted):
            assert_contains(found[at], value, where=f"{where}[{at}]")
    else:
        assert found == wanted, where
