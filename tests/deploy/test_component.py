"""
The kustomize component makes an existing Deployment active/passive, or refuses.
"""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_leader.cli.arguments import Parser, add_settings, parse_settings
from k8s_leader.settings import Settings
from tests.helpers.cluster import ApiError, ApiServer
from tests.helpers.go_build import KUSTOMIZE
from tests.helpers.helm import ROOT, Helm, HelmError, Manifest, merged, only
from tests.helpers.objects import apply

pytestmark = pytest.mark.helm

COMPONENTS = ROOT / "manifests" / "components"
THREE_LINES = """
components:
  - ../components/leader
"""
EXISTING: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "reports"},
    "spec": {
        "selector": {"matchLabels": {"app": "reports"}},
        "template": {
            "metadata": {"labels": {"app": "reports"}},
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "image": "registry.example/reports:1",
                        "command": ["/bin/reports"],
                        "args": ["--fast"],
                    }
                ]
            },
        },
    },
}


def built(
    folder: Path, deployment: Manifest = EXISTING, *, more: str = THREE_LINES
) -> list[Manifest]:
    """
    Return what kustomize makes of a Deployment and a few more lines.
    """
    app = folder / "app"
    app.mkdir(exist_ok=True)
    (folder / "components").unlink(missing_ok=True)
    (folder / "components").symlink_to(COMPONENTS)
    (app / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    (app / "kustomization.yaml").write_text(f"resources: [deployment.yaml]\n{more}")
    done = subprocess.run(
        [KUSTOMIZE.build(), "build", "--load-restrictor=LoadRestrictionsNone", app],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HelmError(done.stderr)
    return list(yaml.safe_load_all(done.stdout))


def changed(path: str, value: Any) -> Manifest:
    """
    Return the existing Deployment with something else below its Pod's spec.
    """
    body: Manifest = copy.deepcopy(EXISTING)
    place = body["spec"]["template"]["spec"]
    *parents, last = path.split(".")
    for part in parents:
        place = place[int(part) if part.isdigit() else part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return body


def container_of(objects: list[Manifest]) -> Manifest:
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    found: Manifest = pod["containers"][0]
    return found


def test_three_lines_put_the_command_under_the_gate(tmp_path: Path) -> None:
    objects = built(tmp_path)
    container = container_of(objects)
    assert container["command"][:2] == ["/opt/k8s-leader/bin/k8s-leader", "run"]
    assert container["command"][-2:] == ["--", "/bin/reports"]
    assert container["args"] == ["--fast"]


def test_the_program_accepts_the_flags_of_the_component(tmp_path: Path) -> None:
    command = container_of(built(tmp_path))["command"]
    flags = command[2 : command.index("--")]
    flags = [flag.replace("$(POD_LEASE)", "reports") for flag in flags]
    parser = Parser(prog="run", usage="")
    add_settings(parser)
    _, given, _ = parse_settings(parser, flags)
    settings = Settings.load(given, {"K8S_LEADER_DISABLED": "true"})
    assert not settings.election.disabled
    assert not settings.election.lease_create


def test_everything_is_named_after_the_deployment_also_with_a_prefix(
    tmp_path: Path,
) -> None:
    more = "namePrefix: blue-\nnamespace: prod\n" + THREE_LINES
    objects = built(tmp_path, more=more)
    assert {body["metadata"]["name"] for body in objects} == {"blue-reports"}
    assert only(objects, "Role")["rules"][0]["resourceNames"] == ["blue-reports"]
    binding = only(objects, "RoleBinding")
    assert binding["roleRef"]["name"] == "blue-reports"
    subject = {"kind": "ServiceAccount", "name": "blue-reports", "namespace": "prod"}
    assert binding["subjects"] == [subject]
    template = only(objects, "Deployment")["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == "blue-reports"
    noted = template["metadata"]["annotations"]
    assert noted["k8s-leader.io/lease"] == "blue-reports"


def test_the_first_rollout_is_a_recreate(tmp_path: Path) -> None:
    spec = only(built(tmp_path), "Deployment")["spec"]
    assert spec["strategy"] == {"type": "Recreate"}
    # More of them would be ungated ones: the old ReplicaSet is scaled first.
    assert "replicas" not in spec
    spec = only(
        built(tmp_path, more=f"{THREE_LINES}  - ../components/rolling\n"), "Deployment"
    )["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert spec["replicas"] == 2


def test_the_account_is_looked_for_in_the_namespace_that_is_applied_to(
    tmp_path: Path,
) -> None:
    (subject,) = only(built(tmp_path), "RoleBinding")["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "reports"}


def test_a_deployment_without_a_command_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HelmError, match="containers/0/command"):
        built(tmp_path, changed("containers.0.command", None))


def test_a_deployment_with_an_account_keeps_it(tmp_path: Path) -> None:
    own = changed("serviceAccountName", "reporter")
    with pytest.raises(HelmError, match="serviceAccountName"):
        built(tmp_path, own)
    more = THREE_LINES.replace("/leader", "/leader-with-account")
    objects = built(tmp_path, own, more=more)
    assert only(objects, "RoleBinding")["subjects"][0]["name"] == "reporter"
    assert not [body for body in objects if body["kind"] == "ServiceAccount"]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ([{"name": "MODE", "value": "x"}], {"MODE": "x"}),
        (
            [
                {
                    "name": "POD_NAMESPACE",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
                }
            ],
            {},
        ),
    ],
    ids=["other", "the same"],
)
def test_variables_that_are_there_stay_and_none_is_said_twice(
    tmp_path: Path, env: list[dict[str, Any]], expected: dict[str, str]
) -> None:
    container = container_of(built(tmp_path, changed("containers.0.env", env)))
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names))
    found = {e["name"]: e["value"] for e in container["env"] if "value" in e}
    assert found == expected
    fields = {
        e["name"]: e["valueFrom"]["fieldRef"]["fieldPath"]
        for e in container["env"]
        if "valueFrom" in e
    }
    assert fields["POD_NAMESPACE"] == "metadata.namespace"
    assert fields["POD_LEASE"] == "metadata.annotations['k8s-leader.io/lease']"


@pytest.mark.kube
def test_the_api_server_accepts_what_the_component_adds(
    tmp_path: Path, api_server: ApiServer, namespace: str
) -> None:
    for body in built(tmp_path, more=f"namespace: {namespace}\n{THREE_LINES}"):
        apply(api_server, body)


@pytest.mark.kube
def test_the_api_server_accepts_the_plain_manifests(
    api_server: ApiServer, namespace: str
) -> None:
    done = subprocess.run(
        [KUSTOMIZE.build(), "build", ROOT / "manifests" / "plain"],
        capture_output=True,
        text=True,
        check=True,
    )
    text = done.stdout.replace("namespace: default", f"namespace: {namespace}")
    for body in yaml.safe_load_all(text):
        apply(api_server, body)


@pytest.mark.kube
def test_a_strategy_that_was_defaulted_is_never_changed_silently(
    tmp_path: Path, api_server: ApiServer, namespace: str
) -> None:
    # Server-side apply cannot take a defaulted rollingUpdate away: docs/adoption.md
    # says what to do first. Until then nothing changes, which is the safe side.
    existing = merged(EXISTING, {"metadata": {"namespace": namespace}})
    apply(api_server, existing)
    more = f"namespace: {namespace}\n{THREE_LINES}"
    gated = only(built(tmp_path, more=more), "Deployment")
    with pytest.raises(ApiError, match="rollingUpdate: Forbidden"):
        apply(api_server, gated)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/reports"
    recreate = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}
    api_server.patch(path, recreate)
    apply(api_server, gated)


def test_plain_manifests_are_the_chart_without_helm(helm4: Helm) -> None:
    folder = ROOT / "manifests" / "plain"
    text = "".join(file.read_text() for file in sorted(folder.glob("*.yaml")))
    assert "helm" not in text.replace("helm/write.py", "").lower()
    deployment = yaml.safe_load((folder / "deployment.yaml").read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    lease = {"name": "K8S_LEADER_LEASE", "value": "reports"}
    assert lease in container["env"]
