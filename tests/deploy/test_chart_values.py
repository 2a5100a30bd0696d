"""
What the chart makes of its values, without a cluster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_leader.settings import SETTINGS, Settings
from tests.helpers.helm import CHART, MINIMAL, Helm, Manifest, merged, only

pytestmark = pytest.mark.helm

CI_VALUES = sorted((CHART / "ci").glob("*.yaml"))
COPY = merged(
    MINIMAL, {"gate": {"method": "copy", "image": {"repository": "registry.example/t"}}}
)
IMAGE_VOLUME = merged(COPY, {"gate": {"method": "imageVolume"}})
# Settings that the chart has no value for, and why.
NOT_VALUES = {
    "namespace": "part of the lease: NAMESPACE/NAME",
    "identity": "POD_NAME is the default",
    "priority": "the replicas of a Deployment are alike",
    "wait-timeout": "a standby of a Deployment waits for ever",
    "disabled": "always false",
    "kubeconfig": "the Pod's own account",
    "context": "the same",
    "once": "a Deployment starts its containers again",
    "termination-log": "the kubelet's own",
}


def pod_of(objects: list[Manifest]) -> Manifest:
    spec: Manifest = only(objects, "Deployment")["spec"]["template"]["spec"]
    return spec


def workload_of(objects: list[Manifest]) -> Manifest:
    container: Manifest = pod_of(objects)["containers"][0]
    return container


def variables_of(objects: list[Manifest]) -> dict[str, str]:
    env = workload_of(objects)["env"]
    return {entry["name"]: entry["value"] for entry in env if "value" in entry}


@pytest.mark.parametrize("file", CI_VALUES, ids=lambda file: file.stem)
def test_every_set_of_ci_values_passes_lint_without_a_warning(
    helm: Helm, file: Path
) -> None:
    values = yaml.safe_load(file.read_text())
    text = helm.run("lint", str(CHART), "--strict", values=values)
    assert "WARNING" not in text
    assert "ERROR" not in text
    assert helm.template(values)


@pytest.mark.parametrize("file", CI_VALUES, ids=lambda file: file.stem)
def test_both_versions_of_helm_render_the_same_objects(
    helm: Helm, helm4: Helm, file: Path
) -> None:
    values = yaml.safe_load(file.read_text())
    assert helm.template(values) == helm4.template(values)


@pytest.mark.parametrize(
    ("values", "program"),
    [
        (MINIMAL, "k8s-leader"),
        (merged(MINIMAL, {"gate": {"program": "/opt/mine"}}), "/opt/mine"),
        (COPY, "/opt/k8s-leader/bin/k8s-leader"),
        (IMAGE_VOLUME, "/opt/k8s-leader/bin/k8s-leader"),
    ],
)
def test_the_command_runs_under_the_gate_in_every_method(
    helm4: Helm, values: dict[str, Any], program: str
) -> None:
    container = workload_of(helm4.template(values))
    assert container["command"] == [program, "run", "--"]
    assert container["args"] == ["worker", "--fast"]


def test_a_copied_tree_is_read_only_for_the_workload_and_bounded(helm4: Helm) -> None:
    pod = pod_of(helm4.template(COPY))
    (copy,) = pod["initContainers"]
    assert copy["image"] == "registry.example/t:0.1.0"
    assert copy["volumeMounts"] == [{"name": "k8s-leader", "mountPath": "/target"}]
    volume = {"name": "k8s-leader", "emptyDir": {"sizeLimit": "64Mi"}}
    assert volume in pod["volumes"]
    mount = {"name": "k8s-leader", "mountPath": "/opt/k8s-leader", "readOnly": True}
    assert mount in pod["containers"][0]["volumeMounts"]


def test_every_setting_is_a_value_or_is_left_out_for_a_reason(helm4: Helm) -> None:
    given: set[str] = set()
    for file in CI_VALUES:
        given |= variables_of(helm4.template(yaml.safe_load(file.read_text()))).keys()
    timing = yaml.safe_load((CHART / "values.yaml").read_text())["timing"]
    spelled = {name.upper() for name in timing}
    for setting in SETTINGS:
        in_timing = setting.name.replace("-", "").upper() in spelled
        passed = setting.variable in given or in_timing
        assert passed or setting.name in NOT_VALUES, setting.name


def test_what_runs_beside_the_workload_reaches_the_program_word_for_word(
    helm4: Helm,
) -> None:
    odd = ["notify", "a b", "it's", 'say "$HOME"', "", "two\nlines", "\\", 5, True]
    values = {
        "standbyCommand": odd,
        "hooks": {"onStartedLeading": odd, "onStoppedLeading": ["x"], "timeout": "5s"},
        "health": {
            "exec": odd,
            "http": "http://127.0.0.1:8000/healthz",
            "file": "/tmp/beat",
            "every": "3s",
            "timeout": 2,
            "failures": 2,
            "unhealthyBackoff": "1m",
        },
    }
    found = Settings.load({}, variables_of(helm4.template(merged(MINIMAL, values))))
    beside = found.companions
    words = (*map(str, odd[:-1]), "true")
    assert beside.standby_command == words
    assert beside.on_started_leading == words
    assert beside.on_stopped_leading == ("x",)
    assert beside.hook_timeout == 5
    assert beside.health_exec == words
    assert beside.health_http == "http://127.0.0.1:8000/healthz"
    assert str(beside.health_file) == "/tmp/beat"
    assert (beside.health_every, beside.health_timeout) == (3, 2)
    assert (beside.health_failures, beside.unhealthy_backoff) == (2, 60)


@pytest.mark.parametrize("file", CI_VALUES, ids=lambda file: file.stem)
def test_the_program_accepts_the_variables_that_the_chart_gives_it(
    helm4: Helm, file: Path
) -> None:
    objects = helm4.template(yaml.safe_load(file.read_text()))
    settings = Settings.load({}, variables_of(objects))
    assert settings.warnings == ()
    assert not settings.election.disabled
    assert str(settings.election.lease).startswith("default/")
    grace = pod_of(objects)["terminationGracePeriodSeconds"]
    timing = settings.timing
    assert grace >= timing.stop_timeout + timing.kill_time + 5


def test_chosen_values_reach_the_program(helm4: Helm) -> None:
    values = merged(
        MINIMAL,
        {
            "timing": {"leaseDuration": "20s", "renewEvery": 3, "stopTimeout": "1m"},
            "successExitCodes": [0, 143],
            "stopSignal": "INT",
            "signalMap": "HUP=USR1",
            "onExit": "restart",
            "log": {"format": "json", "level": "debug"},
            "lease": {"name": "reports", "namespace": "leases", "owner": "candidates"},
        },
    )
    settings = Settings.load({}, variables_of(helm4.template(values)))
    assert settings.timing.lease_duration == 20
    assert settings.timing.renew_every == 3
    assert settings.timing.stop_timeout == 60
    assert settings.workload.success_exit_codes == (0, 143)
    assert settings.workload.stop_signal == 2
    assert settings.workload.signal_map == {1: 10}
    assert settings.workload.on_exit == "restart"
    assert settings.log.format == "json"
    assert str(settings.election.lease) == "leases/reports"
    assert settings.election.lease_create


def test_neither_image_nor_secret_can_switch_the_election_off(helm4: Helm) -> None:
    assert variables_of(helm4.template())["K8S_LEADER_DISABLED"] == "false"


def test_no_variable_is_said_twice_which_server_side_apply_refuses(
    helm4: Helm,
) -> None:
    for file in CI_VALUES:
        env = workload_of(helm4.template(yaml.safe_load(file.read_text())))["env"]
        names = [entry["name"] for entry in env]
        assert len(names) == len(set(names))


def test_the_lease_of_the_chart_has_no_spec_and_no_label_that_upgrades_change(
    helm4: Helm,
) -> None:
    lease = only(helm4.template(), "Lease")
    assert "spec" not in lease
    assert "helm.sh/chart" not in lease["metadata"]["labels"]
    assert "app.kubernetes.io/version" not in lease["metadata"]["labels"]


def test_a_rollout_adds_a_standby_before_it_takes_one_away(helm4: Helm) -> None:
    spec = only(helm4.template(), "Deployment")["spec"]
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert spec["replicas"] == 2
    assert spec["minReadySeconds"] == 5


def test_an_acknowledged_change_of_lease_is_a_recreate(helm4: Helm) -> None:
    values = merged(MINIMAL, {"lease": {"changeFrom": "default/old"}})
    spec = only(helm4.template(values), "Deployment")["spec"]
    assert spec["strategy"] == {"type": "Recreate"}


def test_recreate_drops_the_limits_of_a_rolling_update(helm4: Helm) -> None:
    values = merged(MINIMAL, {"strategy": {"type": "Recreate"}})
    spec = only(helm4.template(values), "Deployment")["spec"]
    assert spec["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("replicas", [0, 1])
def test_no_disruption_budget_without_a_standby(helm4: Helm, replicas: int) -> None:
    objects = helm4.template(merged(MINIMAL, {"replicas": replicas}))
    assert not [one for one in objects if one["kind"] == "PodDisruptionBudget"]


def test_pods_get_no_service_variables_and_their_token_only_by_themselves(
    helm4: Helm,
) -> None:
    objects = helm4.template()
    assert pod_of(objects)["enableServiceLinks"] is False
    assert pod_of(objects)["automountServiceAccountToken"] is True
    assert only(objects, "ServiceAccount")["automountServiceAccountToken"] is False


def test_openshift_may_choose_the_user(helm: Helm) -> None:
    values = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None}}
    context = pod_of(helm.template(merged(MINIMAL, values)))["securityContext"]
    assert "runAsUser" not in context
    assert "runAsGroup" not in context
    assert context["runAsNonRoot"] is True


def test_the_leader_service_selects_the_leader_of_this_release_alone(
    helm4: Helm,
) -> None:
    leader = {"mode": "label", "ports": [{"port": 80, "targetPort": "web"}]}
    objects = helm4.template(merged(MINIMAL, {"service": {"leader": leader}}))
    service = only(objects, "Service")
    labels = only(objects, "Deployment")["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == labels | {"k8s-leader.io/role": "leader"}
    assert service["spec"]["publishNotReadyAddresses"] is False


def test_a_leader_service_of_the_operators_names_its_lease_and_selects_nobody(
    helm4: Helm,
) -> None:
    leader = {
        "mode": "endpointSlice",
        "ports": [{"port": 80}],
        "annotations": {"x": "y"},
    }
    objects = helm4.template(merged(MINIMAL, {"service": {"leader": leader}}))
    service = only(objects, "Service")
    assert "selector" not in service["spec"]
    lease = only(objects, "Lease")["metadata"]["name"]
    notes = {"k8s-leader.io/leader-of": lease, "x": "y"}
    assert service["metadata"]["annotations"] == notes


def test_the_pod_of_helm_test_is_none_of_the_candidates(helm4: Helm) -> None:
    objects = helm4.template()
    labels = only(objects, "Pod")["metadata"]["labels"]
    selector = only(objects, "Deployment")["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= labels.items()


def test_templates_in_values_are_rendered(helm4: Helm) -> None:
    values = yaml.safe_load((CHART / "ci" / "full-values.yaml").read_text())
    objects = helm4.template(values, name="blue")
    assert workload_of(objects)["args"][-1] == "blue"
    names = {o["metadata"]["name"] for o in objects if o["kind"] == "ConfigMap"}
    assert names == {"blue-map", "blue-text"}


def test_the_chart_works_as_a_dependency_with_global_values(
    helm: Helm, tmp_path: Path
) -> None:
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "k8s-leader").symlink_to(CHART)
    (parent / "Chart.yaml").write_text(
        "apiVersion: v2\nname: parent\nversion: 1.0.0\n"
        "dependencies:\n- {name: k8s-leader, version: 0.1.0, "
        "condition: k8s-leader.enabled}\n"
    )
    values = {"global": {"anything": 1}, "k8s-leader": {"enabled": True, **MINIMAL}}
    assert only(helm.template(values, chart=parent), "Deployment")
    values["k8s-leader"] = {"enabled": False}
    assert helm.template(values, chart=parent) == []


def test_values_and_schema_know_the_same_keys(helm4: Helm) -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for name in ("resources", "gate"):  # resources are as in a Pod
        part = schema["properties"][name]["properties"]
        part.get("resources", schema["properties"]["resources"]).pop("properties")
    known = _keys_of_schema(schema, schema)
    assert _keys_of_values(values, known) == known - {"global", "enabled"}


def _keys_of_schema(
    part: dict[str, Any], root: dict[str, Any], prefix: str = ""
) -> set[str]:
    if "$ref" in part:
        part = root["definitions"][part["$ref"].rpartition("/")[2]]
    keys = set()
    for name, inner in part.get("properties", {}).items():
        below = _keys_of_schema(inner, root, f"{prefix}{name}.")
        keys |= below or {f"{prefix}{name}"}
    return keys


def _keys_of_values(
    part: dict[str, Any], known: set[str], prefix: str = ""
) -> set[str]:
    keys = set()
    for name, inner in part.items():
        path = f"{prefix}{name}"
        if path in known or not isinstance(inner, dict) or not inner:
            keys.add(path)
        else:
            keys |= _keys_of_values(inner, known, f"{path}.")
    return keys


def test_the_network_policy_lets_through_what_is_needed_and_nothing_else(
    helm4: Helm,
) -> None:
    values = {
        "http": {"enabled": True},
        "ports": [{"name": "web", "containerPort": 8000}],
        "networkPolicy": {
            "enabled": True,
            "from": [{"podSelector": {}}],
            "apiServerPorts": [6443],
            "egress": [{"ports": [{"port": 5432}]}],
        },
    }
    objects = helm4.template(merged(MINIMAL, values))
    spec = only(objects, "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    (inward,) = spec["ingress"]
    assert {port["port"] for port in inward["ports"]} == {9090, 8000}
    assert inward["from"] == [{"podSelector": {}}]
    outward = [{port["port"] for port in rule["ports"]} for rule in spec["egress"]]
    assert outward == [{53}, {6443}, {5432}]


def test_replicas_prefer_other_nodes_and_zones_within_one_version(
    helm4: Helm,
) -> None:
    """
    Not by two constraints: nodes without a zone would be ignored for both of them.
    """
    objects = helm4.template()
    pod = pod_of(objects)
    selector = only(objects, "Deployment")["spec"]["selector"]
    (nodes,) = pod["topologySpreadConstraints"]
    assert nodes["topologyKey"] == "kubernetes.io/hostname"
    assert nodes["whenUnsatisfiable"] == "ScheduleAnyway"
    assert nodes["matchLabelKeys"] == ["pod-template-hash"]
    assert nodes["labelSelector"] == selector
    apart = pod["affinity"]["podAntiAffinity"]
    (zones,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
    assert zones["podAffinityTerm"] == {
        "topologyKey": "topology.kubernetes.io/zone",
        "labelSelector": selector,
    }


def test_placement_is_left_to_who_names_an_affinity_or_constraints(
    helm4: Helm,
) -> None:
    affinity: dict[str, Any] = {"nodeAffinity": {}}
    pod = pod_of(helm4.template(merged(MINIMAL, {"affinity": affinity})))
    assert pod["affinity"] == affinity
    assert [one["maxSkew"] for one in pod["topologySpreadConstraints"]] == [1]
    own = [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]
    pod = pod_of(helm4.template(merged(MINIMAL, {"topologySpreadConstraints": own})))
    assert pod["topologySpreadConstraints"] == own
    assert "affinity" not in pod
    pod = pod_of(
        helm4.template(merged(MINIMAL, {"topologySpread": {"enabled": False}}))
    )
    assert not {"affinity", "topologySpreadConstraints"} & pod.keys()
