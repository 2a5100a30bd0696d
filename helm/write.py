"""
Write what follows from the chart: its README.md, manifests/plain and the component.

``write.py`` writes, ``write.py --check`` only compares. Needs Helm 4, which the tests
build from its Go module (tests/tools).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers.go_build import HELM_4  # noqa: E402  # run by path
from tests.helpers.helm import CHART, Helm  # noqa: E402

MANIFESTS = ROOT / "manifests"
PLAIN = MANIFESTS / "plain"
GATE = MANIFESTS / "components" / "gate"
WRITTEN = "# Written by helm/write.py from the chart: make chart\n"
PLAIN_VALUES = {
    "fullnameOverride": "reports",
    "image": {"repository": "registry.example/worker", "tag": "1.0.0"},
    "command": ["worker"],
}
COPY = {"method": "copy", "image": {"repository": "k8s-leader-tree"}}
# The component says in flags what the chart says in variables: a kustomization adds a
# variable to a container of unknown name by searching, and finds longer names too.
FLAGS = {
    "K8S_LEADER_LEASE_CREATE": "--lease-create",
    "K8S_LEADER_DISABLED": "--disabled",
    "K8S_LEADER_HTTP": "--http",
}
# Shorter names first, for the same reason.
DOWNWARD = ("NODE_NAME", "POD_NAME", "POD_NAMESPACE", "POD_UID")
LEASE_ANNOTATION = "k8s-leader.io/lease"
HELMS_OWN = ("helm.sh/chart", "app.kubernetes.io/managed-by")


class _Dumper(yaml.SafeDumper):
    """
    Indents lists, as people write them.
    """

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dumped(body: Any) -> str:
    """
    Return an object as YAML.
    """
    return yaml.dump(body, Dumper=_Dumper, sort_keys=False, width=10_000)


# -- README.md ---------------------------------------------------------------------


def described(node: yaml.MappingNode, lines: list[str], prefix: str = "") -> list[str]:
    """
    Return one row per value: those with a comment, and whatever is in the others.
    """
    rows = []
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        comment = comment_above(lines, key.start_mark.line)
        if comment:
            rows.append(f"| `{name}` | {comment} | `{shown(value)}` |")
        elif isinstance(value, yaml.MappingNode) and value.value:
            rows += described(value, lines, f"{name}.")
        else:
            sys.exit(f"values.yaml: {name} has no comment")
    return rows


def comment_above(lines: list[str], at: int) -> str:
    """
    Return the ``# --`` comment that ends above a line.
    """
    found: list[str] = []
    for line in reversed(lines[:at]):
        text = line.strip()
        if not text.startswith("#") or text.startswith("##"):
            break
        found.insert(0, text.removeprefix("#").strip())
        if text.startswith("# -- "):
            return " ".join(found).removeprefix("-- ").replace("|", "\\|")
    return ""


def shown(node: yaml.Node) -> str:
    """
    Return a default as it is written in one line.
    """
    value = yaml.safe_load(yaml.serialize(node))
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).split("\n")[0]


def readme() -> str:
    """
    Return the chart's README: a head, and a table for each part of values.yaml.
    """
    text = (CHART / "values.yaml").read_text()
    lines = text.splitlines()
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)
    parts = [(at, line[3:]) for at, line in enumerate(lines) if line.startswith("## ")]
    ends = [at for at, _ in parts[1:]] + [len(lines)]
    out = [(CHART / "README.head.md").read_text().rstrip()]
    for (start, title), end in zip(parts, ends, strict=True):
        inside = [(k, v) for k, v in root.value if start < k.start_mark.line < end]
        node = yaml.MappingNode(tag=root.tag, value=inside)
        out += [
            "",
            f"### {title}",
            "",
            "| value | meaning | default |",
            "|---|---|---|",
        ]
        out += described(node, lines)
    return "\n".join(out) + "\n"


# -- manifests/plain ---------------------------------------------------------------


def plain() -> dict[Path, str]:
    """
    Return the chart's objects without Helm, one file per kind, and a kustomization.
    """
    files: dict[Path, str] = {}
    for body in objects(PLAIN_VALUES):
        del body["metadata"]["namespace"]
        for name in HELMS_OWN:
            body["metadata"]["labels"].pop(name, None)
        if body["kind"] == "Deployment":
            without_namespace(body)
        for subject in body.get("subjects", ()):
            del subject["namespace"]  # that of the RoleBinding, whichever it is
        files[PLAIN / f"{body['kind'].lower()}.yaml"] = WRITTEN + dumped(body)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "default",
        "resources": sorted(path.name for path in files),
    }
    files[PLAIN / "kustomization.yaml"] = WRITTEN + dumped(kustomization)
    return files


def objects(values: dict[str, Any]) -> list[dict[str, Any]]:
    """
    Return what the chart makes of values, without the Pod of `helm test`.
    """
    values = {**values, "tests": {"enabled": False}}
    return Helm(program=HELM_4).template(values, name="reports")


def without_namespace(deployment: dict[str, Any]) -> None:
    """
    Let the Lease be found in the Pod's own namespace, whichever that is.
    """
    noted = deployment["metadata"]["annotations"]
    noted[LEASE_ANNOTATION] = noted[LEASE_ANNOTATION].removeprefix("default/")
    for entry in deployment["spec"]["template"]["spec"]["containers"][0]["env"]:
        if entry["name"] == "K8S_LEADER_LEASE":
            entry["value"] = entry["value"].removeprefix("default/")


# -- manifests/components ----------------------------------------------------------


def component() -> dict[Path, str]:
    """
    Return the files of the component that follow from the chart.
    """
    made = objects({**PLAIN_VALUES, "gate": COPY})
    pod = next(o for o in made if o["kind"] == "Deployment")["spec"]["template"]["spec"]
    role = next(o for o in made if o["kind"] == "Role")
    rules = [{**rule} for rule in role["rules"]]
    for rule in rules:
        if rule.get("resourceNames"):
            rule["resourceNames"] = ["k8s-leader"]
    meta = {"name": "k8s-leader"}
    role = {"apiVersion": role["apiVersion"], "kind": "Role", "metadata": meta}
    return {
        GATE / "role.yaml": WRITTEN + dumped(role | {"rules": rules}),
        GATE / "pod.yaml": WRITTEN + dumped(pod_patch(pod)),
        GATE / "container.yaml": WRITTEN
        + dumped(container_patch(pod["containers"][0])),
        GATE / "constants.yaml": WRITTEN + dumped(constants(pod["containers"][0])),
        GATE / "kustomization.yaml": WRITTEN
        + dumped(kustomization(pod["containers"][0])),
    }


def pod_patch(pod: dict[str, Any]) -> dict[str, Any]:
    """
    Return what is added to a Pod besides its first container.
    """
    kept = ("enableServiceLinks", "terminationGracePeriodSeconds", "initContainers")
    spec = {name: pod[name] for name in kept}
    volumes = [v for v in pod["volumes"] if v["name"] == "k8s-leader"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "any"},
        "spec": {"template": {"spec": {**spec, "volumes": volumes}}},
    }


def container_patch(container: dict[str, Any]) -> list[dict[str, Any]]:
    """
    Return the JSON patch of the first container. A Deployment without a command fails.
    """
    first = "/spec/template/spec/containers/0"
    program, run, end = container["command"]
    values = {e["name"]: e["value"] for e in container["env"] if "value" in e}
    flags = [f"{f}={values[name]}" for name, f in FLAGS.items() if name in values]
    command = [program, run, "--lease=$(POD_LEASE)", *flags, end]
    patch = [
        {"op": "add", "path": f"{first}/command/0", "value": word}
        for word in reversed(command)
    ]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    return patch + [
        {"op": "add", "path": f"{first}/{name}", "value": container[name]}
        for name in probes
        if name in container
    ]


def fields(container: dict[str, Any]) -> dict[str, str]:
    """
    Return what each variable of the Pod's own is read from.
    """
    paths = {
        entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"]
        for entry in container["env"]
        if "valueFrom" in entry
    }
    lease = {"POD_LEASE": f"metadata.annotations['{LEASE_ANNOTATION}']"}
    return lease | {name: paths[name] for name in DOWNWARD}


def additions(container: dict[str, Any]) -> dict[str, Any]:
    """
    Return what lists of the container get: kustomize path, and the value.

    Only replacements can add to a list that may not be there, in a container whose
    name is not known.
    """
    mounts = [m for m in container["volumeMounts"] if m["name"] == "k8s-leader"]
    found: dict[str, Any] = {
        f"env.[name={name}].valueFrom.fieldRef.fieldPath": path
        for name, path in fields(container).items()
    }
    for name, value in mounts[0].items():
        if name != "name":
            found[f"volumeMounts.[name=k8s-leader].{name}"] = value
    for port in container.get("ports", ()):
        found[f"ports.[name={port['name']}].containerPort"] = port["containerPort"]
    return found


def constants(container: dict[str, Any]) -> dict[str, Any]:
    """
    Return the object that replacements copy from; it is never applied.
    """
    local = {"config.kubernetes.io/local-config": "true"}
    values = {f"v{at}": v for at, v in enumerate(additions(container).values())}
    return {
        "apiVersion": "k8s-leader.io/v1",
        "kind": "Constants",
        "metadata": {"name": "k8s-leader", "annotations": local},
        "spec": values,
    }


def kustomization(container: dict[str, Any]) -> dict[str, Any]:
    """
    Return the component: its objects named after the Deployment, and the patches.
    """
    deployment = {"kind": "Deployment"}
    named = {
        "Lease": ["metadata.name"],
        "Role": ["metadata.name", "rules.0.resourceNames.0"],
        "RoleBinding": ["metadata.name", "roleRef.name"],
    }
    targets: list[dict[str, Any]] = [
        {"select": {"kind": kind, "name": "k8s-leader"}, "fieldPaths": paths}
        for kind, paths in named.items()
    ]
    targets.append(
        {
            "select": deployment,
            "fieldPaths": [
                f"metadata.annotations.[{LEASE_ANNOTATION}]",
                f"spec.template.metadata.annotations.[{LEASE_ANNOTATION}]",
            ],
            "options": {"create": True},
        }
    )
    name = {"source": {**deployment, "fieldPath": "metadata.name"}, "targets": targets}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "resources": ["constants.yaml", "lease.yaml", "role.yaml", "rolebinding.yaml"],
        "configurations": ["names.yaml"],
        "patches": [
            {"target": deployment, "path": "pod.yaml"},
            {"target": deployment, "path": "container.yaml"},
        ],
        "replacements": [name, *constant_replacements(container)],
    }


def constant_replacements(container: dict[str, Any]) -> list[dict[str, Any]]:
    """
    Return one replacement for each constant.
    """
    first = "spec.template.spec.containers.0"
    return [
        {
            "source": {"kind": "Constants", "fieldPath": f"spec.v{at}"},
            "targets": [
                {
                    "select": {"kind": "Deployment"},
                    "fieldPaths": [f"{first}.{path}"],
                    "options": {"create": True},
                }
            ],
        }
        for at, path in enumerate(additions(container))
    ]


def everything() -> dict[Path, str]:
    """
    Return every file that follows from the chart.
    """
    return {CHART / "README.md": readme()} | plain() | component()


def main() -> int:
    """
    Write, or with ``--check`` say what differs.
    """
    check = sys.argv[1:] == ["--check"]
    stale = 0
    for path, text in everything().items():
        if path.exists() and path.read_text() == text:
            continue
        stale = 1
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return stale if check else 0


if __name__ == "__main__":
    sys.exit(main())
