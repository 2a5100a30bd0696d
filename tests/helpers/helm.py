"""
Helm as the tests use it: what a chart renders to, and releases on an API server.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.go_build import GoProgram

__all__ = [
    "CHART",
    "MINIMAL",
    "OPERATOR_CHART",
    "ROOT",
    "Helm",
    "HelmError",
    "Manifest",
    "merged",
    "only",
]

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "k8s-leader"
OPERATOR_CHART = ROOT / "helm" / "k8s-leader-operator"
Manifest = dict[str, Any]

MINIMAL: Mapping[str, Any] = {
    "image": {"repository": "registry.example/worker"},
    "command": ["worker", "--fast"],
}
"""The least that the chart wants."""


class HelmError(Exception):
    """
    Helm refused; its message is ours.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    """
    One version of Helm, without anything of the person who runs the tests.

    Attributes:
        program: where it comes from.
        kubeconfig: the cluster of its releases; None: it can only render.
    """

    program: GoProgram
    kubeconfig: Path | None = None

    def template(
        self,
        values: Mapping[str, Any] | None = None,
        *args: str,
        name: str = "demo",
        chart: Path = CHART,
    ) -> list[Manifest]:
        """
        Return the objects that the chart makes of these values.
        """
        text = self.run("template", name, str(chart), *args, values=values)
        return [found for found in yaml.safe_load_all(text) if found]

    def run(
        self, *args: str, values: Mapping[str, Any] | None = None, timeout: float = 90
    ) -> str:
        """
        Run a command and return what it prints.

        Raises:
            HelmError: it failed.
        """
        with tempfile.TemporaryDirectory(prefix="k8s-leader-helm-") as home:
            file = Path(home) / "values.json"
            file.write_text(json.dumps(MINIMAL if values is None else values))
            takes = args[0] in {"template", "install", "upgrade", "lint"}
            done = subprocess.run(
                [self.program.build(), *args, *(["-f", str(file)] if takes else [])],
                env=self._environ(home),
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        if done.returncode:
            raise HelmError(done.stderr + done.stdout)
        return done.stdout

    def _environ(self, home: str) -> dict[str, str]:
        folders = {f"HELM_{what}_HOME": home for what in ("CACHE", "CONFIG", "DATA")}
        kubeconfig = str(self.kubeconfig or Path(home) / "no-cluster")
        return {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": kubeconfig} | (
            folders
        )


def merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return values with more of them, maps merged deeply as Helm does.
    """
    result = dict(values)
    for key, value in more.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]  # both are maps
    return result


def only(objects: Sequence[Manifest], kind: str) -> Manifest:
    """
    Return the one object of a kind.
    """
    found = [one for one in objects if one["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of {kind} in {[o['kind'] for o in objects]}"
    return found[0]
