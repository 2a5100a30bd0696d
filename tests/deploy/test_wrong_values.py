"""
Each wrong value gives a message that names it, says what is allowed and how to fix it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.helm import MINIMAL, Helm, HelmError, merged

pytestmark = pytest.mark.helm

COPY = {"gate": {"method": "copy"}}

# values, every text that the message must contain
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    # the workload
    ({"fullnameOverride": "My.App"}, ["fullnameOverride", '"My.App"', "lower-case"]),
    ({"image": {"repository": ""}}, ["image.repository is missing", "--set image"]),
    (
        {"image": {"repository": "registry.example:5000/worker:1.2"}},
        ['"registry.example:5000/worker:1.2"', "give those as image.tag"],
    ),
    ({"image": {"digest": "sha256:12"}}, ["image.digest", "64 hexadecimal digits"]),
    ({"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy", "'IfNotPresent'"]),
    ({"command": []}, ["command is missing", "--set command={python,worker.py}"]),
    ({"command": "python worker.py"}, ["/command", "got string, want array"]),
    (
        {"command": ["k8s-leader", "run", "--", "worker"]},
        ["command begins with", "Name the workload's program only"],
    ),
    ({"env": [{"name": "A", "value": 1}]}, ["/env/0/value", "want string"]),
    ({"env": [{"value": "x"}]}, ["/env/0", "missing property 'name'"]),
    (
        {"env": [{"name": "K8S_LEADER_DISABLED", "value": "true"}]},
        ["env[0] sets K8S_LEADER_DISABLED", "belongs to this chart"],
    ),
    (
        {"env": [{"name": "POD_NAME", "value": "x"}]},
        ["env[0] sets POD_NAME", "Leave it out"],
    ),
    (
        {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        ["env[1] sets A a second time"],
    ),
    (
        {"podLabels": {"app.kubernetes.io/name": "x"}},
        ["podLabels sets app.kubernetes.io/name", "Leave it out"],
    ),
    (
        {"podLabels": {"k8s-leader.io/role": "leader"}},
        ["podLabels sets k8s-leader.io/role"],
    ),
    # the gate
    (
        {"gate": {"method": "sidecar"}},
        ["/gate/method", "'wrap', 'copy', 'imageVolume'"],
    ),
    (COPY, ["gate.image.repository is missing", "gate.method=wrap"]),
    (
        {"gate": {"method": "imageVolume"}},
        ["gate.image.repository is missing", "gate.method=imageVolume"],
    ),
    ({"gate": {"program": ""}}, ["gate.program is empty", "k8s-leader, found by PATH"]),
    ({"gate": {"sizeLimit": "100 MB"}}, ["gate.sizeLimit", '"100 MB"', "128Mi"]),
    # the lease
    ({"lease": {"name": "My_Lease"}}, ["lease.name", '"My_Lease"', "lower-case"]),
    (
        {"lease": {"name": "batch/reports"}},
        ["lease.name", "The namespace goes into lease.namespace"],
    ),
    ({"lease": {"name": "a" * 254}}, ["lease.name", "at most 253"]),
    ({"lease": {"namespace": "Team.A"}}, ["lease.namespace", "at most 63"]),
    ({"lease": {"owner": "nobody"}}, ["/lease/owner", "'administrator'"]),
    ({"lease": {"changeFrom": "old"}}, ["lease.changeFrom", "NAMESPACE/NAME"]),
    # the timing
    ({"timing": {"profile": "quick"}}, ["/timing/profile", "'fast', 'default'"]),
    (
        {"timing": {"leaseDuration": "15 sec"}},
        ["timing.leaseDuration", '"15 sec"', "1m30s"],
    ),
    (
        {"timing": {"leaseDuration": "5s"}},
        ["leaseDuration is 5s", "= 5.183s", "7s or more works alone"],
    ),
    (
        {"timing": {"renewDeadline": "14s"}},
        ["leaseDuration is 15s", "two workloads could run at once"],
    ),
    ({"timing": {"renewEvery": "8s"}}, ["renewEvery", "Renew more often"]),
    ({"timing": {"retryPeriod": "11s"}}, ["retryPeriod is 11s", "Shorten it"]),
    ({"timing": {"acquireEvery": "2s"}}, ["acquireEvery is 2s", "Leave it empty"]),
    ({"timing": {"renewEvery": 0}}, ["/timing/renewEvery", "exclusiveMinimum"]),
    ({"timing": {"killTime": "0s"}}, ["timing.killTime", '"0s"', "above 0"]),
    ({"timing": {"renewInterval": "2s"}}, ["/timing", "'renewInterval' not allowed"]),
    (
        {"terminationGracePeriodSeconds": 30},
        ["terminationGracePeriodSeconds is 30", "= 33", "shorten timing.stopTimeout"],
    ),
    (
        {"terminationGracePeriodSeconds": "1m"},
        ["terminationGracePeriodSeconds", '"1m"', "whole number of seconds"],
    ),
    # the workload's end
    ({"onExit": "ignore"}, ["/onExit", "'exit', 'release', 'restart'"]),
    ({"successExitCodes": [256]}, ["/successExitCodes/0", "256", "255"]),
    ({"stopSignal": "CHLD"}, ["stopSignal", '"CHLD"', "TERM, INT"]),
    ({"signalMap": "HUP:USR1"}, ["signalMap", '"HUP:USR1"', "HUP=USR1,INT=none"]),
    ({"log": {"level": "verbose"}}, ["/log/level", "'debug'"]),
    # beside the workload
    ({"standbyCommand": "warm-up"}, ["/standbyCommand", "got string, want array"]),
    ({"standbyCommand": [""]}, ["standbyCommand begins with an empty word"]),
    ({"hooks": {"onStart": ["x"]}}, ["/hooks", "'onStart' not allowed"]),
    ({"hooks": {"timeout": "soon"}}, ["hooks.timeout", '"soon"', "1m30s"]),
    ({"health": {"http": "localhost:80"}}, ["health.http", "http://127.0.0.1:8000"]),
    ({"health": {"file": "beat"}}, ["health.file", '"beat"', "absolute path"]),
    ({"health": {"failures": 0}}, ["/health/failures", "minimum: got 0, want 1"]),
    ({"health": {"every": "3s"}}, ["nothing to look at", "health.exec"]),
    ({"health": {"exec": ["x"], "every": "-1s"}}, ["health.every", '"-1s"']),
    # replicas and rollouts
    ({"replicas": "two"}, ["/replicas", "got string, want integer"]),
    ({"replicas": -1}, ["/replicas", "minimum: got -1, want 0"]),
    ({"replicaCount": 2}, ["additional properties 'replicaCount' not allowed"]),
    ({"strategy": {"type": "BlueGreen"}}, ["/strategy/type", "'Recreate'"]),
    (
        {"strategy": {"rollingUpdate": {"maxSurge": 0}}},
        ["both maxSurge and maxUnavailable 0", "Set maxSurge=1"],
    ),
    # what can be seen
    ({"http": {"port": 80}}, ["/http/port", "minimum"]),
    (
        {"http": {"enabled": True}, "ports": [{"containerPort": 9090}]},
        ["ports[0].containerPort is 9090", "Choose another http.port"],
    ),
    (
        {
            "http": {"enabled": True},
            "ports": [{"name": "k8s-leader", "containerPort": 1}],
        },
        ["ports[0].name is k8s-leader", "Name the workload's port otherwise"],
    ),
    ({"ports": [{"containerPort": 70000}]}, ["/ports/0/containerPort", "65,535"]),
    (
        {
            "service": {"leader": {"mode": "label", "ports": [{"port": 80}]}},
            "cluster": {"podLabel": False},
        },
        ["cluster.podLabel=false", "Switch the label on"],
    ),
    (
        {
            "service": {"leader": {"mode": "endpointSlice", "ports": [{"port": 80}]}},
            "cluster": {"leaseNotes": False},
            "lease": {"namespace": "elsewhere"},
        },
        [
            "cluster.leaseNotes=false",
            "Switch them on",
            "lease.namespace=elsewhere",
            "use the mode label",
        ],
    ),
    ({"cluster": {"podDeletionCost": -1}}, ["/cluster/podDeletionCost", "want 0"]),
    (
        {"service": {"leader": {"mode": "label"}}},
        ["service.leader.ports is missing", "targetPort"],
    ),
    (
        {"http": {"enabled": False}, "metrics": {"podMonitor": {"enabled": True}}},
        ["metrics.podMonitor.enabled", "nothing to scrape"],
    ),
    (
        {
            "http": {"enabled": True},
            "metrics": {
                "podMonitor": {"enabled": True},
                "serviceMonitor": {"enabled": True},
            },
        },
        ["scraped twice", "Keep one"],
    ),
    ({"enabled": False}, ["enabled is false", "condition: k8s-leader.enabled"]),
]


@pytest.mark.parametrize(
    ("values", "parts"), WRONG, ids=[str(values)[:60] for values, _ in WRONG]
)
def test_a_wrong_value_is_refused_with_a_message_to_act_on(
    helm: Helm, values: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template(merged(MINIMAL, values))
    message = str(refused.value)
    for part in parts:
        assert part in message
    for noise in ("nil pointer", "map has no entry", "error calling"):
        assert noise not in message


def test_at_least_twenty_five_wrong_values_are_tried() -> None:
    assert len(WRONG) >= 25


def test_all_problems_are_told_at_once(helm: Helm) -> None:
    values = {"timing": {"leaseDuration": "5s"}, "lease": {"name": "No!"}}
    with pytest.raises(HelmError) as refused:
        helm.template(values)
    message = str(refused.value)
    expected = ("image.repository", "command is missing", "lease.name", "5.183s")
    assert all(part in message for part in expected)


def test_an_old_cluster_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r">=1\.29\.0-0"):
        helm.template(MINIMAL, "--kube-version", "1.28.3")
    assert helm.template(MINIMAL, "--kube-version", "1.31.4-gke.1")
