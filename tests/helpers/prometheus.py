"""
A real Prometheus that scrapes candidates of a test, with the project's own rules.
"""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.helpers.candidate import wait_until
from tests.helpers.http import ask, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

__all__ = ["Prometheus", "Series", "quicker"]

_EVERY = "500ms"

Series = dict[str, Any]
"""``metric``: its labels; ``values``: pairs of Unix time and text."""


def quicker(rules: str, *, times: int) -> str:
    """
    Return alert rules whose ``for`` and short ranges are so many times shorter.

    Only these durations are changed: expressions and names are those that users get.
    """
    units = {"s": 1, "m": 60}

    def shorter(found: re.Match[str]) -> str:
        seconds = max(1, int(found["number"]) * units[found["unit"]] // times)
        return f"{found['before']}{seconds}s"

    written = re.compile(r"(?P<before>for: |\[)(?P<number>[0-9]+)(?P<unit>[sm])\b")
    return written.sub(shorter, rules)


class Prometheus:
    """
    Runs while its ``with`` block does.

    Args:
        program: path of the server.
        folder: for its data and configuration.
        targets: name of each candidate, and its port on this machine.
        rules: alert rules, as YAML.
    """

    def __init__(
        self,
        program: str,
        folder: Path,
        *,
        targets: Mapping[str, int],
        rules: str,
        lifeline: Lifeline,
    ) -> None:
        self.port = free_port()
        (folder / "rules.yaml").write_text(rules)
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(_config(targets)))
        self._argv = [
            program,
            f"--config.file={folder}/prometheus.yaml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]
        self._log = folder / "prometheus.log"
        self._lifeline = lifeline

    def ask(self, query: str) -> list[Series]:
        """
        Return what a query answers now.
        """
        return self._get("query", {"query": query})

    def firing(self) -> set[str]:
        """
        Return the names of the alerts that fire now.
        """
        found = self.ask('ALERTS{alertstate="firing"}')
        return {series["metric"]["alertname"] for series in found}

    def range(self, query: str, *, start: float, end: float) -> list[Series]:
        """
        Return what a query answered between two Unix times, each half second.
        """
        return self._get(
            "query_range",
            {"query": query, "start": str(start), "end": str(end), "step": "0.5"},
        )

    def names(self) -> set[str]:
        """
        Return the names of all metrics that the candidates say to have.
        """
        answer = ask(self.port, "/api/v1/metadata")
        assert answer.status == 200, answer.text
        return set(json.loads(answer.body)["data"])

    def scrape_errors(self) -> dict[str, str]:
        """
        Return why the last scrape of each candidate failed; empty: it did not.
        """
        answer = ask(self.port, "/api/v1/targets")
        targets = json.loads(answer.body)["data"]["activeTargets"]
        return {each["labels"]["pod"]: each["lastError"] for each in targets}

    def _get(self, path: str, parameters: Mapping[str, str]) -> list[Series]:
        query = urllib.parse.urlencode(parameters)
        answer = ask(self.port, f"/api/v1/{path}?{query}")
        assert answer.status == 200, answer.text
        found: list[Series] = json.loads(answer.body)["data"]["result"]
        return found

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return ask(self.port, "/-/ready").status == 200
        except OSError:
            return False

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)
        self._lifeline.add(self._process.pid)
        wait_until(self._is_ready, why="Prometheus is ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._lifeline.discard(self._process.pid)


def _config(targets: Mapping[str, int]) -> dict[str, Any]:
    jobs: Sequence[dict[str, Any]] = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"pod": name}}
        for name, port in targets.items()
    ]
    return {
        "global": {
            "scrape_interval": _EVERY,
            "scrape_timeout": _EVERY,
            "evaluation_interval": _EVERY,
        },
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "k8s-leader", "static_configs": jobs}],
    }
