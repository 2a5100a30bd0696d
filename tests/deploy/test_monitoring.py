"""
What the chart makes for Prometheus and Grafana, from files that lie in it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.helm import CHART, MINIMAL, Helm, HelmError, Manifest, merged, only

pytestmark = pytest.mark.helm

RULES = {
    "groups": [
        {
            "name": "k8s-leader",
            "rules": [
                {"record": "lease:leaders", "expr": "sum(k8s_leader_is_leader)"},
                {
                    "alert": "NoLeader",
                    "expr": "lease:leaders == 0",
                    "for": "30s",
                    "labels": {"severity": "critical"},
                    "annotations": {"summary": "no leader of {{ $labels.lease }}"},
                },
                {"alert": "NoStandby", "expr": "1", "labels": {"severity": "warning"}},
            ],
        }
    ]
}
DASHBOARD = {"title": "Leaders", "panels": [{"legendFormat": "{{lease}}"}]}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """
    The chart with small rules and a small dashboard in it.
    """
    copy = tmp_path / "k8s-leader"
    shutil.copytree(CHART, copy)
    files = copy / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    (files / "rules.yaml").write_text(yaml.safe_dump(RULES))
    (files / "dashboard.json").write_text(json.dumps(DASHBOARD, indent=2))
    return copy


def rendered(helm: Helm, chart: Path, **metrics: Any) -> list[Manifest]:
    values = merged(MINIMAL, {"http": {"enabled": True}, "metrics": metrics})
    return helm.template(values, chart=chart)


def rules_of(objects: list[Manifest]) -> dict[str, Any]:
    groups = only(objects, "PrometheusRule")["spec"]["groups"]
    return {r.get("alert") or r["record"]: r for g in groups for r in g["rules"]}


def test_rules_are_those_of_the_file(helm: Helm, chart: Path) -> None:
    objects = rendered(helm, chart, prometheusRule={"enabled": True})
    assert only(objects, "PrometheusRule")["spec"] == RULES


def test_an_alert_may_be_left_out_or_changed(helm: Helm, chart: Path) -> None:
    change = {
        "for": "2m",
        "severity": "page",
        "runbook_url": "https://runbooks.example",
    }
    found = rules_of(
        rendered(
            helm,
            chart,
            prometheusRule={
                "enabled": True,
                "disabled": ["NoStandby"],
                "overrides": {"NoLeader": change},
                "additionalLabels": {"team": "data"},
            },
        )
    )
    assert set(found) == {"lease:leaders", "NoLeader"}
    alert = found["NoLeader"]
    assert alert["for"] == "2m"
    assert alert["labels"] == {"severity": "page", "team": "data"}
    assert alert["annotations"]["runbook_url"] == "https://runbooks.example"
    assert alert["annotations"]["summary"] == "no leader of {{ $labels.lease }}"
    assert "labels" not in found["lease:leaders"]


def test_an_alert_that_does_not_exist_is_refused(helm: Helm, chart: Path) -> None:
    wrong = {"enabled": True, "disabled": ["NoLeeder"]}
    with pytest.raises(HelmError) as refused:
        rendered(helm, chart, prometheusRule=wrong)
    assert '"NoLeeder", which does not exist' in str(refused.value)
    assert "NoLeader, NoStandby" in str(refused.value)


def test_the_dashboard_is_the_file_byte_for_byte(helm: Helm, chart: Path) -> None:
    objects = rendered(helm, chart, dashboard={"enabled": True})
    found = only(objects, "ConfigMap")
    assert json.loads(found["data"]["k8s-leader.json"]) == DASHBOARD
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_a_chart_without_the_files_says_so(helm: Helm, chart: Path) -> None:
    shutil.rmtree(chart / "files")
    with pytest.raises(HelmError, match=r"this chart has no files/rules\.yaml"):
        rendered(helm, chart, prometheusRule={"enabled": True})


@pytest.mark.parametrize("kind", ["podMonitor", "serviceMonitor"])
def test_a_monitor_scrapes_the_port_that_the_pods_name(
    helm: Helm, chart: Path, kind: str
) -> None:
    objects = rendered(
        helm, chart, **{kind: {"enabled": True, "interval": "15s", "namespace": "mon"}}
    )
    monitor = only(objects, kind[0].upper() + kind[1:])
    assert monitor["metadata"]["namespace"] == "mon"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["default"]}
    key = {"podMonitor": "podMetricsEndpoints", "serviceMonitor": "endpoints"}[kind]
    (endpoint,) = monitor["spec"][key]
    pod = only(objects, "Deployment")["spec"]["template"]
    ports = {
        p["name"]: p["containerPort"] for p in pod["spec"]["containers"][0]["ports"]
    }
    assert endpoint["interval"] == "15s"
    assert endpoint["path"] == "/metrics"
    wanted = monitor["spec"]["selector"]["matchLabels"]
    if kind == "podMonitor":
        assert endpoint["port"] in ports
        assert wanted.items() <= pod["metadata"]["labels"].items()
    else:
        service = only(objects, "Service")
        assert wanted.items() <= service["metadata"]["labels"].items()
        assert service["spec"]["ports"][0]["targetPort"] in ports
        assert endpoint["port"] == service["spec"]["ports"][0]["name"]
        selector = service["spec"]["selector"]
        assert selector.items() <= pod["metadata"]["labels"].items()
